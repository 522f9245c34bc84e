#include "store/box.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/scan.h"
#include "store/dovecot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int
set_lock(int fd, short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

static int
lock_file(int fd)
{
	int err = set_lock(fd, F_WRLCK);

	for (unsigned i = 0;
	     (err == -EAGAIN || err == -EACCES) && i < BOX_LOCK_TRIES; i++) {
		/* Mostly it is held for less than one. */
		pause_ms(i < 5 ? 1 << i : BOX_LOCK_PAUSE);
		err = set_lock(fd, F_WRLCK);
	}
	return err;
}

static bool
is_inode(struct store *s, struct box *b, const char *name, ino_t inode,
    struct stat *st)
{
	char path[BOX_PATH_MAX];

	snprintf(path, sizeof(path), "%.*s%s", (int)b->path_n, b->path, name);
	return fstatat(s->root, path, st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st->st_dev == b->dev && st->st_ino == inode;
}

/*
 * A mailbox is put aside as a whole, and then its new/ is another. The uid file
 * alone is removed by hand: what lands until that is seen has a UIDVALIDITY that
 * nobody knows, and gets another number.
 */
static bool
has_its_uid_file(struct store *s, struct box *b)
{
	struct stat st;
	int64_t now = clock_mono();

	if (b->uid_seen && now - b->uid_seen < BOX_UID_SEEN_MS)
		return true;
	bool there = is_inode(s, b, BOX_UID_NAME, b->uid_ino, &st);
	b->uid_seen = there ? now : 0;
	return there;
}

bool
box_is_in_place(struct store *s, struct box *b, int64_t *new_time_r)
{
	struct stat st;

	if (!is_inode(s, b, "new", b->new_ino, &st))
		return false;
	*new_time_r = box_mtime(&st);
	return has_its_uid_file(s, b);
}

int
box_write_uid(struct box *b, const struct uidfile *f, bool sync)
{
	char line[UIDFILE_LINE];

	uidfile_put(line, f);
	ssize_t n = pwrite(b->uid_fd, line, sizeof(line), 0);
	if (n < 0)
		return -errno;
	if (n != sizeof(line))
		return -ENOSPC;
	if (sync && fdatasync(b->uid_fd) < 0)
		return -errno;
	return 0;
}

/* A UIDVALIDITY of the user's that no mailbox had, not even one that is gone. */
static int
new_uidvalidity(struct store *s, struct box *b, uint32_t at_least,
    uint32_t *uidvalidity_r)
{
	char path[BOX_PATH_MAX + 32], text[16] = "";
	uint64_t last = 0;

	snprintf(path, sizeof(path), "%.*spostrider-uidvalidity",
	    (int)b->user_n, b->path);
	int fd = box_open_below(s->root, path, O_RDWR | O_CREAT | O_NONBLOCK,
	    0600);
	if (fd < 0)
		return fd;
	int err = lock_file(fd);
	ssize_t n = err ? 0 : pread(fd, text, sizeof(text) - 1, 0);
	struct span in = { text, n > 0 ? (size_t)n : 0 };
	if (take_number(&in, UINT32_MAX - 1, &last) && last >= at_least &&
	    last - at_least < 1000000)
		at_least = (uint32_t)last + 1;
	n = snprintf(text, sizeof(text), "%010" PRIu32 "\n", at_least);
	if (!err && pwrite(fd, text, (size_t)n, 0) != n)
		err = -ENOSPC;
	close(fd);
	*uidvalidity_r = at_least;
	return err;
}

/* Where Dovecot was before us, its numbers go on. */
static bool
take_over(struct box *b, struct uidfile *f)
{
	char text[256];
	struct dovecot_list list;
	int fd = box_open_below(b->folder, "dovecot-uidlist",
	    O_RDONLY | O_NONBLOCK, 0);
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text), 0);
	struct span in = { text, n > 0 ? (size_t)n : 0 };

	if (fd >= 0)
		close(fd);
	if (!dovecot_take_head(&in, &list))
		return false;
	f->uidvalidity = list.uidvalidity;
	f->next = f->reserved = list.next;
	return true;
}

static int
begin_uid(struct store *s, struct box *b, struct span damaged,
    struct uidfile *f)
{
	uidfile_begin(f, clock_wall() / 1000000, damaged);
	if (damaged.n < UIDFILE_LINE && take_over(b, f))
		return 0;
	if (damaged.n > 0)
		log_warning("%.*s%s is damaged: the mailbox gets a new "
			    "UIDVALIDITY",
		    (int)b->path_n, b->path, BOX_UID_NAME);
	return new_uidvalidity(s, b, f->uidvalidity, &f->uidvalidity);
}

int
box_read_uid(struct store *s, struct box *b, struct uidfile *file_r)
{
	char line[UIDFILE_LINE];
	ssize_t n = pread(b->uid_fd, line, sizeof(line), 0);

	if (n < 0)
		return -errno;
	if (!uidfile_read((struct span){ line, (size_t)n }, file_r)) {
		int err = begin_uid(s, b, (struct span){ line, (size_t)n },
		    file_r);
		if (!err)
			err = box_write_uid(b, file_r, true);
		if (err)
			return err;
	}
	if (strcmp(file_r->boot, s->boot) == 0)
		return 0;
	box_sweep(b, file_r);
	uidfile_adopt(file_r, s->boot);
	return box_write_uid(b, file_r, false);
}

static int
take_uid(struct store *s, struct box *b, uint32_t *uidvalidity_r,
    uint32_t *uid_r)
{
	struct uidfile f;
	bool sync;
	int err = box_read_uid(s, b, &f);

	if (err)
		return err;
	*uid_r = uidfile_take(&f, s->boot, clock_wall() / 1000000, &sync);
	*uidvalidity_r = f.uidvalidity;
	return box_write_uid(b, &f, sync);
}

static int
lock(struct box *b)
{
	pthread_mutex_lock(&b->lock);
	int err = lock_file(b->uid_fd);
	if (err)
		pthread_mutex_unlock(&b->lock);
	return err;
}

int
box_lock(struct store *s, struct box *b)
{
	int64_t new_time;
	int err = lock(b);

	if (err || box_is_in_place(s, b, &new_time))
		return err;
	box_unlock(b);
	return -ESTALE;
}

/* That it is in place is looked at last: the rename comes right after. */
int
box_take_uid(struct store *s, struct box *b, struct box_uid *uid_r)
{
	int err = lock(b);

	if (err)
		return err;
	err = take_uid(s, b, &uid_r->uidvalidity, &uid_r->uid);
	if (!err && !box_is_in_place(s, b, &uid_r->new_time))
		err = -ESTALE;
	if (err)
		box_unlock(b);
	return err;
}

/* To give a lock back cannot fail, but by a bug. */
void
box_unlock(struct box *b)
{
	must(set_lock(b->uid_fd, F_UNLCK) == 0);
	pthread_mutex_unlock(&b->lock);
}

int
box_keywords(struct box *b, struct keywords *k_r)
{
	struct span own, dovecot;
	int err = box_read_all(b->uid_fd, KEYWORDS_TEXT, &own);

	if (err)
		return err;
	struct span lines = own;
	lines.p += own.n < UIDFILE_LINE ? own.n : UIDFILE_LINE;
	lines.n -= own.n < UIDFILE_LINE ? own.n : UIDFILE_LINE;
	if (box_read_file(b, "dovecot-keywords", KEYWORDS_TEXT, &dovecot) < 0)
		dovecot = (struct span){ 0 };
	keywords_read(k_r, lines, dovecot);
	box_free_text(own);
	box_free_text(dovecot);
	return 0;
}

/* Behind a line that was written by half it begins a new one. */
int
box_add_keyword(struct box *b, const struct keywords *k, unsigned n)
{
	char line[KEYWORD_LINE + 1];
	struct stat st;

	if (fstat(b->uid_fd, &st) < 0)
		return -errno;
	if (st.st_size < UIDFILE_LINE)
		return -EBADMSG;
	line[0] = '\n';
	size_t len = keywords_put(line + 1, k, n) + 1;
	if (pwrite(b->uid_fd, line, len, st.st_size) != (ssize_t)len)
		return -ENOSPC;
	return fdatasync(b->uid_fd) < 0 ? -errno : 0;
}
