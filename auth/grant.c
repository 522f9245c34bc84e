#include "auth/grant.h"

#include "base/list.h"
#include "base/log.h"
#include "net/channel.h"
#include "service/msg.h"
#include "task/task.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	PACKET_MAX = 16384,
	KEEP_MAX = 1 << 20,
	RETRY_MS = 200,
	ANSWER_MS = 5000,
};

/* A question under way; it lives on the stack of who asks. */
struct question {
	struct link link;
	uint32_t id;
	struct bell answered;
	bool done;
	bool granted;
	struct why *why;
};

static struct {
	struct channel *channel; /* NULL: the broker is away */
	struct link asked;
	struct bell back;
	bool up;
	uint32_t next_id;
} broker;

static void
set_up(void)
{
	if (broker.up)
		return;
	list_init(&broker.asked);
	bell_init(&broker.back, "the broker");
	broker.up = true;
}

static void
settle(struct question *q, bool granted, struct span text)
{
	link_remove(&q->link);
	q->done = true;
	q->granted = granted;
	if (!granted)
		why_set(q->why, EPERM, NULL, 0, "%.*s", (int)text.n, text.p);
	bell_ring(&q->answered);
}

static void
take_answer(struct span packet)
{
	struct msg_in in;

	if (!msg_read(packet, &in) || in.type != MSG_GRANTED) {
		log_warning("the broker said what is no answer");
		return;
	}
	for (struct link *l = broker.asked.next; l != &broker.asked;
	     l = l->next) {
		struct question *q = container_of(l, struct question, link);

		if (q->id != in.id)
			continue;
		settle(q, !msg_has(&in, MSG_FIELD_TEXT),
		    msg_str(&in, MSG_FIELD_TEXT));
		return;
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
	while (!list_empty(&broker.asked))
		settle(container_of(broker.asked.next, struct question, link),
		    false, SPAN("the broker is away"));
	return r != STREAM_CANCELLED;
}

void
grant_serve(void *path)
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

/* It may just be started again. */
static bool
wait_for_broker(int64_t by)
{
	while (!broker.channel)
		if (bell_wait(&broker.back, by) != TASK_READY)
			return false;
	return true;
}

static bool
send_grant(const struct grant_facts *f, struct span token, uint32_t id)
{
	char *packet = zalloc(PACKET_MAX);
	struct buf b;
	bool sent;

	buf_init(&b, packet, PACKET_MAX);
	msg_begin(&b, MSG_GRANT, id);
	msg_put_str(&b, MSG_FIELD_TOKEN, token);
	msg_put_str(&b, MSG_FIELD_SERVICE, f->service);
	msg_put_u64(&b, MSG_FIELD_PID, (uint64_t)f->front);
	msg_put_str(&b, MSG_FIELD_USER, f->user);
	msg_put_u64(&b, MSG_FIELD_UID, f->place->uid);
	msg_put_u64(&b, MSG_FIELD_GID, f->place->gid);
	msg_put_str(&b, MSG_FIELD_ROOT, span_str(f->place->root));
	msg_put_str(&b, MSG_FIELD_MAILBOX, span_str(f->place->path));
	msg_put_opt(&b, MSG_FIELD_FIELDS, f->fields);
	sent = msg_end(&b, 0) &&
	    channel_send(broker.channel, buf_span(&b), NULL, 0);
	explicit_bzero(packet, PACKET_MAX);
	free(packet);
	return sent;
}

static bool
ask(const struct grant_facts *f, struct span token, struct question *q,
    int64_t by)
{
	if (!wait_for_broker(by) || !send_grant(f, token, q->id)) {
		why_set(q->why, EAGAIN, NULL, 0, "the broker is away");
		return false;
	}
	list_append(&broker.asked, &q->link);
	while (!q->done)
		if (bell_wait(&q->answered, by) != TASK_READY && !q->done)
			settle(q, false, SPAN("the broker does not answer"));
	return q->granted;
}

bool
grant_token(const struct grant_facts *f, char token_r[GRANT_TOKEN],
    struct why *why)
{
	struct question q = { .id = ++broker.next_id, .why = why };
	struct span token = { token_r, GRANT_TOKEN };

	set_up();
	bell_init(&q.answered, "the broker's answer");
	if (getrandom(token_r, GRANT_TOKEN, 0) != GRANT_TOKEN) {
		why_set(why, errno, NULL, 0, "no random numbers");
		return false;
	}
	return ask(f, token, &q, task_after(ANSWER_MS));
}
