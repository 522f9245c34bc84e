/* What goes on to other addresses: cleanup takes it into the queue, as all mail. */
#include "local/main/job.h"

#include "base/log.h"
#include "service/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 4096,
	UP_MS = 5 * 1000, /* cleanup may just be starting */
	ANSWER_MS = 300 * 1000,
};

static struct rpc *cleanup;

void
forward_keep(void *path)
{
	cleanup = rpc_new("cleanup", MSG_MAX);
	rpc_keep(cleanup, path);
}

static void
put_request(struct buf *b, const struct mail *m, struct span addr,
    const struct leaf *first)
{
	msg_put_str(b, MSG_FIELD_ID, m->id);
	msg_put_str(b, MSG_FIELD_SENDER,
	    first->sender.n ? first->sender : m->sender);
	msg_put_u64(b, MSG_FIELD_OFFSET, m->offset);
	msg_put_u64(b, MSG_FIELD_LENGTH, m->length);
	msg_put_u64(b, MSG_FIELD_CHECKSUM, m->checksum);
	msg_put_u64(b, MSG_FIELD_FLAGS, m->flags);
	msg_put_opt(b, MSG_FIELD_ENVID, m->envid);
	if (m->ret)
		msg_put_u64(b, MSG_FIELD_RET, m->ret);
	if (conf_list_has(local_params.prepend_delivered, "forward"))
		msg_put_opt(b, MSG_FIELD_ADDR, addr);
}

static struct span
address_of(const struct leaf *leaf)
{
	return leaf->kind == LEAF_PASS ? leaf->to : leaf->text;
}

static bool
write_all(int fd, const struct buf *b)
{
	return write(fd, b->p, b->n) == (ssize_t)b->n;
}

/*
 * All addresses in one file, however many, as they are to be of one mail: of two
 * the first would go out again whenever the second cannot. Returns -1 for none.
 */
static int
make_list(const struct leaf *const *leaves, size_t n)
{
	int fd = memfd_create("addresses", MFD_CLOEXEC);
	size_t max = n;
	struct buf b;
	bool whole;

	for (size_t i = 0; i < n; i++)
		max += address_of(leaves[i]).n;
	buf_init(&b, zalloc(max), max);
	for (size_t i = 0; i < n; i++) {
		buf_put(&b, address_of(leaves[i]));
		buf_put(&b, (struct span){ "", 1 });
	}
	whole = fd >= 0 && !b.overflow && write_all(fd, &b);
	free(b.storage);
	if (!whole && fd >= 0)
		close(fd);
	return whole ? fd : -1;
}

static struct verdict
ask(const struct mail *m, struct span addr, const struct leaf *const *leaves,
    size_t n, char *packet)
{
	struct rpc_call call;
	struct buf b;
	int fds[2];

	if (!cleanup || !rpc_wait(cleanup, task_after(UP_MS)))
		return job_defer(m, "cleanup is away");
	rpc_begin(cleanup, &call, packet + MSG_MAX, ANSWER_MAX);
	buf_init(&b, packet, MSG_MAX);
	msg_begin(&b, MSG_FORWARD, call.id);
	put_request(&b, m, addr, leaves[0]);
	if (b.overflow)
		return job_defer(m, "the envelope is too long to be forwarded");
	fds[0] = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
	if (fds[0] < 0)
		return job_defer(m, "no descriptor is left");
	fds[1] = make_list(leaves, n);
	if (fds[1] < 0) {
		close(fds[0]);
		return job_defer(m, "no memory for the list of addresses");
	}
	if (rpc_ask_fds(cleanup, &call, &b, fds, 2, task_after(ANSWER_MS)) !=
		RPC_ANSWERED ||
	    call.in.type != MSG_ERRAND_DONE)
		return job_defer(m, "cleanup gives no answer");
	return job_verdict(m, &call.in);
}

struct verdict
leaf_forward(struct mail *m, struct span addr, struct span orig,
    const struct leaf *const *leaves, size_t n)
{
	char *packet = zalloc((size_t)MSG_MAX + ANSWER_MAX);
	int64_t begun = service_wall();
	struct verdict v = ask(m, addr, leaves, n, packet);

	free(packet);
	job_log(m, addr, orig.n ? orig : addr, begun, &v);
	return v;
}
