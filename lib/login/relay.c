#include "login/relay.h"

#include "task/task.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	ROUNDS = 16, /* without a wait, before the others have their turn */
};

/* What goes through is here between two waits only: one for all tasks. */
static char passing[RELAY_MAX];

/* Bytes that were read from one side, and that the other has not taken. */
struct way {
	char *kept; /* NULL: none */
	size_t at;
	size_t n;
	bool ended; /* where they come from says no more */
	bool told; /* the other side was told of that */
	enum stream_step step; /* what the last try has to wait for */
};

struct relay {
	struct stream *client;
	int worker;
	struct way up; /* to the worker */
	struct way down; /* to the client */
	bool failed;
	bool cancelled;
};

static enum stream_step
read_worker(struct relay *r, size_t *n_r)
{
	ssize_t n = recv(r->worker, passing, sizeof(passing), MSG_DONTWAIT);

	*n_r = n > 0 ? (size_t)n : 0;
	if (n > 0)
		return STREAM_MOVED;
	if (n == 0)
		return STREAM_ENDED;
	return errno == EAGAIN || errno == EINTR ? STREAM_NEEDS_INPUT
						 : STREAM_BROKEN;
}

static enum stream_step
write_worker(const struct relay *r, struct span s, size_t *n_r)
{
	ssize_t n = send(r->worker, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL);

	*n_r = n > 0 ? (size_t)n : 0;
	if (n >= 0)
		return STREAM_MOVED;
	return errno == EAGAIN || errno == EINTR ? STREAM_NEEDS_OUTPUT
						 : STREAM_BROKEN;
}

static enum stream_step
read_side(struct relay *r, bool up, size_t *n_r)
{
	return up ? stream_try_read(r->client, passing, sizeof(passing), n_r)
		  : read_worker(r, n_r);
}

static enum stream_step
write_side(struct relay *r, bool up, struct span s, size_t *n_r)
{
	return up ? write_worker(r, s, n_r)
		  : stream_try_write(r->client, s, n_r);
}

static void
forget(struct way *w)
{
	if (w->kept)
		explicit_bzero(w->kept, w->n);
	free(w->kept);
	w->kept = NULL;
	w->at = w->n = 0;
}

/* Writes until all of it is out, or the other side takes no more. */
static enum stream_step
write_all(struct relay *r, bool up, struct span *s)
{
	enum stream_step step = STREAM_MOVED;
	size_t n;

	while (s->n > 0 && step == STREAM_MOVED) {
		step = write_side(r, up, *s, &n);
		s->p += n;
		s->n -= n;
	}
	return step;
}

static void
keep(struct way *w, struct span rest)
{
	w->kept = zalloc(rest.n);
	memcpy(w->kept, rest.p, rest.n);
	w->at = 0;
	w->n = rest.n;
}

/* False: what was kept is not all out yet. */
static bool
push_kept(struct relay *r, struct way *w, bool up)
{
	struct span rest = { w->kept + w->at, w->n - w->at };

	w->step = write_all(r, up, &rest);
	w->at = w->n - rest.n;
	if (rest.n > 0)
		return false;
	forget(w);
	return true;
}

/* One read, and what comes of it. False: there is something to wait for. */
static bool
move(struct relay *r, struct way *w, bool up)
{
	struct span rest = { passing, 0 };
	size_t n;

	if (w->kept && !push_kept(r, w, up))
		return false;
	if (w->ended)
		return false;
	w->step = read_side(r, up, &n);
	if (w->step == STREAM_ENDED)
		w->ended = true;
	if (n == 0)
		return false;
	rest.n = n;
	w->step = write_all(r, up, &rest);
	if (rest.n > 0)
		keep(w, rest);
	explicit_bzero(passing, n);
	return rest.n == 0;
}

/* The client may have ended, and still wants to hear the last answers. */
static void
tell_end(struct relay *r)
{
	if (!r->up.ended || r->up.kept || r->up.told)
		return;
	r->up.told = true;
	shutdown(r->worker, SHUT_WR);
}

static bool
is_broken(const struct way *w)
{
	return w->step == STREAM_BROKEN;
}

/* What to watch a descriptor for, on behalf of both ways. */
static void
add_events(const struct way *w, struct task_wait *from, struct task_wait *to)
{
	if (w->kept) {
		to->events |= w->step == STREAM_NEEDS_INPUT ? TASK_INPUT
							    : TASK_OUTPUT;
		return;
	}
	if (!w->ended)
		from->events |= w->step == STREAM_NEEDS_OUTPUT ? TASK_OUTPUT
							       : TASK_INPUT;
}

/* It has closed its end; there may be something to read yet. */
static bool
worker_is_gone(const struct relay *r)
{
	struct pollfd p = { .fd = r->worker };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

/*
 * A client that takes nothing is the worker's to give up, which has timeouts: what
 * is left is to see that it did.
 */
static bool
wait_for_more(struct relay *r)
{
	struct task_wait w[] = {
		{ .fd = r->worker },
		{ .fd = r->client->fd },
	};

	add_events(&r->up, &w[1], &w[0]);
	add_events(&r->down, &w[0], &w[1]);
	/* A side of which nothing is awaited is left out. */
	size_t n = (w[0].events != 0) + (size_t)(w[1].events != 0);
	struct task_wait *first = w[0].events ? &w[0] : &w[1];

	enum task_wake wake = task_wait_any(first, n,
	    r->down.kept ? task_after(RELAY_LAST_MS) : TASK_NEVER);

	r->cancelled = wake == TASK_CANCELLED;
	return wake == TASK_READY ||
	    (wake == TASK_TIMEOUT && !worker_is_gone(r));
}

/*
 * Both ways, until neither gets on or a few turns are over. True: neither does, and
 * events tell when that changes. What moved last may have left records that
 * OpenSSL has read ahead, of which no event tells.
 */
static bool
move_both(struct relay *r)
{
	bool moves = true;

	for (unsigned i = 0; i < ROUNDS && moves; i++) {
		moves = move(r, &r->down, false);
		moves = move(r, &r->up, true) || moves;
	}
	if (moves)
		r->cancelled = task_sleep(task_now()) == TASK_CANCELLED;
	else
		tell_end(r);
	r->failed = r->cancelled || is_broken(&r->up) || is_broken(&r->down);
	return !moves;
}

static void
say_the_last(struct relay *r)
{
	int64_t by = task_after(RELAY_LAST_MS);
	struct way *w = &r->down;
	enum task_wake wake = TASK_READY;

	while (w->kept && !push_kept(r, w, false) && !is_broken(w) &&
	    wake == TASK_READY)
		wake = task_wait_fd(r->client->fd,
		    w->step == STREAM_NEEDS_INPUT ? TASK_INPUT : TASK_OUTPUT,
		    by);
	if (!w->kept)
		stream_finish(r->client, by);
}

/* In the midst of an answer it would be taken for a part of it. */
static void
say_goodbye(struct relay *r, struct span goodbye)
{
	size_t n;

	if (goodbye.n > 0 && !r->down.kept)
		(void)!stream_try_write(r->client, goodbye, &n);
}

void
relay_run(struct stream *client, int worker, struct span goodbye)
{
	struct relay r = {
		.client = client,
		.worker = worker,
	};

	must(stream_resize(client, 0, 0));
	while (!r.failed && !r.down.ended) {
		bool is_still = move_both(&r);

		if (is_still && !r.failed && !r.down.ended)
			r.failed = !wait_for_more(&r);
	}
	if (r.cancelled)
		say_goodbye(&r, goodbye);
	if (!r.failed)
		say_the_last(&r);
	forget(&r.up);
	forget(&r.down);
	task_close(worker);
}
