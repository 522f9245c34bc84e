#include "conf/params.h"
#include "mail/rewrite_private.h"

#include "base/log.h"
#include "base/scan.h"
#include "mail/address.h"
#include "mail/mapped.h"
#include "mail/steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ROUNDS_MAX = 10, /* of canonical tables on one address */
};

const char *const rewrite_map_names[REWRITE_MAPS] = {
	"sender_canonical_maps",
	"recipient_canonical_maps",
	"canonical_maps",
	"sender_bcc_maps",
	"recipient_bcc_maps",
};

#define ROW(type, member, name) \
	CONF_FIELD_AS(type, struct rewrite_params, member, name)

static const struct conf_field fields[] = {
	ROW(CONF_STR, myorigin, "myorigin"),
	ROW(CONF_STR, mydomain, "mydomain"),
	ROW(CONF_STR, recipient_delimiter, "recipient_delimiter"),
	ROW(CONF_STR, remote_domain, "remote_header_rewrite_domain"),
	ROW(CONF_STR, always_bcc, "always_bcc"),
	ROW(CONF_LIST, canonical_classes, "canonical_classes"),
	ROW(CONF_LIST, sender_classes, "sender_canonical_classes"),
	ROW(CONF_LIST, recipient_classes, "recipient_canonical_classes"),
	ROW(CONF_LIST, masquerade_domains, "masquerade_domains"),
	ROW(CONF_LIST, masquerade_classes, "masquerade_classes"),
	ROW(CONF_STR, masquerade_exceptions, "masquerade_exceptions"),
	ROW(CONF_LIST, propagate, "propagate_unmatched_extensions"),
	ROW(CONF_BOOL, append_at_myorigin, "append_at_myorigin"),
	ROW(CONF_BOOL, append_dot_mydomain, "append_dot_mydomain"),
	ROW(CONF_BOOL, percent_hack, "allow_percent_hack"),
	ROW(CONF_BOOL, swap_bangpath, "swap_bangpath"),
};

static int
parse_classes(const struct conf *c, const char *name, const char *text,
    unsigned *roles_r, struct why *why)
{
	static const struct {
		const char *name;
		unsigned role;
	} rows[] = {
		{ "envelope_sender", REWRITE_ENVELOPE_SENDER },
		{ "envelope_recipient", REWRITE_ENVELOPE_RECIPIENT },
		{ "header_sender", REWRITE_HEADER_SENDER },
		{ "header_recipient", REWRITE_HEADER_RECIPIENT },
	};
	struct span rest = span_str(text), word;
	const char *file = NULL;
	unsigned line = 0;

	*roles_r = 0;
	while (conf_list_next(&rest, &word)) {
		unsigned role = 0;

		for (size_t i = 0; i < COUNT_OF(rows); i++)
			if (span_ieq(word, span_str(rows[i].name)))
				role = rows[i].role;
		if (role) {
			*roles_r |= role;
			continue;
		}
		conf_source(c, name, &file, &line);
		return why_set(why, EINVAL, file, line,
		    "%s: \"%.*s\" is no class; allowed are envelope_sender, "
		    "envelope_recipient, header_sender, header_recipient",
		    name, (int)word.n, word.p);
	}
	return 0;
}

static bool
list_has(const char *list, struct span wanted)
{
	struct span rest = span_str(list), word;

	while (conf_list_next(&rest, &word))
		if (span_ieq(word, wanted))
			return true;
	return false;
}

static int
open_all(struct rewrite *r, const struct conf *c, struct why *why)
{
	const char *destination;
	size_t number;
	int err = conf_get_struct(c, fields, COUNT_OF(fields), &r->p, why);

	if (!err)
		err = parse_classes(c, "canonical_classes",
		    r->p.canonical_classes, &r->canonical, why);
	if (!err)
		err = parse_classes(c, "sender_canonical_classes",
		    r->p.sender_classes, &r->sender, why);
	if (!err)
		err = parse_classes(c, "recipient_canonical_classes",
		    r->p.recipient_classes, &r->recipient, why);
	if (!err)
		err = parse_classes(c, "masquerade_classes",
		    r->p.masquerade_classes, &r->masquerade, why);
	for (size_t i = 0; i < REWRITE_MAPS && !err; i++)
		err = maps_open(c, rewrite_map_names[i], &r->maps[i], why);
	if (err)
		return err;
	destination = conf_get(c, "mydestination", why);
	if (!destination)
		return -EINVAL;
	r->mydestination = lists_open(destination, LISTS_NAMES, why);
	must(param_number("mydestination", &number));
	if (r->mydestination &&
	    (!lists_may_wait(r->mydestination) ||
		!lists_set_origin(r->mydestination, number)))
		return why_set(why, EINVAL, NULL, 0,
		    "mydestination: names a table that waits for a server, where "
		    "that cannot be done");
	r->delimiters = span_str(r->p.recipient_delimiter);
	r->keeps_extensions = list_has(r->p.propagate, SPAN("canonical"));
	return r->mydestination ? 0 : -EINVAL;
}

struct rewrite *
rewrite_open(const struct conf *c, struct why *why)
{
	struct rewrite *r = zalloc(sizeof(*r));

	r->append_dot = zalloc(sizeof(*r->append_dot));
	compat_open(r->append_dot, c, "append_dot_mydomain");
	return open_all(r, c, why) < 0 ? rewrite_close(r) : r;
}

struct rewrite *
rewrite_close(struct rewrite *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < REWRITE_MAPS; i++)
		maps_close(&r->maps[i]);
	lists_close(r->mydestination);
	free(r->append_dot);
	free(r);
	return NULL;
}

static bool
join(struct arena *a, struct span user, struct span domain, struct span *addr_r)
{
	return mapped_join(a, user, SPAN(""), domain, addr_r);
}

/* Cuts at the first `c`, or at the last. False: there is none inside. */
static bool
cut_at(struct span s, char c, bool last, struct span *before_r,
    struct span *after_r)
{
	const char *p = last ? memrchr(s.p, c, s.n) : memchr(s.p, c, s.n);

	if (!p || p == s.p || p == s.p + s.n - 1)
		return false;
	*before_r = (struct span){ s.p, (size_t)(p - s.p) };
	*after_r = (struct span){ p + 1, s.n - before_r->n - 1 };
	return true;
}

/*
 * The domain of an address that has none: what its user says, or `origin`. What
 * was quoted means nothing.
 */
static bool
complete_user(const struct rewrite *r, struct span local, struct span origin,
    struct arena *a, struct span *addr_r)
{
	struct span user, host;
	bool plain = local.n > 0 && local.p[0] != '"';

	if (plain && r->p.swap_bangpath &&
	    cut_at(local, '!', false, &host, &user))
		return join(a, user, host, addr_r);
	if (plain && r->p.percent_hack &&
	    cut_at(local, '%', true, &user, &host))
		return join(a, user, host, addr_r);
	*addr_r = local;
	return origin.n == 0 || join(a, local, origin, addr_r);
}

/* Commands have no log, and nobody waits for a hint of theirs. */
static void
hint(const struct rewrite *r, struct span domain)
{
	if (log_is_open() && compat_is_news(r->append_dot))
		log_info("using backwards-compatible default setting "
			 "append_dot_mydomain=yes to rewrite \"%.*s\" to "
			 "\"%.*s.%s\"",
		    (int)domain.n, domain.p, (int)domain.n, domain.p,
		    r->p.mydomain);
}

/* `origin` and `parent` are empty where nothing is to be added. */
static bool
complete(const struct rewrite *r, struct span addr, struct span origin,
    struct span parent, struct arena *a, struct span *addr_r)
{
	struct span local, domain;
	char text[ADDRESS_MAX];
	struct buf b;

	*addr_r = addr;
	if (!address_cut(addr, &local, &domain) &&
	    !complete_user(r, addr, origin, a, addr_r))
		return false;
	if (!address_cut(*addr_r, &local, &domain) || parent.n == 0 ||
	    domain.n == 0 || domain.p[0] == '[' ||
	    memchr(domain.p, '.', domain.n))
		return true;
	if (parent.p == r->p.mydomain)
		hint(r, domain);
	buf_init(&b, text, sizeof(text));
	buf_put(&b, domain);
	buf_put(&b, SPAN("."));
	buf_put(&b, parent);
	return !b.overflow && join(a, local, buf_span(&b), addr_r);
}

static bool
is_header(enum rewrite_role role)
{
	return role & (REWRITE_HEADER_SENDER | REWRITE_HEADER_RECIPIENT);
}

static bool
complete_as(const struct rewrite *r, enum rewrite_role role, bool is_ours,
    struct span addr, struct arena *a, struct span *addr_r)
{
	struct span origin = { 0 }, parent = { 0 };

	if (is_header(role) && !is_ours) {
		origin = parent = span_str(r->p.remote_domain);
	} else {
		if (r->p.append_at_myorigin)
			origin = span_str(r->p.myorigin);
		if (r->p.append_dot_mydomain)
			parent = span_str(r->p.mydomain);
	}
	return complete(r, addr, origin, parent, a, addr_r);
}

bool
rewrite_complete(const struct rewrite *r, struct span addr, struct arena *a,
    struct span *addr_r)
{
	*addr_r = addr;
	return addr.n == 0 ||
	    complete_as(r, REWRITE_ENVELOPE_RECIPIENT, true, addr, a, addr_r);
}

enum dict_result
rewrite_full(struct why *why)
{
	why_set(why, ENOMEM, NULL, 0, "an address is too long");
	return DICT_TEMPFAIL;
}

struct maps_form
rewrite_form(const struct rewrite *r, struct span addr)
{
	struct span local, domain;
	struct why ignored;

	address_cut(addr, &local, &domain);
	return (struct maps_form){
		.kind = KEYS_VIRTUAL,
		.delimiters = r->delimiters,
		.bare = span_ieq(domain, span_str(r->p.myorigin)) ||
		    lists_has_name(r->mydestination, domain, &ignored) ==
			DICT_FOUND,
	};
}

/* One round of one table. FOUND: *addr is another one now. */
static enum dict_result
map_once(const struct rewrite *r, const struct maps *m, const char *name,
    struct span *addr, struct arena *a, struct why *why)
{
	struct maps_form form = rewrite_form(r, *addr);
	struct span value, word, more, mapped;
	bool whole = true;
	enum dict_result found = maps_find(m, &form, *addr, a, &value, &whole,
	    why);

	if (found != DICT_FOUND)
		return found;
	if (!mapped_take(&value, &word) || mapped_take(&value, &more) ||
	    !mapped_address(*addr, word, whole,
		r->keeps_extensions ? r->delimiters : SPAN(""), a, &mapped) ||
	    !complete_as(r, REWRITE_ENVELOPE_RECIPIENT, true, mapped, a,
		&mapped)) {
		why_set(why, EINVAL, NULL, 0, "%s: not one address for %.*s",
		    name, (int)(addr->n < 200 ? addr->n : 200), addr->p);
		return DICT_TEMPFAIL;
	}
	if (span_eq(mapped, *addr))
		return DICT_ABSENT;
	*addr = mapped;
	return DICT_FOUND;
}

static enum dict_result
map_all(struct rewrite *r, size_t which, struct span *addr, struct arena *a,
    struct why *why)
{
	struct span first = *addr;

	for (int i = 0; r->maps[which].n > 0 && i < ROUNDS_MAX; i++) {
		enum dict_result found = map_once(r, &r->maps[which],
		    rewrite_map_names[which], addr, a, why);

		if (found == DICT_TEMPFAIL)
			return found;
		/* It stands for itself, or goes in a circle. */
		if (found == DICT_ABSENT || span_ieq(*addr, first))
			break;
	}
	return DICT_ABSENT;
}

/* Whether `domain` is below `parent`. */
static bool
is_below(struct span domain, struct span parent)
{
	struct span tail = { domain.p + domain.n - parent.n, parent.n };

	return domain.n > parent.n && span_ieq(tail, parent) &&
	    tail.p[-1] == '.';
}

/* "!host.dom" keeps that one; the first that fits decides. */
static bool
masquerade(const struct rewrite *r, struct span *addr, struct arena *a)
{
	struct span rest = span_str(r->p.masquerade_domains), word;
	struct span local, domain;

	if (!address_cut(*addr, &local, &domain) ||
	    list_has(r->p.masquerade_exceptions, local))
		return true;
	while (conf_list_next(&rest, &word)) {
		bool keep = word.n > 0 && word.p[0] == '!';

		if (keep)
			word = (struct span){ word.p + 1, word.n - 1 };
		if (!is_below(domain, word) && !span_ieq(domain, word))
			continue;
		if (keep || span_ieq(domain, word))
			return true;
		steps_tell(&(struct step){ "masquerade_domains", NULL, *addr,
		    (struct span){ 0 }, word });
		return join(a, local, word, addr);
	}
	return true;
}

static unsigned
canonical_of(const struct rewrite *r, enum rewrite_role role)
{
	bool is_sender = role &
	    (REWRITE_ENVELOPE_SENDER | REWRITE_HEADER_SENDER);

	return is_sender ? r->sender : r->recipient;
}

enum dict_result
rewrite_address(struct rewrite *r, enum rewrite_role role, bool is_ours,
    struct span addr, struct arena *a, struct span *addr_r, struct why *why)
{
	bool is_sender = role &
	    (REWRITE_ENVELOPE_SENDER | REWRITE_HEADER_SENDER);
	bool may_map = !is_header(role) || is_ours || *r->p.remote_domain;
	enum dict_result found = DICT_ABSENT;

	*addr_r = addr;
	if (addr.n == 0)
		return DICT_ABSENT;
	if (!complete_as(r, role, is_ours, addr, a, addr_r))
		return rewrite_full(why);
	if (may_map && (canonical_of(r, role) & role))
		found = map_all(r,
		    is_sender ? MAPS_SENDER_CANONICAL
			      : MAPS_RECIPIENT_CANONICAL,
		    addr_r, a, why);
	if (may_map && found != DICT_TEMPFAIL && (r->canonical & role))
		found = map_all(r, MAPS_CANONICAL, addr_r, a, why);
	if (found == DICT_TEMPFAIL)
		return found;
	if (may_map && (r->masquerade & role) && !masquerade(r, addr_r, a))
		return rewrite_full(why);
	return span_eq(*addr_r, addr) ? DICT_ABSENT : DICT_FOUND;
}
