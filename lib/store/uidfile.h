/*
 * uidfile.h - the line that says which UID comes next in a mailbox.
 *
 * "postrider-uid" in the folder of a mailbox begins with one line of a fixed
 * length, so that it is changed in place by one write:
 *
 *	postrider-uid 1 uidvalidity=N next=N reserved=N boot=HEX crc=HEX
 *
 * ->next goes forward with each delivery, under the mailbox's lock, and is not
 * synced. ->reserved is: no UID at or above it was ever given out. After a boot
 * that is not the one in the line nobody knows how old ->next is, so it goes on
 * from ->reserved. So no UID is given twice, whatever crashes, and a delivery
 * costs a sync more only once in UIDFILE_BLOCK.
 *
 * Behind it stand the mailbox's keywords: keywords.h.
 *
 * The line is in reach of the mailbox's owner: it is foreign. Plain, all of it.
 */
#ifndef STORE_UIDFILE_H
#define STORE_UIDFILE_H

#include "base/defs.h"
#include "base/span.h"

enum {
	UIDFILE_LINE = 126, /* with its LF */
	UIDFILE_BOOT = 32, /* hex digits of a boot's ID */
	UIDFILE_BLOCK = 1024, /* UIDs reserved by one sync */
};

struct uidfile {
	uint32_t uidvalidity;
	uint32_t next;
	uint32_t reserved;
	char boot[UIDFILE_BOOT + 1];
};

/* Reads the line that `in` begins with. False: it is damaged. */
MUST_USE bool uidfile_read(struct span in, struct uidfile *file_r);

void uidfile_put(char out[UIDFILE_LINE], const struct uidfile *f);

/*
 * What to begin with where there is no line, or `damaged` is all there is of
 * one: a UIDVALIDITY from the time, in seconds, but above the one before as far
 * as that can be read.
 */
void uidfile_begin(struct uidfile *f, int64_t now, struct span damaged);

/* In the boot `boot`: if that of the line is another, goes on from ->reserved. */
void uidfile_adopt(struct uidfile *f, const char *boot);

/*
 * Takes the next UID during the boot `boot`. True in *sync_r: the line has to be
 * on disk before the UID may be used.
 */
uint32_t uidfile_take(struct uidfile *f, const char *boot, int64_t now,
    bool *sync_r);

#endif
