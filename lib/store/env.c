#include "store/env.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "store/index.h"
#include "store/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	OPEN_STAMP = 1024,
	OPEN_GATE = 4096, /* this byte is locked while somebody opens */
	GATE_TRIES = 1000, /* of 10 ms */
	GATE_PAUSE = 10,
	READERS = 1024,
	LOCK_SIZE = 16384 + READERS * 64, /* of LMDB's lock file, at least */
	STAMP_SIZE = 64,
	LOOK_EVERY = 1000, /* ms */
	REST_BYTES = 1 << 20, /* an index of so many rests half as often */
};

/* Addresses only: the file is as long as what is in it. */
#define MAP_SIZE ((size_t)8 << 30)

static const char folder_name[] = "postrider-index";
static const char data_name[] = "data.mdb";
static const char lock_name[] = "lock.mdb";
static const char damaged_name[] = "damaged.mdb";

struct index {
	struct link link;
	dev_t dev; /* of its folder */
	ino_t ino;
	unsigned refs;
	int parent;
	int folder;
	char boot[UIDFILE_BOOT + 1];
	pthread_rwlock_t lock; /* of what follows; read by transactions */
	MDB_env *env; /* NULL: could not be opened */
	int open_fd;
	ino_t data_ino;
	unsigned slot;
	_Atomic int64_t looked; /* clock_mono(), when it was in its place */
	_Atomic int64_t asked; /* and when a transaction began */
};

/* All of this process: LMDB wants one environment a process and file. */
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct link all = { &all, &all };

static int
set_lock(int fd, off_t at, short type)
{
	struct flock l = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = at,
		.l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

static bool
is_locked(int fd, off_t at)
{
	struct flock l = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = at,
		.l_len = 1,
	};

	return fcntl(fd, F_OFD_GETLK, &l) < 0 || l.l_type != F_UNLCK;
}

static int
lock_gate(int fd)
{
	int err = set_lock(fd, OPEN_GATE, F_WRLCK);

	for (unsigned i = 0; err == -EAGAIN && i < GATE_TRIES; i++) {
		pause_ms(GATE_PAUSE);
		err = set_lock(fd, OPEN_GATE, F_WRLCK);
	}
	return err;
}

/* Only what is ours alone: LMDB trusts what it maps. */
static bool
is_ours(int folder, const char *name, struct stat *st)
{
	return fstatat(folder, name, st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
	    st->st_nlink == 1;
}

/*
 * Whether somebody died over it; his byte is taken back. *others_r says whether
 * others live that have it open.
 */
static bool
clear_dead(int fd, bool *others_r)
{
	char slots[INDEX_SLOTS] = { 0 };
	bool dead = false;

	*others_r = false;
	if (pread(fd, slots, sizeof(slots), 0) < 0)
		return true;
	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		if (slots[i] != 'U')
			continue;
		if (is_locked(fd, i)) {
			*others_r = true;
			continue;
		}
		dead = true;
		if (pwrite(fd, "", 1, i) != 1)
			return true;
	}
	return dead;
}

static void
make_stamp(char stamp[STAMP_SIZE], const char *boot)
{
	memset(stamp, 0, STAMP_SIZE);
	snprintf(stamp, STAMP_SIZE, "postrider-index 1 %s\n", boot);
}

static bool
has_stamp(int fd, const char *boot)
{
	char want[STAMP_SIZE], have[STAMP_SIZE] = { 0 };

	make_stamp(want, boot);
	return pread(fd, have, sizeof(have), OPEN_STAMP) == sizeof(have) &&
	    memcmp(want, have, sizeof(want)) == 0;
}

/*
 * LMDB makes its lock file long and writes to it as to memory: on a full disk that
 * is the end of the process. So it gets its blocks before.
 */
static int
make_lock_file(struct index *ix)
{
	static const char zero[4096];
	int fd = openat(ix->folder, lock_name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int err = fd < 0 ? -errno : 0;

	for (size_t n = 0; !err && n < LOCK_SIZE; n += sizeof(zero))
		if (write(fd, zero, sizeof(zero)) != sizeof(zero))
			err = errno ? -errno : -ENOSPC;
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && err)
		unlinkat(ix->folder, lock_name, 0);
	return err;
}

/* One that is `damaged` is kept, for whoever wants to know why; just one. */
static int
begin_anew(struct index *ix, bool damaged)
{
	char stamp[STAMP_SIZE];
	const char *const gone[] = { lock_name, data_name };

	if (damaged)
		renameat(ix->folder, data_name, ix->folder, damaged_name);
	for (size_t i = 0; i < COUNT_OF(gone); i++)
		if (unlinkat(ix->folder, gone[i], 0) < 0 && errno != ENOENT)
			return -errno;
	make_stamp(stamp, ix->boot);
	if (pwrite(ix->open_fd, stamp, sizeof(stamp), OPEN_STAMP) !=
	    sizeof(stamp))
		return errno ? -errno : -EIO;
	return make_lock_file(ix);
}

static int
take_slot(struct index *ix)
{
	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		if (set_lock(ix->open_fd, i, F_WRLCK) < 0)
			continue;
		ix->slot = i;
		return pwrite(ix->open_fd, "U", 1, i) == 1 ? 0 : -EIO;
	}
	return -EMFILE;
}

/* LMDB knows how to compare keys only after this. */
static int
open_dbi(MDB_env *env)
{
	MDB_txn *txn;
	MDB_dbi dbi;
	int err = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);

	if (err)
		return err;
	err = mdb_dbi_open(txn, NULL, 0, &dbi);
	must(err || dbi == ENV_DBI);
	mdb_txn_abort(txn);
	return err;
}

/* What LMDB may see. Nobody writes it: it is nobody's, or `txn` holds others. */
static bool
is_sound(struct index *ix)
{
	int fd = openat(ix->folder, data_name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	const char *reason = "it cannot be opened";
	bool sound = fd >= 0 && verify_lmdb(fd, &reason);

	if (fd >= 0)
		close(fd);
	if (!sound)
		log_warning("an index of mail is damaged (%s), and is made "
			    "anew",
		    reason);
	return sound;
}

/* The same, when others use it, and so trust it already. */
static int
check_shared(struct index *ix)
{
	MDB_txn *txn;
	int err = mdb_txn_begin(ix->env, NULL, 0, &txn);

	if (err)
		return err;
	err = is_sound(ix) ? 0 : MDB_CORRUPTED;
	mdb_txn_abort(txn);
	return err;
}

static int
open_files(struct index *ix, bool is_shared)
{
	char path[64];
	int err = mdb_env_create(&ix->env);

	if (err)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ix->folder);
	err = mdb_env_set_mapsize(ix->env, MAP_SIZE);
	if (!err)
		err = mdb_env_set_maxreaders(ix->env, READERS);
	if (!err)
		err = mdb_env_open(ix->env, path, MDB_NOSYNC | MDB_NOTLS, 0600);
	if (!err)
		err = open_dbi(ix->env);
	if (!err && is_shared)
		err = check_shared(ix);
	if (err) {
		mdb_env_close(ix->env);
		ix->env = NULL;
		return err > 0 && err != EINVAL ? -err : -EBADMSG;
	}
	int dead;
	mdb_reader_check(ix->env, &dead);
	return 0;
}

/* On a full disk at the cost of what was kept. */
static int
make_anew(struct index *ix, bool damaged)
{
	int err = begin_anew(ix, damaged);

	if (!err)
		err = open_files(ix, false);
	if ((err != -ENOSPC && err != -EDQUOT) ||
	    unlinkat(ix->folder, damaged_name, 0) < 0)
		return err;
	err = begin_anew(ix, false);
	return err ? err : open_files(ix, false);
}

/* With the gate closed, and our byte in place before LMDB sees the file. */
static int
open_env(struct index *ix, bool damaged)
{
	struct stat st;
	bool there = is_ours(ix->folder, data_name, &st);
	bool shared;
	bool dead = clear_dead(ix->open_fd, &shared);

	if (dead)
		log_warning("an index of mail was in use when a process died, "
			    "and is made anew");
	bool anew = damaged || dead || !there ||
	    !has_stamp(ix->open_fd, ix->boot);
	if (!anew && !shared)
		anew = damaged = !is_sound(ix);
	int err = take_slot(ix);
	if (!err)
		err = anew ? make_anew(ix, damaged) : open_files(ix, shared);
	if (err == -EBADMSG && !anew)
		err = make_anew(ix, true);
	if (!err && !is_ours(ix->folder, data_name, &st))
		err = -EPERM;
	ix->data_ino = st.st_ino;
	return err;
}

static void
close_env(struct index *ix)
{
	if (ix->env)
		mdb_env_close(ix->env);
	ix->env = NULL;
	/* The byte first: its lock goes with the descriptor. */
	if (ix->open_fd >= 0 && ix->slot < INDEX_SLOTS &&
	    pwrite(ix->open_fd, "", 1, ix->slot) != 1)
		log_debug("the index: %s", strerror(errno));
	ix->slot = INDEX_SLOTS;
	if (ix->open_fd >= 0)
		close(ix->open_fd);
	ix->open_fd = -1;
}

static int
open_folder(int folder, bool make, struct stat *st)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(folder, folder_name, flags);

	if (fd < 0 && errno == ENOENT && make &&
	    (mkdirat(folder, folder_name, 0700) == 0 || errno == EEXIST))
		fd = openat(folder, folder_name, flags);
	if (fd < 0)
		return -errno;
	int err = 0;
	if (fstat(fd, st) < 0)
		err = -errno;
	else if (st->st_uid != geteuid())
		err = -EPERM;
	else if (!make && faccessat(fd, data_name, F_OK, 0) < 0)
		err = -errno;
	if (err)
		close(fd);
	return err ? err : fd;
}

/* Somebody removed the folder: another is made. */
static int
follow_folder(struct index *ix)
{
	struct stat st;

	if (fstat(ix->folder, &st) == 0 && st.st_nlink > 0)
		return 0;
	int fd = open_folder(ix->parent, true, &st);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&all_lock);
	close(ix->folder);
	ix->folder = fd;
	ix->dev = st.st_dev;
	ix->ino = st.st_ino;
	pthread_mutex_unlock(&all_lock);
	return 0;
}

static int
reopen(struct index *ix, bool anew)
{
	struct stat st;
	int err;

	close_env(ix);
	err = follow_folder(ix);
	if (err)
		return err;
	ix->open_fd = openat(ix->folder, "open",
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (ix->open_fd < 0)
		return -errno;
	err = is_ours(ix->folder, "open", &st) ? lock_gate(ix->open_fd)
					       : -EPERM;
	if (!err) {
		err = open_env(ix, anew);
		(void)set_lock(ix->open_fd, OPEN_GATE, F_UNLCK);
	}
	if (err)
		close_env(ix);
	return err;
}

static struct index *
find_open(const struct stat *st)
{
	for (struct link *l = all.next; l != &all; l = l->next) {
		struct index *ix = container_of(l, struct index, link);

		if (ix->dev == st->st_dev && ix->ino == st->st_ino) {
			ix->refs++;
			return ix;
		}
	}
	return NULL;
}

int
index_open(int folder, const char *boot, bool make, struct index **index_r)
{
	struct stat st;
	int fd = open_folder(folder, make, &st);

	*index_r = NULL;
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&all_lock);
	struct index *ix = find_open(&st);
	if (ix) {
		close(fd);
	} else {
		ix = zalloc(sizeof(*ix));
		ix->refs = 1;
		ix->dev = st.st_dev;
		ix->ino = st.st_ino;
		ix->folder = fd;
		ix->parent = openat(folder, ".",
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ix->open_fd = -1;
		ix->slot = INDEX_SLOTS;
		memcpy(ix->boot, boot, sizeof(ix->boot));
		pthread_rwlock_init(&ix->lock, NULL);
		list_append(&all, &ix->link);
	}
	pthread_mutex_unlock(&all_lock);
	*index_r = ix;
	return 0;
}

struct index *
index_close(struct index *ix)
{
	if (!ix)
		return NULL;
	pthread_mutex_lock(&all_lock);
	if (--ix->refs == 0) {
		link_remove(&ix->link);
		close_env(ix);
		close(ix->folder);
		if (ix->parent >= 0)
			close(ix->parent);
		pthread_rwlock_destroy(&ix->lock);
		free(ix);
	}
	pthread_mutex_unlock(&all_lock);
	return NULL;
}

/* To open it again is to read it whole: a large one pays that less often. */
static bool
is_tired(const struct index *ix, int64_t now, int64_t ms)
{
	struct stat st;

	if (now - ix->asked < ms)
		return false;
	return fstatat(ix->folder, data_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    now - ix->asked >= ms * (1 + st.st_size / REST_BYTES);
}

/* Who is just now in a transaction has it not closed under his hands. */
static bool
rest(struct index *ix, int64_t now, int64_t ms)
{
	if (!is_tired(ix, now, ms) || pthread_rwlock_trywrlock(&ix->lock) != 0)
		return false;
	bool closed = ix->env && now - ix->asked >= ms;
	if (closed)
		close_env(ix);
	pthread_rwlock_unlock(&ix->lock);
	return closed;
}

size_t
index_rest_all(int64_t ms)
{
	int64_t now = clock_mono();
	size_t n = 0;

	pthread_mutex_lock(&all_lock);
	for (struct link *l = all.next; l != &all; l = l->next)
		n += rest(container_of(l, struct index, link), now, ms);
	pthread_mutex_unlock(&all_lock);
	return n;
}

/* That another process began it anew: then ours is a file without a name. */
static bool
is_in_place(struct index *ix)
{
	struct stat st;

	return ix->env &&
	    fstatat(ix->folder, data_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == ix->data_ino;
}

/*
 * Under load, that is not looked at each time. Who writes to a file without a
 * name has given the folder a time that the new index does not know: so what it
 * wrote is found there, too.
 */
static bool
was_in_place(struct index *ix)
{
	int64_t now = clock_mono();

	ix->asked = now;
	if (ix->env && now - ix->looked < LOOK_EVERY)
		return true;
	if (!is_in_place(ix))
		return false;
	ix->looked = now;
	return true;
}

/* What no other index would do better: there is no room, or no memory. */
static bool
is_damage(int err)
{
	return err == EINVAL ||
	    (err < 0 && err != MDB_MAP_FULL && err != MDB_TXN_FULL);
}

int
index_begin(struct index *ix, bool write, struct index_txn *t_r)
{
	*t_r = (struct index_txn){ .index = ix, .write = write };
	for (unsigned i = 0; i < 3; i++) {
		MDB_txn *txn;
		int err = MDB_BAD_TXN;

		pthread_rwlock_rdlock(&ix->lock);
		if (was_in_place(ix))
			err = mdb_txn_begin(ix->env, NULL,
			    write ? 0 : MDB_RDONLY, &txn);
		if (!err) {
			t_r->txn = txn;
			return 0;
		}
		pthread_rwlock_unlock(&ix->lock);
		if (err == MDB_READERS_FULL)
			return -EAGAIN;
		pthread_rwlock_wrlock(&ix->lock);
		if (!is_in_place(ix))
			err = reopen(ix, false);
		else
			err = err == MDB_BAD_TXN
			    ? 0
			    : reopen(ix, is_damage(err) && err != MDB_PANIC);
		pthread_rwlock_unlock(&ix->lock);
		if (err)
			return err;
	}
	return -EAGAIN;
}

void
index_fail(struct index_txn *t, int err)
{
	if (!t->bad && !is_damage(err))
		t->failed = err > 0 ? -err : -ENOSPC;
	t->bad = true;
}

int
index_end(struct index_txn *t, bool keep)
{
	struct index *ix = t->index;
	ino_t ino = ix->data_ino;
	int err = 0;

	if (!t->write || !keep || t->bad)
		mdb_txn_abort(t->txn);
	else
		err = mdb_txn_commit(t->txn);
	if (err)
		index_fail(t, err);
	t->txn = NULL;
	pthread_rwlock_unlock(&ix->lock);
	if (!t->bad)
		return 0;
	if (t->failed) {
		log_warning("an index of mail cannot be written: %s",
		    strerror(-t->failed));
		return t->failed;
	}
	pthread_rwlock_wrlock(&ix->lock);
	/* Unless another thread was faster. */
	if (is_in_place(ix) && ix->data_ino == ino) {
		log_warning("an index of mail is damaged, and is made anew");
		if (reopen(ix, true) < 0)
			log_warning("an index of mail cannot be made anew");
	}
	pthread_rwlock_unlock(&ix->lock);
	return -EBADMSG;
}
