/*
 * result.h - what can come of asking the store for something.
 */
#ifndef STORE_RESULT_H
#define STORE_RESULT_H

/* "Could not" is never "no": only OK is done, and TEMPFAIL may work later. */
enum store_result {
	STORE_OK,
	STORE_ABSENT, /* no such mailbox or message */
	STORE_EXISTS, /* there is one of that name */
	STORE_INVALID, /* no mailbox can have that name, or be used so */
	STORE_OVERQUOTA, /* the owner's, or of who has the file system */
	STORE_LIMIT, /* a bound of ours: no letter for a keyword is left, ... */
	STORE_BUSY, /* somebody held the lock for too long */
	STORE_TEMPFAIL,
	STORE_CORRUPT, /* the content is not what its checksum says */
};

#endif
