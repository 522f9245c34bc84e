#include "login/handover.h"

#include "base/list.h"
#include "base/log.h"
#include "net/channel.h"
#include "service/msg.h"
#include "task/task.h"

#include <stdlib.h>

enum {
	KEEP_MAX = 1 << 20,
	PACKET_MAX = 32768,
	RETRY_MS = 200,
	BACK_MS = 3000, /* for a broker that is just started again */
	ANSWER_MS = 10 * 1000,
};

/* A connection that is on its way; it lives on the stack of who waits. */
struct waiting {
	struct link link;
	uint32_t id;
	struct bell answered;
	bool done;
	enum handover_result result;
	pid_t pid;
};

static struct {
	struct channel *channel; /* NULL: the broker is away */
	struct link waiting;
	struct bell back;
	bool up;
	uint32_t next_id;
} broker;

static void
set_up(void)
{
	if (broker.up)
		return;
	list_init(&broker.waiting);
	bell_init(&broker.back, "the broker");
	broker.up = true;
}

static void
settle(struct waiting *w, enum handover_result result, pid_t pid)
{
	link_remove(&w->link);
	w->done = true;
	w->result = result;
	w->pid = pid;
	bell_ring(&w->answered);
}

static void
answer(struct waiting *w, const struct msg_in *in)
{
	struct span text = msg_str(in, MSG_FIELD_TEXT);

	if (in->type == MSG_HANDED) {
		settle(w, HANDOVER_DONE, (pid_t)msg_u64(in, MSG_FIELD_PID));
		return;
	}
	log_warning("no session: %.*s", (int)text.n, text.p);
	settle(w, HANDOVER_REFUSED, 0);
}

static void
take_answer(struct span packet)
{
	struct msg_in in;

	if (!msg_read(packet, &in) ||
	    (in.type != MSG_HANDED && in.type != MSG_NO_SESSION)) {
		log_warning("the broker said what is no answer");
		return;
	}
	for (struct link *l = broker.waiting.next; l != &broker.waiting;
	     l = l->next) {
		struct waiting *w = container_of(l, struct waiting, link);

		if (w->id == in.id) {
			answer(w, &in);
			return;
		}
	}
}

/* Until the broker is gone. False: we are to end. */
static bool
stay_connected(void)
{
	int fds[SOCK_FDS_MAX];
	enum stream_result r;
	struct span packet;
	size_t n;

	bell_ring(&broker.back);
	while ((r = channel_recv(broker.channel, TASK_NEVER, &packet, fds,
		    &n)) == STREAM_OK) {
		while (n > 0)
			task_close(fds[--n]);
		take_answer(packet);
	}
	broker.channel = channel_free(broker.channel);
	while (!list_empty(&broker.waiting))
		settle(container_of(broker.waiting.next, struct waiting, link),
		    HANDOVER_LOST, 0);
	return r != STREAM_CANCELLED;
}

void
handover_serve(void *path)
{
	set_up();
	do {
		int fd = sock_unix_connect(path);

		if (fd < 0)
			continue;
		broker.channel = channel_new(fd, PACKET_MAX, KEEP_MAX);
		if (!stay_connected())
			return;
	} while (task_sleep(task_after(RETRY_MS)) != TASK_CANCELLED);
}

static bool
wait_for_broker(int64_t by)
{
	while (!broker.channel)
		if (bell_wait(&broker.back, by) != TASK_READY)
			return false;
	return true;
}

static void
put(struct buf *b, const struct handover *h, uint32_t id)
{
	msg_begin(b, MSG_HANDOVER, id);
	msg_put_str(b, MSG_FIELD_TOKEN, h->token);
	msg_put_str(b, MSG_FIELD_SERVICE, h->service);
	msg_put_str(b, MSG_FIELD_CLIENT_ADDR, h->remote);
	msg_put_str(b, MSG_FIELD_SESSION, h->session);
	msg_put_opt(b, MSG_FIELD_SERVER_ADDR, h->local);
	msg_put_opt(b, MSG_FIELD_TAG, h->tag);
	msg_put_opt(b, MSG_FIELD_PREREAD, h->preread);
	msg_put_opt(b, MSG_FIELD_SECURED, h->secured);
	if (h->tls)
		msg_put_u64(b, MSG_FIELD_TLS, 1);
}

static bool
send_off(const struct handover *h, uint32_t id, int fd)
{
	char *packet = zalloc(PACKET_MAX);
	struct buf b;
	bool sent = false;

	buf_init(&b, packet, PACKET_MAX);
	put(&b, h, id);
	if (msg_end(&b, 1))
		sent = channel_send(broker.channel, buf_span(&b), &fd, 1);
	else
		task_close(fd);
	explicit_bzero(packet, PACKET_MAX);
	free(packet);
	return sent;
}

enum handover_result
handover(const struct handover *h, int fd, pid_t *pid_r)
{
	struct waiting w = { .id = ++broker.next_id };
	int64_t by = task_after(ANSWER_MS);

	set_up();
	bell_init(&w.answered, "the broker's answer");
	if (!wait_for_broker(task_after(BACK_MS))) {
		task_close(fd);
		return HANDOVER_REFUSED;
	}
	if (!send_off(h, w.id, fd))
		return HANDOVER_REFUSED;
	list_append(&broker.waiting, &w.link);
	while (!w.done)
		if (bell_wait(&w.answered, by) != TASK_READY && !w.done)
			settle(&w, HANDOVER_LOST, 0);
	*pid_r = w.pid;
	return w.result;
}
