#include "lmtp/inbox.h"

#include "base/hash.h"
#include "base/log.h"
#include "login/handover.h"
#include "sasl/client.h"

#include <fcntl.h>
#include <stdlib.h>

enum {
	ASK_MS = 30 * 1000, /* that authd may take */
	FRESH_MS = 5 * 1000, /* for so long an address is known */
	KNOWN_MAX = 4096,
	IDLE_MS = 30 * 1000, /* half of what deliver waits */
	SWEEP_MS = 5 * 1000,
	READY_MS = 5 * 1000,
	PUT_MS = 300 * 1000, /* that a delivery may take */
};

/* What is known of an address. */
struct known {
	struct hash_link by_addr;
	struct link by_age;
	int64_t until;
	struct inbox inbox;
	size_t n;
	char addr[SASL_USER_MAX];
};

/* A channel to a process that delivers. */
struct worker {
	struct hash_link by_pid;
	uint64_t pid;
	struct rpc *rpc;
	struct task *task; /* that keeps it; NULL: it is gone */
	int fd; /* for the task to take over */
	size_t users; /* and the task */
	int64_t last_used;
};

static char authd_socket[] = "login/auth";
static char broker_socket[] = "login/broker";

static struct {
	struct hash known;
	struct link by_age; /* the oldest first */
	struct hash workers;
	struct task *asker;
	struct task *bringer;
	struct task *sweeper;
} self;

static struct span
addr_of(struct hash_link *l)
{
	const struct known *k = container_of(l, struct known, by_addr);

	return (struct span){ k->addr, k->n };
}

static struct span
pid_of(struct hash_link *l)
{
	const struct worker *w = container_of(l, struct worker, by_pid);

	return (struct span){ (const char *)&w->pid, sizeof(w->pid) };
}

static struct worker *
find_worker(pid_t pid)
{
	uint64_t key = (uint64_t)pid;
	struct hash_link *l = hash_find(&self.workers,
	    (struct span){ (const char *)&key, sizeof(key) });

	return l ? container_of(l, struct worker, by_pid) : NULL;
}

static void
let_go(struct worker *w)
{
	w->last_used = task_now();
	if (--w->users > 0)
		return;
	rpc_free(w->rpc);
	free(w);
}

/* A task: until the process is gone, or the sweeper comes. */
static void
keep_worker(void *arg)
{
	struct worker *w = arg;

	rpc_serve(w->rpc, w->fd);
	hash_remove(&self.workers, &w->by_pid);
	w->task = NULL;
	let_go(w);
}

/* False: there is no memory for a task. */
static bool
add_worker(pid_t pid, int fd)
{
	struct worker *w = zalloc(sizeof(*w));

	w->pid = (uint64_t)pid;
	w->fd = fd;
	w->rpc = rpc_new("who delivers", INBOX_PACKET_MAX);
	w->users = 1;
	w->last_used = task_now();
	w->task = task_spawn(keep_worker, w, "deliver[%d]", (int)pid);
	if (w->task) {
		hash_add(&self.workers, &w->by_pid);
		return true;
	}
	task_close(fd);
	rpc_free(w->rpc);
	free(w);
	return false;
}

static void
forget(struct known *k)
{
	hash_remove(&self.known, &k->by_addr);
	link_remove(&k->by_age);
	free(k);
}

static struct known *
oldest(void)
{
	return list_empty(&self.by_age)
	    ? NULL
	    : container_of(self.by_age.next, struct known, by_age);
}

static void
drop_old(void)
{
	struct known *k;

	while ((k = oldest()) &&
	    (k->until <= task_now() || self.known.n >= KNOWN_MAX))
		forget(k);
}

static struct known *
find_known(struct span addr)
{
	struct hash_link *l = hash_find(&self.known, addr);

	return l ? container_of(l, struct known, by_addr) : NULL;
}

static void
remember(struct span addr, const struct inbox *i)
{
	struct known *k = find_known(addr);

	if (k) /* somebody else has asked meanwhile */
		forget(k);
	drop_old();
	k = zalloc(sizeof(*k));
	k->until = task_after(FRESH_MS);
	k->inbox = *i;
	k->n = addr.n;
	memcpy(k->addr, addr.p, addr.n);
	hash_add(&self.known, &k->by_addr);
	list_append(&self.by_age, &k->by_age);
}

/* The token, for a channel. False: that cannot be had. */
static bool
open_inbox(struct span addr, struct span token, struct inbox *inbox_r)
{
	struct handover_inbox h;

	if (token.n != INBOX_TOKEN ||
	    handover_inbox(token, &h) != HANDOVER_DONE)
		return false;
	*inbox_r = (struct inbox){ .pid = h.pid, .tree = h.tree };
	memcpy(inbox_r->token, token.p, INBOX_TOKEN);
	if (find_worker(h.pid))
		task_close(h.fd);
	else if (!add_worker(h.pid, h.fd))
		return false;
	remember(addr, inbox_r);
	return true;
}

static enum lmtp_found
ask_once(struct span addr, struct inbox *inbox_r, bool *again_r)
{
	struct sasl_exchange *x CLEANUP(sasl_freep) = sasl_new();

	switch (sasl_find_inbox(x, addr, task_after(ASK_MS))) {
	case SASL_ANSWER_OK:
		*again_r = !open_inbox(addr, x->token, inbox_r);
		return *again_r ? LMTP_TEMPFAIL : LMTP_FOUND;
	case SASL_ANSWER_ABSENT:
		return LMTP_UNKNOWN;
	case SASL_ANSWER_FAIL:
	case SASL_ANSWER_CONTINUE:
	case SASL_ANSWER_TEMPFAIL:
		break;
	}
	log_warning("authd does not say whose mailbox is that of %.*s: %.*s",
	    (int)(addr.n < SASL_USER_MAX ? addr.n : SASL_USER_MAX), addr.p,
	    (int)(x->text.n < 200 ? x->text.n : 200), x->text.p);
	return LMTP_TEMPFAIL;
}

/* A broker that was just started again knows of no token: another is granted. */
static enum lmtp_found
ask(struct span addr, struct inbox *inbox_r)
{
	enum lmtp_found found = LMTP_TEMPFAIL;
	bool again = true;

	for (int tries = 0; tries < 2 && again; tries++) {
		again = false;
		found = ask_once(addr, inbox_r, &again);
	}
	return found;
}

enum lmtp_found
inbox_find(struct span addr, struct inbox *inbox_r)
{
	struct known *k;

	if (addr.n > SASL_USER_MAX)
		return LMTP_UNKNOWN;
	k = find_known(addr);
	if (k && k->until > task_now() && find_worker(k->inbox.pid)) {
		*inbox_r = k->inbox;
		return LMTP_FOUND;
	}
	return ask(addr, inbox_r);
}

static enum rpc_result
send_put(struct rpc *rpc, struct rpc_call *call, struct buf *answer,
    inbox_put_fn *put, const void *arg, int fd)
{
	static char packet[INBOX_PACKET_MAX]; /* sent before anybody waits */
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	enum rpc_result r;
	struct buf b;

	if (copy < 0)
		return RPC_AWAY;
	buf_init(&b, packet, sizeof(packet));
	rpc_begin(rpc, call, answer->storage, answer->max);
	put(&b, call->id, arg);
	r = rpc_ask_fds(rpc, call, &b, &copy, 1, task_after(PUT_MS));
	task_close(call->fd);
	return r;
}

enum rpc_result
inbox_put(const struct inbox *i, struct rpc_call *call, struct buf *answer,
    inbox_put_fn *put, const void *arg, int fd)
{
	struct worker *w = find_worker(i->pid);
	enum rpc_result r = RPC_AWAY;

	if (!w)
		return r;
	w->users++;
	/* Before its task has run the channel is not there: a turn later it is. */
	if (rpc_wait(w->rpc, task_after(READY_MS)))
		r = send_put(w->rpc, call, answer, put, arg, fd);
	let_go(w);
	return r;
}

/* NULL once it has ended, as when all tasks are cancelled. */
static void
ask_authd(void *path)
{
	sasl_serve(path);
	self.asker = NULL;
}

static void
ask_broker(void *path)
{
	handover_serve(path);
	self.bringer = NULL;
}

/* A worker with a task and nobody else, for long enough. */
static void
cancel_idle(int64_t since)
{
	struct hash_link *l = NULL;

	while ((l = hash_next(&self.workers, l))) {
		struct worker *w = container_of(l, struct worker, by_pid);

		if (w->users == 1 && w->last_used <= since)
			task_cancel(w->task);
	}
}

static void
sweep(void *arg)
{
	(void)arg;
	while (task_sleep(task_after(SWEEP_MS)) == TASK_TIMEOUT) {
		drop_old();
		cancel_idle(task_now() - IDLE_MS);
	}
	self.sweeper = NULL;
}

void
inbox_open(void)
{
	hash_init(&self.known, addr_of);
	hash_init(&self.workers, pid_of);
	list_init(&self.by_age);
	self.asker = task_spawn(ask_authd, authd_socket, "ask authd");
	self.bringer = task_spawn(ask_broker, broker_socket, "ask the broker");
	self.sweeper = task_spawn(sweep, NULL, "close what is idle");
	if (!self.asker || !self.bringer || !self.sweeper)
		die("no memory for a task");
}

void
inbox_close(void)
{
	if (self.asker)
		task_cancel(self.asker);
	if (self.bringer)
		task_cancel(self.bringer);
	if (self.sweeper)
		task_cancel(self.sweeper);
	cancel_idle(task_now());
}
