#include "local/deliver/serve.h"

#include "base/log.h"
#include "local/deliver/job.h"
#include "net/channel.h"
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
	KEEP_MAX = 16 << 20, /* results that qmgr does not read */
};

/* What was answered and not yet taken. */
struct result {
	struct link link;
	uint32_t request;
	char id[64]; /* of the message, for HELLO */
	struct span packet;
	char bytes[];
};

struct running {
	struct link link;
	struct job *job;
};

struct root {
	char *path;
	struct store *store;
};

static struct deliverer {
	struct channel *qmgr; /* NULL: gone */
	struct task *reader; /* of it */
	int next_qmgr; /* an ATTACH came: the next channel, or -1 */
	struct link results;
	struct link running;
	size_t running_n;
	struct root roots[ROOTS_MAX];
	size_t roots_n;
	int64_t last_work; /* when something began or ended */
	int64_t lost; /* when qmgr went */
	struct bell changed;
} self;

static void
changed(void)
{
	self.last_work = task_now();
	service_status((unsigned)self.running_n);
	bell_ring(&self.changed);
}

/* What cannot be sent stays: the next qmgr gets it. */
static void
send_to_qmgr(struct span packet)
{
	if (self.qmgr && !channel_send(self.qmgr, packet, NULL, 0))
		log_warning("qmgr takes no results; they are kept");
}

static void
add_result(const struct job *j)
{
	static char storage[MSG_MAX];
	struct buf b;

	buf_init(&b, storage, sizeof(storage));
	job_put_result(j, &b);
	struct result *r = zalloc(sizeof(*r) + b.n);
	r->request = j->request;
	snprintf(r->id, sizeof(r->id), "%.*s", (int)j->id.n, j->id.p);
	memcpy(r->bytes, b.p, b.n);
	r->packet = (struct span){ r->bytes, b.n };
	list_append(&self.results, &r->link);
	send_to_qmgr(r->packet);
}

static void
drop_result(uint32_t request)
{
	for (struct link *l = self.results.next; l != &self.results;
	     l = l->next) {
		struct result *r = container_of(l, struct result, link);

		if (r->request != request)
			continue;
		link_remove(l);
		free(r);
		return;
	}
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
finish_job(struct job *j)
{
	j->ended = service_wall();
	job_log(j);
	add_result(j);
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
	finish_job(r->job);
	link_remove(&r->link);
	self.running_n--;
	job_free(r->job);
	free(r);
	changed();
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
	list_append(&self.running, &r->link);
	self.running_n++;
	changed();
	if (task_spawn(deliver_one, r, "deliver %.*s", (int)j->id.n, j->id.p))
		return;
	job_fail(j, "too many deliveries at once");
	finish_job(j);
	link_remove(&r->link);
	self.running_n--;
	job_free(j);
	free(r);
}

static void
take_acks(const struct msg_in *in)
{
	struct span rest = in->fields;
	struct span value;

	while (msg_next(&rest, MSG_FIELD_N, &value)) {
		uint64_t request;

		memcpy(&request, value.p, sizeof(request));
		drop_result((uint32_t)request);
	}
	bell_ring(&self.changed);
}

static void
handle(struct span packet, int *fds, size_t n)
{
	struct msg_in in;

	if (!msg_read(packet, &in)) {
		log_error("a message of qmgr is of another version");
	} else if (in.type == MSG_DELIVER) {
		begin_job(&in, n ? fds[--n] : -1);
	} else if (in.type == MSG_ACK) {
		take_acks(&in);
	} else {
		log_warning("qmgr sent %s, which is not for us",
		    msg_name(in.type));
	}
	while (n > 0)
		task_close(fds[--n]);
}

/* Not more than JOBS_MAX are begun; what we are told to leave we do not read. */
static bool
may_read(void)
{
	enum task_wake w = TASK_READY;

	while (self.running_n >= JOBS_MAX && w == TASK_READY)
		w = bell_wait(&self.changed, TASK_NEVER);
	return w == TASK_READY;
}

static void
read_qmgr(void *arg)
{
	struct channel *ch = arg;
	enum stream_result r = STREAM_OK;
	int fds[SOCK_FDS_MAX];
	struct span packet;
	size_t n;

	while (r == STREAM_OK && may_read()) {
		r = channel_recv(ch, TASK_NEVER, &packet, fds, &n);
		if (r == STREAM_OK)
			handle(packet, fds, n);
	}
	channel_free(ch);
	if (self.qmgr == ch) {
		self.qmgr = NULL;
		self.reader = NULL;
		self.lost = task_now();
	}
	bell_ring(&self.changed);
}

/*
 * Names all that the new qmgr must not give out again before it knows what came
 * of it: what is under way, and what was answered but not taken.
 */
static void
send_hello(void)
{
	static char storage[MSG_MAX];
	struct buf b;

	buf_init(&b, storage, sizeof(storage));
	msg_begin(&b, MSG_HELLO, 0);
	msg_put_u64(&b, MSG_FIELD_PID, (uint64_t)getpid());
	for (struct link *l = self.running.next; l != &self.running;
	     l = l->next)
		msg_put_str(&b, MSG_FIELD_ID,
		    container_of(l, struct running, link)->job->id);
	for (struct link *l = self.results.next; l != &self.results;
	     l = l->next) {
		const char *id = container_of(l, struct result, link)->id;

		msg_put_str(&b, MSG_FIELD_ID, span_str(id));
	}
	if (msg_end(&b, 0))
		send_to_qmgr(buf_span(&b));
	else
		log_error("too much is under way to tell qmgr of all");
}

/* The channel to the qmgr of now; the one before, if any, is of no use. */
static void
attach(int fd, bool hello)
{
	struct channel *ch = channel_new(fd, MSG_MAX, KEEP_MAX);
	struct task *reader = task_spawn(read_qmgr, ch, "qmgr");

	if (!reader) {
		log_error("no stack for qmgr's channel");
		channel_free(ch);
		return;
	}
	if (self.reader)
		task_cancel(self.reader); /* it frees its channel */
	self.qmgr = ch;
	self.reader = reader;
	self.last_work = task_now();
	if (!hello)
		return;
	send_hello();
	for (struct link *l = self.results.next; l != &self.results;
	     l = l->next)
		send_to_qmgr(container_of(l, struct result, link)->packet);
}

/* In the task that listens to the parent; the first task attaches. */
static void
on_parent(const struct msg_in *in, int *fds, size_t n)
{
	if (in->type == MSG_ATTACH && n > 0) {
		if (self.next_qmgr >= 0)
			task_close(self.next_qmgr);
		self.next_qmgr = fds[--n];
		bell_ring(&self.changed);
	}
	while (n > 0)
		task_close(fds[--n]);
}

static bool
is_done(void)
{
	return self.running_n == 0 && list_empty(&self.results);
}

/* When there is nothing left to wait for, if nothing happens. */
static int64_t
end_of_life(void)
{
	if (self.running_n)
		return TASK_NEVER;
	if (!self.qmgr && self.next_qmgr < 0)
		return service_orphaned() ? 0 : self.lost + ATTACH_MS;
	return is_done() ? self.last_work + IDLE_MS : TASK_NEVER;
}

/* False: cancelled. Whatever woke us, the loop looks again. */
static bool
wait_for_change(int64_t deadline)
{
	struct task_wait w[] = {
		{ .bell = &self.changed },
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
			attach(fd, true);
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

	while (self.running_n && w != TASK_CANCELLED)
		w = bell_wait(&self.changed, TASK_NEVER);
	while (!is_done() && self.qmgr && w == TASK_READY)
		w = bell_wait(&self.changed, deadline);
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

static void
free_results(void)
{
	while (!list_empty(&self.results)) {
		struct result *r = container_of(self.results.next,
		    struct result, link);

		link_remove(&r->link);
		free(r);
	}
}

void
deliver_serve(void *arg)
{
	(void)arg;
	self = (struct deliverer){ .next_qmgr = -1 };
	list_init(&self.results);
	list_init(&self.running);
	bell_init(&self.changed, "work");
	self.last_work = self.lost = task_now();
	service_on_parent(on_parent);
	if (service_listener(0) >= 0)
		attach(service_listener(0), false);
	serve_until_idle();
	finish_all();
	if (self.reader)
		task_cancel(self.reader);
	while (self.qmgr && task_sleep(task_after(0)) != TASK_CANCELLED)
		;
	if (self.running_n == 0)
		close_stores();
	free_results();
}
