#include "mail/address.h"

#include "base/scan.h"

enum {
	LABEL_MAX = 63, /* RFC 1035, section 2.3.4 */
	ROUTE_HOPS_MAX = 100,
};

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') ||
	    (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

static bool
is_8bit(char c)
{
	return (unsigned char)c >= 0x80;
}

/* atext of RFC 5322, section 3.2.3. */
static bool
is_atext(char c, unsigned flags)
{
	return is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c)) ||
	    (is_8bit(c) && (flags & ADDRESS_UTF8));
}

static struct span
take_front(struct span *in, size_t n)
{
	struct span front = { in->p, n };

	in->p += n;
	in->n -= n;
	return front;
}

/* Dot-string = Atom *("." Atom); leniently, its dots may stand anywhere. */
static bool
take_dot_string(struct span *in, unsigned flags, struct span *local_r)
{
	size_t n = 0;
	char before = '.';

	for (; n < in->n && (is_atext(in->p[n], flags) || in->p[n] == '.');
	     n++) {
		if (before == '.' && in->p[n] == '.' &&
		    (flags & ADDRESS_STRICT))
			return false;
		before = in->p[n];
	}
	if (n == 0 || (before == '.' && (flags & ADDRESS_STRICT)))
		return false;
	*local_r = take_front(in, n);
	return true;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE */
static bool
take_quoted_string(struct span *in, unsigned flags, struct span *local_r)
{
	size_t n = 1;

	if (in->n == 0 || in->p[0] != '"')
		return false;
	for (; n < in->n && in->p[n] != '"'; n++) {
		if (in->p[n] == '\\')
			n++;
		if (n == in->n || (unsigned char)in->p[n] < ' ' ||
		    in->p[n] == 0x7f)
			return false;
		if (is_8bit(in->p[n]) && !(flags & ADDRESS_UTF8))
			return false;
	}
	if (n == in->n)
		return false;
	*local_r = take_front(in, n + 1);
	return true;
}

/* Local-part = Dot-string / Quoted-string */
static bool
take_local_part(struct span *in, unsigned flags, struct span *local_r)
{
	struct span rest = *in;

	if (!take_quoted_string(&rest, flags, local_r) &&
	    !take_dot_string(&rest, flags, local_r))
		return false;
	if (local_r->n > ADDRESS_LOCAL_MAX)
		return false;
	*in = rest;
	return true;
}

/* IPv4-address-literal = Snum 3("." Snum) */
static bool
is_ipv4(struct span text)
{
	uint64_t n;

	for (int i = 0; i < 4; i++)
		if ((i > 0 && !take_char(&text, '.')) ||
		    !take_number(&text, 255, &n))
			return false;
	return text.n == 0;
}

static size_t
hex_digits(struct span text)
{
	size_t n = 0;

	while (n < text.n &&
	    ((text.p[n] >= '0' && text.p[n] <= '9') ||
		(ascii_lower(text.p[n]) >= 'a' &&
		    ascii_lower(text.p[n]) <= 'f')))
		n++;
	return n;
}

/* IPv6-addr: eight groups, or fewer and "::"; the last two may be IPv4. */
static bool
is_ipv6(struct span text)
{
	size_t groups = 0;
	bool gap = take_text(&text, SPAN("::"));

	while (text.n > 0 && groups < 8) {
		size_t n = hex_digits(text);

		if (groups < 7 && is_ipv4(text)) {
			groups += 2;
			text.n = 0;
			break;
		}
		if (n == 0 || n > 4)
			return false;
		take_front(&text, n);
		groups++;
		if (text.n == 0)
			break;
		if (!gap && take_text(&text, SPAN("::")))
			gap = true;
		else if (!take_char(&text, ':') || text.n == 0)
			return false;
	}
	return text.n == 0 && (gap ? groups < 8 : groups == 8);
}

bool
address_is_literal(struct span domain)
{
	if (domain.n < 2 || domain.p[0] != '[' || domain.p[domain.n - 1] != ']')
		return false;
	domain = (struct span){ domain.p + 1, domain.n - 2 };
	if (take_text(&domain, SPAN("IPv6:")))
		return is_ipv6(domain);
	return is_ipv4(domain);
}

/* sub-domain = Let-dig [Ldh-str]; and an underscore, which hosts do have. */
static size_t
label_length(struct span in, unsigned flags)
{
	size_t n = 0;

	while (n < in.n &&
	    (is_alnum(in.p[n]) || in.p[n] == '-' || in.p[n] == '_' ||
		(is_8bit(in.p[n]) && (flags & ADDRESS_UTF8))))
		n++;
	if (n == 0 || n > LABEL_MAX || in.p[0] == '-' || in.p[n - 1] == '-')
		return 0;
	return n;
}

/* How much of `in` is a name of a host, maybe with a dot at its end. */
static size_t
host_length(struct span in, unsigned flags)
{
	size_t n = 0;

	for (;;) {
		size_t label = label_length((struct span){ in.p + n, in.n - n },
		    flags);

		if (label == 0)
			return n;
		n += label;
		if (n > ADDRESS_DOMAIN_MAX)
			return 0;
		if (n == in.n || in.p[n] != '.')
			return n;
		n++;
	}
}

bool
address_is_hostname(struct span host)
{
	return host.n > 0 && host.p[host.n - 1] != '.' &&
	    host_length(host, 0) == host.n;
}

/* Domain = sub-domain *("." sub-domain), or an address-literal */
static bool
take_domain(struct span *in, unsigned flags, struct span *domain_r)
{
	const char *end = in->n ? memchr(in->p, ']', in->n) : NULL;
	size_t n;

	if (in->n > 0 && in->p[0] == '[') {
		n = end ? (size_t)(end - in->p) + 1 : 0;
		if (!address_is_literal((struct span){ in->p, n }))
			return false;
	} else {
		n = host_length(*in, flags);
		if (n == 0 || ((flags & ADDRESS_STRICT) && in->p[n - 1] == '.'))
			return false;
	}
	*domain_r = take_front(in, n);
	return true;
}

bool
take_mailbox(struct span *in, unsigned flags, struct address *address_r)
{
	struct address a = { 0 };
	struct span rest = *in;

	if (!take_local_part(&rest, flags, &a.local))
		return false;
	if (take_char(&rest, '@') && !take_domain(&rest, flags, &a.domain))
		return false;
	*in = rest;
	*address_r = a;
	return true;
}

/* A-d-l ":": "@" Domain *("," "@" Domain) ":"; nothing is fine as well. */
static bool
skip_source_route(struct span *in, unsigned flags)
{
	struct span rest = *in, host;

	for (int hops = 0; take_char(&rest, '@'); hops++) {
		if (hops == ROUTE_HOPS_MAX || !take_domain(&rest, flags, &host))
			return false;
		if (take_char(&rest, ':')) {
			*in = rest;
			return true;
		}
		if (!take_char(&rest, ','))
			return false;
	}
	return rest.p == in->p;
}

/* Blanks that the RFC does not have. */
static void
skip_lenient_blanks(struct span *in, unsigned flags)
{
	if (!(flags & ADDRESS_STRICT))
		take_blanks(in);
}

bool
take_path(struct span *in, unsigned flags, struct address *address_r)
{
	struct address a = { 0 };
	struct span rest = *in;

	skip_lenient_blanks(&rest, flags);

	bool bracket = take_char(&rest, '<');

	if (!bracket && (flags & ADDRESS_STRICT))
		return false;
	skip_lenient_blanks(&rest, flags);
	if (!bracket || rest.n == 0 || rest.p[0] != '>') {
		if (!skip_source_route(&rest, flags) ||
		    !take_mailbox(&rest, flags, &a))
			return false;
		if (bracket)
			skip_lenient_blanks(&rest, flags);
	}
	if (bracket && !take_char(&rest, '>'))
		return false;
	*in = rest;
	*address_r = a;
	return true;
}

/* The n-th byte of a local part as it means, without quotes and backslashes. */
static size_t
unquote(struct span local, char *to)
{
	size_t n = 0;

	if (local.n < 2 || local.p[0] != '"') {
		memcpy(to, local.p, local.n);
		return local.n;
	}
	for (size_t i = 1; i + 1 < local.n; i++) {
		if (local.p[i] == '\\')
			i++;
		to[n++] = local.p[i];
	}
	return n;
}

static void
put_quoted(struct span plain, struct buf *out)
{
	buf_put(out, SPAN("\""));
	for (size_t i = 0; i < plain.n; i++) {
		if (plain.p[i] == '"' || plain.p[i] == '\\')
			buf_put(out, SPAN("\\"));
		buf_put(out, (struct span){ plain.p + i, 1 });
	}
	buf_put(out, SPAN("\""));
}

void
address_put(const struct address *address, struct buf *out)
{
	char plain[ADDRESS_LOCAL_MAX];
	struct span domain = address->domain, text, rest, local;

	if (address->local.n == 0)
		return;
	must(address->local.n <= sizeof(plain));
	text = (struct span){ plain, unquote(address->local, plain) };
	rest = text;
	if (take_dot_string(&rest, ADDRESS_STRICT | ADDRESS_UTF8, &local) &&
	    rest.n == 0)
		buf_put(out, text);
	else
		put_quoted(text, out);
	if (domain.n == 0)
		return;
	if (domain.p[domain.n - 1] == '.')
		domain.n--;
	buf_put(out, SPAN("@"));
	buf_put(out, domain);
}

bool
address_cut(struct span address, struct span *local_r, struct span *domain_r)
{
	size_t at = address.n;

	/* No domain has one, so the last is the one. */
	while (at > 0 && address.p[at - 1] != '@' && address.p[at - 1] != '"')
		at--;
	if (at == 0 || address.p[at - 1] != '@') {
		*local_r = address;
		*domain_r = (struct span){ 0 };
		return false;
	}
	*local_r = (struct span){ address.p, at - 1 };
	*domain_r = (struct span){ address.p + at, address.n - at };
	return true;
}
