#include "qmgr/fleet.h"

#include "base/log.h"
#include "qmgr/worker.h"
#include "service/msg.h"
#include "service/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	WORKERS_MAX = 64, /* as many as master's table of counts has columns */
	SETTLE_MS = 200, /* without a HELLO: all there were have come */
	PATIENCE_MS = 30 * 1000, /* for the first worker */
	AGAIN_MS = 1000, /* where nobody listens */
	KEEP_MAX = 4 * 1024 * 1024, /* bytes that wait for a worker's socket */
};

struct fleet {
	struct link in_all;
	char *name;
	char *path; /* of the socket */
	unsigned workers;
	bool settled;
	bool absent; /* nobody listens */
	struct link pending; /* entries for the first worker */
	struct bell left;
};

static const char unavailable[] = "mail transport unavailable";

static struct link all;

static void
init(void)
{
	if (!all.next)
		list_init(&all);
}

const char *
fleet_name(const struct fleet *f)
{
	return f->name;
}

struct fleet *
fleet_find(const char *transport)
{
	init();
	for (struct link *l = all.next; l != &all; l = l->next) {
		struct fleet *f = container_of(l, struct fleet, in_all);

		if (strcmp(f->name, transport) == 0)
			return f;
	}
	return NULL;
}

bool
fleets_settled(void)
{
	init();
	for (struct link *l = all.next; l != &all; l = l->next)
		if (!container_of(l, struct fleet, in_all)->settled)
			return false;
	return true;
}

static void
settle(struct fleet *f)
{
	if (f->settled)
		return;
	f->settled = true;
	broker_greeted();
}

static struct entry *
take_pending(struct fleet *f)
{
	struct entry *e;

	if (list_empty(&f->pending))
		return NULL;
	e = container_of(f->pending.next, struct entry, in_use);
	link_remove(&e->in_use);
	return e;
}

static void
give_up_pending(struct fleet *f)
{
	struct entry *e;

	while ((e = take_pending(f)))
		delivery_suspend(e, unavailable);
}

void
fleet_wait(struct fleet *f, struct entry *e)
{
	if (f->absent)
		delivery_suspend(e, unavailable);
	else
		list_append(&f->pending, &e->in_use);
}

void
fleet_left(struct fleet *f)
{
	f->workers--;
	bell_ring(&f->left);
}

/* A worker has taken the connection. False: that was no greeting. */
static bool
greet(struct fleet *f, struct channel *ch, struct span packet)
{
	struct entry *e;
	struct msg_in in;

	if (!msg_read(packet, &in) || in.type != MSG_HELLO) {
		log_error("a worker of %s does not greet us", f->name);
		return false;
	}
	f->workers++;
	if (!worker_join(f, ch, &in)) {
		f->workers--;
		return false;
	}
	while ((e = take_pending(f)))
		agent_deliver(e);
	return true;
}

/*
 * Waits until a worker takes the connection, however long that is. Returns
 * whether it is of use to go on at once.
 */
static bool
offer(struct fleet *f, struct channel *ch)
{
	int fds[SOCK_FDS_MAX];
	struct span packet;
	size_t n;

	for (;;) {
		int64_t by = task_after(f->settled ? PATIENCE_MS : SETTLE_MS);

		switch (channel_recv(ch, by, &packet, fds, &n)) {
		case STREAM_OK:
			while (n > 0)
				task_close(fds[--n]);
			if (greet(f, ch, packet))
				return true;
			break;
		case STREAM_TIMEOUT:
			if (f->settled && f->workers == 0)
				give_up_pending(f);
			settle(f);
			continue;
		case STREAM_EOF:
		case STREAM_TOO_LONG:
		case STREAM_CANCELLED:
		case STREAM_FAILED:
		case STREAM_EARLY_DATA:
			break;
		}
		channel_free(ch);
		return false;
	}
}

/* Returns whether it is of use to go on at once. */
static bool
reach_out(struct fleet *f)
{
	int fd = sock_unix_connect(f->path);

	f->absent = fd < 0 && fd != -EAGAIN;
	if (f->absent && f->workers == 0)
		give_up_pending(f);
	if (fd < 0) {
		settle(f);
		return false;
	}
	return offer(f, channel_new(fd, MSG_MAX, KEEP_MAX));
}

static bool
is_wanted(const struct fleet *f)
{
	return settings_is_agent(qmgr.settings, f->name, NULL, 0);
}

static void
free_fleet(struct fleet *f)
{
	give_up_pending(f);
	link_remove(&f->in_all);
	free(f->name);
	free(f->path);
	free(f);
}

/* The task of a fleet. */
static void
serve_fleet(void *arg)
{
	struct fleet *f = arg;
	enum task_wake w = TASK_READY;

	while (w != TASK_CANCELLED && (is_wanted(f) || f->workers > 0)) {
		if (f->workers >= WORKERS_MAX)
			w = bell_wait(&f->left, task_after(PATIENCE_MS));
		else if (!reach_out(f))
			w = task_sleep(task_after(AGAIN_MS));
	}
	f->settled = true;
	if (f->workers == 0 && w != TASK_CANCELLED)
		free_fleet(f);
}

static void
make_fleet(const char *name, const char *path)
{
	struct fleet *f = zalloc(sizeof(*f));

	f->name = strdup(name);
	f->path = strdup(path);
	must(f->name && f->path);
	list_init(&f->pending);
	bell_init(&f->left, "a worker to end");
	list_append(&all, &f->in_all);
	if (!task_spawn(serve_fleet, f, "workers of %s", name))
		die("no stack for the workers of %s", name);
}

void
fleets_refresh(void)
{
	char path[512];
	const char *name;

	init();
	for (size_t i = 0; (name = settings_agent(qmgr.settings, i)); i++)
		if (!fleet_find(name) &&
		    settings_is_agent(qmgr.settings, name, path, sizeof(path)))
			make_fleet(name, path);
}
