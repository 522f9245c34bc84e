/*
 * record.h - the bytes of a queue file, to and from memory. Private to lib/queue.
 *
 * docs/QUEUE.md shows them one by one. All numbers are little-endian, on every
 * machine. What is read may have been written by a process that speaks to the
 * network, or damaged: each length is checked before what it counts is touched,
 * and what is not understood is refused. Nothing here allocates or does I/O;
 * the spans that come out point into the input.
 */
#ifndef QUEUE_RECORD_H
#define QUEUE_RECORD_H

#include "base/buf.h"
#include "queue/queue.h"

enum {
	RECORD_VERSION = 1,
	RECORD_HEAD = 64, /* bytes of the head, and where content begins */
	RECORD_TRAILER = 40,
	RECORD_FIELD = 3, /* before each field of the envelope: tag, length */
	RECORD_FIELD_MAX = 65535,
	RECORD_STATE = 12, /* before each state record: magic, length, CRC */
	RECORD_STATE_FIXED = 24, /* bytes of its payload before the texts */
	RECORD_STATE_MAX = 4096, /* of a payload; longer texts are cut */
	RECORD_TOLD = 256, /* added to a verdict of which the sender was told */
};

/* What the head says; envelope and trailer follow the content. */
struct record_head {
	uint64_t content_length;
	uint64_t envelope_length;
	uint32_t rcpts;
};

struct record_trailer {
	uint32_t content_checksum;
	uint32_t checksum; /* of head and envelope */
};

void record_put_head(char out[RECORD_HEAD], const struct record_head *h);

/* False: it is none, or its numbers cannot be. */
MUST_USE bool record_read_head(struct span in, struct record_head *head_r);

/* Where parts begin and where the states do, if the head was read. */
static inline uint64_t
record_envelope_at(const struct record_head *h)
{
	return RECORD_HEAD + h->content_length;
}

static inline uint64_t
record_states_at(const struct record_head *h)
{
	return record_envelope_at(h) + h->envelope_length + RECORD_TRAILER;
}

/*
 * Bytes the envelope will take, or 0 if it must not be written: a field is too
 * long, an address has a NUL, CR or LF in it, or there are too many of them.
 */
size_t record_envelope_size(const struct queue_envelope *e,
    const struct queue_rcpt *rcpts, size_t n);

/*
 * Appends it to `out`, which has that room. In what a client said of itself NUL,
 * CR and LF become '?'.
 */
void record_put_envelope(struct buf *out, const struct queue_envelope *e,
    const struct queue_rcpt *rcpts, size_t n);

/* Reads it, with exactly `n` recipients. False: it is damaged. */
MUST_USE bool record_read_envelope(struct span in, struct queue_envelope *e_r,
    struct queue_rcpt *rcpts_r, size_t n);

void record_put_trailer(char out[RECORD_TRAILER], const struct record_head *h,
    const struct record_trailer *t);

/* False: it is damaged, or of another head. */
MUST_USE bool record_read_trailer(struct span in, const struct record_head *h,
    struct record_trailer *trailer_r);

/* The checksum over head and envelope. */
uint32_t record_checksum(struct span head, struct span envelope);

/* Bytes that a state record will take; then appends it. */
size_t record_state_size(const struct queue_state *s);
void record_put_state(struct buf *out, const struct queue_state *s);

/*
 * Takes the next state record, of a recipient below `n`. False: what is left,
 * maybe nothing, is none, and *in is where it begins.
 */
MUST_USE bool record_take_state(struct span *in, size_t n,
    struct queue_state *state_r);

#endif
