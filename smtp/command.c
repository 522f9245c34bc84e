#include "smtp/private.h"

#include "base/base64.h"
#include "queue/notify.h"

#include <inttypes.h>

enum {
	SECRET_MAX = 1024,
	WORD_MAX = 600, /* of ENVID (100, RFC 3461) and ORCPT (500) */
};

/* Addresses are canonical, and have no CR, LF or NUL: lib/queue sees to it. */
static void
put_path(struct buf *out, struct span addr)
{
	buf_put(out, SPAN("<"));
	buf_put(out, addr);
	buf_put(out, SPAN(">"));
}

/* They are xtext already, as they came; anything else is left out. */
static void
put_xtext(struct buf *out, struct span name, struct span value)
{
	if (value.n == 0 || value.n > WORD_MAX)
		return;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] <= ' ' || value.p[i] > '~' || value.p[i] == '=')
			return;
	buf_put(out, name);
	buf_put(out, value);
}

void
command_mail(struct buf *out, const struct smtp_mail *m, unsigned features)
{
	buf_put(out, SPAN("MAIL FROM:"));
	put_path(out, m->sender);
	if (features & SMTP_HAS_SIZE)
		buf_putf(out, " SIZE=%" PRIu64, m->size);
	if ((features & SMTP_HAS_8BITMIME) && m->is_8bit)
		buf_put(out, SPAN(" BODY=8BITMIME"));
	if ((features & SMTP_HAS_SMTPUTF8) && m->is_utf8)
		buf_put(out, SPAN(" SMTPUTF8"));
	if (features & SMTP_HAS_DSN) {
		if (m->ret)
			buf_put(out,
			    m->ret == 1 ? SPAN(" RET=FULL")
					: SPAN(" RET=HDRS"));
		put_xtext(out, SPAN(" ENVID="), m->envid);
	}
	buf_put(out, SPAN("\r\n"));
}

static void
put_notify(struct buf *out, unsigned notify)
{
	static const struct {
		unsigned bit;
		const char *word;
	} rows[] = {
		{ QUEUE_NOTIFY_NEVER, "NEVER" },
		{ QUEUE_NOTIFY_SUCCESS, "SUCCESS" },
		{ QUEUE_NOTIFY_FAILURE, "FAILURE" },
		{ QUEUE_NOTIFY_DELAY, "DELAY" },
	};
	const char *before = " NOTIFY=";

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (notify & rows[i].bit) {
			buf_putf(out, "%s%s", before, rows[i].word);
			before = ",";
		}
}

void
command_rcpt(struct buf *out, const struct smtp_rcpt *r, unsigned features)
{
	buf_put(out, SPAN("RCPT TO:"));
	put_path(out, r->addr);
	if (features & SMTP_HAS_DSN) {
		put_notify(out, r->notify);
		put_xtext(out, SPAN(" ORCPT="), r->orcpt);
	}
	buf_put(out, SPAN("\r\n"));
}

void
command_plain(struct buf *out, struct span user, struct span password)
{
	char bytes[SECRET_MAX];
	struct buf b;

	buf_init(&b, bytes, sizeof(bytes));
	buf_put(&b, (struct span){ "", 1 });
	buf_put(&b, user);
	buf_put(&b, (struct span){ "", 1 });
	buf_put(&b, password);
	buf_put(out, SPAN("AUTH PLAIN "));
	base64_put(out, buf_span(&b));
	buf_put(out, SPAN("\r\n"));
	explicit_bzero(bytes, sizeof(bytes));
}
