#include "local/main/pool.h"

#include "base/log.h"
#include "net/channel.h"
#include "service/spawn.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	KEEP_MAX = 1 << 20,
	IDLE_MAX = 256, /* kept without work */
};

/* A process. Its task reads what it says, and frees it when it has ended. */
struct helper {
	struct link link;
	struct pool_who who;
	struct channel *channel;
	pid_t pid;
	int pidfd;
	bool busy;
	bool gone; /* it says no more */
	bool dismissed; /* we made it end */
	bool over; /* its task is: who is busy with it frees it */
	struct task *task;
	int64_t idle_since;
	struct pool_call *call; /* that waits for an answer */
	bool answered;
	struct bell bell;
};

static struct {
	struct pool_params p;
	struct link all;
	size_t idle_n;
	struct slots slots;
	char *spare[16]; /* memory of calls */
	size_t spare_n;
	uint32_t last_id;
} pool;

void
pool_init(const struct pool_params *p)
{
	pool.p = *p;
	list_init(&pool.all);
	slots_init(&pool.slots, POOL_MAX, "an errand's turn");
}

static void
take_packet(struct helper *h, struct span packet)
{
	struct msg_in in;

	if (!h->call || !msg_read(packet, &in) || in.type != MSG_ERRAND_DONE)
		return;
	memcpy(h->call->packet, packet.p, packet.n);
	must(
	    msg_read((struct span){ h->call->packet, packet.n }, &h->call->in));
	h->answered = true;
	bell_ring(&h->bell);
}

/* Reads until it is gone, or was idle for too long. */
static void
listen_to(struct helper *h)
{
	int fds[SOCK_FDS_MAX];
	struct span packet;
	size_t n;

	for (;;) {
		int64_t by = task_after(pool.p.idle_ms);
		enum stream_result r = channel_recv(h->channel, by, &packet,
		    fds, &n);

		if (r == STREAM_TIMEOUT &&
		    (h->busy || task_now() < h->idle_since + pool.p.idle_ms))
			continue;
		if (r != STREAM_OK)
			return;
		while (n > 0)
			task_close(fds[--n]);
		take_packet(h, packet);
	}
}

static void
say_how_it_ended(const struct helper *h)
{
	char how[64];
	int status;

	spawn_reap(h->pid, &status, how, sizeof(how));
	if (status != 0 && !h->dismissed)
		log_warning("errand[%d] of uid %u %s", (int)h->pid,
		    (unsigned)h->who.uid, how);
}

static void
free_helper(struct helper *h)
{
	link_remove(&h->link);
	task_close(h->pidfd);
	free(h);
}

static void
serve_helper(void *arg)
{
	struct helper *h = arg;

	listen_to(h);
	h->gone = true;
	h->channel = channel_free(h->channel);
	bell_ring(&h->bell);
	while (h->busy && bell_wait(&h->bell, TASK_NEVER) == TASK_READY)
		continue;
	if (h->busy) { /* all end, and who waits for it is to see that, too */
		h->over = true;
		return;
	}
	pool.idle_n--;
	/* Without us it ends by itself, and a new local's init reaps it. */
	if (task_wait_fd(h->pidfd, TASK_INPUT, TASK_NEVER) == TASK_READY)
		say_how_it_ended(h);
	free_helper(h);
}

static int
run(const struct pool_who *who, int parent, pid_t *pid_r)
{
	struct spawn *s = zalloc(sizeof(*s));
	struct privs as = { .uid = who->uid, .gid = who->gid };
	const char *const args[] = { pool.p.program, "-c", pool.p.dir, "-n",
		pool.p.log_name };
	int err;

	as.groups[as.groups_n++] = who->gid;
	if (who->group != (gid_t)-1)
		as.groups[as.groups_n++] = who->group;
	s->path = pool.p.program;
	s->log = FDS_LOG;
	s->parent = parent;
	s->limits = -1;
	s->clock = FDS_CLOCK;
	s->as = &as;
	for (size_t i = 0; i < COUNT_OF(args); i++)
		spawn_arg(s, args[i]);
	err = spawn_run(s, pid_r);
	free(s);
	return err;
}

static struct helper *
start(const struct pool_who *who, struct why *why)
{
	struct helper *h = zalloc(sizeof(*h));
	int pair[2] = { -1, -1 };
	int err = sock_pair(pair);

	if (!err)
		err = run(who, pair[1], &h->pid);
	task_close(pair[1]);
	if (err) {
		task_close(pair[0]);
		free(h);
		why_set(why, -err, NULL, 0, "no process: %s", strerror(-err));
		return NULL;
	}
	h->who = *who;
	h->busy = true;
	h->channel = channel_new(pair[0], MSG_MAX, KEEP_MAX);
	h->pidfd = spawn_watch(h->pid);
	bell_init(&h->bell, "an errand");
	list_append(&pool.all, &h->link);
	h->task = task_spawn(serve_helper, h, "errand %d", (int)h->pid);
	if (h->pidfd < 0 || !h->task)
		die("cannot watch a process");
	return h;
}

static struct helper *
find_idle(const struct pool_who *who)
{
	for (struct link *l = pool.all.next; l != &pool.all; l = l->next) {
		struct helper *h = container_of(l, struct helper, link);

		if (!h->busy && !h->gone && !h->dismissed &&
		    h->who.uid == who->uid && h->who.gid == who->gid &&
		    h->who.group == who->group) {
			h->busy = true;
			pool.idle_n--;
			return h;
		}
	}
	return NULL;
}

void
pool_begin(struct pool_call *c, enum errand_kind kind)
{
	c->packet = pool.spare_n > 0 ? pool.spare[--pool.spare_n]
				     : zalloc((size_t)2 * MSG_MAX);
	buf_init(&c->b, c->packet + MSG_MAX, MSG_MAX);
	msg_begin(&c->b, MSG_ERRAND, ++pool.last_id);
	msg_put_u64(&c->b, MSG_FIELD_KIND, kind);
}

void
pool_end(struct pool_call *c)
{
	if (pool.spare_n < COUNT_OF(pool.spare))
		pool.spare[pool.spare_n++] = c->packet;
	else
		free(c->packet);
	c->packet = NULL;
}

/* It may still be at it: then it is of no more use to us. */
static void
release(struct helper *h)
{
	bool done = h->answered;

	if (h->over) {
		free_helper(h);
		return;
	}
	h->call = NULL;
	h->answered = false;
	h->busy = false;
	h->idle_since = task_now();
	pool.idle_n++;
	if (h->gone)
		bell_ring(&h->bell);
	else if (!done || pool.idle_n > IDLE_MAX) {
		h->dismissed = true;
		(void)kill(h->pid, SIGKILL);
	}
}

static bool
converse(struct helper *h, struct pool_call *c, int fd, int64_t ms,
    struct why *why)
{
	int64_t deadline = task_after(ms);
	enum task_wake w = TASK_READY;
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (!msg_end(&c->b, fd < 0 ? 0 : 1)) {
		task_close(copy);
		why_set(why, E2BIG, NULL, 0, "too much for one request");
		return false;
	}
	h->call = c;
	if ((fd >= 0 && copy < 0) ||
	    !channel_send(h->channel, buf_span(&c->b), &copy, fd < 0 ? 0 : 1)) {
		why_set(why, EPIPE, NULL, 0, "a process takes no request");
		return false;
	}
	while (!h->answered && !h->gone && w == TASK_READY)
		w = bell_wait(&h->bell, deadline);
	if (!h->answered)
		why_set(why, EIO, NULL, 0,
		    h->gone ? "a process ended without an answer"
			    : "a process gave no answer in time");
	return h->answered;
}

bool
pool_ask(struct pool_call *c, const struct pool_who *who, int fd, int64_t ms,
    struct why *why)
{
	struct helper *h;
	bool done;

	if (slots_take(&pool.slots, TASK_NEVER) != TASK_READY) {
		why_set(why, ECANCELED, NULL, 0, "the service ends");
		return false;
	}
	h = find_idle(who);
	if (!h)
		h = start(who, why);
	done = h && converse(h, c, fd, ms, why);
	if (h)
		release(h);
	slots_give(&pool.slots);
	return done;
}

void
pool_fini(void)
{
	while (pool.spare_n > 0)
		free(pool.spare[--pool.spare_n]);
	for (struct link *l = pool.all.next; l != &pool.all; l = l->next) {
		struct helper *h = container_of(l, struct helper, link);

		if (!h->busy)
			task_cancel(h->task);
	}
}
