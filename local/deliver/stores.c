#include "local/deliver/stores.h"

#include "base/list.h"
#include "task/task.h"

#include <errno.h>
#include <stdlib.h>

enum {
	IDLE_MAX = 16, /* roots that are kept open for what may come */
};

struct root {
	struct link in_all;
	char *path;
	struct store *store;
	unsigned jobs; /* that use it now */
};

/* The one that was used last stands last. */
static struct link roots;
static size_t roots_n;

static void
init(void)
{
	if (!roots.next)
		list_init(&roots);
}

/* An offloaded step: all of it is the task's that waits. */
struct opening {
	const char *path;
	struct store *store;
	struct why why;
};

static void
open_store(void *arg)
{
	struct opening *o = arg;

	o->store = store_open(o->path, &o->why);
}

/* Offloaded. */
static void
close_store(void *arg)
{
	store_close(arg);
}

static struct root *
find_root(struct span path)
{
	init();
	for (struct link *l = roots.next; l != &roots; l = l->next) {
		struct root *r = container_of(l, struct root, in_all);

		if (span_eq(span_str(r->path), path))
			return r;
	}
	return NULL;
}

static struct root *
add_root(const char *path, struct store *s)
{
	struct root *r = zalloc(sizeof(*r));

	r->path = strdup(path);
	r->store = s;
	must(r->path);
	list_append(&roots, &r->in_all);
	roots_n++;
	return r;
}

/* Returns the store, to be closed. */
static struct store *
remove_root(struct root *r)
{
	struct store *s = r->store;

	link_remove(&r->in_all);
	roots_n--;
	free(r->path);
	free(r);
	return s;
}

static struct root *
take_root(struct root *r)
{
	r->jobs++;
	link_remove(&r->in_all);
	list_append(&roots, &r->in_all);
	return r;
}

/* The one that nobody uses, and was not used for longest. */
static struct root *
find_idle(void)
{
	for (struct link *l = roots.next; l != &roots; l = l->next) {
		struct root *r = container_of(l, struct root, in_all);

		if (r->jobs == 0)
			return r;
	}
	return NULL;
}

static void
give_root(struct root *r)
{
	r->jobs--;
	while (roots_n > IDLE_MAX && (r = find_idle()))
		task_offload(TASK_DISK, close_store, remove_root(r));
}

/* NULL with `why`. While it is opened another task may do the same. */
static struct root *
get_root(struct job *j, struct why *why)
{
	struct opening o = { .path = "/" };
	struct root *r;

	if (span_eq(j->root, SPAN("/")))
		j->root = SPAN("");
	r = find_root(j->root);
	if (r)
		return take_root(r);
	if (j->root.n)
		o.path = arena_dup(j->arena, j->root);
	if (!o.path) {
		why_set(why, ENOMEM, NULL, 0, "out of memory");
		return NULL;
	}
	task_offload(TASK_DISK, open_store, &o);
	if (!o.store) {
		*why = o.why;
		return NULL;
	}
	r = find_root(j->root);
	if (r)
		task_offload(TASK_DISK, close_store, o.store);
	else
		r = add_root(j->root.n ? o.path : "", o.store);
	return take_root(r);
}

struct work {
	struct job *job;
	struct store *store;
};

static void
run_job(void *arg)
{
	struct work *w = arg;

	job_run(w->job, w->store);
}

void
stores_deliver(struct job *j)
{
	struct why why = { "out of memory" };
	struct root *r = get_root(j, &why);

	if (!r) {
		job_fail(j, why.text);
		return;
	}

	struct work w = { .job = j, .store = r->store };

	task_offload(TASK_DISK, run_job, &w);
	give_root(r);
}

void
stores_close(void)
{
	init();
	while (!list_empty(&roots))
		store_close(
		    remove_root(container_of(roots.next, struct root, in_all)));
}
