#include "mail/routing_private.h"

#include "base/scan.h"
#include "mail/address.h"
#include "mail/mapped.h"
#include "mail/place.h"

#include <errno.h>

static struct maps_form
alias_form(const struct routing *r, struct span addr)
{
	struct span local, domain;
	struct why ignored;

	address_cut(addr, &local, &domain);
	return (struct maps_form){
		.kind = KEYS_VIRTUAL,
		.delimiters = r->delimiters,
		.bare = span_ieq(domain, span_str(r->p.myorigin)) ||
		    lists_has_name(r->lists[LIST_MYDESTINATION], domain,
			&ignored) == DICT_FOUND,
	};
}

static enum dict_result
find_in(struct routing *r, size_t maps, struct span addr, struct arena *a,
    struct span *value_r, struct why *why)
{
	struct maps_form form = { KEYS_MAILBOX, r->delimiters, false, false };

	if (maps == MAPS_LOCAL)
		form = (struct maps_form){ KEYS_ADDRESS, r->delimiters, true,
			false };
	return maps_find(&r->maps[maps], &form, addr, a, value_r, NULL, why);
}

/* Whether the table of a class knows the address; an empty list knows all. */
static enum dict_result
is_listed(struct routing *r, enum address_class class, struct span addr,
    struct arena *a, const char **text_r, struct why *why)
{
	size_t maps = MAPS_MAILBOX;
	struct span value;

	switch (class) {
	case CLASS_DEFAULT:
		return DICT_FOUND;
	case CLASS_VIRTUAL_ALIAS:
		*text_r = "User unknown in virtual alias table";
		return DICT_ABSENT;
	case CLASS_LOCAL:
		*text_r = "User unknown in local recipient table";
		maps = MAPS_LOCAL;
		break;
	case CLASS_VIRTUAL_MAILBOX:
		*text_r = "User unknown in virtual mailbox table";
		break;
	case CLASS_RELAY:
		*text_r = "User unknown in relay recipient table";
		maps = MAPS_RELAY;
		break;
	}
	if (r->maps[maps].n == 0)
		return DICT_FOUND;
	return find_in(r, maps, addr, a, &value, why);
}

enum dict_result
routing_exists(struct routing *r, struct span addr, struct arena *a,
    const char **text_r, struct why *why)
{
	enum address_class class;
	struct maps_form form;
	struct span value;

	*text_r = "";
	if (!routing_complete(r, addr, a, &addr)) {
		why_set(why, ENOMEM, NULL, 0, "an address is too long");
		return DICT_TEMPFAIL;
	}
	form = alias_form(r, addr);
	enum dict_result found = maps_find(&r->maps[MAPS_ALIAS], &form, addr, a,
	    &value, NULL, why);
	if (found != DICT_ABSENT)
		return found;
	if (routing_class(r, addr, a, &class, why) == DICT_TEMPFAIL)
		return DICT_TEMPFAIL;
	found = is_listed(r, class, addr, a, text_r, why);
	if (found == DICT_ABSENT && !r->p.show_table)
		*text_r = "User unknown";
	return found;
}

/* An expansion under way. */
struct expansion {
	struct routing *r;
	struct arena *arena;
	struct why *why;
	struct item {
		struct span addr;
		int64_t depth;
	} * items; /* ->depth is -1 of one that stands for itself */
	size_t n;
	size_t max;
};

static bool
add_item(struct expansion *x, struct span addr, int64_t depth)
{
	for (size_t i = 0; i < x->n; i++)
		if (span_ieq(x->items[i].addr, addr))
			return true;
	if (x->n == x->max) {
		size_t max = x->max ? 2 * x->max : 4;
		struct item *more = arena_alloc(x->arena, max * sizeof(*more));

		if (!more)
			return false;
		if (x->n)
			memcpy(more, x->items, x->n * sizeof(*more));
		x->items = more;
		x->max = max;
	}
	x->items[x->n++] = (struct item){ addr, depth };
	return x->n <= (size_t)x->r->p.expansion_limit;
}

/* One address of a table's value. */
static bool
add_result(struct expansion *x, struct span key, struct span word, bool whole,
    int64_t depth)
{
	struct span delimiters = x->r->keeps_extensions ? x->r->delimiters
							: SPAN("");
	struct span addr;

	if (!mapped_address(key, word, whole, delimiters, x->arena, &addr) ||
	    !routing_complete(x->r, addr, x->arena, &addr) ||
	    addr.n > (size_t)x->r->p.length_limit)
		return false;
	return add_item(x, addr, depth);
}

static enum dict_result
unreasonable(struct expansion *x, struct span addr)
{
	why_set(x->why, EINVAL, NULL, 0,
	    "unreasonable virtual_alias_maps expansion of %.*s",
	    (int)(addr.n < 200 ? addr.n : 200), addr.p);
	return DICT_TEMPFAIL;
}

/* Replaces item `i` by what it stands for. ABSENT: by itself. */
static enum dict_result
expand_item(struct expansion *x, size_t i)
{
	struct item item = x->items[i];
	struct maps_form form = alias_form(x->r, item.addr);
	struct span value, word;
	bool whole = true, itself = false;
	size_t words = 0;
	enum dict_result r = maps_find(&x->r->maps[MAPS_ALIAS], &form,
	    item.addr, x->arena, &value, &whole, x->why);

	if (r != DICT_FOUND)
		return r;
	if (item.depth >= x->r->p.recursion_limit)
		return unreasonable(x, item.addr);
	for (; mapped_take(&value, &word); words++) {
		if (span_ieq(word, item.addr))
			itself = true;
		else if (!add_result(x, item.addr, word, whole, item.depth + 1))
			return unreasonable(x, item.addr);
	}
	if (words == 0)
		return unreasonable(x, item.addr); /* nobody would get it */
	return itself ? DICT_ABSENT : DICT_FOUND;
}

enum dict_result
routing_expand(struct routing *r, struct span addr, struct arena *a,
    const struct span **list_r, size_t *n_r, struct why *why)
{
	struct expansion x = { .r = r, .arena = a, .why = why };
	struct span *list;
	size_t n = 0;

	if (r->maps[MAPS_ALIAS].n == 0)
		return DICT_ABSENT;
	if (!routing_complete(r, addr, a, &addr) || !add_item(&x, addr, 0))
		return unreasonable(&x, addr);
	for (size_t i = 0; i < x.n; i++)
		switch (expand_item(&x, i)) {
		case DICT_TEMPFAIL:
			return DICT_TEMPFAIL;
		case DICT_ABSENT:
			x.items[i].depth = -1;
			break;
		case DICT_FOUND:
			break;
		}
	list = arena_alloc(a, x.n * sizeof(*list));
	if (!list)
		return unreasonable(&x, addr);
	for (size_t i = 0; i < x.n; i++)
		if (x.items[i].depth < 0)
			list[n++] = x.items[i].addr;
	/* Aliases that only stand for each other: nobody would get it. */
	if (n == 0)
		return unreasonable(&x, addr);
	if (n == 1 && x.n == 1)
		return DICT_ABSENT;
	*list_r = list;
	*n_r = n;
	return DICT_FOUND;
}

/* A number of virtual_uid_maps or virtual_gid_maps. */
static enum dict_result
find_number(struct routing *r, size_t maps, struct span addr, struct arena *a,
    uint64_t min, uint64_t *number_r, struct why *why)
{
	const char *name = maps == MAPS_UID ? "virtual_uid_maps"
					    : "virtual_gid_maps";
	struct span value;

	switch (find_in(r, maps, addr, a, &value, why)) {
	case DICT_TEMPFAIL:
		return DICT_TEMPFAIL;
	case DICT_ABSENT:
		why_set(why, EINVAL, NULL, 0, "recipient not found in %s",
		    name);
		return DICT_TEMPFAIL;
	case DICT_FOUND:
		break;
	}
	if (!take_number(&value, INT32_MAX, number_r) || value.n > 0 ||
	    *number_r < min) {
		why_set(why, EINVAL, NULL, 0, "bad value in %s; at least %u",
		    name, (unsigned)min);
		return DICT_TEMPFAIL;
	}
	return DICT_FOUND;
}

enum dict_result
routing_mailbox_path(struct routing *r, struct span addr, struct arena *a,
    struct span *path_r, struct why *why)
{
	if (!routing_complete(r, addr, a, &addr)) {
		why_set(why, ENOMEM, NULL, 0, "an address is too long");
		return DICT_TEMPFAIL;
	}
	return find_in(r, MAPS_MAILBOX, addr, a, path_r, why);
}

enum dict_result
routing_mailbox_id(struct routing *r, struct span addr, bool is_uid,
    struct arena *a, uint64_t *id_r, struct why *why)
{
	if (!routing_complete(r, addr, a, &addr)) {
		why_set(why, ENOMEM, NULL, 0, "an address is too long");
		return DICT_TEMPFAIL;
	}
	if (is_uid)
		return find_number(r, MAPS_UID, addr, a,
		    (uint64_t)r->p.minimum_uid, id_r, why);
	return find_number(r, MAPS_GID, addr, a, 1, id_r, why);
}

/* By mail_location, for an address whose extension is no part of the name. */
static enum dict_result
locate(struct routing *r, struct span addr, struct arena *a,
    struct mailbox_place *place_r, struct why *why)
{
	struct span local, domain, extension;
	struct place_user u = { 0 };
	struct span known;

	/* Where the tables name mailboxes they say who there is. */
	if (r->maps[MAPS_MAILBOX].n > 0) {
		enum dict_result found = find_in(r, MAPS_MAILBOX, addr, a,
		    &known, why);

		if (found != DICT_FOUND)
			return found;
	}
	address_cut(addr, &local, &domain);
	extension = mapped_extension(local, r->delimiters);
	local.n -= extension.n;
	if (!mapped_join(a, local, SPAN(""), domain, &u.name) ||
	    !place_expand(span_str(r->p.mail_location), &u,
		r->p.virtual_mailbox_base, a, place_r, why))
		return DICT_TEMPFAIL;
	return DICT_FOUND;
}

static enum dict_result
find_mapped(struct routing *r, struct span addr, struct arena *a,
    struct mailbox_place *place_r, struct why *why)
{
	struct span path;
	enum dict_result found = find_in(r, MAPS_MAILBOX, addr, a, &path, why);

	if (found != DICT_FOUND)
		return found;
	/* Also the root: an answer outlives the routing that gave it. */
	place_r->root = arena_dup(a, span_str(r->p.virtual_mailbox_base));
	place_r->path = arena_dup(a, path);
	if (!place_r->root || !place_r->path || memchr(path.p, '\0', path.n)) {
		why_set(why, EINVAL, NULL, 0, "bad path of a mailbox");
		return DICT_TEMPFAIL;
	}
	return DICT_FOUND;
}

bool
routing_names_mailboxes(const struct routing *r)
{
	return r->maps[MAPS_MAILBOX].n > 0;
}

enum dict_result
routing_mailbox(struct routing *r, struct span addr, struct arena *a,
    struct mailbox_place *place_r, struct why *why)
{
	struct mailbox_place place = { 0 };
	uint64_t uid, gid;

	if (!routing_complete(r, addr, a, &addr))
		return DICT_TEMPFAIL;
	enum dict_result found = *r->p.mail_location
	    ? locate(r, addr, a, &place, why)
	    : find_mapped(r, addr, a, &place, why);
	if (found != DICT_FOUND)
		return found;
	if (routing_mailbox_id(r, addr, true, a, &uid, why) != DICT_FOUND ||
	    routing_mailbox_id(r, addr, false, a, &gid, why) != DICT_FOUND)
		return DICT_TEMPFAIL;
	place.uid = (uid_t)uid;
	place.gid = (gid_t)gid;
	*place_r = place;
	return DICT_FOUND;
}
