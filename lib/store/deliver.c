#include "store/deliver.h"

#include "base/log.h"
#include "store/change.h"
#include "store/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum {
	CHUNK = 64 << 10, /* of content, read and written at once */
	BATCH = 16, /* targets whose files are open at once */
	TRIES = 3, /* with a mailbox that is replaced under our hands */
};

/* A target on its way. */
struct landing {
	struct store_target *target;
	struct box *box;
	int fd; /* -1: of none, or of the one it is linked to */
	const struct landing *linked;
	uint64_t size;
	uint64_t crlf_size;
	int64_t date; /* the file's time, in seconds; 0: is to be asked for */
	char name[NAME_SIZE]; /* in tmp/, then in new/ */
	int error;
	bool damaged; /* what is to be delivered */
};

static struct span
hash_key(struct hash_link *l)
{
	const struct box *b = container_of(l, struct box, link);

	return (struct span){ b->path, b->path_n };
}

/* The kernel's name for this boot, without its dashes. */
static int
read_boot(char boot[UIDFILE_BOOT + 1])
{
	char text[64];
	size_t n = 0;
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text));
	int err = got < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < got && n < UIDFILE_BOOT; i++)
		if ((text[i] >= '0' && text[i] <= '9') ||
		    (text[i] >= 'a' && text[i] <= 'f'))
			boot[n++] = text[i];
	if (err)
		return err;
	return n == UIDFILE_BOOT ? 0 : -EINVAL;
}

/* What has a meaning in a Maildir's names becomes '_'. */
static void
read_host(char *host, size_t max)
{
	struct utsname u;

	snprintf(host, max, "%s",
	    uname(&u) == 0 && u.nodename[0] ? u.nodename : "localhost");
	for (char *p = host; *p; p++)
		if (*p == '/' || *p == ':' || *p == ',' || *p <= ' ')
			*p = '_';
}

struct store *
store_open(const char *root, struct why *why)
{
	struct store *s = zalloc(sizeof(*s));
	int err = read_boot(s->boot);

	hash_init(&s->boxes, hash_key);
	list_init(&s->unused);
	pthread_mutex_init(&s->lock, NULL);
	read_host(s->host, sizeof(s->host));
	s->root = -1;
	s->pid = getpid();
	if (err) {
		why_set(why, -err, NULL, 0,
		    "/proc/sys/kernel/random/boot_id: %s", strerror(-err));
		return store_close(s);
	}
	s->root_path = strdup(root);
	must(s->root_path);
	s->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0) {
		why_set(why, errno, NULL, 0, "%s: %s", root, strerror(errno));
		return store_close(s);
	}
	return s;
}

struct store *
store_close(struct store *s)
{
	if (!s)
		return NULL;
	s->watches = watch_free(s->watches);
	box_close_all(s);
	hash_fini(&s->boxes);
	pthread_mutex_destroy(&s->lock);
	if (s->root >= 0)
		close(s->root);
	free(s->root_path);
	free(s);
	return NULL;
}

static int
write_all(int fd, struct span first, struct span second)
{
	union {
		const char *in;
		void *out; /* an iovec is for reading, too */
	} a = { .in = first.p }, b = { .in = second.p };
	struct iovec v[2] = { { a.out, first.n }, { b.out, second.n } };

	while (v[0].iov_len + v[1].iov_len) {
		ssize_t n = writev(fd, v, 2);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		for (size_t i = 0; i < 2; i++) {
			size_t part = (size_t)n < v[i].iov_len ? (size_t)n
							       : v[i].iov_len;
			v[i].iov_base = (char *)v[i].iov_base + part;
			v[i].iov_len -= part;
			n -= (ssize_t)part;
		}
	}
	return 0;
}

/* Reads exactly `n` bytes; that there are fewer is damage: -ENODATA. */
static int
read_chunk(int fd, char *to, size_t n, uint64_t at)
{
	while (n) {
		ssize_t got = pread(fd, to, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ENODATA;
		to += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

/* The content is: mailboxes and file systems have an EBADMSG of their own. */
static int
damaged(struct landing *l)
{
	l->damaged = true;
	return -EBADMSG;
}

static int
copy_content(struct landing *l, const struct store_content *c, char *chunk)
{
	struct span head = l->target->head;
	uLong sum = 0;
	char last = 0;

	l->size = head.n + c->length;
	l->crlf_size = maildir_wire_size(head, &last);
	for (uint64_t done = 0; done < c->length || head.n;) {
		uint64_t left = c->length - done;
		size_t n = left < CHUNK ? (size_t)left : CHUNK;
		int err = read_chunk(c->fd, chunk, n, c->offset + done);

		if (err == -ENODATA)
			return damaged(l);
		if (err)
			return err;
		if (n)
			sum = crc32_z(sum, (const unsigned char *)chunk, n);
		l->crlf_size += maildir_wire_size((struct span){ chunk, n },
		    &last);
		err = write_all(l->fd, head, (struct span){ chunk, n });
		if (err)
			return err;
		head.n = 0;
		done += n;
	}
	return (uint32_t)sum == c->checksum ? 0 : damaged(l);
}

static int64_t
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec;
}

/*
 * A file system of this machine takes the time of a file from the coarse clock or
 * the fine one; if both say the same second, it has not to be asked.
 */
static int
write_tmp(struct landing *l, const struct store_content *c, char *chunk)
{
	l->fd = openat(l->box->tmp, l->name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (l->fd < 0)
		return -errno;
	int64_t before = seconds(CLOCK_REALTIME_COARSE);
	int err = copy_content(l, c, chunk);
	if (!err && !l->box->sync_folder && before == seconds(CLOCK_REALTIME))
		l->date = before;
	return err;
}

/* Another target with the same bytes: its file gets one more name. */
static int
link_tmp(struct landing *l, const struct landing *to)
{
	if (linkat(to->box->new, to->name, l->box->tmp, l->name, 0) < 0)
		return -errno;
	l->linked = to;
	l->date = to->date;
	l->size = to->size;
	l->crlf_size = to->crlf_size;
	return 0;
}

static bool
find_date(struct landing *l, const char *name)
{
	struct stat st;

	if (l->date == 0 && fstatat(l->box->new, name, &st, 0) == 0)
		l->date = st.st_mtim.tv_sec;
	return l->date != 0;
}

/*
 * Puts the message into the index, if there is one. That this fails is no harm:
 * the time of new/ is then another than the index has. It gets that time at once:
 * to begin the transaction may take a while, in which others come by.
 */
static void
note_in_index(struct store *s, struct landing *l, const char *name,
    int64_t before)
{
	struct index_txn t;
	struct index_header h;
	struct index *ix = box_index(s, l->box, false);
	int64_t after = ix ? change_set_time(s, l->box, l->box->new) : 0;

	if (!ix || !find_date(l, name) || index_begin(ix, true, &t) < 0)
		return;
	bool keep = index_get_header(&t, box_name(l->box), &h) == 0 &&
	    h.uidvalidity == l->target->uidvalidity &&
	    l->target->uid >= h.uidnext;
	if (keep) {
		struct mbox_message row = {
			.uid = l->target->uid,
			.size = l->crlf_size | ROW_IN_NEW,
			.date = l->date,
			.modseq = index_next_modseq(&h),
		};

		index_put_row(&t, &h, &row);
		index_put_name(&t, h.id, row.uid, name);
		h.uidnext = row.uid + 1;
		if (h.new_time == before)
			h.new_time = after;
		index_put_header(&t, box_name(l->box), &h);
	}
	if (index_end(&t, keep) < 0)
		log_debug("a delivery is not in the index");
}

/* UIDs become visible in their order: the rename is under the lock. */
static int
move_to_new(struct store *s, struct landing *l)
{
	struct store_target *t = l->target;
	struct box_uid u;
	char name[NAME_SIZE];
	int err = box_take_uid(s, l->box, &u);

	if (err)
		return err;
	t->uidvalidity = u.uidvalidity;
	t->uid = u.uid;
	int n = snprintf(name, sizeof(name),
	    "%s,S=%" PRIu64 ",W=%" PRIu64 ",P%" PRIu32 ".%" PRIu32, l->name,
	    l->size, l->crlf_size, t->uidvalidity, t->uid);
	if (n < 0 || (size_t)n >= sizeof(name))
		err = -ENAMETOOLONG;
	else if (renameat(l->box->tmp, l->name, l->box->new, name) < 0)
		err = -errno;
	else
		note_in_index(s, l, name, u.new_time);
	box_unlock(l->box);
	if (!err)
		memcpy(l->name, name, sizeof(name));
	return err;
}

static void
close_landing(struct store *s, struct landing *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	box_close(s, l->box);
	l->box = NULL;
}

static int
try_to_land(struct store *s, struct landing *l, const struct store_content *c,
    const struct landing *same, char *chunk)
{
	int err = box_open(s, l->target->mailbox, true, &l->box,
	    &l->target->why);

	if (err)
		return err;
	box_make_name(s, l->name);
	l->linked = NULL;
	l->date = 0;
	err = same ? link_tmp(l, same) : -EXDEV;
	/* Another file system, too many links: then a file of its own. */
	if (err)
		err = write_tmp(l, c, chunk);
	if (!err)
		err = move_to_new(s, l);
	if (err) {
		unlinkat(l->box->tmp, l->name, 0);
		why_set(&l->target->why, -err, NULL, 0, "%s",
		    l->damaged ? "the queue file is damaged" : strerror(-err));
	}
	return err;
}

/* Up to the rename. -ENOENT is a folder that somebody removed. */
static void
land(struct store *s, struct landing *l, const struct store_content *c,
    const struct landing *same, char *chunk)
{
	for (unsigned i = 0; i < TRIES; i++) {
		l->error = try_to_land(s, l, c, same, chunk);
		if (l->error == 0)
			return;
		bool again = l->box &&
		    (l->error == -ESTALE || l->error == -ENOENT);
		if (again)
			box_drop(s, l->box);
		close_landing(s, l);
		if (!again)
			return;
	}
}

static enum store_result
result_of(const struct landing *l)
{
	switch (-l->error) {
	case 0:
		return STORE_OK;
	case EDQUOT:
		return STORE_OVERQUOTA;
	default:
		return l->damaged ? STORE_CORRUPT : STORE_TEMPFAIL;
	}
}

/* A file that could not be synced is no delivery: it goes, as far as it can. */
static void
sync_landing(struct landing *l)
{
	if (l->error)
		return;
	if (l->linked)
		l->error = l->linked->error;
	else if (fsync(l->fd) < 0)
		l->error = -errno;
	if (!l->error && l->box->sync_folder && fsync(l->box->new) < 0)
		l->error = -errno;
	if (l->error) {
		why_set(&l->target->why, -l->error, NULL, 0, "sync: %s",
		    strerror(-l->error));
		unlinkat(l->box->new, l->name, 0);
	}
}

/* One that has landed with the same head, to link to. */
static const struct landing *
find_same(const struct landing *ls, const struct landing *l)
{
	for (; ls < l; ls++)
		if (ls->error == 0 && !ls->linked &&
		    span_eq(ls->target->head, l->target->head))
			return ls;
	return NULL;
}

static void
deliver_batch(struct store *s, const struct store_content *c,
    struct store_target *targets, size_t n, char *chunk)
{
	struct landing *ls = zalloc(n * sizeof(*ls));

	for (size_t i = 0; i < n; i++) {
		ls[i].target = &targets[i];
		ls[i].fd = -1;
		land(s, &ls[i], c, find_same(ls, &ls[i]), chunk);
	}
	for (size_t i = 0; i < n; i++)
		sync_landing(&ls[i]);
	for (size_t i = 0; i < n; i++) {
		targets[i].error = -ls[i].error;
		targets[i].result = result_of(&ls[i]);
		if (ls[i].error)
			targets[i].uid = 0;
		close_landing(s, &ls[i]);
	}
	free(ls);
}

void
store_deliver(struct store *s, const struct store_content *c,
    struct store_target *targets, size_t n)
{
	char *chunk = zalloc(c->length < CHUNK ? (size_t)c->length + 1 : CHUNK);

	while (n) {
		size_t batch = n < BATCH ? n : BATCH;

		deliver_batch(s, c, targets, batch, chunk);
		targets += batch;
		n -= batch;
	}
	free(chunk);
}
