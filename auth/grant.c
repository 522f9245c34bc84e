#include "auth/grant.h"

#include "service/rpc.h"
#include "task/task.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	PACKET_MAX = 16384,
	ANSWER_LEN = 2048,
	ANSWER_MS = 5000,
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
grant_serve(void *path)
{
	rpc_keep(broker(), path);
}

static void
put(struct buf *b, const struct grant_facts *f, struct span token, uint32_t id)
{
	msg_begin(b, MSG_GRANT, id);
	msg_put_str(b, MSG_FIELD_TOKEN, token);
	msg_put_str(b, MSG_FIELD_SERVICE, f->service);
	msg_put_u64(b, MSG_FIELD_PID, (uint64_t)f->front);
	msg_put_str(b, MSG_FIELD_USER, f->user);
	msg_put_u64(b, MSG_FIELD_UID, f->place->uid);
	msg_put_u64(b, MSG_FIELD_GID, f->place->gid);
	msg_put_str(b, MSG_FIELD_ROOT, span_str(f->place->root));
	msg_put_str(b, MSG_FIELD_MAILBOX, span_str(f->place->path));
	msg_put_opt(b, MSG_FIELD_FIELDS, f->fields);
}

static enum rpc_result
ask(const struct grant_facts *f, struct span token, struct rpc_call *call,
    int64_t by)
{
	char *packet = zalloc(PACKET_MAX);
	enum rpc_result r;
	struct buf b;

	buf_init(&b, packet, PACKET_MAX);
	put(&b, f, token, call->id);
	r = rpc_ask(broker(), call, &b, by);
	explicit_bzero(packet, PACKET_MAX);
	free(packet);
	return r;
}

static bool
is_granted(const struct msg_in *in, struct why *why)
{
	struct span text = msg_str(in, MSG_FIELD_TEXT);

	if (in->type == MSG_GRANTED && !msg_has(in, MSG_FIELD_TEXT))
		return true;
	why_set(why, EPERM, NULL, 0, "%.*s", (int)text.n, text.p);
	return false;
}

bool
grant_token(const struct grant_facts *f, char token_r[GRANT_TOKEN],
    struct why *why)
{
	struct span token = { token_r, GRANT_TOKEN };
	int64_t by = task_after(ANSWER_MS);
	char answer[ANSWER_LEN];
	struct rpc_call call;

	if (getrandom(token_r, GRANT_TOKEN, 0) != GRANT_TOKEN) {
		why_set(why, errno, NULL, 0, "no random numbers");
		return false;
	}
	/* It may just be started again; then what it was told is gone with it. */
	for (int tries = 0; tries < 2 && rpc_wait(broker(), by); tries++) {
		rpc_begin(broker(), &call, answer, sizeof(answer));
		if (ask(f, token, &call, by) == RPC_ANSWERED)
			return is_granted(&call.in, why);
	}
	why_set(why, EAGAIN, NULL, 0, "the broker does not answer");
	return false;
}
