/*
 * lists.h - lists in which something is or is not: mydestination, mynetworks,
 * relay_domains and their kind.
 *
 * Elements are tried in their order, and the first that matches decides:
 *
 *	name		the name, in any case
 *	.name		names below it; where parents match, `name` does that
 *	net/bits, addr	an address or network, IPv6 in [brackets] or not
 *	type:table	what is found in the table, whatever its value
 *	/file		the elements that stand in the file
 *	!element	a match means: it is not in the list
 */
#ifndef DICT_LISTS_H
#define DICT_LISTS_H

#include "dict/dict.h"
#include "net/addr.h"

struct lists;

enum {
	/* For lists_open(). */
	LISTS_NAMES = 1 << 0, /* elements may be names */
	LISTS_ADDRS = 1 << 1, /* elements may be addresses and networks */
	LISTS_PARENTS = 1 << 2, /* name stands for its subdomains too */
};

/* `text` is a value as of main.cf, expanded. NULL with `why`. Blocks. */
struct lists *lists_open(const char *text, unsigned flags, struct why *why);

/* NULL is fine. Returns NULL. */
struct lists *lists_close(struct lists *l);

/*
 * Whether a name, an address, or a client with both is in the list; an empty
 * name and a NULL address match nothing. `why` is set with DICT_TEMPFAIL. Blocks
 * unless lists_is_quick().
 */
MUST_USE enum dict_result lists_has_name(const struct lists *l,
    struct span name, struct why *why);
MUST_USE enum dict_result lists_has_addr(const struct lists *l,
    const struct addr *addr, struct why *why);
MUST_USE enum dict_result lists_has_client(const struct lists *l,
    struct span name, const struct addr *addr, struct why *why);

bool lists_is_quick(const struct lists *l);

/* Whether a daemon may ask: each table is quick, or asked of somebody else. */
bool lists_may_wait(const struct lists *l);

/*
 * For tables that somebody else is asked: the list is the value of the parameter
 * with that number (conf/params.h). False: there is such a table in a file that the
 * list names, where nobody else would find it.
 */
MUST_USE bool lists_set_origin(struct lists *l, size_t parameter);

/* Whether a table or file in it was replaced since. Blocks. */
bool lists_changed(const struct lists *l);

/* Whether there is no element at all. */
bool lists_is_empty(const struct lists *l);

#endif
