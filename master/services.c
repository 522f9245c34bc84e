#include "master/services.h"

#include "base/list.h"
#include "base/log.h"
#include "master/spawn.h"
#include "master/watch.h"
#include "net/channel.h"
#include "service/limits.h"
#include "service/msg.h"
#include "task/task.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	KEEP_MAX = 16 * 1024,
	GENERATIONS = 3, /* that live at a time */
	DEATHS_MAX = 5, /* that are forgiven ... */
	DEATHS_TIME = 10 * 1000, /* ... in this time, ms */
	COLUMN_PAUSE = 1000,
	KILL_TIME = 2000, /* ms in which who is killed is gone */
	REPLACE_TIME = 10 * 1000, /* ms that old generations get to end */
	REPLACE_PAUSE = 50, /* ms between two looks whether it may be */
};

struct service {
	struct link link;
	const struct plan_service *want; /* NULL: no longer in the plan */
	char key[128];
	int limits_fd;
	struct limits *limits;
	struct link workers;
	unsigned generation;
	struct bell changed;
	struct watch watch;
	int64_t throttled_until;
	int64_t deaths_since;
	unsigned deaths;
};

struct worker {
	struct link link;
	struct service *service;
	struct channel *parent;
	pid_t pid;
	int pidfd;
	unsigned column;
	unsigned generation;
	unsigned busy;
	bool ready;
	bool may_end; /* was told to */
	char program[256];
	char words[256]; /* its last */
};

static struct {
	struct daemon_setup setup;
	struct plan *plan;
	struct link all;
	struct bell changed; /* rung when a worker is ready or gone */
	bool stopping;
	char failure[768]; /* of the first worker that could not begin */
} own;

void
services_init(const struct daemon_setup *setup)
{
	own.setup = *setup;
	list_init(&own.all);
	bell_init(&own.changed, "workers");
}

static void
tell(struct worker *w, enum msg_type type)
{
	char packet[MSG_HEAD];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, type, 0);
	if (!msg_end(&b, 0) || !channel_send(w->parent, buf_span(&b), NULL, 0))
		log_warning("%s[%d] does not listen", w->program, (int)w->pid);
}

static void
end_worker(struct worker *w, int sig)
{
	w->may_end = true;
	(void)kill(w->pid, sig);
}

static void
drain_worker(struct worker *w)
{
	if (w->may_end)
		return;
	w->may_end = true;
	tell(w, MSG_DRAIN);
}

/* The next worker, the first after NULL; NULL after the last. */
static struct worker *
next_worker(const struct service *s, struct worker *w)
{
	struct link *l = w ? w->link.next : s->workers.next;

	return l == &s->workers ? NULL : container_of(l, struct worker, link);
}

/* The same for services. */
static struct service *
next_service(struct service *s)
{
	struct link *l = s ? s->link.next : own.all.next;

	return l == &own.all ? NULL : container_of(l, struct service, link);
}

static bool
is_single(const struct service *s)
{
	return s->want && s->want->command->kind == COMMAND_SINGLE;
}

/* Of a single owner there is one, whatever its generation. */
static size_t
count_workers(const struct service *s, bool ready_only)
{
	size_t n = 0;

	for (struct worker *w = next_worker(s, NULL); w;
	     w = next_worker(s, w)) {

		if (w->generation == s->generation || is_single(s))
			n += !ready_only || w->ready;
	}
	return n;
}

/* How many generations that are alive are younger than `generation`. */
static unsigned
younger(const struct service *s, unsigned generation)
{
	unsigned n = 0, last = generation;

	/* Workers stand in the order of their start, so of their generation. */
	for (struct worker *w = next_worker(s, NULL); w; w = next_worker(s, w))
		if (w->generation > last) {
			last = w->generation;
			n++;
		}
	return n;
}

/*
 * The new generation is ready: the old ones finish what they have, and the
 * oldest, if too many are alive, do not even that.
 */
static void
retire_old(struct service *s)
{
	if (!s->want || count_workers(s, true) < s->want->workers)
		return;
	for (struct worker *w = next_worker(s, NULL); w;
	     w = next_worker(s, w)) {

		if (w->generation == s->generation || is_single(s))
			continue;
		drain_worker(w);
		if (younger(s, w->generation) >= GENERATIONS)
			end_worker(w, SIGTERM);
	}
}

static void
on_ready(struct worker *w)
{
	w->ready = true;
	retire_old(w->service);
	bell_ring(&own.changed);
}

static void
handle(struct worker *w, const struct msg_in *in)
{
	struct span text;

	switch (in->type) {
	case MSG_STATUS:
		w->busy = (unsigned)msg_u64(in, MSG_FIELD_BUSY);
		if (!w->ready)
			on_ready(w);
		break;
	case MSG_WATCH: /* while it was root it knew what it read */
		if (!w->ready)
			watch_add(&w->service->watch,
			    msg_str(in, MSG_FIELD_FILE),
			    msg_u64(in, MSG_FIELD_STAMP));
		break;
	case MSG_BYE:
		text = msg_str(in, MSG_FIELD_TEXT);
		snprintf(w->words, sizeof(w->words), "%.*s", (int)text.n,
		    text.p);
		break;
	default:
		break;
	}
}

static void
listen_to(struct worker *w)
{
	int fds[SOCK_FDS_MAX];
	struct msg_in in;
	struct span packet;
	size_t n;

	while (channel_recv(w->parent, TASK_NEVER, &packet, fds, &n) ==
	    STREAM_OK) {
		if (msg_read(packet, &in))
			handle(w, &in);
		while (n > 0)
			task_close(fds[--n]);
	}
}

/* A worker died: whether its service may start another at once. */
static bool
may_restart(struct service *s, bool was_ready)
{
	int64_t now = task_now();

	if (!was_ready)
		return false;
	if (now - s->deaths_since > DEATHS_TIME) {
		s->deaths_since = now;
		s->deaths = 0;
	}
	return ++s->deaths <= DEATHS_MAX;
}

static void
throttle(struct service *s, const char *what)
{
	int64_t ms = own.plan->params.service_throttle_time;

	s->throttled_until = task_after(ms);
	log_error("%s; service %s is throttled for %" PRId64 " s", what,
	    s->want->name, ms / 1000);
}

/* For who waits for all to be ready. */
static void
note_failure(const struct worker *w, const char *what)
{
	const struct plan_service *p = w->service->want;
	const char *words = w->words[0] ? w->words : what;

	if (p->line && p->overrides_n > 0)
		snprintf(own.failure, sizeof(own.failure),
		    "master.cf:%u: service %s: %s", p->line, p->name, words);
	else
		snprintf(own.failure, sizeof(own.failure), "service %s: %s",
		    p->name, words);
}

static void
report_death(const struct worker *w, const char *how)
{
	struct service *s = w->service;
	char what[640];

	if (w->may_end || own.stopping || !s->want)
		return;
	snprintf(what, sizeof(what), "process %s[%d] %s%s%s%s", w->program,
	    (int)w->pid, how, w->ready ? "" : " before it was ready",
	    w->words[0] ? ": " : "", w->words);
	if (!w->ready && !own.failure[0])
		note_failure(w, what);
	if (may_restart(s, w->ready))
		log_warning("%s; another is started", what);
	else
		throttle(s, what);
}

static void
free_worker(struct worker *w)
{
	channel_free(w->parent);
	task_close(w->pidfd);
	link_remove(&w->link);
	limits_clear_column(w->service->limits, w->column);
	bell_ring(&w->service->changed);
	bell_ring(&own.changed);
	free(w);
}

static void
run_worker(void *arg)
{
	struct worker *w = arg;
	char how[64];
	int status;

	listen_to(w);
	(void)!task_wait_fd(w->pidfd, TASK_INPUT, TASK_NEVER);
	spawn_reap(w->pid, &status, how, sizeof(how));
	report_death(w, how);
	free_worker(w);
}

/* The lowest column that no worker has. False: all have one. */
static bool
find_column(const struct service *s, unsigned *column_r)
{
	bool used[LIMITS_COLUMNS] = { 0 };

	for (struct worker *w = next_worker(s, NULL); w; w = next_worker(s, w))
		used[w->column] = true;
	for (unsigned i = 0; i < LIMITS_COLUMNS; i++)
		if (!used[i]) {
			*column_r = i;
			return true;
		}
	return false;
}

/* Starts one. Returns 0 or -errno. */
static int
start_worker(struct service *s, unsigned column)
{
	struct worker *w = zalloc(sizeof(*w));
	int pair[2];
	int err = sock_pair(pair);

	if (err) {
		free(w);
		return err;
	}
	w->service = s;
	w->column = column;
	w->generation = s->generation;
	snprintf(w->program, sizeof(w->program), "%s", s->want->program);
	err = daemon_start(
	    &(struct daemon){
		.service = s->want,
		.parent = pair[1],
		.limits = s->limits_fd,
		.generation = w->generation,
		.column = column,
	    },
	    &own.setup, &w->pid);
	task_close(pair[1]);
	if (err) {
		task_close(pair[0]);
		free(w);
		return err;
	}
	w->parent = channel_new(pair[0], MSG_MAX, KEEP_MAX);
	w->pidfd = spawn_watch(w->pid);
	list_append(&s->workers, &w->link);
	if (w->pidfd < 0 ||
	    !task_spawn(run_worker, w, "%s[%d]", s->want->name, (int)w->pid))
		die("cannot watch a worker");
	return 0;
}

static bool
is_missing(const struct service *s)
{
	return s->want && count_workers(s, false) < s->want->workers;
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
	if (!find_column(s, &column))
		return task_after(COLUMN_PAUSE);
	err = start_worker(s, column);
	if (err) {
		throttle(s, strerror(-err));
		return s->throttled_until;
	}
	return task_now();
}

static void
run_service(void *arg)
{
	struct service *s = arg;
	enum task_wake w = TASK_READY;

	while (!own.stopping && s->want && w != TASK_CANCELLED) {
		int64_t when = keep(s);

		if (when > task_now())
			w = bell_wait(&s->changed, when);
	}
	while (!list_empty(&s->workers))
		(void)!bell_wait(&s->changed, TASK_NEVER);
	link_remove(&s->link);
	watch_fini(&s->watch);
	limits_detach(s->limits);
	task_close(s->limits_fd);
	free(s);
	bell_ring(&own.changed);
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
	list_append(&own.all, &s->link);
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
	if (!is_single(s) || !same)
		s->generation++;
	for (struct worker *w = next_worker(s, NULL); w;
	     w = next_worker(s, w)) {

		if (is_single(s) && same)
			tell(w, MSG_RELOAD);
		else if (is_single(s))
			end_worker(w, SIGTERM);
	}
	bell_ring(&s->changed);
}

static void
drop_service(struct service *s)
{
	s->want = NULL;
	for (struct worker *w = next_worker(s, NULL); w; w = next_worker(s, w))
		drain_worker(w);
	bell_ring(&s->changed);
}

void
services_apply(struct plan *plan)
{
	own.failure[0] = '\0';
	for (struct service *s = next_service(NULL); s; s = next_service(s)) {
		const struct plan_service *p = plan_find(plan, s->key);

		if (s->want && p)
			change_service(s, p);
		else if (s->want)
			drop_service(s);
	}
	own.plan = plan;
	for (size_t i = 0; i < plan->n; i++)
		if (!find(plan->services[i].key))
			add_service(&plan->services[i]);
}

/* One more generation is not too many, and the last one has begun, or cannot. */
static bool
may_replace(void)
{
	for (struct service *s = next_service(NULL); s; s = next_service(s)) {
		const struct worker *oldest = next_worker(s, NULL);

		if (!s->want || is_single(s) || !oldest)
			continue;
		if ((count_workers(s, true) < s->want->workers &&
			task_now() >= s->throttled_until) ||
		    younger(s, oldest->generation) + 1 >= GENERATIONS)
			return false;
	}
	return true;
}

/* As on a reload. A worker that cannot begin leaves the old ones at work. */
static void
replace_changed(struct service *s)
{
	const char *path = watch_changed(&s->watch);

	if (!path || !s->want || is_single(s) || own.stopping)
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

		if (s->want && count_workers(s, true) < s->want->workers)
			return false;
	}
	return true;
}

bool
services_wait_ready(int64_t deadline, char *text_r, size_t max)
{
	enum task_wake w = TASK_READY;

	while (!own.failure[0] && !all_ready() && w == TASK_READY)
		w = bell_wait(&own.changed, deadline);
	snprintf(text_r, max, "%s",
	    own.failure[0] ? own.failure : "workers are not ready in time");
	return w == TASK_READY && !own.failure[0];
}

/*
 * Asks all workers, those of the log only or all but them, to end: network
 * services now, single owners when what is under way is on record.
 */
static void
ask_all(bool log)
{
	for (struct service *s = next_service(NULL); s; s = next_service(s))
		for (struct worker *w = next_worker(s, NULL); w;
		     w = next_worker(s, w)) {
			if (!is_single(s))
				end_worker(w, SIGTERM);
			else if (s->want->is_log == log)
				drain_worker(w);
		}
}

/* Sends a signal to all workers: those of the log only, or all but them. */
static void
kill_all(int sig, bool log)
{
	for (struct service *s = next_service(NULL); s; s = next_service(s)) {

		for (struct worker *w = next_worker(s, NULL); w;
		     w = next_worker(s, w)) {
			bool is_log = s->want && s->want->is_log;

			if (is_log == log)
				end_worker(w, sig);
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
		w = bell_wait(&own.changed, by);
	if (!any_left(log))
		return;
	if (grace > 0)
		log_warning("processes that do not end are killed");
	kill_all(SIGKILL, log);
	by = task_after(KILL_TIME);
	for (w = TASK_READY; any_left(log) && w == TASK_READY;)
		w = bell_wait(&own.changed, by);
}

static void
end_services(void)
{
	own.stopping = true;
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

		for (struct worker *w = next_worker(s, NULL); w;
		     w = next_worker(s, w))
			tell(w, (enum msg_type)msg_type);
	}
}

static int64_t
count_sessions(const struct service *s)
{
	int64_t n = limits_count(s->limits, SPAN(""));

	for (struct worker *w = next_worker(s, NULL); w; w = next_worker(s, w))
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
			.workers = count_workers(s, true),
			.generation = s->generation,
			.sessions = count_sessions(s),
			.text = "",
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
