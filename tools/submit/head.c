#include "tools/submit/head.h"

#include "base/scan.h"
#include "mail/address.h"
#include "mail/addrlist.h"

enum {
	NAME_MAX_LEN = 256, /* as lib/mail/header has it */
};

/* A line with its end, or all there is. */
static size_t
line_length(struct span in)
{
	const char *end = in.n ? memchr(in.p, '\n', in.n) : NULL;

	return end ? (size_t)(end - in.p) + 1 : in.n;
}

/* RFC 5322, section 3.6.8: the name, and blanks before the colon as of old. */
static bool
take_name(struct span *in, struct span *name_r)
{
	struct span rest = *in;
	size_t n = 0;

	while (n < rest.n && n < NAME_MAX_LEN && rest.p[n] > ' ' &&
	    rest.p[n] != 0x7f && rest.p[n] != ':')
		n++;
	if (n == 0)
		return false;
	*name_r = (struct span){ rest.p, n };
	rest.p += n;
	rest.n -= n;
	take_blanks(&rest);
	if (!take_char(&rest, ':'))
		return false;
	*in = rest;
	return true;
}

bool
head_next(struct span *in, struct head_field *field_r)
{
	struct head_field f = { .all = { in->p, line_length(*in) } };
	struct span line = f.all;

	if (!take_name(&line, &f.name))
		return false;
	while (f.all.n < in->n &&
	    (in->p[f.all.n] == ' ' || in->p[f.all.n] == '\t'))
		f.all.n += line_length(
		    (struct span){ in->p + f.all.n, in->n - f.all.n });
	f.value.p = line.p;
	f.value.n = (size_t)(f.all.p + f.all.n - line.p);
	in->p += f.all.n;
	in->n -= f.all.n;
	*field_r = f;
	return true;
}

enum head_role
head_role(struct span name)
{
	static const struct {
		struct span name;
		enum head_role role;
	} rows[] = {
		{ SPAN_INIT("To"), HEAD_TO },
		{ SPAN_INIT("Cc"), HEAD_TO },
		{ SPAN_INIT("Bcc"), HEAD_BCC },
		{ SPAN_INIT("Resent-To"), HEAD_RESENT_TO },
		{ SPAN_INIT("Resent-Cc"), HEAD_RESENT_TO },
		{ SPAN_INIT("Resent-Bcc"), HEAD_RESENT_BCC },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_ieq(name, rows[i].name))
			return rows[i].role;
	return HEAD_OTHER;
}

/* In quotes, which address_put() takes off where they are not needed. */
static bool
quote(struct span local, struct buf *out)
{
	buf_put(out, SPAN("\""));
	for (size_t i = 0; i < local.n; i++) {
		char c = local.p[i];

		if (c == '\0' || c == '\r' || c == '\n')
			return false;
		if (c == '"' || c == '\\')
			buf_put(out, SPAN("\\"));
		buf_put(out, (struct span){ &c, 1 });
	}
	buf_put(out, SPAN("\""));
	return !out->overflow;
}

static bool
put_address(const struct addrlist_item *item, struct buf *out)
{
	char quoted[ADDRESS_LOCAL_MAX];
	struct address a, again;
	struct span text;
	struct buf b;

	buf_init(&b, quoted, sizeof(quoted));
	if (item->domain.n > ADDRESS_DOMAIN_MAX || !quote(item->mailbox, &b))
		return false;
	a.local = buf_span(&b);
	a.domain = item->domain;
	address_put(&a, out);
	text = buf_span(out);
	/* Two dots at the end of a domain are not one that is left out. */
	return !out->overflow && take_mailbox(&text, ADDRESS_UTF8, &again) &&
	    text.n == 0 &&
	    (again.domain.n == 0 || again.domain.p[again.domain.n - 1] != '.');
}

size_t
head_addresses(struct span value, char *scratch, size_t max,
    head_address_fn *fn, void *arg)
{
	char canonical[ADDRESS_MAX];
	struct addrlist_item item;
	struct addrlist list;
	size_t wrong = 0;

	addrlist_init(&list, value, scratch, max);
	while (addrlist_next(&list, &item)) {
		struct buf b;

		if (item.kind != ADDRLIST_MAILBOX || item.mailbox.n == 0)
			continue;
		buf_init(&b, canonical, sizeof(canonical));
		if (!put_address(&item, &b))
			wrong++;
		else if (!fn(buf_span(&b), arg))
			break;
	}
	return wrong;
}
