/*
 * errand.h - what `local` has done by a process that is somebody else: read a
 * user's file, write to his mailbox, run his command.
 *
 * An errand is a blocking program of one request at a time. It was made the user
 * before it began and has nothing of root's. Requests are ERRAND messages, with
 * the queue file where mail is to go somewhere; an answer is ERRAND_DONE.
 *
 *	KIND          FILE                what else
 *	READ          -                   FORWARDs, files of which the first counts;
 *	                                  FLAGS: what has to hold; the items come back
 *	                                  in VALUEs, and STATUS is an enum dict_result
 *	MAILDIR       the folder in HOME
 *	MBOX, FILE    the file            MAX_SIZE; COUNT times it is tried to lock it,
 *	                                  MILLISECONDS apart; after TTL seconds a lock
 *	                                  is old
 *	COMMAND       the command         HOME to run in, VALUE "NAME=value" of its
 *	                                  environment, MILLISECONDS it may take
 *
 * With FORWARDs all others are a READ first, which has to find nothing for them to
 * be done; the answer's KIND says which one it is the answer to.
 *
 * SENDER, ADDR and ORIG make the lines before the message. One that went through
 * ADDR before, as its Delivered-To: says, goes nowhere (DSN 5.4.6).
 */
#ifndef LOCAL_ERRAND_ERRAND_H
#define LOCAL_ERRAND_ERRAND_H

#include "base/arena.h"
#include "mail/maillog.h"
#include "service/msg.h"

#include <sys/types.h>

enum errand_kind {
	ERRAND_READ = 1,
	ERRAND_MAILDIR,
	ERRAND_MBOX,
	ERRAND_FILE,
	ERRAND_COMMAND,
};

enum {
	ERRAND_OWN = BIT(0), /* the file has to be the user's, and only his */
	ERRAND_SHARED = BIT(1), /* or at least not everybody's */
	ERRAND_DELIVERED = BIT(2), /* put Delivered-To: on top */
	ERRAND_DOTLOCK = BIT(3),
	ERRAND_FCNTL = BIT(4),
	ERRAND_FLOCK = BIT(5),

	ERRAND_FILE_MAX = 1 << 20, /* bytes of a file that is read */
	ERRAND_ITEMS_MAX = 1000, /* in it */
	ERRAND_OUTPUT_MAX = 400, /* bytes of a command's that are told */
	ERRAND_MEMORY_MAX = 8 << 20,
};

/* A request, with memory for as long as it takes. */
struct errand {
	struct msg_in in;
	enum errand_kind kind;
	int fd; /* the queue file, or -1 */
	struct arena *arena;
};

/* The answer; of a READ, `out` has it already, from VALUE on. */
struct errand_result {
	uint64_t status; /* enum delivery_status; READ: enum dict_result */
	const char *dsn;
	char text[900];

	/* Of a mail in a Maildir: where it lies; uid 0: nowhere. */
	uint32_t uidvalidity;
	uint32_t uid;
};

void errand_read(const struct errand *e, struct errand_result *r,
    struct buf *out);
void errand_maildir(const struct errand *e, struct errand_result *r);
void errand_mbox(const struct errand *e, struct errand_result *r);
void errand_command(const struct errand *e, struct errand_result *r);

/* "Later", or "never", for this reason. */
void errand_fail(struct errand_result *r, enum delivery_status status,
    const char *dsn, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Return-Path:, X-Original-To:, Delivered-To:; in the errand's memory. */
struct span errand_head(const struct errand *e);

/*
 * Copies the message to a descriptor, after `head`; for an mbox with its line
 * "From " before and each such line quoted. A pipe may end when it likes; the
 * content is checked. Returns 0, -EBADMSG, or -errno. Blocks.
 */
MUST_USE int errand_copy(const struct errand *e, int to, struct span head,
    bool mbox);

/* The next piece of the content at *done_r, or 0 at its end, or -errno. */
MUST_USE ssize_t errand_content(const struct errand *e, uint64_t *done_r,
    uint32_t *sum_r, char *piece, size_t max);

/* Whether the content is what it was; after errand_content() returned 0. */
bool errand_is_whole(const struct errand *e, uint32_t sum);

/* "From sender  Sat Nov 21 20:57:58 2026\n". */
void errand_put_from(const struct errand *e, struct buf *b);

/* Whether it was delivered to ADDR before, or -errno. */
MUST_USE int errand_has_looped(const struct errand *e);

#endif
