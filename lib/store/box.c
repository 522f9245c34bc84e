#include "store/box.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/scan.h"
#include "store/dovecot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int
box_open_below(int at, const char *name, int flags, mode_t mode)
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
	int fd = box_open_below(at, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	return box_open_below(at, name, O_RDONLY | O_DIRECTORY, 0);
}

/* A mailbox is named by whole words; "." and ".." are none. */
static bool
is_word(struct span s)
{
	return s.n && s.n <= 255 && !span_eq(s, SPAN(".")) &&
	    !span_eq(s, SPAN("..")) && !memchr(s.p, '\0', s.n);
}

/* Opens the folder of the path, word by word; may make what is missing. */
static int
walk(int root, struct span path, bool make)
{
	int at = fcntl(root, F_DUPFD_CLOEXEC, 0);

	if (at < 0)
		return -errno;
	while (path.n) {
		struct span word = span_cut(&path, '/');
		char name[256];

		snprintf(name, sizeof(name), "%.*s", (int)word.n, word.p);
		int next = make
		    ? open_or_make(at, name)
		    : box_open_below(at, name, O_RDONLY | O_DIRECTORY, 0);
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

	b->uid_fd = box_open_below(folder, BOX_UID_NAME,
	    O_RDWR | O_CREAT | O_NONBLOCK, 0600);
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
	b->cur = open_or_make(folder, "cur");
	if (b->cur < 0)
		return b->cur;
	b->tmp = open_or_make(folder, "tmp");
	if (b->tmp < 0)
		return b->tmp;
	b->new = open_or_make(folder, "new");
	if (b->new < 0)
		return b->new;
	b->sync_folder = wants_folder_sync(b->new);
	return open_uid_file(b, folder);
}

/* Maildir++: "contained within a folder, with that name". */
static int
mark_folder(struct box *b)
{
	int fd = box_open_below(b->folder, "maildirfolder",
	    O_WRONLY | O_CREAT | O_NONBLOCK, 0600);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static struct box *
free_box(struct box *b)
{
	index_close(b->index);
	close_fd(&b->folder);
	close_fd(&b->tmp);
	close_fd(&b->new);
	close_fd(&b->cur);
	close_fd(&b->uid_fd);
	pthread_mutex_destroy(&b->lock);
	free(b);
	return NULL;
}

static struct box *
new_box(struct span path)
{
	struct box *b = zalloc(sizeof(*b));

	b->folder = b->tmp = b->new = b->cur = b->uid_fd = -1;
	b->refs = 1;
	pthread_mutex_init(&b->lock, NULL);
	memcpy(b->path, path.p, path.n);
	b->path_n = b->user_n = path.n;
	return b;
}

/*
 * "alice/.Sent/" is a folder of "alice/" if that is a Maildir; ".maildir/" in a
 * home is one of its own.
 */
static void
find_user(struct store *s, struct box *b)
{
	char path[BOX_PATH_MAX + 8];
	size_t at = b->path_n - 1;

	while (at > 0 && b->path[at - 1] != '/')
		at--;
	if (at == 0 || b->path[at] != '.')
		return;
	snprintf(path, sizeof(path), "%.*scur", (int)at, b->path);
	if (faccessat(s->root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		b->user_n = at;
}

struct span
box_name(const struct box *b)
{
	if (b->user_n == b->path_n)
		return SPAN("");
	return (
	    struct span){ b->path + b->user_n + 1, b->path_n - b->user_n - 2 };
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
box_open(struct store *s, struct span mailbox, bool make, struct box **box_r,
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
	struct box *b = new_box(path);
	b->folder = walk(s->root, words, make);
	int err = b->folder < 0 ? b->folder : open_parts(b, b->folder);
	find_user(s, b);
	if (!err && b->user_n != b->path_n)
		err = mark_folder(b);
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

DIR *
box_open_dir(int at, const char *name)
{
	int fd = openat(at, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int err = errno;

	if (!dir && fd >= 0)
		close(fd);
	errno = err;
	return dir;
}

int
box_read_all(int fd, size_t max, struct span *text_r)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > max)
		return -EFBIG;
	char *text = zalloc((size_t)st.st_size + 1);
	size_t n = 0;
	for (ssize_t got = 1; got > 0 && n < (size_t)st.st_size;) {
		got = pread(fd, text + n, (size_t)st.st_size - n, (off_t)n);
		if (got > 0)
			n += (size_t)got;
	}
	*text_r = (struct span){ text, n };
	return 0;
}

void
box_free_text(struct span text)
{
	union {
		const char *in;
		void *out;
	} u = { .in = text.p };

	free(u.out);
}

int
box_read_file(struct box *b, const char *name, size_t max, struct span *text_r)
{
	int fd = box_open_below(b->folder, name, O_RDONLY | O_NONBLOCK, 0);

	*text_r = (struct span){ 0 };
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	int err = box_read_all(fd, max, text_r);
	close(fd);
	return err;
}

struct index *
box_index(struct store *s, struct box *b, bool make)
{
	char path[BOX_PATH_MAX + 32];

	if (b->index)
		return b->index;
	snprintf(path, sizeof(path), "%.*spostrider-index/data.mdb",
	    (int)b->user_n, b->path);
	if (!make && faccessat(s->root, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	int fd = walk(s->root, (struct span){ b->path, b->user_n - 1 }, false);
	if (fd < 0)
		return NULL;
	struct index *ix;
	if (index_open(fd, s->boot, make, &ix) < 0)
		ix = NULL;
	close(fd);
	b->index = ix;
	return ix;
}

void
box_make_name(struct store *s, char name[NAME_SIZE])
{
	int64_t now = clock_wall();
	unsigned n = atomic_fetch_add(&s->counter, 1);

	snprintf(name, NAME_SIZE, "%" PRId64 ".M%06" PRId64 "P%dQ%u.%s",
	    now / 1000000, now % 1000000, (int)s->pid, n, s->host);
}
