#include "store/box.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static const char uid_name[] = "postrider-uid";

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Never leaves the folder `at`, and follows no link in it. */
static int
open_below(int at, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, at, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int
open_or_make(int at, const char *name)
{
	int fd = open_below(at, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	return open_below(at, name, O_RDONLY | O_DIRECTORY, 0);
}

/* A mailbox is named by whole words; "." and ".." are none. */
static bool
is_word(struct span s)
{
	return s.n && s.n <= 255 && !span_eq(s, SPAN(".")) &&
	    !span_eq(s, SPAN("..")) && !memchr(s.p, '\0', s.n);
}

/* Opens the folder of the path, word by word, and makes what is missing. */
static int
walk(int root, struct span path)
{
	int at = fcntl(root, F_DUPFD_CLOEXEC, 0);

	if (at < 0)
		return -errno;
	while (path.n) {
		struct span word = span_cut(&path, '/');
		char name[256];

		snprintf(name, sizeof(name), "%.*s", (int)word.n, word.p);
		int next = open_or_make(at, name);
		close(at);
		if (next < 0)
			return next;
		at = next;
	}
	return at;
}

/* On others than these a sync of the file may leave its new name behind. */
static bool
wants_folder_sync(int fd)
{
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return true;
	switch ((uint32_t)s.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
		return false;
	default:
		return true;
	}
}

static int
open_uid_file(struct box *b, int folder)
{
	struct stat st;

	b->uid_fd = open_below(folder, uid_name, O_RDWR | O_CREAT | O_NONBLOCK,
	    0600);
	if (b->uid_fd < 0)
		return b->uid_fd;
	if (fstat(b->uid_fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	b->uid_ino = st.st_ino;
	if (fstat(b->new, &st) < 0)
		return -errno;
	b->dev = st.st_dev;
	b->new_ino = st.st_ino;
	return 0;
}

static int
open_parts(struct box *b, int folder)
{
	int cur = open_or_make(folder, "cur");

	if (cur < 0)
		return cur;
	close(cur);
	b->tmp = open_or_make(folder, "tmp");
	if (b->tmp < 0)
		return b->tmp;
	b->new = open_or_make(folder, "new");
	if (b->new < 0)
		return b->new;
	b->sync_folder = wants_folder_sync(b->new);
	return open_uid_file(b, folder);
}

static struct box *
free_box(struct box *b)
{
	close_fd(&b->tmp);
	close_fd(&b->new);
	close_fd(&b->uid_fd);
	pthread_mutex_destroy(&b->lock);
	free(b);
	return NULL;
}

static struct box *
new_box(struct span path)
{
	struct box *b = zalloc(sizeof(*b));

	b->tmp = b->new = b->uid_fd = -1;
	b->refs = 1;
	pthread_mutex_init(&b->lock, NULL);
	memcpy(b->path, path.p, path.n);
	b->path_n = path.n;
	return b;
}

/* "demo.test//alice/" to "demo.test/alice/". False: it names no Maildir. */
static bool
clean_path(struct span mailbox, char out[BOX_PATH_MAX], struct span *path_r)
{
	size_t n = 0;

	if (mailbox.n == 0 || mailbox.p[mailbox.n - 1] != '/')
		return false;
	while (mailbox.n) {
		struct span word = span_cut(&mailbox, '/');

		if (word.n == 0)
			continue;
		if (!is_word(word) || n + word.n + 32 > BOX_PATH_MAX)
			return false;
		memcpy(out + n, word.p, word.n);
		n += word.n;
		out[n++] = '/';
	}
	*path_r = (struct span){ out, n };
	return n > 0;
}

static struct box *
find_open(struct store *s, struct span path)
{
	struct hash_link *l;
	struct box *b = NULL;

	pthread_mutex_lock(&s->lock);
	l = hash_find(&s->boxes, path);
	if (l) {
		b = container_of(l, struct box, link);
		if (b->refs++ == 0) {
			link_remove(&b->unused_link);
			s->unused_n--;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return b;
}

/* Another thread may have been faster: its handle is then the one to use. */
static struct box *
publish(struct store *s, struct box *b)
{
	struct box *other = find_open(s, (struct span){ b->path, b->path_n });

	if (other) {
		free_box(b);
		return other;
	}
	pthread_mutex_lock(&s->lock);
	struct hash_link *l = hash_find(&s->boxes,
	    (struct span){ b->path, b->path_n });
	if (l)
		b->stale = true; /* used once, and not kept */
	else
		hash_add(&s->boxes, &b->link);
	pthread_mutex_unlock(&s->lock);
	return b;
}

int
box_open(struct store *s, struct span mailbox, struct box **box_r,
    struct why *why)
{
	char bytes[BOX_PATH_MAX];
	struct span path;

	if (!clean_path(mailbox, bytes, &path))
		return why_set(why, EINVAL, NULL, 0,
		    "%.*s: not a maildir: the path has to end in '/', to have "
		    "no '..' and fewer than %d characters",
		    (int)mailbox.n, mailbox.p, BOX_PATH_MAX - 32);
	*box_r = find_open(s, path);
	if (*box_r)
		return 0;

	struct span words = { path.p, path.n - 1 };
	int folder = walk(s->root, words);
	struct box *b = new_box(path);
	int err = folder < 0 ? folder : open_parts(b, folder);
	close_fd(&folder);
	if (err) {
		free_box(b);
		return why_set(why, -err, NULL, 0,
		    "cannot open or create maildir %.*s: %s", (int)path.n,
		    path.p, strerror(-err));
	}
	*box_r = publish(s, b);
	return 0;
}

/* Takes the one out that was unused for the longest, if there are too many. */
static struct box *
take_oldest(struct store *s)
{
	if (s->unused_n <= BOX_MAX)
		return NULL;

	struct box *b = container_of(s->unused.next, struct box, unused_link);
	link_remove(&b->unused_link);
	s->unused_n--;
	hash_remove(&s->boxes, &b->link);
	return b;
}

void
box_close(struct store *s, struct box *b)
{
	struct box *gone = NULL;

	if (!b)
		return;
	pthread_mutex_lock(&s->lock);
	if (--b->refs == 0 && b->stale) {
		gone = b;
	} else if (b->refs == 0) {
		list_append(&s->unused, &b->unused_link);
		s->unused_n++;
		gone = take_oldest(s);
	}
	pthread_mutex_unlock(&s->lock);
	if (gone)
		free_box(gone);
}

void
box_drop(struct store *s, struct box *b)
{
	pthread_mutex_lock(&s->lock);
	if (!b->stale)
		hash_remove(&s->boxes, &b->link);
	b->stale = true;
	pthread_mutex_unlock(&s->lock);
}

void
box_close_all(struct store *s)
{
	while (!list_empty(&s->unused)) {
		struct box *b = container_of(s->unused.next, struct box,
		    unused_link);

		link_remove(&b->unused_link);
		hash_remove(&s->boxes, &b->link);
		free_box(b);
	}
	s->unused_n = 0;
}

static int
set_lock(struct box *b, short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(b->uid_fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

static int
lock_file(struct box *b)
{
	int err = set_lock(b, F_WRLCK);

	for (unsigned i = 0;
	     (err == -EAGAIN || err == -EACCES) && i < BOX_LOCK_TRIES; i++) {
		pause_ms(BOX_LOCK_PAUSE);
		err = set_lock(b, F_WRLCK);
	}
	return err;
}

static bool
is_inode(struct store *s, struct box *b, const char *name, ino_t inode)
{
	char path[BOX_PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%.*s%s", (int)b->path_n, b->path, name);
	return fstatat(s->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == b->dev && st.st_ino == inode;
}

/*
 * Whether what we have open is what lies there: else mail would land in a folder
 * that somebody has put aside.
 */
static bool
is_in_place(struct store *s, struct box *b)
{
	return is_inode(s, b, uid_name, b->uid_ino) &&
	    is_inode(s, b, "new", b->new_ino);
}

static int
write_line(struct box *b, const struct uidfile *f, bool sync)
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

static int
take_uid(struct store *s, struct box *b, uint32_t *uidvalidity_r,
    uint32_t *uid_r)
{
	char line[UIDFILE_LINE];
	struct uidfile f;
	bool sync;
	int64_t now = clock_wall() / 1000000;
	ssize_t n = pread(b->uid_fd, line, sizeof(line), 0);

	if (n < 0)
		return -errno;
	if (!uidfile_read((struct span){ line, (size_t)n }, &f)) {
		if (n > 0)
			log_warning("%.*s%s is damaged: the mailbox gets a new "
				    "UIDVALIDITY",
			    (int)b->path_n, b->path, uid_name);
		uidfile_begin(&f, now, (struct span){ line, (size_t)n });
	}
	if (strcmp(f.boot, s->boot) != 0)
		box_sweep(b);
	*uid_r = uidfile_take(&f, s->boot, now, &sync);
	*uidvalidity_r = f.uidvalidity;
	return write_line(b, &f, sync);
}

int
box_take_uid(struct store *s, struct box *b, uint32_t *uidvalidity_r,
    uint32_t *uid_r)
{
	pthread_mutex_lock(&b->lock);
	int err = lock_file(b);
	if (err) {
		pthread_mutex_unlock(&b->lock);
		return err;
	}
	err = is_in_place(s, b) ? take_uid(s, b, uidvalidity_r, uid_r)
				: -ESTALE;
	if (err)
		box_unlock(b);
	return err;
}

/* To give a lock back cannot fail, but by a bug. */
void
box_unlock(struct box *b)
{
	must(set_lock(b, F_UNLCK) == 0);
	pthread_mutex_unlock(&b->lock);
}
