/*
 * intake.h - how a message gets into the queue, whoever brings it: smtpd, and
 * cleanup for what programs of this machine submit and for reports.
 *
 *	struct intake *in = intake_new(&conf, arrived);
 *
 *	intake_put(in, SPAN("Received: ... id "));   what is ours, in front
 *	intake_put_id(in);
 *	intake_feed(in, piece);                      the message, as it comes
 *	intake_end(in);
 *	intake_add(in, &rcpt);                       with its virtual aliases
 *	intake_commit(in);
 *
 * Addresses become what they are to be (rewrite.h), those of the envelope always,
 * and those in the head where ->complete says that the client is ours; then the
 * fields that a message needs and does not have are put behind its head, too (RFC
 * 6409, section 8). What the suite says itself is ->internal: nothing is rewritten,
 * and nobody gets a copy. The first failure is final and stands in
 * ->error; all later calls do nothing, but for intake_free().
 *
 * What is fed is kept in memory up to a bound, and then written by ->flush, which
 * a caller that must not block gives; all others leave it NULL.
 */
#ifndef QUEUE_INTAKE_H
#define QUEUE_INTAKE_H

#include "base/hash.h"
#include "mail/header.h"
#include "mail/rewrite.h"
#include "mail/routing.h"
#include "queue/queue.h"

enum {
	INTAKE_MEMORY_MAX = 32 *
	    1024, /* of a message, before it goes to disk */
	INTAKE_RCPTS_LIMIT = 8 << 20, /* bytes of a client's recipients */
};

/* What is the same for all messages; all borrowed. */
struct intake_conf {
	struct queue *queue;
	struct routing *routing;
	struct rewrite *rewrite;
	const char *myhostname;
	const char *myorigin;
	size_t memory; /* for recipients; 0: INTAKE_RCPTS_LIMIT */
};

struct intake;

/* Calls intake_flush() where that may block. Its result is in ->error. */
typedef void intake_flush_fn(struct intake *in);

struct intake {
	intake_flush_fn *flush; /* the caller's, or NULL */
	bool complete;
	bool internal;
	struct span sender; /* as it was given: for From:, and the envelope's */
	struct span sender_name; /* for From: */

	/* To be read. */
	const struct intake_conf *conf;
	int error; /* 0 or -errno; -ELOOP does not come from here */
	struct header_scan scan;
	struct arena *arena; /* for what lives as long */
	int64_t arrived; /* wall clock, microseconds */
	struct queue_id id; /* once it is committed */
	struct queue_name name;
	struct queue_envelope
	    envelope; /* ->arrived and ->sender are set here */

	/* Private from here on. */
	struct queue_writer *writer;
	struct queue_rcpt *rcpts;
	bool has_from; /* ->from is the sender, as it is to be */
	struct span from;
	size_t n, max;
	struct hash known; /* all of them, once they are many */
	char added_id[24]; /* the time in a Message-ID of ours; or "" */
};

/* Never NULL. Plain. */
struct intake *intake_new(const struct intake_conf *conf, int64_t arrived);

/* Removes what was begun and not committed. NULL is fine. Blocks. */
struct intake *intake_free(struct intake *in);

/* Whether intake_free() has nothing to do on disk. Plain. */
bool intake_is_in_memory(const struct intake *in);

/* Puts fields of our own in front of the head; and the ID. */
void intake_put(struct intake *in, struct span text);
void intake_put_id(struct intake *in);

/* The message, in pieces. False: ->error is set. */
bool intake_feed(struct intake *in, struct span piece);
bool intake_end(struct intake *in);

/* An address without a domain is one of ours. Kept in ->arena if it grows. */
struct span intake_qualify(struct intake *in, struct span addr);

enum intake_added {
	INTAKE_ADDED, /* it, or what it stands for */
	INTAKE_UNKNOWN, /* which that is cannot be found out now */
};

/* Adds a recipient; ->addr is as it was given, ->orig is not looked at. */
MUST_USE enum intake_added intake_add(struct intake *in,
    const struct queue_rcpt *given);

/* How many there are. */
size_t intake_count(const struct intake *in);

/* Writes out what is in memory; for ->flush. Blocks. */
void intake_flush(struct intake *in);

/* The rest, durable: from then on it is mail. Returns 0 or -errno. Blocks. */
MUST_USE int intake_commit(struct intake *in);

/* Logs its Message-ID. */
void intake_log_id(const struct intake *in);

/* For CLEANUP. */
static inline void
intake_freep(struct intake **in)
{
	intake_free(*in);
}

#endif
