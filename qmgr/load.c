/*
 * Messages come into memory: from a name somebody told, through a line, to what
 * stands in the file.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"
#include "service/service.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	/* A bound on what one file's envelope can take, not a size. */
	ARENA_MAX = 1 << 30,
};

struct message *
qmgr_find(const char *id)
{
	struct hash_link *l = hash_find(&qmgr.messages, span_str(id));

	return l ? container_of(l, struct message, by_id) : NULL;
}

static void
line_up(struct message *m)
{
	m->phase = MESSAGE_ARRIVED;
	list_append(m->place == QUEUE_INCOMING ? &qmgr.incoming : &qmgr.due,
	    &m->in_line);
	bell_ring_one(&qmgr.arrivals);
}

void
make_due(struct message *m)
{
	must(m->phase == MESSAGE_DEFERRED);
	deferred_remove(&qmgr.deferred, m);
	line_up(m);
}

static void
wait_or_line_up(struct message *m, int64_t due)
{
	m->due = due;
	if (m->place == QUEUE_DEFERRED && due > service_wall() / 1000000) {
		m->phase = MESSAGE_DEFERRED;
		deferred_add(&qmgr.deferred, m);
	} else {
		line_up(m);
	}
}

void
arrive(enum queue_place place, const char *name, int64_t due, bool told)
{
	struct message *m;
	struct queue_id id;

	if (!queue_name_id(name, &id))
		return;
	m = qmgr_find(id.text);
	if (m) {
		m->told = m->told || told;
		return;
	}
	m = message_new(place, name, &id);
	m->told = told;
	hash_add(&qmgr.messages, &m->by_id);
	wait_or_line_up(m, due);
}

/* Gives back what it holds of the limits. */
static void
make_room(const struct message *m)
{
	if (m->body) {
		qmgr.active--;
		qmgr.rcpts -= m->body->m.n;
		qmgr.fds -= m->body->fd >= 0;
	}
	if (qmgr.room_wanted) {
		qmgr.room_wanted = false;
		bell_ring(&qmgr.arrivals);
	}
}

void
forget(struct message *m)
{
	if (m->phase == MESSAGE_DEFERRED)
		deferred_remove(&qmgr.deferred, m);
	make_room(m);
	link_remove(&m->in_line);
	hash_remove(&qmgr.messages, &m->by_id);
	message_free(m);
	bell_ring(&qmgr.released);
}

/* It stays the same in memory: of a hundred thousand, new ones would be holes. */
void
put_off(struct message *m, const struct queue_name *name, int64_t due)
{
	must(m->refs == 0 && !link_is_on(&m->in_line));
	make_room(m);
	message_unload(m);
	m->place = QUEUE_DEFERRED;
	m->name = *name;
	m->told = false;
	m->waits_for_agent = false;
	wait_or_line_up(m, due);
	bell_ring(&qmgr.released);
}

/* One offload reads many. */
struct load {
	size_t n;
	struct {
		struct message *message;
		struct queue_message read;
		bool told; /* when it was read */
		int fd;
		int err;
	} rows[LOAD_BATCH];
};

/*
 * In incoming/ a file that is not complete may be one that is being written:
 * whoever writes it tells us when it is. One that was told of, or lies in another
 * folder, is damaged.
 */
static bool
is_damaged(const struct message *m, int err, bool told)
{
	return err == -EBADMSG ||
	    (err == -ENODATA && (m->place != QUEUE_INCOMING || told));
}

static void
set_aside(const struct message *m)
{
	struct queue_name name;
	int err = queue_move(qmgr.queue, m->place, m->name.text, QUEUE_CORRUPT,
	    0, &name);

	log_about(LOG_LEVEL_ERROR, m->id.text, "%s/%s is damaged: %s %s",
	    queue_place_name(m->place), m->name.text,
	    err ? "it cannot be moved to corrupt/:" : "moved to corrupt/",
	    err ? strerror(-err) : name.text);
}

/*
 * A table said that it is to wait for somebody to look at it. Once it was released
 * it does not lie in incoming/ any more. Returns what queue_load() does: gone.
 */
static int
hold_back(const struct message *m, int fd)
{
	struct queue_name name;
	int err = queue_move(qmgr.queue, QUEUE_INCOMING, m->name.text,
	    QUEUE_HOLD, 0, &name);

	if (fd >= 0)
		close(fd);
	return err ? err : -ENOENT;
}

/* Offloaded. */
static void
read_files(void *arg)
{
	struct load *l = arg;

	for (size_t i = 0; i < l->n; i++) {
		struct message *m = l->rows[i].message;

		l->rows[i].fd = -1;
		l->rows[i].err = queue_load(qmgr.queue, m->place, m->name.text,
		    m->arena, &l->rows[i].read, &l->rows[i].fd);
		if (is_damaged(m, l->rows[i].err, l->rows[i].told))
			set_aside(m);
		if (l->rows[i].err == 0 && m->place == QUEUE_INCOMING &&
		    l->rows[i].read.envelope.flags & QUEUE_TO_HOLD)
			l->rows[i].err = hold_back(m, l->rows[i].fd);
	}
}

/* New mail and old take turns, so that neither starves the other. */
static struct message *
take_from_line(void)
{
	struct link *line = qmgr.due_has_turn ? &qmgr.due : &qmgr.incoming;

	if (list_empty(line))
		line = line == &qmgr.due ? &qmgr.incoming : &qmgr.due;
	if (list_empty(line))
		return NULL;

	struct message *m = container_of(line->next, struct message, in_line);

	qmgr.due_has_turn = line == &qmgr.incoming;
	link_remove(&m->in_line);
	return m;
}

/* Memory is bounded: what has no room stays in line, which is only names. */
static bool
has_room(size_t loading)
{
	const struct settings *s = qmgr.settings;

	if (qmgr.active + loading == 0)
		return true;
	return qmgr.active + loading < (size_t)s->active_limit &&
	    qmgr.rcpts < (size_t)s->rcpt_limit;
}

static void
fill(struct load *l)
{
	struct message *m;

	l->n = 0;
	while (l->n < LOAD_BATCH && has_room(l->n) && (m = take_from_line())) {
		m->phase = MESSAGE_LOADING;
		m->arena = arena_new(ARENA_MAX);
		l->rows[l->n].told = m->told;
		l->rows[l->n++].message = m;
	}
	qmgr.room_wanted = l->n == 0 &&
	    !(list_empty(&qmgr.incoming) && list_empty(&qmgr.due));
}

static void
read_again(struct message *m)
{
	m->told = false;
	message_unload(m);
	line_up(m);
}

/* Complete by now? Then what was read is what it was while it was written. */
static void
not_mail(struct message *m, bool was_told)
{
	if (m->place == QUEUE_INCOMING && m->told && !was_told)
		read_again(m);
	else
		forget(m);
}

static void
not_read(struct message *m, int err, bool was_told)
{
	switch (err) {
	case -EBADMSG:
	case -ENODATA:
		not_mail(m, was_told);
		return;
	case -ENOENT: /* somebody with the right to removed it */
		forget(m);
		return;
	}
	log_about(LOG_LEVEL_WARNING, m->id.text,
	    "cannot be read: %s; will be tried again", strerror(-err));
	forget(m); /* the next scan finds it */
	qmgr.scan_wanted = true;
}

static void
take_in(struct message *m, const struct queue_message *read, int fd)
{
	struct message_body *b = ARENA_NEW(m->arena, struct message_body);
	size_t n = read->n > 0 ? read->n : 1;

	must(b);
	b->m = *read;
	b->rcpts = arena_alloc(m->arena, n * sizeof(*b->rcpts));
	must(b->rcpts);
	b->fd = fd;
	b->activated = service_wall();
	if (qmgr.fds >= FDS_HELD_MAX) {
		close(fd);
		b->fd = -1;
	} else {
		qmgr.fds++;
	}
	m->body = b;
	qmgr.active++;
	qmgr.loaded++;
	qmgr.rcpts += b->m.n;
	activate(m);
}

void
task_load(void *arg)
{
	struct load *l = zalloc(sizeof(*l));
	enum task_wake wake = TASK_READY;

	(void)arg;
	while (wake == TASK_READY) {
		if (qmgr.ready)
			fill(l);
		if (l->n == 0) {
			wake = bell_wait(&qmgr.arrivals, TASK_NEVER);
			continue;
		}
		task_offload(TASK_DISK, read_files, l);
		for (size_t i = 0; i < l->n; i++) {
			struct message *m = l->rows[i].message;

			if (l->rows[i].err == 0)
				take_in(m, &l->rows[i].read, l->rows[i].fd);
			else
				not_read(m, l->rows[i].err, l->rows[i].told);
		}
		l->n = 0;
		bell_ring_one(&qmgr.dispatch);
	}
	must(wake == TASK_CANCELLED);
	free(l);
}
