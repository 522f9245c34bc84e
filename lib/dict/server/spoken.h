/*
 * spoken.h - what socketmap: and tcp: have in common: one server, one question, one
 * reply; private to lib/dict.
 */
#ifndef DICT_SERVER_SPOKEN_H
#define DICT_SERVER_SPOKEN_H

#include "dict/server/replies.h"
#include "dict/server/talk.h"

/* A question and what came of it. */
struct spoken_ask {
	struct span name; /* of the table, for a server that has several */
	struct span key;
	struct buf *text; /* the value, or the reason */
	enum reply reply;
};

/* Says what there is to say, by a connection, and hears. */
typedef enum server_result spoken_fn(struct talk *w, struct spoken_ask *a,
    int64_t deadline, struct why *why);

/* "type:host", with the table's `name` behind if `has_name`. NULL with `why`. */
struct dict *spoken_open(const char *type, const char *text, unsigned flags,
    bool has_name, spoken_fn *fn, struct why *why);

#endif
