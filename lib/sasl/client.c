#include "sasl/client.h"

#include <stdlib.h>

enum {
	PACKET_MAX = SASL_ANSWER_MAX,
	AWAY_MS = 3000, /* that an answer waits for authd to come back */
};

static struct rpc *authd; /* one of the process */

static void
set_up(void)
{
	if (!authd)
		authd = rpc_new("the authentication server", PACKET_MAX);
}

void
sasl_serve(void *path)
{
	set_up();
	rpc_keep(authd, path);
}

static enum sasl_result
settle(struct sasl_exchange *x, enum sasl_result result, struct span text)
{
	x->result = result;
	x->text = text;
	x->open = result == SASL_ANSWER_CONTINUE;
	return result;
}

static enum sasl_result
settle_away(struct sasl_exchange *x)
{
	return settle(x, SASL_ANSWER_TEMPFAIL,
	    SPAN("authentication server is not available"));
}

static bool
result_of(enum msg_type type, enum sasl_result *result_r)
{
	static const struct {
		enum msg_type type;
		enum sasl_result result;
	} rows[] = {
		{ MSG_OK, SASL_ANSWER_OK },
		{ MSG_CONTINUE, SASL_ANSWER_CONTINUE },
		{ MSG_FAIL, SASL_ANSWER_FAIL },
		{ MSG_ABSENT, SASL_ANSWER_ABSENT },
		{ MSG_TEMPFAIL, SASL_ANSWER_TEMPFAIL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].type == type) {
			*result_r = rows[i].result;
			return true;
		}
	return false;
}

static enum sasl_result
take_answer(struct sasl_exchange *x)
{
	const struct msg_in *in = &x->call.in;
	enum sasl_result result;

	task_close(x->call.fd);
	if (!result_of(in->type, &result))
		return settle_away(x);
	x->user = msg_str(in, MSG_FIELD_USER);
	x->fields = msg_str(in, MSG_FIELD_FIELDS);
	x->token = msg_str(in, MSG_FIELD_TOKEN);
	x->challenge = msg_str(in, MSG_FIELD_CHALLENGE);
	return settle(x, result, msg_str(in, MSG_FIELD_TEXT));
}

struct sasl_exchange *
sasl_new(void)
{
	set_up();
	return zalloc(sizeof(struct sasl_exchange));
}

static void
cancel(struct sasl_exchange *x)
{
	char packet[64];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_CANCEL, x->call.id);
	(void)!rpc_tell(authd, &b);
	x->open = false;
}

struct sasl_exchange *
sasl_free(struct sasl_exchange *x)
{
	if (!x)
		return NULL;
	if (x->open)
		cancel(x);
	explicit_bzero(x, sizeof(*x));
	free(x);
	return NULL;
}

/* It was just started again, or is about to be. */
static bool
wait_for_authd(int64_t deadline)
{
	int64_t by = task_after(AWAY_MS);

	return rpc_wait(authd, deadline < by ? deadline : by);
}

/* Sends what is in `b` and waits for what comes of it. */
static enum sasl_result
ask(struct sasl_exchange *x, struct buf *b, int64_t deadline)
{
	enum rpc_result r = rpc_ask(authd, &x->call, b, deadline);

	x->lost = !b->overflow && (r == RPC_AWAY || r == RPC_LOST);
	explicit_bzero(b->storage, b->max);
	if (r == RPC_ANSWERED)
		return take_answer(x);
	if (r == RPC_TIMEOUT || r == RPC_CANCELLED)
		cancel(x);
	return settle_away(x);
}

/* A new question never gets the answer to an old one. */
static struct buf
begin(struct sasl_exchange *x, char *packet, size_t size, enum msg_type type)
{
	struct buf b;

	if (x->open && type != MSG_CONT)
		cancel(x);
	if (type != MSG_CONT)
		rpc_begin(authd, &x->call, x->bytes, sizeof(x->bytes));
	x->user = x->fields = x->token = x->challenge = SPAN("");
	buf_init(&b, packet, size);
	msg_begin(&b, type, x->call.id);
	return b;
}

static enum sasl_result
refuse_long(struct sasl_exchange *x)
{
	if (x->open)
		cancel(x);
	return settle(x, SASL_ANSWER_FAIL, SPAN("response is too long"));
}

static enum sasl_result
ask_auth(struct sasl_exchange *x, const struct sasl_question *q, char *packet,
    int64_t deadline)
{
	struct buf b = begin(x, packet, PACKET_MAX, MSG_AUTH);

	msg_put_str(&b, MSG_FIELD_SERVICE, q->service);
	msg_put_str(&b, MSG_FIELD_MECH, q->mech);
	msg_put_str(&b, MSG_FIELD_CLIENT_ADDR, q->remote);
	if (q->has_initial)
		msg_put_str(&b, MSG_FIELD_RESPONSE, q->initial);
	if (q->tls)
		msg_put_u64(&b, MSG_FIELD_TLS, 1);
	return ask(x, &b, deadline);
}

enum sasl_result
sasl_start(struct sasl_exchange *x, const struct sasl_question *q,
    int64_t deadline)
{
	char *packet;

	if (q->initial.n > SASL_RESPONSE_MAX)
		return refuse_long(x);
	packet = zalloc(PACKET_MAX);
	/* A connection that is lost meanwhile decides nothing: once more. */
	for (int tries = 0; tries < 2; tries++) {
		if (!wait_for_authd(deadline)) {
			settle_away(x);
			break;
		}
		ask_auth(x, q, packet, deadline);
		if (!x->lost)
			break;
	}
	free(packet);
	return x->result;
}

enum sasl_result
sasl_respond(struct sasl_exchange *x, struct span response, int64_t deadline)
{
	char *packet;
	struct buf b;
	enum sasl_result r;

	if (response.n > SASL_RESPONSE_MAX)
		return refuse_long(x);
	if (!x->open)
		return settle_away(x);
	packet = zalloc(PACKET_MAX);
	b = begin(x, packet, PACKET_MAX, MSG_CONT);
	msg_put_str(&b, MSG_FIELD_RESPONSE, response);
	r = ask(x, &b, deadline);
	free(packet);
	return r;
}

static enum sasl_result
ask_about(struct sasl_exchange *x, enum msg_type type, enum msg_field field,
    struct span user, struct span service, int64_t deadline)
{
	char packet[1024];
	struct buf b;

	if (user.n > SASL_USER_MAX)
		return settle(x, SASL_ANSWER_ABSENT, SPAN(""));
	if (!wait_for_authd(deadline))
		return settle_away(x);
	b = begin(x, packet, sizeof(packet), type);
	msg_put_str(&b, field, user);
	msg_put_opt(&b, MSG_FIELD_SERVICE, service);
	return ask(x, &b, deadline);
}

enum sasl_result
sasl_find_user(struct sasl_exchange *x, struct span user, struct span service,
    int64_t deadline)
{
	return ask_about(x, MSG_USER, MSG_FIELD_USER, user, service, deadline);
}

enum sasl_result
sasl_find_inbox(struct sasl_exchange *x, struct span addr, int64_t deadline)
{
	return ask_about(x, MSG_RECIPIENT, MSG_FIELD_ADDR, addr, SPAN(""),
	    deadline);
}
