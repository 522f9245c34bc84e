#include "service/rpc.h"

#include "base/log.h"
#include "net/channel.h"

#include <stdlib.h>

enum {
	KEEP_MAX = 1 << 20,
	RETRY_MIN_MS = 50,
	RETRY_MAX_MS = 2000,
	RETRY_SAY_MS = 500, /* who is away shorter may just be starting */
};

struct rpc {
	const char *peer;
	size_t packet_max;
	struct channel
	    *channel; /* NULL: it is away; only the task changes it */
	bool broken; /* that it is gone is about to be seen */
	struct hash asked; /* calls that wait for an answer */
	struct bell back; /* the peer is */
	uint32_t last_id;
};

static struct span
id_of(struct hash_link *l)
{
	const struct rpc_call *c = container_of(l, struct rpc_call, by_id);

	return (struct span){ (const char *)&c->id, sizeof(c->id) };
}

struct rpc *
rpc_new(const char *peer, size_t packet_max)
{
	struct rpc *r = zalloc(sizeof(*r));

	r->peer = peer;
	r->packet_max = packet_max;
	hash_init(&r->asked, id_of);
	bell_init(&r->back, peer);
	return r;
}

struct rpc *
rpc_free(struct rpc *r)
{
	if (!r)
		return NULL;
	must(r->asked.n == 0);
	channel_free(r->channel);
	hash_fini(&r->asked);
	free(r);
	return NULL;
}

static void
settle(struct rpc *r, struct rpc_call *c, enum rpc_result result)
{
	hash_remove(&r->asked, &c->by_id);
	c->asked = false;
	c->result = result;
	bell_ring(&c->answered);
}

static struct rpc_call *
find(const struct rpc *r, uint32_t id)
{
	struct hash_link *l = hash_find(&r->asked,
	    (struct span){ (const char *)&id, sizeof(id) });

	return l ? container_of(l, struct rpc_call, by_id) : NULL;
}

/* An answer belongs to who asked; if he is gone it is nobody's. */
static void
take_answer(struct rpc *r, struct span packet, int *fds, size_t *n)
{
	struct rpc_call *c;
	struct msg_in in;

	if (!msg_read(packet, &in)) {
		log_warning("%s said what is no answer", r->peer);
		return;
	}
	c = find(r, in.id);
	if (!c)
		return;
	if (packet.n > c->max) {
		settle(r, c, RPC_LOST);
		return;
	}
	memcpy(c->bytes, packet.p, packet.n);
	must(msg_read((struct span){ c->bytes, packet.n }, &c->in));
	if (*n > 0)
		c->fd = fds[--*n];
	settle(r, c, RPC_ANSWERED);
}

/* Until the peer is gone. False: we are to end. */
static bool
stay_connected(struct rpc *r)
{
	int fds[SOCK_FDS_MAX];
	enum stream_result result;
	struct span packet;
	struct hash_link *l;
	size_t n;

	bell_ring(&r->back);
	while ((result = channel_recv(r->channel, TASK_NEVER, &packet, fds,
		    &n)) == STREAM_OK) {
		take_answer(r, packet, fds, &n);
		while (n > 0)
			task_close(fds[--n]);
	}
	r->channel = channel_free(r->channel);
	while ((l = hash_next(&r->asked, NULL)))
		settle(r, container_of(l, struct rpc_call, by_id), RPC_LOST);
	return result != STREAM_CANCELLED;
}

static bool
converse(struct rpc *r, int fd)
{
	r->channel = channel_new(fd, r->packet_max, KEEP_MAX);
	r->broken = false;
	return stay_connected(r);
}

void
rpc_serve(struct rpc *r, int fd)
{
	(void)!converse(r, fd);
}

void
rpc_keep(struct rpc *r, const char *path)
{
	int64_t retry = RETRY_MIN_MS;
	bool said = false;

	for (;;) {
		int fd = sock_unix_connect(path);

		if (fd >= 0) {
			retry = RETRY_MIN_MS;
			said = false;
			if (!converse(r, fd))
				return;
		} else if (!said && retry > RETRY_SAY_MS) {
			log_warning("%s is away: %s: %s", r->peer, path,
			    strerror(-fd));
			said = true;
		}
		if (task_sleep(task_after(retry)) == TASK_CANCELLED)
			return;
		retry = retry * 2 < RETRY_MAX_MS ? retry * 2 : RETRY_MAX_MS;
	}
}

void
rpc_begin(struct rpc *r, struct rpc_call *c, char *bytes, size_t max)
{
	*c = (struct rpc_call){
		.id = ++r->last_id,
		.fd = -1,
		.bytes = bytes,
		.max = max,
	};
	bell_init(&c->answered, r->peer);
}

bool
rpc_is_up(const struct rpc *r)
{
	return r->channel && !r->broken;
}

bool
rpc_wait(struct rpc *r, int64_t deadline)
{
	while (!rpc_is_up(r))
		if (bell_wait(&r->back, deadline) != TASK_READY)
			return false;
	return true;
}

static bool
send_packet(struct rpc *r, struct buf *packet, const int *fds, size_t n)
{
	bool whole = msg_end(packet, (unsigned)n);

	if (whole && rpc_is_up(r)) {
		if (channel_send(r->channel, buf_span(packet), fds, n))
			return true;
		r->broken = true;
		return false;
	}
	for (size_t i = 0; i < n; i++)
		task_close(fds[i]);
	return false;
}

bool
rpc_tell(struct rpc *r, struct buf *packet)
{
	return send_packet(r, packet, NULL, 0);
}

enum rpc_result
rpc_ask_fds(struct rpc *r, struct rpc_call *c, struct buf *packet,
    const int *fds, size_t n, int64_t deadline)
{
	if (!send_packet(r, packet, fds, n))
		return RPC_AWAY;
	c->asked = true;
	hash_add(&r->asked, &c->by_id);
	while (c->asked) {
		enum task_wake w = bell_wait(&c->answered, deadline);

		if (w != TASK_READY && c->asked)
			settle(r, c,
			    w == TASK_CANCELLED ? RPC_CANCELLED : RPC_TIMEOUT);
	}
	return c->result;
}

enum rpc_result
rpc_ask(struct rpc *r, struct rpc_call *c, struct buf *packet, int64_t deadline)
{
	return rpc_ask_fds(r, c, packet, NULL, 0, deadline);
}
