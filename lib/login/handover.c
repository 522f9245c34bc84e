#include "login/handover.h"

#include "base/log.h"
#include "service/rpc.h"
#include "task/task.h"

#include <stdlib.h>

enum {
	PACKET_MAX = 32768,
	ANSWER_LEN = 2048,
	SMALL_MAX = 128,
	BACK_MS = 3000, /* for a broker that is just started again */
	ANSWER_MS = 10 * 1000,
};

static struct rpc *
broker(void)
{
	static struct rpc *r;

	if (!r)
		r = rpc_new("the broker", PACKET_MAX);
	return r;
}

void
handover_serve(void *path)
{
	rpc_keep(broker(), path);
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

static enum rpc_result
ask(const struct handover *h, int fd, struct rpc_call *call)
{
	char *packet = zalloc(PACKET_MAX);
	enum rpc_result r;
	struct buf b;

	buf_init(&b, packet, PACKET_MAX);
	put(&b, h, call->id);
	r = rpc_ask_fds(broker(), call, &b, &fd, 1, task_after(ANSWER_MS));
	explicit_bzero(packet, PACKET_MAX);
	free(packet);
	return r;
}

static enum handover_result
result_of(const struct msg_in *in, pid_t *pid_r)
{
	struct span text = msg_str(in, MSG_FIELD_TEXT);

	if (in->type == MSG_HANDED) {
		*pid_r = (pid_t)msg_u64(in, MSG_FIELD_PID);
		return HANDOVER_DONE;
	}
	log_warning("no session: %.*s", (int)text.n, text.p);
	return HANDOVER_REFUSED;
}

enum handover_result
handover(const struct handover *h, int fd, pid_t *pid_r)
{
	struct rpc_call call;
	char answer[ANSWER_LEN];

	if (!rpc_wait(broker(), task_after(BACK_MS))) {
		task_close(fd);
		return HANDOVER_REFUSED;
	}
	rpc_begin(broker(), &call, answer, sizeof(answer));
	switch (ask(h, fd, &call)) {
	case RPC_ANSWERED:
		return result_of(&call.in, pid_r);
	case RPC_AWAY:
		return HANDOVER_REFUSED;
	case RPC_LOST:
	case RPC_TIMEOUT:
	case RPC_CANCELLED:
		break;
	}
	return HANDOVER_LOST;
}

static enum handover_result
take_inbox(const struct rpc_call *call, struct handover_inbox *inbox_r)
{
	const struct msg_in *in = &call->in;
	struct span text = msg_str(in, MSG_FIELD_TEXT);

	if (in->type == MSG_INBOX_OPEN && call->fd >= 0) {
		*inbox_r = (struct handover_inbox){
			.fd = call->fd,
			.pid = (pid_t)msg_u64(in, MSG_FIELD_PID),
			.tree = msg_u64(in, MSG_FIELD_TREE),
		};
		return HANDOVER_DONE;
	}
	task_close(call->fd);
	log_warning("no process delivers: %.*s", (int)text.n, text.p);
	return HANDOVER_REFUSED;
}

enum handover_result
handover_inbox(struct span token, struct handover_inbox *inbox_r)
{
	char packet[SMALL_MAX], answer[ANSWER_LEN];
	struct rpc_call call;
	struct buf b;

	if (!rpc_wait(broker(), task_after(BACK_MS)))
		return HANDOVER_REFUSED;
	rpc_begin(broker(), &call, answer, sizeof(answer));
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_INBOX, call.id);
	msg_put_str(&b, MSG_FIELD_TOKEN, token);
	if (rpc_ask(broker(), &call, &b, task_after(ANSWER_MS)) != RPC_ANSWERED)
		return HANDOVER_LOST;
	return take_inbox(&call, inbox_r);
}
