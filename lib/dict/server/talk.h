/*
 * talk.h - a connection that is asked in a plain protocol of lines or lengths;
 * private to lib/dict. All wait until a deadline (clock_mono()), and block.
 */
#ifndef DICT_SERVER_TALK_H
#define DICT_SERVER_TALK_H

#include "dict/server/driver.h"

struct talk;

/*
 * Connects to "unix:/path" or "inet:host:port": an address, in [] or not, or a
 * name of /etc/hosts. For conns_open(); a connection is a struct talk.
 */
extern const struct server_link talk_link;

/* Any of these false with `why`: the connection is of no use any more. */
MUST_USE bool talk_put(struct talk *w, struct span bytes, int64_t deadline,
    struct why *why);

/* All before the next `end`, of at most `max` bytes; good until the next call. */
MUST_USE bool talk_until(struct talk *w, char end, size_t max,
    struct span *text_r, int64_t deadline, struct why *why);

/* So many bytes; likewise. */
MUST_USE bool talk_take(struct talk *w, size_t n, struct span *text_r,
    int64_t deadline, struct why *why);

#endif
