#include "service/frame.h"

#include "base/log.h"
#include "service/counters.h"
#include "service/fds.h"
#include "service/msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	IN_A_ROW = 16, /* connections that are accepted at once */
	BUSY_PAUSE = 50, /* ms, until it is tried again at a limit */
	FULL_PAUSE = 1000, /* ms, until master is told again */
	WARN_PAUSE = 60 * 1000, /* ms, between two warnings of one kind */
};

struct accepted {
	struct service_conn conn;
	struct sockaddr_storage peer;
};

/* A worker at its limit waits for the end of a session here. */
static struct bell freed;

struct acceptor {
	task_fn *fn;
	const char *name;
	struct task_wait *waits; /* the listeners, then the bell */
	size_t n; /* listeners */
	int64_t warned_limit;
	int64_t warned_fds;
	int64_t told_full;
};

static bool
may_warn(int64_t *last)
{
	int64_t now = task_now();

	if (*last && now - *last < WARN_PAUSE)
		return false;
	*last = now;
	return true;
}

struct service_conn *
service_conn_free(struct service_conn *c)
{
	if (!c)
		return NULL;
	task_close(c->fd);
	free(container_of(c, struct accepted, conn));
	limits_give(frame.limits, SPAN(""));
	bell_ring(&freed);
	return NULL;
}

void
service_conn_freep(struct service_conn **c)
{
	service_conn_free(*c);
}

void
service_conn_own(const struct service_conn *c, struct sockaddr_storage *own_r)
{
	socklen_t len = sizeof(*own_r);

	if (getsockname(c->fd, (struct sockaddr *)own_r, &len) < 0)
		own_r->ss_family = AF_UNSPEC;
}

/* Takes a connection, for which there is a permit. Returns 0 or -errno. */
static int
accept_one(struct acceptor *ac, size_t listener)
{
	struct accepted *a = zalloc(sizeof(*a));
	socklen_t len = sizeof(a->peer);

	a->conn = (struct service_conn){ -1, &a->peer, listener };
	a->conn.fd = accept4(ac->waits[listener].fd,
	    (struct sockaddr *)&a->peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (a->conn.fd < 0) {
		int err = -errno;

		service_conn_free(&a->conn);
		return err;
	}
	counter_add(COUNTER_SESSIONS, 1);
	if (!task_spawn(ac->fn, &a->conn, "%s %d", ac->name, a->conn.fd)) {
		service_conn_free(&a->conn);
		return -ENOMEM;
	}
	return 0;
}

/* Whether there is nothing more to accept, or what there was has gone. */
static bool
is_ordinary(int err)
{
	return err == 0 || err == -EAGAIN || err == -EINTR ||
	    err == -ECONNABORTED || err == -EPROTO || err == -EPERM;
}

/* Until a session ends here, or maybe one in another worker. */
static void
pause_accepting(void)
{
	struct task_wait w[] = { { .bell = &freed }, { .bell = &frame.stop } };

	(void)!task_wait_any(w, COUNT_OF(w), task_after(BUSY_PAUSE));
}

/* Master may have others take over that have less patience with clients. */
static void
tell_full(struct acceptor *ac)
{
	int64_t now = task_now();

	if (ac->told_full && now - ac->told_full < FULL_PAUSE)
		return;
	ac->told_full = now;
	frame_tell(MSG_FULL);
}

/* For a connection that was seen; another worker may have taken it. */
static bool
take_permit(struct acceptor *ac, int listener, bool *waits_r)
{
	int64_t max = frame.options.maxproc;

	if (limits_take(frame.limits, SPAN(""), max))
		return true;
	*waits_r = sock_wait_input(listener, 0);
	if (*waits_r)
		tell_full(ac);
	if (*waits_r && may_warn(&ac->warned_limit))
		log_warning("service %s has reached its limit of %lld "
			    "sessions; others wait (maxproc of master.cf)",
		    frame.options.name, (long long)max);
	return false;
}

/* Returns whether it is of use to go on at once. */
static bool
accept_some(struct acceptor *ac, size_t listener)
{
	bool waits = false;
	int err = 0;

	for (unsigned i = 0; i < IN_A_ROW && err == 0; i++) {
		if (!take_permit(ac, ac->waits[listener].fd, &waits))
			return !waits;
		err = accept_one(ac, listener);
	}
	if (is_ordinary(err))
		return true;
	if (may_warn(&ac->warned_fds))
		log_error("cannot accept connections: %s", strerror(-err));
	return false;
}

static void
accept_all(struct acceptor *ac)
{
	while (!frame.stopping &&
	    task_wait_any(ac->waits, ac->n + 1, TASK_NEVER) == TASK_READY) {
		bool go_on = true;

		for (size_t i = 0; i < ac->n && !frame.stopping && go_on; i++)
			if (ac->waits[i].ready)
				go_on = accept_some(ac, i);
		if (!go_on)
			pause_accepting();
	}
}

void
service_accept(task_fn *fn, const char *task_name)
{
	size_t n = frame.options.listeners_n;
	struct acceptor ac = { .fn = fn, .name = task_name, .n = n };

	bell_init(&freed, "a free session");
	ac.waits = zalloc((n + 1) * sizeof(*ac.waits));
	for (size_t i = 0; i < n; i++)
		ac.waits[i] = (struct task_wait){
			.fd = service_listener(i),
			.events = TASK_INPUT,
		};
	ac.waits[n].bell = &frame.stop;
	accept_all(&ac);
	for (size_t i = 0; i < n; i++)
		task_close(ac.waits[i].fd);
	free(ac.waits);
}
