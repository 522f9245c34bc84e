/*
 * Feeds the client the lines of the input as what a server says. The first byte
 * of each says whether more comes with it, and may end the connection; that of
 * the input, which session it is. Then: who was sent is sent only after the
 * content was, and commands are whole lines.
 */
#include "smtp/session.h"

#include "smtp/target.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	RCPTS = 3,
};

struct play {
	struct smtp_session s;
	struct smtp_config config;
	struct smtp_mail mail;
	struct smtp_rcpt rcpts[RCPTS];
	struct buf out;
	char bytes[SMTP_OUT_MAX];
	bool content;
	unsigned mails;
};

static void
check_commands(struct play *p)
{
	struct span out = buf_span(&p->out);

	must(!p->out.overflow);
	must(out.n == 0 ||
	    (out.n >= 2 && memcmp(out.p + out.n - 2, "\r\n", 2) == 0));
	buf_drop(&p->out, out.n);
}

static void
begin(struct play *p, unsigned how)
{
	static const char *const names[] = { "a@b", "c@d", "\"e f\"@g" };

	p->config = (struct smtp_config){
		.lmtp = how & 1,
		.helo = SPAN("me"),
		.peer = SPAN("hop[1.2.3.4]"),
		.level = (how >> 1) % 3,
		.skip_5xx_greeting = how & 8,
		.with_auth = how & 16,
		.user = SPAN("user"),
		.password = SPAN("secret"),
	};
	p->mail = (struct smtp_mail){
		.arena = arena_new(how & 32 ? 1000000 : 100),
		.sender = SPAN("s@t"),
		.size = 1000,
		.is_8bit = how & 64,
		.is_utf8 = how & 128,
		.rcpts = p->rcpts,
		.n = RCPTS,
	};
	for (size_t i = 0; i < RCPTS; i++)
		p->rcpts[i] = (struct smtp_rcpt){
			.addr = span_str(names[i]),
			.text = "",
		};
	buf_init(&p->out, p->bytes, sizeof(p->bytes));
	session_init(&p->s, &p->config, &p->mail, &p->out);
}

static void
settle(struct play *p, unsigned how)
{
	for (;;)
		switch (p->s.want) {
		case SMTP_WANT_LINE:
			check_commands(p);
			return;
		case SMTP_WANT_TLS:
			if (how & 4)
				session_tls(&p->s);
			else
				session_no_tls(&p->s, "handshake failure");
			break;
		case SMTP_WANT_CONTENT:
			p->content = true;
			session_content(&p->s);
			break;
		case SMTP_WANT_NOTHING:
			check_commands(p);
			for (size_t i = 0; i < RCPTS; i++) {
				must(p->rcpts[i].fate != SMTP_SENT ||
				    p->content);
				must(p->s.stale ||
				    p->rcpts[i].fate > SMTP_ACCEPTED);
				p->rcpts[i].fate = SMTP_OPEN;
			}
			if (!p->s.reusable || p->mails++ > 10)
				return;
			p->content = false;
			session_again(&p->s, &p->mail);
			break;
		}
}

static void
read_target(struct span list)
{
	struct target t;

	while (target_next(&list, list.n & 1, &t))
		must(t.host.n + t.port.n < 100000);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size };
	struct play *p;

	if (size == 0 || size > 100000)
		return 0;
	read_target(rest);
	p = zalloc(sizeof(*p));
	begin(p, data[0]);
	span_cut(&rest, '\n');
	while (rest.n > 0 && p->s.want == SMTP_WANT_LINE) {
		struct span line = span_cut(&rest, '\n');
		unsigned how = line.n ? (uint8_t)line.p[0] : 0;

		if (line.n > 0) {
			line.p++;
			line.n--;
		}
		if (how == 'X')
			session_broken(&p->s, line.n % 4);
		else
			session_line(&p->s, line, how == '+');
		settle(p, how);
	}
	arena_free(p->mail.arena);
	free(p);
	return 0;
}
