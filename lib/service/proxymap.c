#include "service/proxymap.h"

#include "dict/dict.h"
#include "service/rpc.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/sock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 32 << 10,
	ASK_MS = 30 * 1000,
};

static struct {
	struct rpc *rpc; /* NULL: nobody keeps a connection */
	const char *service;
	const char *path;
	pthread_t tasks; /* the thread of all tasks */
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

struct question {
	const char *table;
	size_t parameter;
	size_t element;
	struct span key;
};

uint64_t
proxymap_digest(const char *table)
{
	static const uint64_t nothing[2] = { 0, 0 };

	return hash_of(nothing, span_str(table));
}

static void
put_question(struct buf *b, uint32_t id, const struct question *q)
{
	msg_begin(b, MSG_LOOKUP, id);
	msg_put_str(b, MSG_FIELD_SERVICE, span_str(self.service));
	msg_put_u64(b, MSG_FIELD_PARAMETER, q->parameter);
	msg_put_u64(b, MSG_FIELD_ELEMENT, q->element);
	msg_put_u64(b, MSG_FIELD_DIGEST, proxymap_digest(q->table));
	msg_put_str(b, MSG_FIELD_KEY, q->key);
}

/* False: there is no answer. */
static bool
hear(int fd, char *bytes, struct msg_in *in, int64_t deadline)
{
	int fds[SOCK_FDS_MAX];
	size_t n = 0;
	ssize_t len;

	if (!sock_wait_input(fd, deadline - clock_mono()))
		return false;
	len = sock_recv(fd, bytes, ANSWER_MAX, fds, &n);
	while (n > 0)
		close(fds[--n]);
	return len > 0 && msg_read((struct span){ bytes, (size_t)len }, in);
}

/* In offload, where nobody can sleep. Blocks. */
static enum dict_result
ask_now(const struct question *q, struct arena *arena, struct span *value_r,
    struct why *why)
{
	enum dict_result r = DICT_TEMPFAIL;
	int fd = sock_unix_connect(self.path);
	char *bytes;
	struct msg_in in;
	struct buf b;

	if (fd < 0)
		return away(why, "is away");
	bytes = zalloc(ANSWER_MAX);
	buf_init(&b, bytes, ANSWER_MAX);
	put_question(&b, 1, q);
	if (msg_end(&b, 0) && sock_send(fd, buf_span(&b), NULL, 0) == 0 &&
	    hear(fd, bytes, &in, clock_mono() + ASK_MS))
		r = take_answer(&in, arena, value_r, why);
	else
		(void)away(why, "gave no answer");
	close(fd);
	free(bytes);
	return r;
}

static enum dict_result
ask(const char *table, size_t parameter, size_t element, struct span key,
    struct arena *arena, struct span *value_r, struct why *why)
{
	const struct question q = { table, parameter, element, key };
	enum dict_result r;
	struct rpc_call call;
	char *bytes;
	struct buf b;

	if (self.path && !pthread_equal(pthread_self(), self.tasks))
		return ask_now(&q, arena, value_r, why);
	if (!self.rpc || !rpc_wait(self.rpc, task_after(ASK_MS)))
		return away(why, "is away");
	bytes = zalloc(ANSWER_MAX);
	rpc_begin(self.rpc, &call, bytes, ANSWER_MAX);
	buf_init(&b, bytes, ANSWER_MAX);
	put_question(&b, call.id, &q);
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
proxymap_serve(const char *path)
{
	self.path = path;
	self.tasks = pthread_self();
	self.rpc = rpc_new("proxymap", ANSWER_MAX);
	rpc_keep(self.rpc, path);
}
