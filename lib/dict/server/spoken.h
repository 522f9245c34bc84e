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

struct spoken_kind {
	const char *type;
	bool has_name; /* the table's stands behind the host */
	/* Puts the question, of at most name + 3 * key + 32 bytes. */
	void (*put)(struct buf *out, const struct spoken_ask *a);
	enum server_result (*hear)(struct talk *w, struct spoken_ask *a,
	    int64_t deadline, struct why *why);
};

/* `text` is what stands behind "type:". NULL with `why`. */
struct dict *spoken_open(const struct spoken_kind *kind, const char *text,
    unsigned flags, struct why *why);

#endif
