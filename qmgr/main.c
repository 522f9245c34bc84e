/*
 * qmgr - the queue manager. It owns the queue's files, reads their envelopes,
 * and hands open files to agents; it never reads content, speaks to no network
 * and runs nothing.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"
#include "dict/dict.h"
#include "qmgr/fleet.h"
#include "service/proxymap.h"
#include "service/service.h"

#include <malloc.h>

enum {
	LARGE = 256 << 10, /* bytes */
	DRAIN_MS = 4000, /* for deliveries under way: a stop takes 5 s */
};

struct qmgr qmgr;

static struct span
message_key(struct hash_link *l)
{
	const struct message *m = container_of(l, struct message, by_id);

	return span_str(m->id.text);
}

static int
warm_up(const struct conf *c, struct why *why)
{
	hash_init(&qmgr.messages, message_key);
	list_init(&qmgr.incoming);
	list_init(&qmgr.due);
	list_init(&qmgr.untold);
	scheduler_init(&qmgr.scheduler);
	proxymap_use(service_name());
	qmgr.settings = settings_new(c, why);
	if (!qmgr.settings)
		return -1;
	for (enum queue_place i = 0; i < QUEUE_PLACES; i++)
		sandbox_allow(queue_place_name(i), true);
	sandbox_allow("/etc", false);
	sandbox_allow(conf_dir(c), false);
	return 0;
}

/* As mail_owner: what was made by others is ours by our group. */
static void
open_queue(void)
{
	struct why why;

	qmgr.queue = queue_open(qmgr.settings->queue_directory, QUEUE_OWN,
	    qmgr.settings->long_ids, &why);
	if (!qmgr.queue)
		die("%s", why.text);
}

static void
task_lookups(void *arg)
{
	(void)arg;
	proxymap_serve("private/proxymap");
}

static void
spawn(task_fn *fn, const char *name)
{
	if (!task_spawn(fn, NULL, "%s", name))
		die("no stack for the task %s", name);
}

/*
 * Told to end: nothing new is begun (task_dispatch), and what is under way gets
 * some time, so that its results are on record before the others end.
 */
static void
drain(void)
{
	int64_t by = task_after(DRAIN_MS);

	while (qmgr.under_way + qmgr.recording > 0 &&
	    bell_wait(&qmgr.idle, by) == TASK_READY)
		;
	task_cancel_others();
}

/*
 * The C library would learn from one large list that all thresholds should be as
 * large, and hold on to that much in each thread's heap from then on.
 */
static void
fix_thresholds(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_TRIM_THRESHOLD, LARGE);
}

static void
serve(void *arg)
{
	(void)arg;
	fix_thresholds();
	bell_init(&qmgr.arrivals, "messages to read");
	bell_init(&qmgr.dispatch, "entries to deliver");
	bell_init(&qmgr.record, "results to record");
	bell_init(&qmgr.tell, "a sender to tell");
	bell_init(&qmgr.scan, "a reason to scan");
	bell_init(&qmgr.released, "a message to leave memory");
	slots_init(&qmgr.looking, 1, "the tables");
	bell_init(&qmgr.idle, "the last delivery");
	open_queue();
	fleets_refresh();
	spawn(task_lookups, "ask proxymap");
	spawn(task_broker, "broker");
	spawn(task_scan, "scan");
	spawn(task_dispatch, "dispatch");
	spawn(task_record, "record");
	spawn(task_tend, "tend");
	spawn(task_cleanup, "cleanup");
	for (int i = 0; i < TELLERS; i++)
		spawn(task_bounce, "bounce");
	for (int i = 0; i < LOADERS; i++)
		spawn(task_load, "load");
	service_accept(intake_client, "client of the queue");
	drain();
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "qmgr",
		.summary = "owns the queue, and has mail delivered",
		.user = SERVICE_OWNER,
		.sandbox = SANDBOX_STDIO | SANDBOX_RECVFD | SANDBOX_ACCEPT |
		    SANDBOX_UNIX | SANDBOX_FILES,
		.warm_up = warm_up,
		.serve = serve,
		.reload = qmgr_reload,
		.reloaded = qmgr_reloaded,
	};

	return service_main(argc, argv, &spec);
}
