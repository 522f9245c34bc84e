/*
 * folder.h - what is behind a struct queue. Private to lib/queue.
 *
 * The folders are opened once and named by descriptor from then on. What is
 * not constant is under the lock: random bytes taken ahead, and which files and
 * folders queue_sync() has to look after.
 */
#ifndef QUEUE_FOLDER_H
#define QUEUE_FOLDER_H

#include "queue/queue.h"

#include <pthread.h>

enum {
	FOLDER_RANDOM = 10, /* bytes in a name: 80 bits */
	FOLDER_RANDOM_TEXT = 16, /* in base 32 */
	FOLDER_TOUCHED_MAX = 16, /* more files than that: all at once */
	FOLDER_STALE_SECONDS = 3600, /* begun and never committed */
};

struct queue {
	enum queue_use use;
	bool long_ids;
	int fds[QUEUE_PLACES];

	pthread_mutex_t lock;
	char random[FOLDER_RANDOM * 25]; /* one getrandom() is for 25 names */
	size_t random_left;
	int touched[FOLDER_TOUCHED_MAX]; /* appended to, and not yet synced */
	size_t touched_n;
	bool touched_more;
	bool changed[QUEUE_PLACES]; /* a name came or went */
};

/* Random text for a name, with a NUL. Returns 0 or -errno. */
MUST_USE int folder_random(struct queue *q, char text[FOLDER_RANDOM_TEXT + 1]);

/* The ID of a file that was made at `now`, in microseconds. */
void folder_make_id(const struct queue *q, int64_t now, uint64_t inode,
    struct queue_id *id_r);

/* Takes over `fd`, which was appended to, until the next queue_sync(). */
void folder_touched(struct queue *q, int fd);
void folder_changed(struct queue *q, enum queue_place place);

/* Closes *fd unless it is -1. For CLEANUP. */
void folder_closep(int *fd);

/* Reads or writes all of it, at an offset. Returns 0 or -errno; a read that
 * ends early returns what it got in *n_r. */
MUST_USE int folder_read(int fd, char *to, size_t max, uint64_t at,
    size_t *n_r);
MUST_USE int folder_write(int fd, struct span s, uint64_t at);

#endif
