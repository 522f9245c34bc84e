#include "service/dns.h"

#include "service/rpc.h"

#include <errno.h>
#include <stdlib.h>

enum {
	ANSWER_MAX = MSG_MAX,
	AWAY_MS = 3000, /* that a question waits for dnsd to come back */
};

static struct rpc *dnsd; /* one of the process */

static void
set_up(void)
{
	if (!dnsd)
		dnsd = rpc_new("the resolver", ANSWER_MAX);
}

void
dns_serve(void *path)
{
	set_up();
	rpc_keep(dnsd, path);
}

bool
dns_is_up(void)
{
	return dnsd && rpc_is_up(dnsd);
}

static enum dns_result
fail(struct why *why, const char *text)
{
	why_set(why, EAGAIN, NULL, 0, "%s", text);
	return DNS_TEMPFAIL;
}

static size_t
count_records(const struct msg_in *in)
{
	struct span rest = in->fields, rdata;
	size_t n = 0;

	while (msg_next(&rest, MSG_FIELD_RDATA, &rdata))
		n++;
	return n;
}

/* Copies the records to the arena. False: it is full. */
static bool
copy_records(struct arena *a, const struct msg_in *in, struct dns_answer *d)
{
	struct span rest = in->fields, rdata;
	size_t n = count_records(in);

	d->rdata = arena_alloc(a, (n + 1) * sizeof(*d->rdata));
	d->name = arena_dup(a, msg_str(in, MSG_FIELD_NAME));
	if (!d->rdata || !d->name)
		return false;
	while (d->n < n && msg_next(&rest, MSG_FIELD_RDATA, &rdata)) {
		d->rdata[d->n] = (struct span){ arena_dup(a, rdata), rdata.n };
		if (!d->rdata[d->n].p)
			return false;
		d->n++;
	}
	return true;
}

static enum dns_result
take_answer(struct arena *a, const struct msg_in *in, struct dns_answer *d,
    struct why *why)
{
	uint64_t status = msg_u64(in, MSG_FIELD_STATUS);

	if (in->type != MSG_RESOLVED || status > DNS_TEMPFAIL)
		return fail(why, "the resolver said what is no answer");
	d->secure = msg_u64(in, MSG_FIELD_SECURE) == 1;
	d->ttl = (uint32_t)msg_u64(in, MSG_FIELD_TTL);
	if (status == DNS_TEMPFAIL)
		why_set(why, EAGAIN, NULL, 0, "%.*s",
		    (int)msg_str(in, MSG_FIELD_TEXT).n,
		    msg_str(in, MSG_FIELD_TEXT).p);
	else if (!copy_records(a, in, d))
		return fail(why, "the answer is too large");
	return (enum dns_result)status;
}

static enum rpc_result
ask(struct span name, enum rdata_type type, struct rpc_call *call, char *bytes,
    int64_t deadline)
{
	char packet[1024];
	struct buf b;

	rpc_begin(dnsd, call, bytes, ANSWER_MAX);
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_RESOLVE, call->id);
	msg_put_str(&b, MSG_FIELD_NAME, name);
	msg_put_u64(&b, MSG_FIELD_KIND, type);
	return rpc_ask(dnsd, call, &b, deadline);
}

enum dns_result
dns_query(struct arena *a, struct span name, enum rdata_type type,
    int64_t deadline, struct dns_answer *answer_r, struct why *why)
{
	int64_t by = task_after(AWAY_MS);
	enum dns_result result;
	struct rpc_call call;
	enum rpc_result r = RPC_AWAY;
	char *bytes;

	*answer_r = (struct dns_answer){ .name = "" };
	if (name.n >= RDATA_NAME_MAX)
		return DNS_ABSENT; /* such a one cannot be */
	set_up();
	bytes = zalloc(ANSWER_MAX);
	/* One that ends, as on a reload, may take a question with it: once more. */
	for (int tries = 0; tries < 2; tries++) {
		r = RPC_AWAY;
		if (rpc_wait(dnsd, by < deadline ? by : deadline))
			r = ask(name, type, &call, bytes, deadline);
		if (r != RPC_LOST && r != RPC_AWAY)
			break;
	}
	if (r == RPC_ANSWERED) {
		task_close(call.fd);
		result = take_answer(a, &call.in, answer_r, why);
	} else if (r == RPC_CANCELLED) {
		result = DNS_CANCELLED;
	} else {
		result = fail(why,
		    r == RPC_TIMEOUT ? "the resolver does not answer in time"
				     : "the resolver is away");
	}
	free(bytes);
	return result;
}
