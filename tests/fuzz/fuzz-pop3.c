/*
 * Feeds lines to a session before login, and after it to one with a mailbox;
 * the first byte of each decides what is answered to what it wants. Then all of
 * the input is a message, which must come out as one.
 */
#include "net/dots.h"
#include "pop3d/login.h"
#include "pop3d/mailbox.h"
#include "pop3d/stuff.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned
take_line(struct span *rest, struct span *line_r)
{
	unsigned how = 0;

	*line_r = span_cut(rest, '\n');
	if (line_r->n > 0) {
		how = (uint8_t)line_r->p[0];
		line_r->p++;
		line_r->n--;
	}
	return how;
}

static void
check_reply(struct buf *out)
{
	must(!out->overflow);
	must(out->n == 0 || out->p[out->n - 1] == '\n');
	buf_drop(out, out->n);
}

static void
log_in(struct span *rest, struct buf *out)
{
	static const struct pop3_login_config config = {
		.greeting = "ready",
		.has_tls = true,
		.clear_too = true,
		.errors_max = 10,
	};
	struct pop3_login s;

	pop3_login_init(&s, &config, false, out);
	while (rest->n > 0 && s.want == POP3_LOGIN_LINE) {
		struct span line;
		unsigned how = take_line(rest, &line);

		check_reply(out);
		pop3_login_line(&s, line);
		if (s.want == POP3_LOGIN_TLS)
			pop3_login_tls(&s, how % 4);
		else if (s.want == POP3_LOGIN_AUTH)
			pop3_login_auth(&s, how % 3);
	}
	check_reply(out);
	pop3_login_fini(&s);
}

static void
settle(struct pop3_mailbox *s, unsigned how)
{
	while (s->want != POP3_WANT_LINE && s->want != POP3_WANT_CLOSE) {
		check_reply(s->out);
		if (s->want == POP3_WANT_ROOM)
			pop3_go_on(s);
		else if (s->want == POP3_WANT_OPEN)
			pop3_opened(s, how % 3);
		else if (s->want == POP3_WANT_BODY)
			pop3_sent(s);
		else
			pop3_deleted(s, how % 2);
	}
}

static void
use(struct span *rest, struct buf *out)
{
	struct pop3_message messages[40] = { { .uid = 7, .size = 8 } };
	struct pop3_mailbox s = {
		.messages = messages,
		.n = COUNT_OF(messages),
		.out = out,
		.errors_max = 10,
		.uidl_format = "%v.%u",
	};

	pop3_begin(&s);
	while (rest->n > 0 && s.want == POP3_WANT_LINE) {
		struct span line;
		unsigned how = take_line(rest, &line);

		check_reply(out);
		pop3_line(&s, line);
		settle(&s, how);
		must(s.deleted_n <= s.n);
	}
	check_reply(out);
}

static void
send_message(struct span in)
{
	size_t max = 2 * in.n + STUFF_ROOM, taken;
	char *wire = zalloc(max + STUFF_ROOM);
	struct dots dots = { 0 };
	struct stuff s;
	struct buf out;

	buf_init(&out, wire, max + STUFF_ROOM);
	stuff_all(&s);
	stuff_put(&s, &in, &out);
	must(in.n == 0);
	stuff_end(&s, &out);
	must(!out.overflow);
	taken = out.n;
	dots_decode(&dots, out.p, &taken);
	must(dots.ended && taken == out.n && !dots.bare_lf);
	free(wire);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size };
	char storage[POP3_LOGIN_OUT];
	struct buf out;

	buf_init(&out, storage, sizeof(storage));
	log_in(&rest, &out);
	use(&rest, &out);
	send_message((struct span){ (const char *)data, size });
	return 0;
}
