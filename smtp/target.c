#include "smtp/target.h"

#include "base/scan.h"

/* "host:port"; what has more colons is an address of IPv6. */
static void
cut_port(struct span *host, struct span *port_r)
{
	struct span rest = *host, head;

	if (!take_until(&rest, ':', &head))
		return;
	if (rest.n > 0 && memchr(rest.p, ':', rest.n))
		return;
	*port_r = rest;
	*host = head;
}

/* "[host]:port": the brackets say that no MX counts. False: there are none. */
static bool
cut_brackets(struct target *t)
{
	struct span rest = t->host, host;

	if (!take_char(&rest, '[') || !take_until(&rest, ']', &host))
		return false;
	t->kind = TARGET_HOST;
	(void)!take_text(&host, SPAN("IPv6:")); /* RFC 5321, section 4.1.3 */
	t->host = host;
	if (take_char(&rest, ':'))
		t->port = rest;
	return true;
}

static bool
is_separator(char c)
{
	return c == ',' || is_white(c);
}

bool
target_next(struct span *list, bool lmtp, struct target *t_r)
{
	struct span word = { 0 };

	while (list->n > 0 && is_separator(*list->p)) {
		list->p++;
		list->n--;
	}
	word.p = list->p;
	while (word.n < list->n && !is_separator(word.p[word.n]))
		word.n++;
	list->p += word.n;
	list->n -= word.n;
	if (word.n == 0)
		return false;
	*t_r = (struct target){
		.kind = lmtp ? TARGET_HOST : TARGET_DOMAIN,
		.host = word,
		.port = SPAN(""),
	};
	if (lmtp && take_text(&t_r->host, SPAN("unix:"))) {
		t_r->kind = TARGET_UNIX;
		return true;
	}
	(void)!take_text(&t_r->host, SPAN("inet:"));
	if (!cut_brackets(t_r))
		cut_port(&t_r->host, &t_r->port);
	return true;
}
