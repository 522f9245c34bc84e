/*
 * frame.h - where a command of IMAP ends: lines and the literals in them.
 *
 * Bytes are fed as they come; each call takes from the front of *in what belongs
 * to one outcome. A command is kept whole, with its literals as they stand,
 * "{3}" CRLF "abc", so that the parser sees one span. Not so the message of an
 * APPEND: its size is announced (FRAME_APPEND), and the caller takes its bytes
 * past the frame.
 *
 * Only CRLF ends a line. Who sends more than fits gets told once the rest has
 * been skipped; who sends without asking more than FRAME_SKIP_MAX has to go.
 * Literals are of RFC 3501 and, without waiting, of RFC 7888 (LITERAL+).
 */
#ifndef IMAPD_PARSE_FRAME_H
#define IMAPD_PARSE_FRAME_H

#include "base/buf.h"

enum {
	FRAME_SKIP_MAX = 1 << 20, /* of a literal that nobody allowed */
	FRAME_LITERALS_MAX = 64, /* of one command */
	FRAME_TAG_MAX = 64,
};

/* What came of a call. */
enum frame_result {
	FRAME_MORE, /* *in is used up */
	FRAME_COMMAND, /* ->text is a command, without its last CRLF */
	FRAME_LITERAL, /* the client waits for "+ ": say so, and go on */
	FRAME_APPEND, /* ->text up to "{n}"; then ->literal_n bytes come */
	FRAME_BAD, /* ->error for ->tag; the command is over */
	FRAME_CLOSE, /* ->error for BYE; nothing else can be understood */
};

struct frame {
	struct buf text; /* good until the next call after an outcome */
	const char *error; /* what follows BAD */
	uint64_t literal_n; /* bytes of the message of an APPEND */
	bool literal_sync; /* it waits for "+ " */
	bool literals; /* false: lines only, as after AUTHENTICATE and IDLE */

	/* Private from here on. */
	enum {
		FRAME_IN_LINE,
		FRAME_IN_LITERAL,
		FRAME_SKIP_LINE,
		FRAME_SKIP_LITERAL,
	} at;
	bool fresh; /* the next byte begins a command */
	unsigned literals_n;
	uint64_t left; /* of a literal */
	size_t line; /* where in ->text the line began */
	size_t tail_n;
	char tail[24]; /* the last bytes of a line that is skipped */
	size_t tag_n;
	char tag[FRAME_TAG_MAX];
};

/* `storage` bounds a command with its literals, and outlives the frame. */
void frame_init(struct frame *f, char *storage, size_t max);

/* Takes what it can from the front of *in. */
MUST_USE enum frame_result frame_feed(struct frame *f, struct span *in);

/*
 * After FRAME_APPEND: the caller has had all of the message, and what comes is
 * the rest of the command, whose text begins anew. Or it refused and the client
 * had not been told to go on: the next command comes; use frame_reset().
 */
void frame_resume(struct frame *f);
void frame_reset(struct frame *f);

/*
 * After FRAME_APPEND: the command is refused before its message was taken. FRAME_BAD
 * at once if the client waits; FRAME_MORE if the rest will be skipped, and then
 * comes FRAME_BAD; or FRAME_CLOSE.
 */
MUST_USE enum frame_result frame_refuse(struct frame *f, const char *error);

/* The tag of what is refused: "*" if there is no proper one. */
struct span frame_tag(const struct frame *f);

/* "{" number ["+"] "}" at the end of a line. */
MUST_USE bool frame_literal(struct span line, uint64_t *n_r, bool *sync_r);

#endif
