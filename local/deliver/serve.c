#include "local/deliver/serve.h"

#include "base/log.h"
#include "local/deliver/fronts.h"
#include "local/deliver/stores.h"
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
};

struct running {
	struct agent_work work;
	struct job *job;
};

static struct deliverer {
	int next_qmgr; /* an ATTACH came: the next channel, or -1 */
} self;

static size_t
all_running(void)
{
	return agent_running() + fronts_running();
}

static void
tell_busy(void)
{
	service_status((unsigned)all_running());
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
	tell_busy();
	job_free(r->job);
	free(r);
}

/* A task for each DELIVER. */
static void
deliver_one(void *arg)
{
	struct running *r = arg;

	stores_deliver(r->job);
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
	tell_busy();
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
	} else if (in->type == MSG_MAY_PUT && n > 0) {
		fronts_add(in, fds[--n]);
	}
	while (n > 0)
		task_close(fds[--n]);
}

/* When there is nothing left of qmgr's to wait for, if nothing happens. */
static int64_t
end_of_agent(void)
{
	if (!agent_is_attached() && self.next_qmgr < 0)
		return service_orphaned() ? 0 : agent_lost() + ATTACH_MS;
	return agent_is_done() ? agent_last_work() + IDLE_MS : TASK_NEVER;
}

/* And none of anybody's. */
static int64_t
end_of_life(void)
{
	int64_t end = end_of_agent(), last = fronts_last_work();

	if (all_running() > 0)
		return TASK_NEVER;
	/* A broker that is gone sends nobody new. */
	if (service_orphaned())
		return fronts_any() ? TASK_NEVER : end;
	return last && last + IDLE_MS > end ? last + IDLE_MS : end;
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

	while (all_running() > 0 && w != TASK_CANCELLED)
		w = bell_wait(agent_changed(), TASK_NEVER);
	while (!agent_is_done() && agent_is_attached() && w == TASK_READY)
		w = bell_wait(agent_changed(), deadline);
}

void
deliver_serve(void *arg)
{
	(void)arg;
	self = (struct deliverer){ .next_qmgr = -1 };
	agent_init(begin_job, JOBS_MAX);
	fronts_init(JOBS_MAX, agent_changed());
	service_on_parent(on_parent);
	if (service_listener(0) >= 0)
		agent_attach(service_listener(0), false);
	serve_until_idle();
	finish_all();
	agent_fini();
	fronts_fini();
	if (all_running() == 0)
		stores_close();
}
