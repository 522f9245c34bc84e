/*
 * conns.h - connections to the servers of tables; private to lib/dict.
 *
 * Tables that name the same hosts with the same user share a pool. A connection
 * is one thread's while it asks, and then waits for the next; after a minute it
 * is closed. Hosts are tried in any order, those first that are connected; one
 * that fails is left alone for table_retry_time. A connection that breaks is made
 * anew once, as the server may just have been started again.
 *
 * How many ask at a time is up to who calls: dict_server() says which tables ask
 * the same. Any thread may call.
 */
#ifndef DICT_SERVER_CONNS_H
#define DICT_SERVER_CONNS_H

#include "dict/server/config.h"
#include "dict/server/driver.h"

struct conns;

enum {
	CONNS_ASK_MS = 15 * 1000, /* all of a question, whatever it takes */
	CONNS_CONNECT_MS = 5 * 1000, /* one host */
};

/*
 * `hosts` has the hosts between blanks and commas. `kind` and all that the link's
 * parameters say make it one of its own. Never NULL.
 */
struct conns *conns_open(const char *kind, const struct server_link *link,
    struct config *c, const char *hosts);

/* NULL is fine. Returns NULL. */
struct conns *conns_close(struct conns *p);

/*
 * Asks by a connection. It may be called again, with another one, if it returned
 * SERVER_LOST: then it begins anew.
 */
typedef enum server_result conns_fn(void *conn, void *arg, int64_t deadline,
    struct why *why);

/* False with `why`: there is no answer. Blocks. */
MUST_USE bool conns_ask(struct conns *p, conns_fn *fn, void *arg,
    struct why *why);

/* Closes what nobody has used for a minute. Blocks. */
void conns_tend(void);

/* How long a host that failed is left alone; milliseconds. */
void conns_set_retry(int64_t ms);

#endif
