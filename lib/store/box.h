/*
 * box.h - a Maildir that is open: its folders and its lock. Private to lib/store.
 *
 * A handle is kept for the next delivery, up to BOX_MAX of them; the one unused
 * for the longest goes first. That somebody has removed or replaced the mailbox
 * meanwhile is noticed under the lock, and tells -ESTALE: box_drop() it and
 * begin again.
 *
 * THE LOCK is of two parts: a mutex between the threads that share the handle,
 * and an OFD lock on the uid file between processes. It is held for a write and
 * a rename, and now and then a sync.
 */
#ifndef STORE_BOX_H
#define STORE_BOX_H

#include "base/hash.h"
#include "base/list.h"
#include "store/deliver.h"
#include "store/index.h"
#include "store/keywords.h"
#include "store/uidfile.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum {
	BOX_MAX = 64, /* handles kept, of five descriptors each */
	BOX_PATH_MAX = 1024,
	BOX_LOCK_TRIES = 600, /* of 50 ms */
	BOX_LOCK_PAUSE = 50,
	BOX_UID_SEEN_MS = 1000, /* how often the uid file is looked for */
};

#define BOX_UID_NAME "postrider-uid"

struct store {
	int root;
	char *root_path;
	struct watches *watches; /* NULL: nobody asked for news */
	char boot[UIDFILE_BOOT + 1];
	char host[128]; /* as it may stand in a file's name */
	pid_t pid;
	atomic_uint counter; /* makes names unique */

	pthread_mutex_t lock; /* of what follows */
	struct hash boxes; /* by path */
	struct link unused; /* the first the longest */
	size_t unused_n;
};

struct box {
	struct hash_link link;
	struct link unused_link;
	unsigned refs;
	bool stale; /* in the table no more */
	bool sync_folder; /* this file system wants it */
	atomic_bool keeps_ns; /* and it keeps times as they are given */
	int folder;
	int tmp;
	int new;
	int cur;
	int uid_fd;
	dev_t dev;
	ino_t uid_ino;
	_Atomic int64_t uid_seen; /* in clock_mono(); 0: never */
	ino_t new_ino;
	pthread_mutex_t lock;
	struct index *_Atomic index; /* set under the lock, once */
	size_t path_n;
	size_t user_n; /* the part of the path that is the user's INBOX */
	char path[BOX_PATH_MAX]; /* below the root, ends in '/' */
};

/*
 * Opens it, and with `make` makes it if it is not there. Returns 0 or -errno with
 * `why`.
 */
MUST_USE int box_open(struct store *s, struct span mailbox, bool make,
    struct box **box_r, struct why *why);

/* The mailbox's name: of ".Sent/" it is "Sent", of the INBOX nothing. */
struct span box_name(const struct box *b);

/*
 * Whether what is open is what lies there: else mail would land in a folder that
 * somebody has put aside. If it is, *new_time_r is the time of new/, as of
 * change_time().
 */
bool box_is_in_place(struct store *s, struct box *b, int64_t *new_time_r);

/* Gives it back; NULL is fine. */
void box_close(struct store *s, struct box *b);

/* It is not what lies there now: the next box_open() opens anew. */
void box_drop(struct store *s, struct box *b);

/* Gives back the handles that nobody uses. */
void box_close_all(struct store *s);

/* Only locks it. Returns 0, -ESTALE or -errno: not locked then. */
MUST_USE int box_lock(struct store *s, struct box *b);

/*
 * What the uid file says, in this boot's terms; begins it if there is nothing,
 * with a dovecot-uidlist's UIDVALIDITY if one lies beside. Under the lock, as all
 * that follows.
 */
MUST_USE int box_read_uid(struct store *s, struct box *b,
    struct uidfile *file_r);
MUST_USE int box_write_uid(struct box *b, const struct uidfile *f, bool sync);

/* The index, or NULL: then there is none, or it cannot be used. */
struct index *box_index(struct store *s, struct box *b, bool make);

/* The names of its keywords. */
MUST_USE int box_keywords(struct box *b, struct keywords *k_r);
MUST_USE int box_add_keyword(struct box *b, const struct keywords *k,
    unsigned n);

/* Opens a file; never leaves the folder `at`, and follows no link. */
int box_open_below(int at, const char *name, int flags, mode_t mode);

/*
 * A folder's names, read by a descriptor of its own; follows no link. For closedir();
 * NULL, with errno: it cannot be read.
 */
DIR *box_open_dir(int at, const char *name);

/* All of a file of up to `max` bytes, for box_free_text(). */
MUST_USE int box_read_all(int fd, size_t max, struct span *text_r);

void box_free_text(struct span text);

/* That of a file in the folder; nothing if it is not there. */
MUST_USE int box_read_file(struct box *b, const char *name, size_t max,
    struct span *text_r);

/*
 * Locks and takes a UID; the caller renames and unlocks. Returns 0, -ESTALE, or
 * -errno: not locked then.
 */
struct box_uid {
	uint32_t uidvalidity;
	uint32_t uid;
	int64_t new_time; /* of new/, as box_is_in_place() says it */
};
MUST_USE int box_take_uid(struct store *s, struct box *b,
    struct box_uid *uid_r);
void box_unlock(struct box *b);

/* When a file was changed, in nanoseconds. */
static inline int64_t
box_mtime(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* A name that no other file has: SECONDS.MmicroPpidQn.HOST */
void box_make_name(struct store *s, char name[NAME_SIZE]);

/*
 * Moves to tmp/ what is shorter than its name says, of the UIDs given last: it was
 * renamed, but not synced, when the machine stopped. What was in new/ qmgr never
 * heard of, and sends it again. Once for each boot, under the lock; `f` is as the
 * boot before left it.
 */
void box_sweep(struct box *b, const struct uidfile *f);

#endif
