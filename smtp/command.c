#include "smtp/private.h"

#include "base/base64.h"
#include "base/xtext.h"
#include "queue/notify.h"

#include <inttypes.h>

enum {
	SECRET_MAX = 1024,
	WORD_MAX = 600, /* of ENVID (100, RFC 3461) and ORCPT (500) */
	KIND_MAX = 40, /* of an address */
	ATTRIBUTE_MAX = 255, /* of XFORWARD, before it is encoded */
};

/* Addresses are canonical, and have no CR, LF or NUL: lib/queue sees to it. */
static void
put_path(struct buf *out, struct span addr)
{
	buf_put(out, SPAN("<"));
	buf_put(out, addr);
	buf_put(out, SPAN(">"));
}

/* What is too long for a command is left out. */
static void
put_xtext(struct buf *out, struct span name, struct span plain,
    struct span value)
{
	char text[WORD_MAX];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	xtext_put(&b, value);
	if (value.n == 0 || b.overflow)
		return;
	buf_put(out, name);
	buf_put(out, plain);
	buf_put(out, buf_span(&b));
}

/* "rfc822;a+2Bb@c": the kind of address is not encoded, and has to be an atom. */
static void
put_orcpt(struct buf *out, struct span orcpt)
{
	struct span kind = { orcpt.p, 0 };

	while (kind.n < orcpt.n && orcpt.p[kind.n] != ';') {
		char c = orcpt.p[kind.n++];

		if (c <= ' ' || c > '~' || c == '+' || c == '=')
			return;
	}
	if (kind.n == orcpt.n || kind.n == 0 || kind.n > KIND_MAX)
		return;
	kind.n++;
	put_xtext(out, SPAN(" ORCPT="), kind,
	    (struct span){ orcpt.p + kind.n, orcpt.n - kind.n });
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
		put_xtext(out, SPAN(" ENVID="), SPAN(""), m->envid);
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
		put_orcpt(out, r->orcpt);
	}
	buf_put(out, SPAN("\r\n"));
}

/* " NAME=mail.example.org", encoded; "[UNAVAILABLE]" if it is not known. */
static void
put_attribute(struct buf *out, const char *name, struct span value)
{
	if (value.n > ATTRIBUTE_MAX)
		value.n = ATTRIBUTE_MAX;
	buf_putf(out, " %s=", name);
	if (value.n == 0 || span_ieq(value, SPAN("unknown")))
		buf_put(out, SPAN("[UNAVAILABLE]"));
	else
		xtext_put(out, value);
}

void
command_xforward(struct buf *out, const struct smtp_mail *m,
    unsigned attributes)
{
	buf_put(out, SPAN("XFORWARD"));
	if (attributes & SMTP_FORWARD_NAME)
		put_attribute(out, "NAME", m->client_name);
	if (attributes & SMTP_FORWARD_ADDR)
		put_attribute(out, "ADDR", m->client_addr);
	if (attributes & SMTP_FORWARD_PROTO)
		put_attribute(out, "PROTO", m->proto);
	if (attributes & SMTP_FORWARD_HELO)
		put_attribute(out, "HELO", m->helo);
	if (attributes & SMTP_FORWARD_SOURCE)
		put_attribute(out, "SOURCE",
		    m->client_addr.n > 0 ? SPAN("REMOTE") : SPAN("LOCAL"));
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
