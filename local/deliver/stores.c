#include "local/deliver/stores.h"

#include "task/task.h"

#include <errno.h>
#include <stdlib.h>

enum {
	ROOTS_MAX = 16,
};

struct root {
	char *path;
	struct store *store;
};

static struct root roots[ROOTS_MAX];
static size_t roots_n;

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

static struct store *
find_store(struct span path)
{
	for (size_t i = 0; i < roots_n; i++)
		if (span_eq(span_str(roots[i].path), path))
			return roots[i].store;
	return NULL;
}

static void
add_store(const char *path, struct store *s)
{
	roots[roots_n++] = (struct root){ strdup(path), s };
}

/* NULL with `why`. While it is opened another task may do the same. */
static struct store *
get_store(struct job *j, struct why *why)
{
	struct opening o = { .path = "/" };
	struct store *s;

	if (span_eq(j->root, SPAN("/")))
		j->root = SPAN("");
	s = find_store(j->root);
	if (s)
		return s;
	if (j->root.n)
		o.path = arena_dup(j->arena, j->root);
	if (!o.path || roots_n == ROOTS_MAX) {
		why_set(why, ENOMEM, NULL, 0, "too many mailbox roots");
		return NULL;
	}
	task_offload(TASK_DISK, open_store, &o);
	if (!o.store) {
		*why = o.why;
		return NULL;
	}
	s = find_store(j->root);
	if (s || roots_n == ROOTS_MAX) {
		store_close(o.store);
		return s;
	}
	add_store(j->root.n ? o.path : "", o.store);
	return o.store;
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
	struct why why = { "too many mailbox roots" };
	struct work w = { .job = j };

	w.store = get_store(j, &why);
	if (w.store)
		task_offload(TASK_DISK, run_job, &w);
	else
		job_fail(j, why.text);
}

void
stores_close(void)
{
	for (size_t i = 0; i < roots_n; i++) {
		store_close(roots[i].store);
		free(roots[i].path);
	}
	roots_n = 0;
}
