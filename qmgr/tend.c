/*
 * What is to be done as time goes by: messages that are due, destinations whose
 * time is up, syncs, tables and parameters that were replaced.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"
#include "qmgr/fleet.h"
#include "service/service.h"

#include <malloc.h>
#include <stdatomic.h>

enum {
	TICK_MS = 1000,
	LOADED_MANY = 1000, /* messages */
};

/* Read by a reload, to be taken over by the task. */
static _Atomic(struct settings *) next_settings;

static int
prepare(const struct conf *c, struct why *why)
{
	struct settings *s = settings_new(c, why);

	if (!s)
		return -1;
	settings_free(atomic_exchange(&next_settings, s));
	return 0;
}

int
qmgr_reload(struct conf *c, struct why *why)
{
	return prepare(c, why);
}

static void
set_limits(void)
{
	struct scheduler *s = &qmgr.scheduler;
	struct transport_limits limits;
	struct why why;

	for (struct link *l = s->all.next; l != &s->all; l = l->next) {
		struct transport *t = container_of(l, struct transport, in_all);

		if (settings_limits(qmgr.settings, t->name, &limits, &why) < 0)
			log_error("%s", why.text);
		else
			t->limits = limits;
		t->dead_until = 0; /* it may be another service now */
	}
}

static void
swap_settings(void)
{
	struct settings *s = atomic_exchange(&next_settings, NULL);

	if (!s)
		return;
	settings_free(qmgr.settings);
	qmgr.settings = s;
	set_limits();
	fleets_refresh();
}

void
qmgr_reloaded(void)
{
	if (slots_take(&qmgr.looking, TASK_NEVER) != TASK_READY)
		return;
	swap_settings();
	slots_give(&qmgr.looking);
}

/* Offloaded, by who holds ->looking: nobody replaces the settings meanwhile. */
static void
look_at_tables(void *arg)
{
	struct settings *s = qmgr.settings;
	struct why why;

	(void)arg;
	if (!routing_changed(s->routing))
		return;
	if (prepare(s->conf, &why) < 0)
		log_error("%s; the tables of before stay in use", why.text);
}

bool
tables_refresh(void)
{
	const struct settings *before = qmgr.settings;

	if (slots_take(&qmgr.looking, TASK_NEVER) != TASK_READY)
		return false;
	if (qmgr.settings == before)
		task_offload(TASK_LOOKUP, look_at_tables, NULL);
	swap_settings();
	slots_give(&qmgr.looking);
	return qmgr.settings != before;
}

/* Offloaded. */
static void
sync_queue(void *arg)
{
	int *err = arg;

	*err = queue_sync(qmgr.queue);
}

static void
sync_if_dirty(int64_t *last)
{
	int err = 0;

	if (!qmgr.dirty || task_now() - *last < qmgr.settings->sync_interval)
		return;
	qmgr.dirty = false;
	*last = task_now();
	task_offload(TASK_DISK, sync_queue, &err);
	if (err)
		log_error("the queue cannot be synced: %s", strerror(-err));
}

static void
wake_due(void)
{
	struct message *m = deferred_first(&qmgr.deferred);
	int64_t now = service_wall() / 1000000;

	for (; m && m->due <= now; m = deferred_first(&qmgr.deferred))
		make_due(m);
}

/* Offloaded. */
static void
give_back(void *arg)
{
	(void)arg;
	malloc_trim(0);
}

/* What a flood of mail had taken stays with the threads that read it, else. */
static void
give_memory_back(void)
{
	if (qmgr.active > 0 || qmgr.loaded < LOADED_MANY)
		return;
	qmgr.loaded = 0;
	task_offload(TASK_DISK, give_back, NULL);
}

static void
tick(int64_t *last_sync)
{
	(void)tables_refresh();
	wake_due();
	record_again();
	scheduler_purge(&qmgr.scheduler, service_wall() / 1000);
	if (qmgr.scan_wanted)
		bell_ring(&qmgr.scan);
	bell_ring_one(&qmgr.dispatch);
	sync_if_dirty(last_sync);
	give_memory_back();
}

void
task_tend(void *arg)
{
	int64_t last_sync = task_now();

	(void)arg;
	do
		tick(&last_sync);
	while (task_sleep(task_after(TICK_MS)) == TASK_TIMEOUT);
}
