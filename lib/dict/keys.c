#include "dict/keys.h"

enum step {
	STEP_WHOLE,
	STEP_BASE,
	STEP_DOMAIN,
	STEP_PARENTS,
	STEP_USER,
	STEP_USER_BASE,
	STEP_AT_DOMAIN,
	STEP_STAR,
	STEP_IP,
	STEP_END,
};

/* In this order; what is not there is passed over. */
static const enum step orders[][8] = {
	[KEYS_ACCESS] = { STEP_WHOLE, STEP_BASE, STEP_DOMAIN, STEP_PARENTS,
	    STEP_USER, STEP_USER_BASE, STEP_END },
	[KEYS_VIRTUAL] = { STEP_WHOLE, STEP_BASE, STEP_USER, STEP_USER_BASE,
	    STEP_AT_DOMAIN, STEP_END },
	[KEYS_ADDRESS] = { STEP_WHOLE, STEP_BASE, STEP_USER, STEP_USER_BASE,
	    STEP_AT_DOMAIN, STEP_END },
	[KEYS_MAILBOX] = { STEP_WHOLE, STEP_BASE, STEP_AT_DOMAIN, STEP_END },
	[KEYS_TRANSPORT] = { STEP_WHOLE, STEP_BASE, STEP_DOMAIN, STEP_PARENTS,
	    STEP_STAR, STEP_END },
};

static const enum step host_order[] = { STEP_DOMAIN, STEP_PARENTS, STEP_END };
static const enum step ip_order[] = { STEP_IP, STEP_END };

enum {
	ORDER_HOST = -1,
	ORDER_IP = -2,
};

/* A list's owner and its -request: with these names the dash is none. */
static bool
is_of_list(struct span local)
{
	static const struct span owner = SPAN_INIT("owner-");
	static const struct span request = SPAN_INIT("-request");

	return (local.n > owner.n &&
		   span_ieq((struct span){ local.p, owner.n }, owner)) ||
	    (local.n > request.n &&
		span_ieq((struct span){ local.p + local.n - request.n,
			     request.n },
		    request));
}

bool
keys_split(struct span local, struct span delimiters, struct span *user_r,
    struct span *extension_r)
{
	static const struct span whole[] = { SPAN_INIT("mailer-daemon"),
		SPAN_INIT("double-bounce"), SPAN_INIT("postmaster") };
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(whole); i++)
		if (span_ieq(local, whole[i]))
			return false;
	if ((local.n > 0 && *local.p == '"') ||
	    (delimiters.n > 0 && memchr(delimiters.p, '-', delimiters.n) &&
		is_of_list(local)))
		return false;
	while (n < local.n &&
	    (delimiters.n == 0 ||
		!memchr(delimiters.p, local.p[n], delimiters.n)))
		n++;
	if (n == 0 || n == local.n)
		return false;
	*user_r = (struct span){ local.p, n };
	*extension_r = (struct span){ local.p + n + 1, local.n - n - 1 };
	return true;
}

/* Where the domain begins: behind the last @. */
static size_t
local_len(struct span address)
{
	size_t n = address.n;

	while (n > 0 && address.p[n - 1] != '@')
		n--;
	return n > 0 ? n - 1 : address.n;
}

/* Whether it needs no quotes (RFC 5321: Dot-string). */
static bool
is_dot_string(struct span s)
{
	char before = '.';

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if ((unsigned char)c <= ' ' || c == 127 ||
		    memchr("()<>@,;:\\\"[]", c, 12) ||
		    (c == '.' && before == '.'))
			return false;
		before = c;
	}
	return before != '.';
}

/* "a\b" as ab. */
static void
take_quotes_off(struct keys *k)
{
	size_t n = 0;

	for (size_t i = 1; i + 1 < k->user.n; i++) {
		if (k->user.p[i] == '\\' && i + 2 < k->user.n)
			i++;
		k->unquoted[n++] = k->user.p[i];
	}
	k->user = (struct span){ k->unquoted, n };
	k->quoted = true;
}

void
keys_address(struct keys *k, enum keys_kind kind, struct span address,
    struct span delimiters, bool bare, bool parents_match)
{
	size_t n = local_len(address);
	struct span extension;

	k->key = k->base = k->domain = (struct span){ NULL, 0 };
	k->partial = false;
	k->step = 0;
	k->kind = kind;
	k->no_dots = parents_match;
	k->bare = bare;
	k->quoted = k->plain = false;
	k->separator = '\0';
	k->user = (struct span){ address.p, n };
	if (n < address.n)
		k->domain = (struct span){ address.p + n + 1,
			address.n - n - 1 };
	k->whole_domain = k->domain;
	if (address.n + 2 > sizeof(k->text))
		k->user = k->domain = k->whole_domain = k->key;
	if (k->user.n >= 2 && k->user.p[0] == '"' &&
	    k->user.p[k->user.n - 1] == '"')
		take_quotes_off(k);
	if (!keys_split(k->user, delimiters, &k->base, &extension))
		k->base = (struct span){ NULL, 0 };
}

void
keys_host(struct keys *k, struct span name, bool parents_match)
{
	keys_address(k, KEYS_ACCESS, (struct span){ NULL, 0 },
	    (struct span){ NULL, 0 }, false, parents_match);
	k->kind = (enum keys_kind)ORDER_HOST;
	k->domain = k->whole_domain = name;
}

void
keys_ip(struct keys *k, struct span address)
{
	keys_host(k, address, false);
	k->kind = (enum keys_kind)ORDER_IP;
	k->separator = address.n > 0 && memchr(address.p, ':', address.n) ? ':'
									  : '.';
}

/* Makes a key of up to three pieces. */
static bool
say(struct keys *k, struct span a, const char *middle, struct span b)
{
	size_t n = strlen(middle);

	if (a.n + n + b.n == 0 || a.n + n + b.n > sizeof(k->text))
		return false;
	if (a.n)
		memcpy(k->text, a.p, a.n);
	memcpy(k->text + a.n, middle, n);
	if (b.n)
		memcpy(k->text + a.n + n, b.p, b.n);
	k->key = (struct span){ k->text, a.n + n + b.n };
	return true;
}

/* Quotes, where they are needed: "a@b". They may not fit. */
static bool
quote(struct keys *k, struct span user, size_t *n)
{
	k->text[(*n)++] = '"';
	for (size_t i = 0; i < user.n; i++) {
		if (*n + 3 > sizeof(k->text))
			return false;
		if (user.p[i] == '"' || user.p[i] == '\\')
			k->text[(*n)++] = '\\';
		k->text[(*n)++] = user.p[i];
	}
	k->text[(*n)++] = '"';
	return true;
}

/* A key that begins with the user. */
static bool
say_user(struct keys *k, struct span user, const char *middle, struct span b)
{
	size_t m = strlen(middle), n = 0;

	if (!k->quoted || k->plain || is_dot_string(user))
		return say(k, user, middle, b);
	if (!quote(k, user, &n) || n + m + b.n > sizeof(k->text))
		return false;
	memcpy(k->text + n, middle, m);
	if (b.n)
		memcpy(k->text + n + m, b.p, b.n);
	k->key = (struct span){ k->text, n + m + b.n };
	return true;
}

/* Whether the key of this step has another form, without quotes. */
static bool
has_plain_form(const struct keys *k, enum step s)
{
	if (!k->quoted || k->plain || k->kind == KEYS_VIRTUAL)
		return false;
	if (s == STEP_WHOLE || s == STEP_USER)
		return !is_dot_string(k->user);
	return (s == STEP_BASE || s == STEP_USER_BASE) &&
	    !is_dot_string(k->base);
}

/* Goes one domain up; the step stays until there is no more. */
static bool
take_parent(struct keys *k)
{
	struct span d = k->domain;

	if (d.n == 0)
		return false;
	d.p++;
	d.n--;
	while (d.n > 0 && *d.p != '.') {
		d.p++;
		d.n--;
	}
	if (d.n <= 1) {
		k->domain.n = 0;
		return false;
	}
	if (k->no_dots) {
		d.p++;
		d.n--;
	}
	k->domain = d;
	k->key = d;
	return true;
}

/* The whole first, then each time what stands before the last separator. */
static bool
take_network(struct keys *k)
{
	struct span d = k->domain;

	if (d.n == 0)
		return false;
	k->key = d;
	while (d.n > 0 && d.p[d.n - 1] != k->separator)
		d.n--;
	k->domain.n = d.n > 0 ? d.n - 1 : 0;
	return true;
}

static bool
try_step(struct keys *k, enum step s)
{
	static const struct span none = { NULL, 0 };
	struct span domain = k->whole_domain;

	switch (s) {
	case STEP_WHOLE:
		if (k->user.n == 0 && domain.n == 0)
			return false;
		return say_user(k, k->user, domain.n > 0 ? "@" : "", domain);
	case STEP_BASE:
		return k->base.n > 0 && domain.n > 0 &&
		    say_user(k, k->base, "@", domain);
	case STEP_DOMAIN:
		k->key = domain;
		return domain.n > 0;
	case STEP_PARENTS:
		return take_parent(k);
	case STEP_USER:
		if (k->kind == KEYS_ACCESS)
			return k->user.n > 0 && say_user(k, k->user, "@", none);
		return k->bare && domain.n > 0 &&
		    say_user(k, k->user, "", none);
	case STEP_USER_BASE:
		if (k->base.n == 0)
			return false;
		if (k->kind == KEYS_ACCESS)
			return say_user(k, k->base, "@", none);
		return (k->bare || domain.n == 0) &&
		    say_user(k, k->base, "", none);
	case STEP_AT_DOMAIN:
		return domain.n > 0 && say(k, none, "@", domain);
	case STEP_STAR:
		return say(k, none, "*", none);
	case STEP_IP:
		return take_network(k);
	case STEP_END:
		break;
	}
	return false;
}

static const enum step *
order_of(const struct keys *k)
{
	switch ((int)k->kind) {
	case ORDER_HOST:
		return host_order;
	case ORDER_IP:
		return ip_order;
	default:
		return orders[k->kind];
	}
}

bool
keys_next(struct keys *k)
{
	const enum step *order = order_of(k);
	bool is_first = k->key.p == NULL;

	while (order[k->step] != STEP_END) {
		enum step s = order[k->step];
		bool found = try_step(k, s);

		k->plain = found && has_plain_form(k, s);
		if (!k->plain &&
		    (!found || (s != STEP_PARENTS && s != STEP_IP)))
			k->step++;
		if (found) {
			k->partial = !is_first && s != STEP_WHOLE;
			return true;
		}
	}
	return false;
}
