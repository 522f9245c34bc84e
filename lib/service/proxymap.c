#include "service/proxymap.h"

#include "dict/dict.h"
#include "service/rpc.h"

#include <errno.h>
#include <stdlib.h>

enum {
	ANSWER_MAX = 32 << 10,
	ASK_MS = 30 * 1000,
};

static struct {
	struct rpc *rpc; /* NULL: nobody keeps a connection */
	const char *service;
} self;

static enum dict_result
away(struct why *why, const char *text)
{
	why_set(why, EAGAIN, NULL, 0, "proxymap: %s", text);
	return DICT_TEMPFAIL;
}

static enum dict_result
take_answer(const struct msg_in *in, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct span value = msg_str(in, MSG_FIELD_VALUE);
	struct span text = msg_str(in, MSG_FIELD_TEXT);

	switch (in->type == MSG_LOOKED_UP ? msg_u64(in, MSG_FIELD_STATUS)
					  : DICT_TEMPFAIL) {
	case DICT_FOUND:
		value_r->p = arena_dup(arena, value);
		value_r->n = value.n;
		return value_r->p ? DICT_FOUND : away(why, "no memory");
	case DICT_ABSENT:
		return DICT_ABSENT;
	default:
		why_set(why, EAGAIN, NULL, 0, "proxymap: %.*s",
		    (int)(text.n < 300 ? text.n : 300), text.p);
		return DICT_TEMPFAIL;
	}
}

static enum dict_result
ask(size_t parameter, size_t element, struct span key, struct arena *arena,
    struct span *value_r, struct why *why)
{
	enum dict_result r;
	struct rpc_call call;
	char *bytes;
	struct buf b;

	if (!self.rpc || !rpc_wait(self.rpc, task_after(ASK_MS)))
		return away(why, "is away");
	bytes = zalloc(ANSWER_MAX);
	rpc_begin(self.rpc, &call, bytes, ANSWER_MAX);
	buf_init(&b, bytes, ANSWER_MAX);
	msg_begin(&b, MSG_LOOKUP, call.id);
	msg_put_str(&b, MSG_FIELD_SERVICE, span_str(self.service));
	msg_put_u64(&b, MSG_FIELD_PARAMETER, parameter);
	msg_put_u64(&b, MSG_FIELD_ELEMENT, element);
	msg_put_str(&b, MSG_FIELD_KEY, key);
	r = rpc_ask(self.rpc, &call, &b, task_after(ASK_MS)) == RPC_ANSWERED
	    ? take_answer(&call.in, arena, value_r, why)
	    : away(why, "gave no answer");
	free(bytes);
	return r;
}

void
proxymap_use(const char *service)
{
	self.service = service;
	dict_on_ask(ask);
}

void
proxymap_serve(void *path)
{
	self.rpc = rpc_new("proxymap", ANSWER_MAX);
	rpc_keep(self.rpc, path);
}
