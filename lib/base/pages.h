/*
 * pages.h - storage that is wanted for a moment, apart from what stays.
 *
 * A session has buffers while its peer speaks, and small objects for as long as
 * it lasts. From one heap, the buffers of a thousand sessions that went silent
 * leave holes between those objects, and a page with one of them stays. Pages of
 * here hold buffers alone, and those that are free can all go back to the system.
 *
 * For the loop's thread only. AddressSanitizer knows which are taken, and how
 * much of the last one.
 */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include "base/defs.h"

enum {
	PAGES_MAX = 64 * 1024, /* bytes; more is the heap's */
};

/* At least `n` bytes, of any content; n > 0. Ends the process if there are none. */
void *pages_take(size_t n);

/* What pages_take(n) has given; NULL is fine. Its content is the next one's. */
void pages_give(void *p, size_t n);

/* The free ones hold no memory until they are taken again. */
void pages_cool(void);

#endif
