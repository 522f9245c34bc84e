/*
 * mime.h - the parts of a message, found while it is read once (RFC 2045, 2046).
 *
 * A message is fed in pieces of any size; its lines end in LF or CRLF. What
 * comes of it is a tree of parts with the places of their heads and bodies in
 * what was fed, their sizes on the wire, where each line ends in CRLF, and what
 * BODYSTRUCTURE and ENVELOPE tell of them. No body is kept.
 *
 * The tree lies in the caller's arena. Each bound below, and the arena's own, is
 * an ordinary outcome: what goes over it is left out, a part that is not taken
 * apart any more is opaque, and the tree is well-formed and has right sizes.
 * Strangers' mail breaks rules, so what is not understood is skipped; what a
 * head does not say, or says wrong, is the default of RFC 2045.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "base/arena.h"
#include "mail/mime_params.h"

enum {
	MIME_DEPTH_MAX = 64, /* parts within parts */
	MIME_PARTS_MAX = 4096,
	MIME_FIELD_MAX = 32 << 10, /* of a field that is kept, unfolded */
	MIME_BOUNDARY_MAX = 256, /* RFC 2046 has 70 */
	MIME_ARENA_MAX = 4 << 20, /* a limit for the arena of one message */
};

/* The fields that are kept; those of ENVELOPE come first. */
enum mime_field {
	MIME_DATE,
	MIME_SUBJECT,
	MIME_FROM,
	MIME_SENDER,
	MIME_REPLY_TO,
	MIME_TO,
	MIME_CC,
	MIME_BCC,
	MIME_IN_REPLY_TO,
	MIME_MESSAGE_ID,
	MIME_ENVELOPE_N,
};

/* Unfolded, without blanks around; ->p is NULL if the head has none. */
struct mime_envelope {
	struct span fields[MIME_ENVELOPE_N];
};

enum mime_kind {
	MIME_LEAF,
	MIME_TEXT, /* text, a leaf whose lines are told */
	MIME_MULTIPART, /* has one part or more, but for an empty one */
	MIME_MESSAGE, /* message/rfc822; has one part, that message */
	MIME_OPAQUE, /* a bound was reached: a leaf, whatever its type says */
};

/* A place in what was fed, and its distance on the wire from the start. */
struct mime_place {
	uint64_t at;
	uint64_t wire;
	uint64_t lines; /* ends of lines before it */
};

/*
 * A part. The body of a message/rfc822 is the head and the body of its one
 * part. Texts are NULL if there are none; without a usable Content-Type ->type
 * and ->subtype are the default, and ->params may be NULL.
 */
struct mime_part {
	struct mime_part *parent;
	struct mime_part *parts; /* the first one in it */
	struct mime_part *next;
	unsigned depth;
	unsigned parts_n;
	enum mime_kind kind;
	struct mime_place head;
	struct mime_place body;
	struct mime_place end;
	struct span type;
	struct span subtype;
	struct mime_param *params;
	struct span id;
	struct span description;
	struct span encoding;
	struct span md5;
	struct span disposition;
	struct mime_param *disposition_params;
	struct mime_param *languages; /* ->value of each */
	struct span location;
	struct mime_envelope *envelope; /* of the first part, and a message's */
};

struct mime_parser;

/* Parts and texts will lie in `arena`, which outlives them. Never NULL. */
struct mime_parser *mime_new(struct arena *arena);

/* NULL is fine, and is returned. */
struct mime_parser *mime_free(struct mime_parser *m);

/* Takes the next piece of the message. */
void mime_feed(struct mime_parser *m, struct span piece);

/*
 * The message is over. Returns the outermost part; NULL if the arena had no
 * room even for that.
 */
struct mime_part *mime_end(struct mime_parser *m);

/*
 * Finds a part by its numbers (RFC 3501, 6.4.5): "2.1" is the first part of the
 * second. Where a part is no multipart, 1 is its only one, itself. NULL: there is
 * none. With `n` 0 it is `root`.
 */
struct mime_part *mime_find(struct mime_part *root, const uint32_t *numbers,
    size_t n);

static inline void
mime_freep(struct mime_parser **m)
{
	mime_free(*m);
}

#endif
