#include "queue/folder.h"
#include "queue/record.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zlib.h>

enum {
	MARKS_MAX = 8, /* places of the ID in what is in memory */
	PIECES_MAX = 2 * MARKS_MAX + 3,
	MEMORY_FIRST = 8192,
};

struct queue_writer {
	struct queue *q;
	int fd; /* -1: no file yet */
	int error; /* the first failure, which is final */
	struct queue_id id; /* once there is a file */
	struct queue_name name;
	bool committed;

	char *memory; /* content that is not in the file yet */
	size_t n;
	size_t size; /* allocated, grows up to ->max */
	size_t max;
	size_t marks[MARKS_MAX]; /* where in it the ID goes, in order */
	size_t marks_n;

	uint64_t flushed; /* bytes of content in the file */
	uint32_t checksum; /* of them */
};

/* What a write consists of: memory with the ID where it is marked. */
struct pieces {
	struct iovec v[PIECES_MAX];
	size_t n;
	size_t total;
};

struct queue_writer *
queue_writer_new(struct queue *q, size_t memory_max)
{
	struct queue_writer *w = zalloc(sizeof(*w));

	*w = (struct queue_writer){ .q = q, .fd = -1, .max = memory_max };
	return w;
}

/* The name the file has now; nobody knows of it but us. */
static void
remove_file(struct queue_writer *w)
{
	if (w->name.text[0])
		unlinkat(w->q->fds[QUEUE_INCOMING], w->name.text, 0);
	w->name.text[0] = '\0';
}

struct queue_writer *
queue_writer_free(struct queue_writer *w)
{
	if (!w)
		return NULL;
	folder_closep(&w->fd);
	if (!w->committed)
		remove_file(w);
	if (w->memory)
		explicit_bzero(w->memory, w->size);
	free(w->memory);
	free(w);
	return NULL;
}

static void
grow(struct queue_writer *w, size_t want)
{
	size_t size = w->size ? w->size : MEMORY_FIRST;

	if (want <= w->size)
		return;
	while (size < want)
		size *= 2;
	if (size > w->max)
		size = w->max;

	char *memory = zalloc(size);
	if (w->n)
		memcpy(memory, w->memory, w->n);
	if (w->memory)
		explicit_bzero(w->memory, w->size);
	free(w->memory);
	w->memory = memory;
	w->size = size;
}

bool
queue_put(struct queue_writer *w, struct span content)
{
	if (content.n > w->max - w->n)
		return false;
	grow(w, w->n + content.n);
	if (content.n)
		memcpy(w->memory + w->n, content.p, content.n);
	w->n += content.n;
	return true;
}

bool
queue_put_id(struct queue_writer *w)
{
	if (w->fd >= 0)
		return queue_put(w, span_str(w->id.text));
	if (w->marks_n == MARKS_MAX)
		return false;
	w->marks[w->marks_n++] = w->n;
	return true;
}

bool
queue_has_file(const struct queue_writer *w)
{
	return w->name.text[0] && !w->committed;
}

/*
 * Gives the file its final name before anything is in it: so the one sync of
 * its data makes the name durable as well (docs/QUEUE.md).
 */
static int
give_name(struct queue_writer *w, const char *random)
{
	int dir = w->q->fds[QUEUE_INCOMING];
	struct queue_name name = { 0 };
	struct stat st;

	if (fstat(w->fd, &st) < 0)
		return -errno;
	/* The umask of who made it may not let the queue's owner append. */
	if ((st.st_mode & 0777) != 0660 && fchmod(w->fd, 0660) < 0)
		return -errno;
	folder_make_id(w->q, clock_wall(), st.st_ino, &w->id);
	snprintf(name.text, sizeof(name.text), "%s-%s", w->id.text, random);
	if (renameat(dir, w->name.text, dir, name.text) < 0)
		return -errno;
	w->name = name;
	return 0;
}

static int
make_file(struct queue_writer *w)
{
	char random[FOLDER_RANDOM_TEXT + 1];
	int dir = w->q->fds[QUEUE_INCOMING];
	int err = folder_random(w->q, random);

	if (err)
		return err;
	snprintf(w->name.text, sizeof(w->name.text), ".%s", random);
	w->fd = openat(dir, w->name.text,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
	if (w->fd < 0) {
		err = -errno;
		w->name.text[0] = '\0';
		return err;
	}
	/* Held while it is written: who tidies up leaves it alone. */
	if (flock(w->fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return give_name(w, random);
}

static void
add_piece(struct pieces *ps, const char *p, size_t n)
{
	union {
		const char *in;
		void *out; /* an iovec is for reading, too */
	} base = { .in = p };

	if (n == 0)
		return;
	must(ps->n < PIECES_MAX);
	ps->v[ps->n++] = (struct iovec){ base.out, n };
	ps->total += n;
}

static void
add_content(struct pieces *ps, struct queue_writer *w)
{
	size_t first = ps->n;
	size_t from = 0;

	for (size_t i = 0; i < w->marks_n; i++) {
		add_piece(ps, w->memory + from, w->marks[i] - from);
		add_piece(ps, w->id.text, strlen(w->id.text));
		from = w->marks[i];
	}
	if (w->n > from)
		add_piece(ps, w->memory + from, w->n - from);
	for (size_t i = first; i < ps->n; i++) {
		w->checksum = (uint32_t)crc32_z(w->checksum, ps->v[i].iov_base,
		    ps->v[i].iov_len);
		w->flushed += ps->v[i].iov_len;
	}
	w->n = 0;
	w->marks_n = 0;
}

/* Writes all; a short write is followed by another, which says why. */
static int
write_pieces(int fd, struct pieces *ps, uint64_t at)
{
	struct iovec *v = ps->v;
	size_t left = ps->n;

	while (left) {
		ssize_t n = pwritev(fd, v, (int)left, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (uint64_t)n;
		for (; left && (size_t)n >= v->iov_len; v++, left--)
			n -= (ssize_t)v->iov_len;
		if (left) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static int
flush_content(struct queue_writer *w)
{
	struct pieces ps = { .n = 0 };
	int err = w->fd < 0 ? make_file(w) : 0;

	if (err)
		return err;
	uint64_t at = RECORD_HEAD + w->flushed;
	add_content(&ps, w);
	return write_pieces(w->fd, &ps, at);
}

int
queue_flush(struct queue_writer *w)
{
	must(!w->committed);
	if (w->error == 0)
		w->error = flush_content(w);
	return w->error;
}

/* All that is not yet in the file, in one write if nothing is. */
static int
write_rest(struct queue_writer *w, const struct queue_envelope *e,
    const struct queue_rcpt *rcpts, size_t n, struct buf *envelope)
{
	char head[RECORD_HEAD] = { 0 };
	char trailer[RECORD_TRAILER];
	struct pieces ps = { .n = 0 };
	bool whole = w->flushed == 0;
	uint64_t at = whole ? 0 : RECORD_HEAD + w->flushed;

	if (whole)
		add_piece(&ps, head, sizeof(head));
	add_content(&ps, w);
	record_put_envelope(envelope, e, rcpts, n);
	struct record_head h = {
		.content_length = w->flushed,
		.envelope_length = envelope->n,
		.rcpts = (uint32_t)n,
	};
	record_put_head(head, &h);
	struct span head_span = { head, sizeof(head) };
	record_put_trailer(trailer, &h,
	    &(struct record_trailer){ .content_checksum = w->checksum,
		.checksum = record_checksum(head_span, buf_span(envelope)) });
	add_piece(&ps, envelope->p, envelope->n);
	add_piece(&ps, trailer, sizeof(trailer));

	int err = write_pieces(w->fd, &ps, at);
	if (err || whole)
		return err;
	return folder_write(w->fd, head_span, 0);
}

static int
write_and_sync(struct queue_writer *w, const struct queue_envelope *e,
    const struct queue_rcpt *rcpts, size_t n)
{
	size_t size = record_envelope_size(e, rcpts, n);
	struct buf envelope;

	if (size == 0)
		return -EINVAL;
	int err = w->fd < 0 ? make_file(w) : 0;
	if (err)
		return err;

	char *storage = zalloc(size);
	buf_init(&envelope, storage, size);
	err = write_rest(w, e, rcpts, n, &envelope);
	free(storage);
	if (err)
		return err;
	return fdatasync(w->fd) < 0 ? -errno : 0;
}

int
queue_commit(struct queue_writer *w, const struct queue_envelope *e,
    const struct queue_rcpt *rcpts, size_t n, struct queue_id *id_r,
    struct queue_name *name_r)
{
	must(!w->committed);
	if (w->error == 0)
		w->error = write_and_sync(w, e, rcpts, n);
	if (w->error) {
		remove_file(w);
		return w->error;
	}
	w->committed = true;
	*id_r = w->id;
	*name_r = w->name;
	return 0;
}
