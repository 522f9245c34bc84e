/* Who users are: proxymap knows. */
#include "local/main/local.h"

#include "base/scan.h"
#include "service/entries.h"

#include <errno.h>

enum {
	PACKET_MAX = 8192,
	ASK_MS = 60 * 1000,
	KEEP = 1024,
};

static struct rpc *proxymap;

void
users_keep(void *path)
{
	proxymap = rpc_new("proxymap", PACKET_MAX);
	rpc_keep(proxymap, path);
}

/* name:password:uid:gid:gecos:home:shell */
static const struct expand_user *
parse(struct span line, struct arena *a)
{
	struct expand_user *u = ARENA_NEW(a, struct expand_user);
	const char *copy = arena_dup(a, line);
	struct span rest = { copy, line.n }, uid, gid;
	uint64_t n;

	if (!u || !copy)
		return NULL;
	u->name = span_cut(&rest, ':');
	span_cut(&rest, ':');
	uid = span_cut(&rest, ':');
	gid = span_cut(&rest, ':');
	span_cut(&rest, ':');
	u->home = span_cut(&rest, ':');
	u->shell = rest;
	if (!take_number(&uid, UINT32_MAX - 1, &n) || uid.n > 0)
		return NULL;
	u->uid = (uid_t)n;
	if (!take_number(&gid, UINT32_MAX - 1, &n) || gid.n > 0)
		return NULL;
	u->gid = (gid_t)n;
	return u->name.n > 0 ? u : NULL;
}

static enum dict_result
away(struct why *why, const char *text)
{
	why_set(why, EIO, NULL, 0, "user lookup failure: %s", text);
	return DICT_TEMPFAIL;
}

/* What proxymap answers. May sleep. */
static enum dict_result
ask(struct span name, struct arena *a, struct span *line_r, struct why *why)
{
	char packet[KEEP], *answer = arena_alloc(a, PACKET_MAX);
	struct rpc_call call;
	struct buf b;

	if (!answer)
		return away(why, "no memory");
	if (!proxymap || !rpc_wait(proxymap, task_after(ASK_MS)))
		return away(why, "proxymap is away");
	rpc_begin(proxymap, &call, answer, PACKET_MAX);
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_ENTRY, call.id);
	msg_put_str(&b, MSG_FIELD_USER, name);
	if (rpc_ask(proxymap, &call, &b, task_after(ASK_MS)) != RPC_ANSWERED ||
	    call.in.type != MSG_LOOKED_UP)
		return away(why, "proxymap gave no answer");
	*line_r = msg_str(&call.in, MSG_FIELD_VALUE);
	switch (msg_u64(&call.in, MSG_FIELD_STATUS)) {
	case DICT_FOUND:
		return DICT_FOUND;
	case DICT_ABSENT:
		return DICT_ABSENT;
	default:
		return away(why, "no answer of the name service");
	}
}

enum dict_result
users_find(struct span name, struct arena *a, const struct expand_user **user_r,
    struct why *why)
{
	enum dict_result r = DICT_FOUND;
	struct span line;

	if (!entries_find(name, task_now(), &line)) {
		r = ask(name, a, &line, why);
		if (r == DICT_FOUND)
			entries_put(name, line, task_now());
	}
	if (r != DICT_FOUND)
		return r;
	*user_r = parse(line, a);
	return *user_r ? DICT_FOUND : away(why, "a bad entry");
}
