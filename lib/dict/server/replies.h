/*
 * replies.h - what servers of socketmap:, tcp: and memcache: say, and how they are
 * asked; private to lib/dict. Pure: bytes in, an outcome out.
 */
#ifndef DICT_SERVER_REPLIES_H
#define DICT_SERVER_REPLIES_H

#include "base/buf.h"

enum reply {
	REPLY_FOUND,
	REPLY_ABSENT,
	REPLY_FAILED, /* the server says that it cannot say */
	REPLY_GARBLED, /* it is no reply */
};

enum {
	SOCKETMAP_MAX =
	    100000, /* bytes of a question or a reply, as Sendmail has it */
	TCP_LINE_MAX = 4096,
};

/*
 * "OK value", "NOTFOUND ", "TEMP why", "TIMEOUT why", "PERM why", as a netstring
 * held it. `text_r` is the value or the reason.
 */
MUST_USE enum reply reply_socketmap(struct span in, struct span *text_r);

/* Puts "LENGTH:NAME KEY,". */
void ask_socketmap(struct buf *out, struct span name, struct span key);

/*
 * A line, without its end: "200 value", "500 why", "400 why", where %XX stands for
 * a byte. What it says goes to `text`.
 */
MUST_USE enum reply reply_tcp(struct span line, struct buf *text);

/* Puts "get KEY\n", blanks, controls and % as %XX. */
void ask_tcp(struct buf *out, struct span key);

/*
 * "VALUE key flags length", without its end: that many bytes and CR LF follow; or
 * "END". REPLY_FAILED: it is an error of the server's.
 */
MUST_USE enum reply reply_memcache(struct span line, struct span key,
    uint64_t max, uint64_t *length_r);

/* Whether memcached can have such a key: up to 250 bytes, no blanks or controls. */
MUST_USE bool memcache_has(struct span key);

#endif
