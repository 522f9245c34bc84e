#include "master/workers.h"

#include "base/log.h"
#include "master/stress.h"
#include "service/spawn.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	KEEP_MAX = 16 * 1024,
	DEATHS_MAX = 5, /* that are forgiven ... */
	DEATHS_TIME = 10 * 1000, /* ... in this time, ms */
};

void
worker_tell(struct worker *w, enum msg_type type)
{
	char packet[MSG_HEAD];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, type, 0);
	if (!msg_end(&b, 0) || !channel_send(w->parent, buf_span(&b), NULL, 0))
		log_warning("%s[%d] does not listen", w->program, (int)w->pid);
}

void
worker_end(struct worker *w, int sig)
{
	w->may_end = true;
	(void)kill(w->pid, sig);
}

void
worker_drain(struct worker *w)
{
	if (w->may_end)
		return;
	w->may_end = true;
	worker_tell(w, MSG_DRAIN);
}

struct worker *
worker_next(const struct service *s, struct worker *w)
{
	struct link *l = w ? w->link.next : s->workers.next;

	return l == &s->workers ? NULL : container_of(l, struct worker, link);
}

bool
service_is_single(const struct service *s)
{
	return s->want &&
	    (s->want->command->kind == COMMAND_SINGLE ||
		s->want->command->kind == COMMAND_SHARED);
}

size_t
service_count(const struct service *s, bool ready_only)
{
	size_t n = 0;

	for (struct worker *w = worker_next(s, NULL); w;
	     w = worker_next(s, w)) {

		if (w->generation == s->generation || service_is_single(s))
			n += !ready_only || w->ready;
	}
	return n;
}

unsigned
service_younger(const struct service *s, unsigned generation)
{
	unsigned n = 0, last = generation;

	for (struct worker *w = worker_next(s, NULL); w; w = worker_next(s, w))
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
	if (!s->want || service_count(s, true) < s->want->workers)
		return;
	for (struct worker *w = worker_next(s, NULL); w;
	     w = worker_next(s, w)) {

		if (w->generation == s->generation || service_is_single(s))
			continue;
		worker_drain(w);
		if (service_younger(s, w->generation) >= WORKERS_GENERATIONS)
			worker_end(w, SIGTERM);
	}
}

static void
on_ready(struct worker *w)
{
	w->ready = true;
	retire_old(w->service);
	bell_ring(&services.changed);
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
	case MSG_FULL:
		stress_full(w->service);
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

void
service_throttle(struct service *s, const char *what)
{
	int64_t ms = services.plan->params.service_throttle_time;

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
		snprintf(services.failure, sizeof(services.failure),
		    "master.cf:%u: service %s: %s", p->line, p->name, words);
	else
		snprintf(services.failure, sizeof(services.failure),
		    "service %s: %s", p->name, words);
}

static void
report_death(const struct worker *w, const char *how)
{
	struct service *s = w->service;
	char what[640];

	if (w->may_end || services.stopping || !s->want)
		return;
	snprintf(what, sizeof(what), "process %s[%d] %s%s%s%s", w->program,
	    (int)w->pid, how, w->ready ? "" : " before it was ready",
	    w->words[0] ? ": " : "", w->words);
	if (!w->ready && !services.failure[0])
		note_failure(w, what);
	if (may_restart(s, w->ready))
		log_warning("%s; another is started", what);
	else
		service_throttle(s, what);
}

static void
free_worker(struct worker *w)
{
	channel_free(w->parent);
	task_close(w->pidfd);
	link_remove(&w->link);
	limits_clear_column(w->service->limits, w->column);
	bell_ring(&w->service->changed);
	bell_ring(&services.changed);
	free(w);
}

static void
run_worker(void *arg)
{
	struct worker *w = arg;
	char how[64];
	int status;

	listen_to(w);
	/* Of one that not even SIGKILL ends no status is to be had. */
	if (task_wait_fd(w->pidfd, TASK_INPUT, TASK_NEVER) == TASK_READY) {
		spawn_reap(w->pid, &status, how, sizeof(how));
		report_death(w, how);
	}
	free_worker(w);
}

bool
worker_column(const struct service *s, unsigned *column_r)
{
	bool used[LIMITS_COLUMNS] = { 0 };

	for (struct worker *w = worker_next(s, NULL); w; w = worker_next(s, w))
		used[w->column] = true;
	for (unsigned i = 0; i < LIMITS_COLUMNS; i++)
		if (!used[i]) {
			*column_r = i;
			return true;
		}
	return false;
}

int
worker_start(struct service *s, unsigned column)
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
		.stressed = s->stressed,
	    },
	    &services.setup, &w->pid);
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
