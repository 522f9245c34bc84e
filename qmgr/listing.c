/*
 * Which messages there are we know, but for those on hold; what is in them, from
 * their files.
 */
#include "qmgr/listing.h"

#include <errno.h>
#include <stdlib.h>

enum {
	MOVED_MS = 1000, /* until we know of it */
	ARENA_MAX = 256 << 20,
};

static void
list_one(struct listing *l, const struct queue_id *id, enum queue_place place,
    const char *name)
{
	if (l->n == l->max) {
		l->max = l->max ? 2 * l->max : 256;
		l->rows = reallocarray(l->rows, l->max, sizeof(*l->rows));
		if (!l->rows)
			die("out of memory: %zu messages", l->max);
	}

	struct listed *to = &l->rows[l->n++];

	*to = (struct listed){ .id = *id, .place = place };
	memcpy(to->name.text, name, strlen(name) + 1);
}

static bool
collect_held(const char *name, int64_t due, void *arg)
{
	struct queue_id id;

	(void)due;
	if (strlen(name) < QUEUE_NAME_MAX && queue_name_id(name, &id))
		list_one(arg, &id, QUEUE_HOLD, name);
	return true;
}

/* Offloaded. A folder that cannot be read is shown as empty. */
static void
list_held(void *arg)
{
	struct listing *l = arg;

	if (queue_scan(qmgr.queue, QUEUE_HOLD, collect_held, l) < 0)
		l->n = 0;
}

void
listing_make(struct listing *l)
{
	struct hash_link *at = NULL;

	scan_arrivals();
	task_offload(TASK_DISK, list_held, l);
	while ((at = hash_next(&qmgr.messages, at))) {
		struct message *m = container_of(at, struct message, by_id);

		list_one(l, &m->id, m->place, m->name.text);
	}
}

void
listing_free(struct listing *l)
{
	free(l->rows);
	*l = (struct listing){ 0 };
}

/* Offloaded. */
static void
read_one(void *arg)
{
	struct shown *s = arg;

	s->err = queue_load(qmgr.queue, s->at->place, s->at->name.text,
	    s->arena, &s->message, NULL);
}

/* Offloaded. */
static void
read_page(void *arg)
{
	struct page *p = arg;

	for (size_t i = 0; i < p->n; i++)
		read_one(&p->rows[i]);
}

static bool
is_at(const struct message *m, const struct listed *at)
{
	return m->place == at->place &&
	    strcmp(m->name.text, at->name.text) == 0;
}

/*
 * It was moved since, or is gone. Who moves it tells the disk first and then us,
 * so there may be a moment to wait.
 */
static void
follow(struct shown *s)
{
	int64_t by = task_after(MOVED_MS);
	const struct message *m;

	while (s->err == -ENOENT && (m = qmgr_find(s->at->id.text))) {
		if (!is_at(m, s->at)) {
			*s->at = (struct listed){ m->id, m->name, m->place };
			task_offload(TASK_DISK, read_one, s);
		} else if (bell_wait(&qmgr.released, by) != TASK_READY) {
			return;
		}
	}
}

static void
clear(struct page *p)
{
	while (p->n > 0)
		arena_free(p->rows[--p->n].arena);
}

bool
page_fill(struct page *p, const struct listing *l, size_t first)
{
	clear(p);
	for (; p->n < PAGE_MAX && first + p->n < l->n; p->n++)
		p->rows[p->n] = (struct shown){
			.at = &l->rows[first + p->n],
			.arena = arena_new(ARENA_MAX),
		};
	if (p->n == 0)
		return false;
	task_offload(TASK_DISK, read_page, p);
	for (size_t i = 0; i < p->n; i++)
		follow(&p->rows[i]);
	return true;
}

void
page_free(struct page *p)
{
	clear(p);
	free(p);
}
