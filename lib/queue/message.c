#include "queue/folder.h"
#include "queue/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FRONT_READ = 8 << 10, /* a small message as a whole, in one call */
	STATES_READ = 16 << 10, /* of states, with the envelope, at once */
	STATES_MAX = 1 << 30,
};

/* A file's end: envelope, trailer, and states as far as they were read. */
struct tail {
	struct record_head head;
	struct record_trailer trailer;
	const char *front; /* the first of the file: the head, and maybe all */
	size_t front_n;
	const char *p; /* from the envelope on */
	size_t n;
	char *own; /* where ->p points to, unless it is in the front */
	size_t size; /* of that */
};

static void
tail_freep(struct tail *t)
{
	free(t->own);
}

static bool
all_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* A file without a head, or with one of zeros, is still being written. */
static int
read_head(int fd, struct tail *t)
{
	/* Each thread reads one file at a time, and listings read thousands. */
	static _Thread_local char front[FRONT_READ];
	struct span head = { front, RECORD_HEAD };
	int err = folder_read(fd, front, sizeof(front), 0, &t->front_n);

	if (err)
		return err;
	t->front = front;
	if (t->front_n < RECORD_HEAD || all_zero(t->front, RECORD_HEAD))
		return -ENODATA;
	return record_read_head(head, &t->head) ? 0 : -EBADMSG;
}

static size_t
states_offset(const struct tail *t)
{
	return (size_t)t->head.envelope_length + RECORD_TRAILER;
}

static int
read_more(int fd, struct tail *t, size_t size)
{
	char *p = zalloc(size);
	size_t n;

	if (t->n)
		memcpy(p, t->own, t->n);
	free(t->own);
	t->p = t->own = p;
	t->size = size;
	int err = folder_read(fd, p + t->n, size - t->n,
	    record_envelope_at(&t->head) + t->n, &n);
	t->n += n;
	return err;
}

/* A large envelope is believed only if the file is that large. */
static int
check_size(int fd, const struct tail *t)
{
	struct stat st;

	if (t->head.envelope_length <= STATES_READ)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size < record_states_at(&t->head) ? -ENODATA : 0;
}

/* The front was the whole file. False: it was not. */
static bool
is_in_front(struct tail *t)
{
	uint64_t at = record_envelope_at(&t->head);

	if (t->front_n == FRONT_READ || at > t->front_n)
		return false;
	t->n = t->front_n - (size_t)at;
	t->p = t->front + at;
	return true;
}

static int
read_to_end(int fd, struct tail *t)
{
	int err;

	if (is_in_front(t))
		return 0;
	err = check_size(fd, t);

	if (!err)
		err = read_more(fd, t, states_offset(t) + STATES_READ);
	while (!err && t->n == t->size) {
		if (t->size > STATES_MAX)
			return -EFBIG;
		err = read_more(fd, t, t->size * 2);
	}
	return err;
}

static int
check_trailer(struct tail *t)
{
	size_t at = (size_t)t->head.envelope_length;

	if (t->n < states_offset(t))
		return -ENODATA;
	if (all_zero(t->p + at, RECORD_TRAILER))
		return -ENODATA;
	if (!record_read_trailer((struct span){ t->p + at, RECORD_TRAILER },
		&t->head, &t->trailer))
		return -EBADMSG;
	return 0;
}

static int
read_tail(int fd, struct tail *t)
{
	int err = read_head(fd, t);

	if (!err)
		err = read_to_end(fd, t);
	if (!err)
		err = check_trailer(t);
	if (err)
		return err;

	struct span head = { t->front, RECORD_HEAD };
	struct span envelope = { t->p, (size_t)t->head.envelope_length };
	return record_checksum(head, envelope) == t->trailer.checksum
	    ? 0
	    : -EBADMSG;
}

static struct span
states_of(const struct tail *t)
{
	return (
	    struct span){ t->p + states_offset(t), t->n - states_offset(t) };
}

/* The texts of a state lie in the tail, which goes; false: no room. */
static bool
keep_texts(struct arena *a, struct queue_state *s)
{
	struct span all = { s->dsn.p, s->dsn.n + s->relay.n + s->text.n };
	char *copy = arena_dup(a, all);

	if (!copy)
		return false;
	s->dsn.p = copy;
	s->relay.p = copy + s->dsn.n;
	s->text.p = s->relay.p + s->relay.n;
	return true;
}

/* The last record of each recipient, and how often one was delayed. */
static int
read_states(const struct tail *t, struct arena *a, struct queue_message *m)
{
	struct span in = states_of(t);
	struct queue_state s;
	bool warned;
	uint32_t *delays = zalloc((m->n + 1) * sizeof(*delays));

	for (size_t i = 0; i < m->n; i++)
		m->states[i].rcpt = (uint32_t)i;
	while (record_take_state(&in, m->n, &s)) {
		/* That the sender was warned is no attempt. */
		warned = s.told && !m->states[s.rcpt].told;
		m->states[s.rcpt] = s;
		if (s.verdict == QUEUE_DELAYED && !warned &&
		    ++delays[s.rcpt] > m->attempts)
			m->attempts = delays[s.rcpt];
	}
	free(delays);
	for (size_t i = 0; i < m->n; i++)
		if (m->states[i].verdict != QUEUE_PENDING &&
		    !keep_texts(a, &m->states[i]))
			return -ENOMEM;
	return 0;
}

static int
read_message(const struct tail *t, struct arena *a, struct queue_message *m)
{
	size_t n = t->head.rcpts;
	struct span envelope = { t->p, (size_t)t->head.envelope_length };
	char *copy = arena_dup(a, envelope);
	struct queue_rcpt *rcpts = arena_alloc(a, (n + 1) * sizeof(*rcpts));

	*m = (struct queue_message){
		.content_offset = RECORD_HEAD,
		.content_length = t->head.content_length,
		.content_checksum = t->trailer.content_checksum,
		.n = n,
		.rcpts = rcpts,
		.states = arena_alloc(a, (n + 1) * sizeof(*m->states)),
	};
	if (!copy || !rcpts || !m->states)
		return -ENOMEM;
	envelope.p = copy;
	if (!record_read_envelope(envelope, &m->envelope, rcpts, n))
		return -EBADMSG;
	return read_states(t, a, m);
}

bool
queue_is_forced(const struct queue_message *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->states[i].verdict == QUEUE_EXPIRED && !m->states[i].told)
			return true;
	return false;
}

int
queue_read(int fd, struct arena *a, struct queue_message *message_r)
{
	struct tail t CLEANUP(tail_freep) = { .p = NULL };
	int err = read_tail(fd, &t);

	return err ? err : read_message(&t, a, message_r);
}

int
queue_file(struct queue *q, enum queue_place place, const char *name)
{
	int fd = openat(q->fds[place], name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int
queue_load(struct queue *q, enum queue_place place, const char *name,
    struct arena *a, struct queue_message *message_r, int *fd_r)
{
	struct queue_id id;
	int fd CLEANUP(folder_closep) = -1;

	if (!queue_name_id(name, &id))
		return -EINVAL;
	fd = queue_file(q, place, name);
	if (fd < 0)
		return fd;
	int err = queue_read(fd, a, message_r);
	/* What looks damaged while its writer holds the lock is not finished. */
	if (err == -EBADMSG && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -ENODATA;
	if (err)
		return err;
	message_r->id = id;
	if (fd_r) {
		*fd_r = fd;
		fd = -1;
	}
	return 0;
}

/*
 * Where the next record goes: behind the last that is whole. One of a recipient
 * that the message does not have would hide all that come behind it.
 */
static int
find_end(int fd, uint32_t last_rcpt, uint64_t *end_r, bool *torn_r)
{
	struct tail t CLEANUP(tail_freep) = { .p = NULL };
	struct queue_state s;
	int err = read_tail(fd, &t);

	if (err)
		return err;
	if (last_rcpt >= t.head.rcpts)
		return -EINVAL;
	struct span rest = states_of(&t);
	size_t all = rest.n;
	while (record_take_state(&rest, t.head.rcpts, &s))
		;
	*end_r = record_states_at(&t.head) + all - rest.n;
	*torn_r = rest.n > 0;
	return 0;
}

static int
append(int fd, struct span records, uint32_t last_rcpt)
{
	uint64_t end;
	bool torn;
	int err = find_end(fd, last_rcpt, &end, &torn);

	if (err)
		return err;
	if (torn && ftruncate(fd, (off_t)end) < 0)
		return -errno;
	err = folder_write(fd, records, end);
	/* Best effort: what is left of it is no record, and cut next time. */
	if (err && ftruncate(fd, (off_t)end) < 0)
		return err;
	return err;
}

int
queue_append_states(struct queue *q, enum queue_place place, const char *name,
    const struct queue_state *states, size_t n)
{
	size_t size = 0;
	uint32_t last = 0;
	struct buf records;
	int fd = openat(q->fds[place], name,
	    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		size += record_state_size(&states[i]);
		last = states[i].rcpt > last ? states[i].rcpt : last;
	}
	char *storage = zalloc(size + 1);
	buf_init(&records, storage, size);
	for (size_t i = 0; i < n; i++)
		record_put_state(&records, &states[i]);
	int err = append(fd, buf_span(&records), last);
	free(storage);
	folder_touched(q, fd);
	return err;
}
