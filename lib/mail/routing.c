#include "mail/routing_private.h"

#include "conf/params.h"
#include "mail/address.h"
#include "mail/steps.h"

#include <errno.h>
#include <stdlib.h>

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct routing_params, myorigin),
	CONF_FIELD(CONF_STR, struct routing_params, myhostname),
	CONF_FIELD(CONF_STR, struct routing_params, recipient_delimiter),
	CONF_FIELD(CONF_STR, struct routing_params, local_transport),
	CONF_FIELD(CONF_STR, struct routing_params, virtual_transport),
	CONF_FIELD(CONF_STR, struct routing_params, relay_transport),
	CONF_FIELD(CONF_STR, struct routing_params, default_transport),
	CONF_FIELD(CONF_STR, struct routing_params, relayhost),
	CONF_FIELD(CONF_STR, struct routing_params, virtual_mailbox_base),
	CONF_FIELD(CONF_STR, struct routing_params, mail_location),
	CONF_FIELD(CONF_STR, struct routing_params, home_mailbox),
	CONF_FIELD(CONF_BOOL, struct routing_params, append_at_myorigin),
	CONF_FIELD_AS(CONF_BOOL, struct routing_params, show_table,
	    "show_user_unknown_table_name"),
	CONF_FIELD_AS(CONF_INT, struct routing_params, expansion_limit,
	    "virtual_alias_expansion_limit"),
	CONF_FIELD_AS(CONF_INT, struct routing_params, recursion_limit,
	    "virtual_alias_recursion_limit"),
	CONF_FIELD_AS(CONF_INT, struct routing_params, length_limit,
	    "virtual_alias_address_length_limit"),
	CONF_FIELD_AS(CONF_INT, struct routing_params, minimum_uid,
	    "virtual_minimum_uid"),
	CONF_FIELD_AS(CONF_LIST, struct routing_params, propagate,
	    "propagate_unmatched_extensions"),
	CONF_FIELD_AS(CONF_LIST, struct routing_params, parents,
	    "parent_domain_matches_subdomains"),
	CONF_FIELD(CONF_LIST, struct routing_params, inet_interfaces),
};

static const char *const list_names[LISTS_N] = {
	[LIST_MYDESTINATION] = "mydestination",
	[LIST_VIRTUAL_ALIAS] = "virtual_alias_domains",
	[LIST_VIRTUAL_MAILBOX] = "virtual_mailbox_domains",
	[LIST_RELAY] = "relay_domains",
};

static const char *const map_names[MAPS_N] = {
	[MAPS_ALIAS] = "virtual_alias_maps",
	[MAPS_TRANSPORT] = "transport_maps",
	[MAPS_LOCAL] = "local_recipient_maps",
	[MAPS_MAILBOX] = "virtual_mailbox_maps",
	[MAPS_RELAY] = "relay_recipient_maps",
	[MAPS_UID] = "virtual_uid_maps",
	[MAPS_GID] = "virtual_gid_maps",
};

/* The strings of conf may be gone before we are. */
static void
keep_texts(struct routing *r)
{
	const char **texts[] = { &r->p.myorigin, &r->p.myhostname,
		&r->p.recipient_delimiter, &r->p.local_transport,
		&r->p.virtual_transport, &r->p.relay_transport,
		&r->p.default_transport, &r->p.relayhost,
		&r->p.virtual_mailbox_base, &r->p.mail_location,
		&r->p.home_mailbox };

	r->texts = arena_new(1 << 20);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		*texts[i] = arena_dup(r->texts, span_str(*texts[i]));
		must(*texts[i]);
	}
	r->delimiters = span_str(r->p.recipient_delimiter);
}

static int
open_list(struct routing *r, const struct conf *c, size_t i, struct why *why)
{
	const char *file = NULL, *text = conf_get(c, list_names[i], why);
	unsigned line = 0, flags = LISTS_NAMES;
	struct why open_why;
	size_t number;

	if (!text)
		return -EINVAL;
	if (conf_list_has(r->p.parents, list_names[i]))
		flags |= LISTS_PARENTS;
	r->lists[i] = lists_open(text, flags, &open_why);
	conf_source(c, list_names[i], &file, &line);
	if (!r->lists[i])
		return why_set(why, EINVAL, file, line, "%s: %s", list_names[i],
		    open_why.text);
	must(param_number(list_names[i], &number));
	if (!lists_may_wait(r->lists[i]) ||
	    !lists_set_origin(r->lists[i], number))
		return why_set(why, EINVAL, file, line,
		    "%s: names a table that waits for a server or a disk, where "
		    "that cannot be done; allowed are tables in files",
		    list_names[i]);
	return 0;
}

static int
open_tables(struct routing *r, const struct conf *c, struct why *why)
{
	/* Lists name maps by default: a fault is the map's, so those first. */
	for (size_t i = 0; i < MAPS_N; i++) {
		int error = maps_open(c, map_names[i], &r->maps[i], why);

		if (error < 0)
			return error;
	}
	for (size_t i = 0; i < LISTS_N; i++) {
		int error = open_list(r, c, i, why);

		if (error < 0)
			return error;
	}
	return 0;
}

struct routing *
routing_open(const struct conf *c, struct why *why)
{
	struct routing *r = zalloc(sizeof(*r));
	struct why ignored;

	if (conf_get_struct(c, fields, COUNT_OF(fields), &r->p, why) < 0) {
		free(r);
		return NULL;
	}
	r->keeps_extensions = conf_list_has(r->p.propagate, "virtual");
	r->transport_parents = conf_list_has(r->p.parents, "transport_maps");
	/* "all" is no address; literals of ours are loopback's then. */
	r->own = lists_open(conf_list_has(r->p.inet_interfaces, "all") ||
		    conf_list_has(r->p.inet_interfaces, "loopback-only")
		? "127.0.0.0/8 [::1]/128"
		: r->p.inet_interfaces,
	    LISTS_ADDRS | LISTS_NAMES, &ignored);
	keep_texts(r);
	if (open_tables(r, c, why) < 0)
		return routing_close(r);
	return r;
}

struct routing *
routing_close(struct routing *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < LISTS_N; i++)
		lists_close(r->lists[i]);
	for (size_t i = 0; i < MAPS_N; i++)
		maps_close(&r->maps[i]);
	lists_close(r->own);
	arena_free(r->texts);
	free(r);
	return NULL;
}

bool
routing_changed(const struct routing *r)
{
	for (size_t i = 0; i < LISTS_N; i++)
		if (lists_changed(r->lists[i]))
			return true;
	for (size_t i = 0; i < MAPS_N; i++)
		if (maps_changed(&r->maps[i]))
			return true;
	return false;
}

bool
routing_complete(const struct routing *r, struct span addr, struct arena *a,
    struct span *addr_r)
{
	struct span local, domain, origin = span_str(r->p.myorigin);

	*addr_r = addr;
	if (addr.n == 0 || address_cut(addr, &local, &domain) ||
	    !r->p.append_at_myorigin)
		return true;
	char *text = arena_alloc(a, addr.n + 1 + origin.n);
	if (!text)
		return false;
	memcpy(text, addr.p, addr.n);
	text[addr.n] = '@';
	memcpy(text + addr.n + 1, origin.p, origin.n);
	*addr_r = (struct span){ text, addr.n + 1 + origin.n };
	return true;
}

static enum dict_result
no_room(struct why *why)
{
	why_set(why, ENOMEM, NULL, 0, "an address is too long");
	return DICT_TEMPFAIL;
}

enum dict_result
routing_class(struct routing *r, struct span addr, struct arena *a,
    enum address_class *class_r, struct why *why)
{
	static const enum address_class classes[LISTS_N] = {
		[LIST_MYDESTINATION] = CLASS_LOCAL,
		[LIST_VIRTUAL_ALIAS] = CLASS_VIRTUAL_ALIAS,
		[LIST_VIRTUAL_MAILBOX] = CLASS_VIRTUAL_MAILBOX,
		[LIST_RELAY] = CLASS_RELAY,
	};
	struct span local, domain;
	struct addr own;

	if (!routing_complete(r, addr, a, &addr))
		return no_room(why);
	address_cut(addr, &local, &domain);
	for (size_t i = 0; i < LISTS_N; i++)
		switch (lists_has_name(r->lists[i], domain, why)) {
		case DICT_FOUND:
			*class_r = classes[i];
			return DICT_FOUND;
		case DICT_TEMPFAIL:
			return DICT_TEMPFAIL;
		case DICT_ABSENT:
			break;
		}
	*class_r = CLASS_DEFAULT;
	if (domain.n > 0 && domain.p[0] == '[' && r->own &&
	    addr_parse(domain, &own) &&
	    lists_has_addr(r->own, &own, why) == DICT_FOUND)
		*class_r = CLASS_LOCAL;
	return DICT_FOUND;
}

/* "transport:nexthop", each of which may be missing. False: no room. */
static bool
set_transport(struct span text, struct arena *a, struct route *route_r)
{
	struct span transport = span_cut(&text, ':');

	if (transport.n > 0)
		route_r->transport = arena_dup(a, transport);
	if (text.n > 0)
		route_r->nexthop = arena_dup(a, text);
	return route_r->transport && route_r->nexthop;
}

/*
 * What a table says (transport(5)): a transport alone goes to the recipient's
 * domain, whatever relayhost or the class's parameter would say; a colon alone
 * changes nothing.
 */
static bool
set_mapped(struct span text, struct span domain, struct arena *a,
    struct route *route_r)
{
	struct span nexthop = text, transport = span_cut(&nexthop, ':');

	if (transport.n > 0 && nexthop.n == 0)
		route_r->nexthop = arena_dup(a, domain);
	return route_r->nexthop && set_transport(text, a, route_r);
}

/* The parameter that has a class's transport, and its value. */
static struct step
class_transport(const struct routing *r, enum address_class class)
{
	const char *name = "default_transport", *value = r->p.default_transport;

	switch (class) {
	case CLASS_LOCAL:
		name = "local_transport";
		value = r->p.local_transport;
		break;
	case CLASS_VIRTUAL_ALIAS:
		name = "virtual_alias_domains";
		value = "error:5.1.1 User unknown in virtual alias table";
		break;
	case CLASS_VIRTUAL_MAILBOX:
		name = "virtual_transport";
		value = r->p.virtual_transport;
		break;
	case CLASS_RELAY:
		name = "relay_transport";
		value = r->p.relay_transport;
		break;
	case CLASS_DEFAULT:
		break;
	}
	return (struct step){ .parameter = name, .value = span_str(value) };
}

/* Where its class says that `addr` goes. False: no room. */
static bool
set_class_route(const struct routing *r, struct span addr, struct span domain,
    struct arena *a, struct route *route_r)
{
	struct step transport = class_transport(r, route_r->class);
	struct step relayhost = {
		.parameter = "relayhost",
		.addr = addr,
		.value = span_str(r->p.relayhost),
	};
	bool is_relayed = route_r->class == CLASS_DEFAULT &&
	    relayhost.value.n > 0;

	transport.addr = addr;
	route_r->rcpt = arena_dup(a, addr);
	route_r->nexthop = arena_dup(a, is_relayed ? relayhost.value : domain);
	if (is_relayed)
		steps_tell(&relayhost);
	steps_tell(&transport);
	return route_r->rcpt && route_r->nexthop &&
	    set_transport(transport.value, a, route_r);
}

enum dict_result
routing_resolve(struct routing *r, struct span addr, struct arena *a,
    struct route *route_r, struct why *why)
{
	struct maps_form form = { KEYS_TRANSPORT, r->delimiters, false,
		r->transport_parents };
	struct route route = { .transport = "", .nexthop = "" };
	struct span local, domain, value;

	if (!routing_complete(r, addr, a, &addr))
		return no_room(why);
	address_cut(addr, &local, &domain);
	if (routing_class(r, addr, a, &route.class, why) == DICT_TEMPFAIL)
		return DICT_TEMPFAIL;
	if (!set_class_route(r, addr, domain, a, &route))
		return no_room(why);
	switch (maps_find(&r->maps[MAPS_TRANSPORT], &form, addr, a, &value,
	    NULL, why)) {
	case DICT_TEMPFAIL:
		return DICT_TEMPFAIL;
	case DICT_FOUND:
		if (!set_mapped(value, domain, a, &route))
			return no_room(why);
		break;
	case DICT_ABSENT:
		break;
	}
	*route_r = route;
	return DICT_FOUND;
}
