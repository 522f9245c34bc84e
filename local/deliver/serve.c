#include "local/deliver/serve.h"

#include "base/log.h"
#include "local/deliver/job.h"
#include "service/agent.h"
#include "service/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	IDLE_MS = 60 * 1000, /* without deliveries: the worker ends */
	ATTACH_MS = 30 * 1000, /* for another qmgr to come */
	GOODBYE_MS = 5 * 1000, /* for the last ACKs, told to end */
	JOBS_MAX = 256, /* under way; more wait in the channel */
	ROOTS_MAX = 16,
};

struct running {
	struct agent_work work;
	struct job *job;
};

struct root {
	char *path;
	struct store *store;
};

static struct deliverer {
	int next_qmgr; /* an ATTACH came: the next channel, or -1 */
	struct root roots[ROOTS_MAX];
	size_t roots_n;
} self;

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
	for (size_t i = 0; i < self.roots_n; i++)
		if (span_eq(span_str(self.roots[i].path), path))
			return self.roots[i].store;
	return NULL;
}

static void
add_store(const char *path, struct store *s)
{
	self.roots[self.roots_n++] = (struct root){ strdup(path), s };
}

/* NULL with `why`. While it is opened another task may do the same. */
static struct store *
get_store(struct job *j, struct why *why)
{
	struct opening o = { .path = "/" };
	struct store *s = find_store(j->root);

	if (s)
		return s;
	if (j->root.n)
		o.path = arena_dup(j->arena, j->root);
	if (!o.path || self.roots_n == ROOTS_MAX) {
		why_set(why, ENOMEM, NULL, 0, "too many mailbox roots");
		return NULL;
	}
	task_offload(TASK_DISK, open_store, &o);
	if (!o.store) {
		*why = o.why;
		return NULL;
	}
	s = find_store(j->root);
	if (s || self.roots_n == ROOTS_MAX) {
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

static void
finish_job(struct running *r)
{
	static char storage[MSG_MAX];
	struct buf b;

	r->job->ended = service_wall();
	job_log(r->job);
	buf_init(&b, storage, sizeof(storage));
	job_put_result(r->job, &b);
	agent_result(&r->work, buf_span(&b));
	agent_end(&r->work);
	service_status((unsigned)agent_running());
	job_free(r->job);
	free(r);
}

/* A task for each DELIVER. */
static void
deliver_one(void *arg)
{
	struct running *r = arg;
	struct why why = { "too many mailbox roots" };
	struct work w = { .job = r->job };

	w.store = get_store(r->job, &why);
	if (w.store)
		task_offload(TASK_DISK, run_job, &w);
	else
		job_fail(r->job, why.text);
	finish_job(r);
}

static void
begin_job(const struct msg_in *in, int fd)
{
	struct job *j = job_new(in, fd, service_wall());

	if (!j) {
		log_error("qmgr sent a DELIVER that cannot be used");
		return;
	}
	struct running *r = zalloc(sizeof(*r));
	r->job = j;
	agent_begin(&r->work, in);
	service_status((unsigned)agent_running());
	if (task_spawn(deliver_one, r, "deliver %.*s", (int)j->id.n, j->id.p))
		return;
	job_fail(j, "too many deliveries at once");
	finish_job(r);
}

/* In the task that listens to the parent; the first task attaches. */
static void
on_parent(const struct msg_in *in, int *fds, size_t n)
{
	if (in->type == MSG_ATTACH && n > 0) {
		if (self.next_qmgr >= 0)
			task_close(self.next_qmgr);
		self.next_qmgr = fds[--n];
		bell_ring(agent_changed());
	}
	while (n > 0)
		task_close(fds[--n]);
}

/* When there is nothing left to wait for, if nothing happens. */
static int64_t
end_of_life(void)
{
	if (agent_running() > 0)
		return TASK_NEVER;
	if (!agent_is_attached() && self.next_qmgr < 0)
		return service_orphaned() ? 0 : agent_lost() + ATTACH_MS;
	return agent_is_done() ? agent_last_work() + IDLE_MS : TASK_NEVER;
}

/* False: cancelled. Whatever woke us, the loop looks again. */
static bool
wait_for_change(int64_t deadline)
{
	struct task_wait w[] = {
		{ .bell = agent_changed() },
		{ .bell = service_stop_bell() },
	};

	return task_wait_any(w, COUNT_OF(w), deadline) != TASK_CANCELLED;
}

static void
serve_until_idle(void)
{
	bool go_on = true;

	while (go_on && !service_stopping() && end_of_life() > task_now()) {
		if (self.next_qmgr >= 0) {
			int fd = self.next_qmgr;

			self.next_qmgr = -1;
			agent_attach(fd, true);
		}
		go_on = wait_for_change(end_of_life());
	}
}

/* Told to end: what was begun is finished, and qmgr may take the results. */
static void
finish_all(void)
{
	int64_t deadline = task_after(GOODBYE_MS);
	enum task_wake w = TASK_READY;

	while (agent_running() > 0 && w != TASK_CANCELLED)
		w = bell_wait(agent_changed(), TASK_NEVER);
	while (!agent_is_done() && agent_is_attached() && w == TASK_READY)
		w = bell_wait(agent_changed(), deadline);
}

static void
close_stores(void)
{
	for (size_t i = 0; i < self.roots_n; i++) {
		store_close(self.roots[i].store);
		free(self.roots[i].path);
	}
	self.roots_n = 0;
}

void
deliver_serve(void *arg)
{
	(void)arg;
	self = (struct deliverer){ .next_qmgr = -1 };
	agent_init(begin_job, JOBS_MAX);
	service_on_parent(on_parent);
	if (service_listener(0) >= 0)
		agent_attach(service_listener(0), false);
	serve_until_idle();
	finish_all();
	agent_fini();
	if (agent_running() == 0)
		close_stores();
}
