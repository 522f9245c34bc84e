/*
 * Reads the folders for what nobody told us of: at the start, when somebody could
 * not tell, and every queue_run_delay.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"

#include <stdlib.h>

/* Names are collected by the offload, and looked at by the task. */
struct names {
	enum queue_place place;
	struct row {
		struct queue_name name;
		int64_t due;
	} * rows;
	size_t n;
	size_t max;
	int err;
};

static bool
collect(const char *name, int64_t due, void *arg)
{
	struct names *all = arg;
	size_t len = strlen(name);

	if (len >= QUEUE_NAME_MAX)
		return true;
	if (all->n == all->max) {
		all->max = all->max ? 2 * all->max : 256;
		all->rows = reallocarray(all->rows, all->max,
		    sizeof(*all->rows));
		if (!all->rows)
			die("out of memory: %zu queue files", all->max);
	}
	memcpy(all->rows[all->n].name.text, name, len + 1);
	all->rows[all->n++].due = due;
	return true;
}

/* Offloaded. */
static void
read_folder(void *arg)
{
	struct names *all = arg;

	all->err = queue_scan(qmgr.queue, all->place, collect, all);
}

static void
scan(enum queue_place place)
{
	struct names all = { .place = place };

	task_offload(TASK_DISK, read_folder, &all);
	if (all.err)
		log_error("%s cannot be read: %s", queue_place_name(place),
		    strerror(-all.err));
	for (size_t i = 0; i < all.n; i++)
		arrive(place, all.rows[i].name.text, all.rows[i].due, false);
	free(all.rows);
}

void
scan_arrivals(void)
{
	scan(QUEUE_INCOMING);
	if (!qmgr.scanned) /* it has not been our turn yet */
		scan(QUEUE_DEFERRED);
}

void
task_scan(void *arg)
{
	int64_t next;

	(void)arg;
	for (;;) {
		qmgr.scan_wanted = false;
		scan(QUEUE_INCOMING);
		scan(QUEUE_DEFERRED);
		qmgr.scanned = true;
		next = task_after(qmgr.settings->run_delay);
		while (!qmgr.scan_wanted && task_now() < next)
			if (bell_wait(&qmgr.scan, next) == TASK_CANCELLED)
				return;
	}
}
