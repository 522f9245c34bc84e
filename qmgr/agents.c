/*
 * Workers, the broker's and those of fleets: which there are, which one gets an
 * entry, and the task that listens to each.
 */
#include "qmgr/worker.h"

#include "base/log.h"
#include "qmgr/fleet.h"
#include "service/msg.h"
#include "service/service.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	KEEP_MAX = 4 * 1024 * 1024, /* bytes that wait for a worker's socket */
	ENOUGH = 8, /* deliveries of a worker before another is asked for */
	WORKERS_MAX = 16, /* of one owner */
};

static struct link workers;

static void
init(void)
{
	if (!workers.next)
		list_init(&workers);
}

struct worker *
worker_ref(struct worker *w)
{
	w->refs++;
	return w;
}

void
worker_unref(struct worker *w)
{
	must(w->refs > 0);
	if (--w->refs > 0)
		return;
	channel_free(w->channel);
	free(w);
}

struct worker *
worker_find(uid_t uid, gid_t gid, unsigned slot)
{
	init();
	for (struct link *l = workers.next; l != &workers; l = l->next) {
		struct worker *w = container_of(l, struct worker, in_all);

		if (!w->fleet && w->uid == uid && w->gid == gid &&
		    w->slot == slot)
			return w;
	}
	return NULL;
}

struct worker *
worker_make(uid_t uid, gid_t gid, unsigned slot)
{
	struct worker *w = zalloc(sizeof(*w));

	init();
	*w = (struct worker){ .uid = uid, .gid = gid, .slot = slot, .refs = 1 };
	list_init(&w->deliveries);
	list_init(&w->pending);
	list_append(&workers, &w->in_all);
	return w;
}

struct worker *
worker_next(struct worker *w)
{
	init();

	struct link *l = w ? w->in_all.next : workers.next;

	return l == &workers ? NULL : container_of(l, struct worker, in_all);
}

/* What was handed to `w`, or waits for it. */
static unsigned
load_of(const struct worker *w)
{
	return w->under_way + w->waiting;
}

/* One that has little to do; another is asked for only when all have enough. */
static struct worker *
choose_worker(uid_t uid, gid_t gid)
{
	int64_t max = qmgr.settings->workers;
	struct worker *best = NULL;

	if (max <= 0)
		max = service_processors();
	if (max > WORKERS_MAX)
		max = WORKERS_MAX;
	for (unsigned slot = 0; slot < (unsigned)max; slot++) {
		struct worker *w = worker_find(uid, gid, slot);

		if (!w && best && load_of(best) < ENOUGH)
			break;
		if (!w)
			return worker_make(uid, gid, slot);
		if (!best || load_of(w) < load_of(best))
			best = w;
	}
	return best;
}

/* The one of a fleet that has least to do; NULL: none is there. */
static struct worker *
choose_of(const struct fleet *f)
{
	struct worker *best = NULL;

	for (struct worker *w = worker_next(NULL); w; w = worker_next(w))
		if (w->fleet == f && w->channel && !w->spare &&
		    (!best || load_of(w) < load_of(best)))
			best = w;
	return best;
}

static void
hand_over(struct worker *w, struct entry *e)
{
	worker_ref(w);
	delivery_hand_over(w, e);
	worker_unref(w);
}

static void
deliver_by_fleet(const char *transport, struct entry *e)
{
	struct fleet *f = fleet_find(transport);
	struct worker *w = f ? choose_of(f) : NULL;

	if (w)
		hand_over(w, e);
	else if (f)
		fleet_wait(f, e);
	else
		delivery_give_up(e, "4.3.0", "mail transport unavailable");
}

void
agent_deliver(struct entry *e)
{
	const struct message *m = e->message;
	const struct recipient *to = &m->body->rcpts[e->rcpts[0]];
	const char *transport = e->to->transport->name;

	if (strcmp(transport, "virtual") != 0) {
		deliver_by_fleet(transport, e);
		return;
	}

	struct worker *w = choose_worker(to->uid, to->gid);

	if (w->channel) {
		hand_over(w, e);
		return;
	}
	worker_postpone(w, e);
	broker_ask(w);
}

void
worker_postpone(struct worker *w, struct entry *e)
{
	w->waiting++;
	list_append(&w->pending, &e->in_use);
}

static struct entry *
take_pending(struct worker *w)
{
	struct entry *e;

	if (list_empty(&w->pending))
		return NULL;
	e = container_of(w->pending.next, struct entry, in_use);
	link_remove(&e->in_use);
	w->waiting--;
	return e;
}

/* What waits is handed over, as long as there is room for it. */
static void
hand_over_pending(struct worker *w)
{
	struct entry *e;

	while (w->channel && channel_kept(w->channel) < KEEP_MAX / 2 &&
	    (e = take_pending(w)))
		delivery_hand_over(w, e);
}

const char *
worker_name(const struct worker *w)
{
	return w->fleet ? fleet_name(w->fleet) : "deliver";
}

/* It gets no more, and is told when that is sure. */
static void
let_go(struct worker *w)
{
	char packet[64];
	struct buf b;

	w->spare = true;
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_SPARE, 0);
	if (!msg_end(&b, 0) || !channel_send(w->channel, buf_span(&b), NULL, 0))
		log_debug("%s[%d] is gone", worker_name(w), (int)w->pid);
}

static void
take_message(struct worker *w, struct span packet)
{
	struct msg_in in;

	if (!msg_read(packet, &in))
		log_warning("%s[%d] speaks another protocol", worker_name(w),
		    (int)w->pid);
	else if (in.type == MSG_RESULT)
		delivery_take_result(w, &in);
	else if (in.type == MSG_HELLO)
		former_hello(w, &in);
	else if (in.type == MSG_SPARE)
		let_go(w);
}

static void
take_back_pending(struct worker *w)
{
	struct entry *e;

	while ((e = take_pending(w)))
		delivery_retry(e);
}

static void
worker_gone(struct worker *w)
{
	link_remove(&w->in_all);
	w->channel = channel_free(w->channel);
	if (!list_empty(&w->deliveries))
		log_warning("%s[%d] ended in the midst of %u deliveries",
		    worker_name(w), (int)w->pid, w->under_way);
	take_back_pending(w);
	delivery_retry_all(w);
	former_end(w);
	if (w->fleet)
		fleet_left(w->fleet);
	w->fleet = NULL;
	bell_ring_one(&qmgr.dispatch);
	broker_greeted();
}

/* The task of a worker. */
static void
serve_worker(void *arg)
{
	struct worker *w = arg;
	int fds[SOCK_FDS_MAX];
	struct span packet;
	size_t n;

	while (channel_recv(w->channel, TASK_NEVER, &packet, fds, &n) ==
	    STREAM_OK) {
		while (n > 0)
			close(fds[--n]); /* workers have none to give */
		take_message(w, packet);
		hand_over_pending(w);
	}
	worker_gone(w);
	worker_unref(w);
}

void
worker_start(struct worker *w, int fd, pid_t pid)
{
	if (w->channel) { /* a second one for the same place: not asked for */
		close(fd);
		return;
	}
	w->channel = channel_new(fd, MSG_MAX, KEEP_MAX);
	w->pid = pid;
	if (!task_spawn(serve_worker, w, "deliver %d", (int)pid)) {
		w->channel = channel_free(w->channel);
		return;
	}
	worker_ref(w);
	hand_over_pending(w);
	worker_unref(w);
}

bool
worker_join(struct fleet *f, struct channel *ch, const struct msg_in *hello)
{
	struct worker *w = worker_make((uid_t)-1, (gid_t)-1, 0);

	w->fleet = f;
	w->channel = ch;
	w->pid = (pid_t)msg_u64(hello, MSG_FIELD_PID);
	if (!task_spawn(serve_worker, w, "%s %d", fleet_name(f), (int)w->pid)) {
		w->channel = NULL;
		link_remove(&w->in_all);
		worker_unref(w);
		return false;
	}
	former_hello(w, hello);
	return true;
}

void
worker_refused(struct worker *w, const char *text)
{
	struct entry *e;

	while ((e = take_pending(w)))
		delivery_give_up(e, "4.3.0", text);
	link_remove(&w->in_all);
	worker_unref(w);
}
/* Acknowledgements, many in one packet. */

void
worker_ack(struct worker *w, uint32_t request)
{
	if (w->acks_n < COUNT_OF(w->acks))
		w->acks[w->acks_n++] = request;
}

void
workers_send_acks(void)
{
	char packet[2048];

	init();
	for (struct worker *w = worker_next(NULL); w; w = worker_next(w)) {
		struct buf b;

		if (w->acks_n == 0 || !w->channel)
			continue;
		buf_init(&b, packet, sizeof(packet));
		msg_begin(&b, MSG_ACK, 0);
		for (size_t i = 0; i < w->acks_n; i++)
			msg_put_u64(&b, MSG_FIELD_N, w->acks[i]);
		w->acks_n = 0;
		if (!msg_end(&b, 0) ||
		    !channel_send(w->channel, buf_span(&b), NULL, 0))
			log_debug("%s[%d] is gone", worker_name(w),
			    (int)w->pid);
	}
}
