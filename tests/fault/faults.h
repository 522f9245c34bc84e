/*
 * faults.h - system calls that fail, or are the last, when a test says so.
 *
 * The linker puts these in the place of the C library's (--wrap, see
 * meson.build). They count the calls of queue, store and deliver that matter;
 * the n-th fails with an error, or ends the process: killed (what was done
 * stays), or by a power cut, of which there are two kinds.
 *
 * THE MODEL OF A DISK is a journal like ext4's. What was written to a file since
 * its last sync is lost. A sync of any file commits all names there are by then;
 * FAULT_CUT_NAMES undoes those that came later, the last first, and
 * FAULT_CUT_DATA keeps them, which is how names of empty files come about. What
 * was unlinked stays so.
 */
#ifndef FAULTS_H
#define FAULTS_H

enum fault_mode {
	FAULT_NONE,
	FAULT_ERROR,
	FAULT_KILL, /* a write is done by half */
	FAULT_CUT_NAMES,
	FAULT_CUT_DATA,
};

enum {
	FAULT_EXIT = 99 /* how a process ends by FAULT_KILL and the cuts */
};

/* From now on: the `n`-th call, from 1 on. */
void fault_set(enum fault_mode mode, unsigned n, int error);

/* After a power cut it is another boot: its ID is in this file. */
void fault_set_boot(const char *path);

/* How many calls there were since. */
unsigned fault_count(void);

#endif
