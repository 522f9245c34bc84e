/*
 * uidset.h - a set of UIDs, or of sequence numbers: RFC 9051's sequence-set.
 *
 * Ranges in ascending order, none of which touches another, so that a set of
 * all messages of a mailbox is one range. A set begins as `{ 0 }` and ends with
 * uidset_fini(); 0 is in no set. What a client sends is bounded by
 * UIDSET_RANGES_MAX ranges; what the store makes of it is bounded by the
 * mailbox. Plain, all of it.
 */
#ifndef STORE_UIDSET_H
#define STORE_UIDSET_H

#include "base/buf.h"
#include "base/defs.h"
#include "base/span.h"

enum {
	UIDSET_RANGES_MAX = 16384, /* of one set that is parsed */
};

struct uid_range {
	uint32_t first;
	uint32_t last; /* not below ->first */
};

struct uidset {
	struct uid_range *ranges;
	size_t n;
	size_t max;
};

/* Gives the memory back; the set is empty then. */
void uidset_fini(struct uidset *s);

/* Makes it empty and keeps the memory. */
void uidset_reset(struct uidset *s);

/* Adds first..last, in any order of the two; what is in already stays in. */
void uidset_add(struct uidset *s, uint32_t first, uint32_t last);

/* Takes one number out, if it is in. */
void uidset_remove(struct uidset *s, uint32_t n);

bool uidset_has(const struct uidset *s, uint32_t n);

/* How many numbers are in it. */
uint64_t uidset_count(const struct uidset *s);

/*
 * Returns the lowest number in the set that is at least `n`, or 0: a loop over
 * all is for (n = uidset_next(s, 1); n; n = uidset_next(s, n + 1)). After
 * UINT32_MAX comes 0, which ends the loop too.
 */
uint32_t uidset_next(const struct uidset *s, uint32_t n);

/*
 * sequence-set = (seq-number / seq-range) *("," (seq-number / seq-range))
 * from the front of *in; `star` is what "*" stands for, and where it is 0, in a
 * mailbox without messages, "*" is in no set. False: there is none, or it has
 * too many ranges; *in is as it was, and *set_r is empty.
 */
MUST_USE bool uidset_take(struct span *in, uint32_t star, struct uidset *set_r);

/* Appends "1:3,7"; nothing for an empty set. */
void uidset_put(struct buf *b, const struct uidset *s);

/* For CLEANUP. */
static inline void
uidset_finip(struct uidset *s)
{
	uidset_fini(s);
}

#endif
