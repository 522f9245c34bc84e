#include "master/services.h"

#include "base/log.h"
#include "master/stress.h"
#include "master/workers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	COLUMN_PAUSE = 1000,
	KILL_TIME = 2000, /* ms in which who is killed is gone */
	REPLACE_TIME = 10 * 1000, /* ms that old generations get to end */
	REPLACE_PAUSE = 50, /* ms between two looks whether it may be */
};

struct services services;

void
services_init(const struct daemon_setup *setup)
{
	services.setup = *setup;
	list_init(&services.all);
	bell_init(&services.changed, "workers");
}

/* The next service, the first after NULL; NULL after the last. */
static struct service *
next_service(struct service *s)
{
	struct link *l = s ? s->link.next : services.all.next;

	return l == &services.all ? NULL
				  : container_of(l, struct service, link);
}

static bool
is_missing(const struct service *s)
{
	return s->want && service_count(s, false) < s->want->workers;
}

/* Starts one if it may. Returns when to look again at the latest. */
static int64_t
keep(struct service *s)
{
	unsigned column;
	int err;

	if (!is_missing(s))
		return TASK_NEVER;
	if (task_now() < s->throttled_until)
		return s->throttled_until;
	if (!worker_column(s, &column))
		return task_after(COLUMN_PAUSE);
	err = worker_start(s, column);
	if (err) {
		service_throttle(s, strerror(-err));
		return s->throttled_until;
	}
	return task_now();
}

static void
run_service(void *arg)
{
	struct service *s = arg;
	enum task_wake w = TASK_READY;

	while (!services.stopping && s->want && w != TASK_CANCELLED) {
		int64_t look = stress_look(s), when = keep(s);

		when = look < when ? look : when;
		if (when > task_now())
			w = bell_wait(&s->changed, when);
	}
	while (!list_empty(&s->workers))
		if (bell_wait(&s->changed, TASK_NEVER) == TASK_CANCELLED)
			return; /* one of them does not end, and we do */
	link_remove(&s->link);
	watch_fini(&s->watch);
	limits_detach(s->limits);
	task_close(s->limits_fd);
	free(s);
	bell_ring(&services.changed);
}

static struct service *
find(const char *key)
{
	for (struct service *s = next_service(NULL); s; s = next_service(s)) {

		if (s->want && strcmp(s->key, key) == 0)
			return s;
	}
	return NULL;
}

static void
add_service(const struct plan_service *p)
{
	struct service *s = zalloc(sizeof(*s));

	s->want = p;
	snprintf(s->key, sizeof(s->key), "%s", p->key);
	list_init(&s->workers);
	bell_init(&s->changed, "a worker's end");
	watch_init(&s->watch);
	s->limits_fd = limits_create();
	s->limits = s->limits_fd < 0 ? NULL : limits_attach(s->limits_fd, 0);
	if (!s->limits)
		die("no table of limits");
	list_append(&services.all, &s->link);
	if (!task_spawn(run_service, s, "service %s", p->name))
		die("no stack for a service");
}

/* A single owner that only reads anew keeps its state. */
static void
change_service(struct service *s, const struct plan_service *p)
{
	bool same = plan_same_options(s->want, p);

	s->want = p;
	s->throttled_until = 0;
	if (!service_is_single(s) || !same)
		s->generation++;
	for (struct worker *w = worker_next(s, NULL); w;
	     w = worker_next(s, w)) {

		if (service_is_single(s) && same)
			worker_tell(w, MSG_RELOAD);
		else if (service_is_single(s))
			worker_end(w, SIGTERM);
	}
	bell_ring(&s->changed);
}

static void
drop_service(struct service *s)
{
	s->want = NULL;
	for (struct worker *w = worker_next(s, NULL); w; w = worker_next(s, w))
		worker_drain(w);
	bell_ring(&s->changed);
}

void
services_apply(struct plan *plan)
{
	services.failure[0] = '\0';
	for (struct service *s = next_service(NULL); s; s = next_service(s)) {
		const struct plan_service *p = plan_find(plan, s->key);

		if (s->want && p)
			change_service(s, p);
		else if (s->want)
			drop_service(s);
	}
	services.plan = plan;
	for (size_t i = 0; i < plan->n; i++)
		if (!find(plan->services[i].key))
			add_service(&plan->services[i]);
}

/* One more generation is not too many, and the last one has begun, or cannot. */
static bool
may_replace(void)
{
	for (struct service *s = next_service(NULL); s; s = next_service(s)) {
		const struct worker *oldest = worker_next(s, NULL);

		if (!s->want || service_is_single(s) || !oldest)
			continue;
		if ((service_count(s, true) < s->want->workers &&
			task_now() >= s->throttled_until) ||
		    service_younger(s, oldest->generation) + 1 >=
			WORKERS_GENERATIONS)
			return false;
	}
	return true;
}

/* As on a reload. A worker that cannot begin leaves the old ones at work. */
static void
replace_changed(struct service *s)
{
	const char *path = watch_changed(&s->watch);

	if (!path || !s->want || service_is_single(s) || services.stopping)
		return;
	log_info("%s has changed: the workers of service %s are replaced", path,
	    s->want->name);
	s->throttled_until = 0;
	s->generation++;
	bell_ring(&s->changed);
}

void
services_watch(void *arg)
{
	(void)arg;
	while (watch_wait()) {
		if (!services_wait_replaceable(task_after(REPLACE_TIME)))
			return;
		for (struct service *s = next_service(NULL); s;
		     s = next_service(s))
			replace_changed(s);
	}
}

bool
services_wait_replaceable(int64_t deadline)
{
	enum task_wake w = TASK_TIMEOUT;

	while (!may_replace() && task_now() < deadline && w == TASK_TIMEOUT)
		w = task_sleep(task_after(REPLACE_PAUSE));
	return w == TASK_TIMEOUT;
}

static bool
all_ready(void)
{
	for (struct service *s = next_service(NULL); s; s = next_service(s)) {

		if (s->want && service_count(s, true) < s->want->workers)
			return false;
	}
	return true;
}

bool
services_wait_ready(int64_t deadline, char *text_r, size_t max)
{
	enum task_wake w = TASK_READY;

	while (!services.failure[0] && !all_ready() && w == TASK_READY)
		w = bell_wait(&services.changed, deadline);
	snprintf(text_r, max, "%s",
	    services.failure[0] ? services.failure
				: "workers are not ready in time");
	return w == TASK_READY && !services.failure[0];
}

/*
 * Asks all workers, those of the log only or all but them, to end: network
 * services now, single owners when what is under way is on record.
 */
static void
ask_all(bool log)
{
	for (struct service *s = next_service(NULL); s; s = next_service(s))
		for (struct worker *w = worker_next(s, NULL); w;
		     w = worker_next(s, w)) {
			if (!service_is_single(s))
				worker_end(w, SIGTERM);
			else if (s->want->is_log == log)
				worker_drain(w);
		}
}

/* Sends a signal to all workers: those of the log only, or all but them. */
static void
kill_all(int sig, bool log)
{
	for (struct service *s = next_service(NULL); s; s = next_service(s)) {

		for (struct worker *w = worker_next(s, NULL); w;
		     w = worker_next(s, w)) {
			bool is_log = s->want && s->want->is_log;

			if (is_log == log)
				worker_end(w, sig);
		}
	}
}

static bool
any_left(bool log)
{
	for (struct service *s = next_service(NULL); s; s = next_service(s)) {
		bool is_log = s->want && s->want->is_log;

		if (is_log == log && !list_empty(&s->workers))
			return true;
	}
	return false;
}

/* Asks, and then does not ask. */
static void
end_all(bool log, int64_t grace)
{
	int64_t by = task_after(grace);
	enum task_wake w = TASK_READY;

	if (grace > 0)
		ask_all(log);
	while (any_left(log) && w == TASK_READY)
		w = bell_wait(&services.changed, by);
	if (!any_left(log))
		return;
	if (grace > 0)
		log_warning("processes that do not end are killed");
	kill_all(SIGKILL, log);
	by = task_after(KILL_TIME);
	for (w = TASK_READY; any_left(log) && w == TASK_READY;)
		w = bell_wait(&services.changed, by);
}

static void
end_services(void)
{
	services.stopping = true;
	for (struct service *s = next_service(NULL); s; s = next_service(s))
		bell_ring(&s->changed);
}

void
services_stop(int64_t grace)
{
	end_services();
	end_all(false, grace);
	end_all(true, grace);
}

void
services_abort(void)
{
	end_services();
	end_all(false, 0);
	end_all(true, 0);
}

void
services_tell_all(int msg_type)
{
	for (struct service *s = next_service(NULL); s; s = next_service(s)) {

		for (struct worker *w = worker_next(s, NULL); w;
		     w = worker_next(s, w))
			worker_tell(w, (enum msg_type)msg_type);
	}
}

static int64_t
count_sessions(const struct service *s)
{
	int64_t n = limits_count(s->limits, SPAN(""));

	for (struct worker *w = worker_next(s, NULL); w; w = worker_next(s, w))
		n += w->busy;
	return n;
}

void
services_each(services_fn *fn, void *arg)
{
	for (struct service *s = next_service(NULL); s; s = next_service(s)) {
		struct services_state st = {
			.name = s->key,
			.type = "",
			.workers = service_count(s, true),
			.generation = s->generation,
			.sessions = count_sessions(s),
			.text = "",
			.limits = s->limits,
		};

		if (s->want) {
			st.name = s->want->name;
			st.type = s->want->type;
		} else {
			st.text = "ends";
		}
		if (task_now() < s->throttled_until)
			st.text = "throttled";
		fn(&st, arg);
	}
}
