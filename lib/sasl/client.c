#include "sasl/client.h"

#include "base/log.h"
#include "net/channel.h"
#include "service/msg.h"

#include <errno.h>
#include <stdlib.h>

enum {
	PACKET_MAX = SASL_ANSWER_MAX,
	KEEP_MAX = 1 << 18,
	RETRY_MIN_MS = 50,
	RETRY_MAX_MS = 2000,
	AWAY_MS = 3000, /* that an answer waits for authd to come back */
};

/* One of the process; only its task changes ->channel. */
static struct {
	struct channel *channel; /* NULL: authd is away */
	bool broken; /* it is about to be seen that authd is gone */
	bool up; /* ->asked and ->back are made */
	struct link asked; /* exchanges that wait for an answer */
	struct bell back; /* authd is */
	uint32_t next_id;
} client;

static void
set_up(void)
{
	if (client.up)
		return;
	list_init(&client.asked);
	bell_init(&client.back, "authd");
	client.up = true;
}

static enum sasl_result
settle(struct sasl_exchange *x, enum sasl_result result, struct span text)
{
	x->result = result;
	x->text = text;
	x->asked = false;
	x->open = result == SASL_ANSWER_CONTINUE;
	link_remove(&x->link);
	bell_ring(&x->answered);
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

/* An answer belongs to who asked; if he is gone it is nobody's. */
static void
take_answer(struct span packet)
{
	enum sasl_result result;
	struct msg_in in;

	if (!msg_read(packet, &in) || !result_of(in.type, &result)) {
		log_warning("authd said what is no answer");
		return;
	}
	for (struct link *l = client.asked.next; l != &client.asked;
	     l = l->next) {
		struct sasl_exchange *x = container_of(l, struct sasl_exchange,
		    link);

		if (x->id != in.id)
			continue;
		memcpy(x->bytes, packet.p, packet.n);
		must(msg_read((struct span){ x->bytes, packet.n }, &in));
		x->user = msg_str(&in, MSG_FIELD_USER);
		x->fields = msg_str(&in, MSG_FIELD_FIELDS);
		x->token = msg_str(&in, MSG_FIELD_TOKEN);
		x->challenge = msg_str(&in, MSG_FIELD_CHALLENGE);
		settle(x, result, msg_str(&in, MSG_FIELD_TEXT));
		return;
	}
}

/* Until authd is gone. False: we are to end. */
static bool
stay_connected(void)
{
	int fds[SOCK_FDS_MAX];
	enum stream_result r;
	struct span packet;
	size_t n;

	bell_ring(&client.back);
	for (;;) {
		n = 0;
		r = channel_recv(client.channel, TASK_NEVER, &packet, fds, &n);
		while (n > 0)
			task_close(fds[--n]);
		if (r != STREAM_OK)
			break;
		take_answer(packet);
	}
	client.channel = channel_free(client.channel);
	while (!list_empty(&client.asked)) {
		struct sasl_exchange *x = container_of(client.asked.next,
		    struct sasl_exchange, link);

		x->lost = true;
		settle_away(x);
	}
	return r != STREAM_CANCELLED;
}

void
sasl_serve(void *path)
{
	int64_t retry = RETRY_MIN_MS;
	bool said = false;

	set_up();
	for (;;) {
		int fd = sock_unix_connect(path);

		if (fd >= 0) {
			client.channel = channel_new(fd, PACKET_MAX, KEEP_MAX);
			client.broken = false;
			retry = RETRY_MIN_MS;
			said = false;
			if (!stay_connected())
				return;
		} else if (!said) {
			log_warning("the authentication server is away: %s: %s",
			    (const char *)path, strerror(-fd));
			said = true;
		}
		if (task_sleep(task_after(retry)) == TASK_CANCELLED)
			return;
		retry = retry * 2 < RETRY_MAX_MS ? retry * 2 : RETRY_MAX_MS;
	}
}

struct sasl_exchange *
sasl_new(void)
{
	struct sasl_exchange *x = zalloc(sizeof(*x));

	set_up();
	bell_init(&x->answered, "authd's answer");
	return x;
}

static void
cancel(struct sasl_exchange *x)
{
	char packet[64];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_CANCEL, x->id);
	if (msg_end(&b, 0) && client.channel)
		(void)!channel_send(client.channel, buf_span(&b), NULL, 0);
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

	if (deadline < by)
		by = deadline;
	while (!client.channel || client.broken)
		if (bell_wait(&client.back, by) != TASK_READY)
			return false;
	return true;
}

/* Sends what is in `b` and waits for what comes of it. */
static enum sasl_result
ask(struct sasl_exchange *x, struct buf *b, int64_t deadline)
{
	bool sent = msg_end(b, 0) && client.channel &&
	    channel_send(client.channel, buf_span(b), NULL, 0);

	explicit_bzero(b->storage, b->max);
	x->lost = client.broken = !sent && !b->overflow;
	if (!sent)
		return settle_away(x);
	x->asked = true;
	list_append(&client.asked, &x->link);
	while (x->asked)
		if (bell_wait(&x->answered, deadline) != TASK_READY &&
		    x->asked) {
			/* What comes later is nobody's. */
			cancel(x);
			return settle_away(x);
		}
	return x->result;
}

/* A new question never gets the answer to an old one. */
static struct buf
begin(struct sasl_exchange *x, char *packet, size_t size, enum msg_type type)
{
	struct buf b;

	if (x->open && type != MSG_CONT)
		cancel(x);
	if (type != MSG_CONT)
		x->id = ++client.next_id;
	x->user = x->fields = x->token = x->challenge = SPAN("");
	buf_init(&b, packet, size);
	msg_begin(&b, type, x->id);
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

enum sasl_result
sasl_find_user(struct sasl_exchange *x, struct span user, struct span service,
    int64_t deadline)
{
	char packet[1024];
	struct buf b;

	if (user.n > SASL_USER_MAX)
		return settle(x, SASL_ANSWER_ABSENT, SPAN(""));
	if (!wait_for_authd(deadline))
		return settle_away(x);
	b = begin(x, packet, sizeof(packet), MSG_USER);
	msg_put_str(&b, MSG_FIELD_USER, user);
	msg_put_str(&b, MSG_FIELD_SERVICE, service);
	return ask(x, &b, deadline);
}
