#include "mail/maillog.h"

#include <inttypes.h>

enum {
	SECOND = 1000000,
	NUMBER_MAX = 24,
	USER_SHOWN_MAX = 256,
};

static const char *const statuses[] = {
	[DELIVERY_SENT] = "sent",
	[DELIVERY_BOUNCED] = "bounced",
	[DELIVERY_DEFERRED] = "deferred",
	[DELIVERY_EXPIRED] = "expired",
	[DELIVERY_DELIVERABLE] = "deliverable",
};

/* A line that is being put together; spans live until it is sent. */
struct line {
	enum maillog_event event;
	const char *service;
	const char *tag; /* the whole of it, in place of our name */
	size_t n;
	struct log_field fields[LOG_FIELDS_MAX];
	char connection[NUMBER_MAX];
};

/* Adds a field, also an empty one; with ->p NULL there is none. */
static void
add(struct line *l, uint8_t name, struct span value)
{
	if (value.p && l->n < LOG_FIELDS_MAX - 1)
		l->fields[l->n++] = (struct log_field){ name, value };
}

/* The same, but not if it is empty. */
static void
add_if_any(struct line *l, uint8_t name, struct span value)
{
	if (value.n > 0)
		add(l, name, value);
}

static void
add_client(struct line *l, const struct log_client *c)
{
	add(l, MAILLOG_FIELD_CLIENT_NAME, c->name);
	add(l, MAILLOG_FIELD_CLIENT_ADDR, c->addr);
	if (c->connection) {
		struct buf b;

		buf_init(&b, l->connection, sizeof(l->connection));
		buf_putf(&b, "%" PRIx64, c->connection);
		add(l, MAILLOG_FIELD_CONNECTION, buf_span(&b));
	}
}

static void
send_line(const struct line *l)
{
	static const enum log_level levels[] = {
#define EVENT(name, number, level, form) [number] = LOG_LEVEL_##level,
#include "mail/maillog.def"
#undef EVENT
	};

	if (l->tag)
		log_event_as((uint8_t)l->event, levels[l->event], l->tag,
		    l->fields, l->n);
	else
		log_event((uint8_t)l->event, levels[l->event], l->service,
		    l->fields, l->n);
}

void
maillog_put_delay(struct buf *out, int64_t us)
{
	int64_t unit = us >= 10 * SECOND ? SECOND
	    : us >= SECOND               ? SECOND / 10
					 : SECOND / 100;

	us = us < 0 ? 0 : us + unit / 2;

	int64_t hundredths = us % SECOND / unit * (unit / (SECOND / 100));

	buf_putf(out, "%" PRId64, us / SECOND);
	if (hundredths % 10)
		buf_putf(out, ".%02d", (int)hundredths);
	else if (hundredths)
		buf_putf(out, ".%d", (int)hundredths / 10);
}

/* How long something took whose moments may be unknown. */
static void
put_part(struct buf *out, int64_t from, int64_t to)
{
	maillog_put_delay(out, from && to ? to - from : 0);
}

static int64_t
first_known(int64_t a, int64_t b, int64_t c)
{
	return a ? a : b ? b : c;
}

/* before the queue manager/in it/to connect/to send */
static void
put_delays(struct buf *out, const struct log_delivery *d)
{
	int64_t active = first_known(d->active, d->begun, d->ended);

	put_part(out, d->arrived, active);
	buf_put(out, SPAN("/"));
	put_part(out, active, first_known(d->begun, d->ended, 0));
	buf_put(out, SPAN("/"));
	put_part(out, d->begun, d->connected);
	buf_put(out, SPAN("/"));
	put_part(out, first_known(d->connected, d->begun, 0), d->ended);
}

static struct span
put_number(char text[NUMBER_MAX], uint64_t number)
{
	struct buf b;

	buf_init(&b, text, NUMBER_MAX);
	buf_putf(&b, "%" PRIu64, number);
	return buf_span(&b);
}

void
maillog_delivery(const struct log_delivery *d)
{
	char delay_text[MAILLOG_TIME_MAX], delays_text[4 * MAILLOG_TIME_MAX];
	char use_text[NUMBER_MAX], uid[NUMBER_MAX], validity[NUMBER_MAX];
	struct line l = { .event = MAILLOG_DELIVERY, .service = d->service };
	struct buf delay, delays;

	buf_init(&delay, delay_text, sizeof(delay_text));
	put_part(&delay, d->arrived, d->ended);
	buf_init(&delays, delays_text, sizeof(delays_text));
	put_delays(&delays, d);

	add(&l, LOG_FIELD_ID, d->id);
	add(&l, MAILLOG_FIELD_TO, d->to);
	if (!span_eq(d->to, d->orig_to))
		add_if_any(&l, MAILLOG_FIELD_ORIG_TO, d->orig_to);
	add(&l, MAILLOG_FIELD_RELAY, d->relay);
	if (d->conn_use > 1)
		add(&l, MAILLOG_FIELD_CONN_USE,
		    put_number(use_text, d->conn_use));
	add(&l, MAILLOG_FIELD_DELAY, buf_span(&delay));
	add(&l, MAILLOG_FIELD_DELAYS, buf_span(&delays));
	add(&l, MAILLOG_FIELD_DSN, d->dsn);
	add(&l, MAILLOG_FIELD_STATUS, span_str(statuses[d->status]));
	add(&l, MAILLOG_FIELD_REASON, d->text);
	add_if_any(&l, MAILLOG_FIELD_MAILBOX, d->mailbox);
	if (d->uid) {
		add(&l, MAILLOG_FIELD_UIDVALIDITY,
		    put_number(validity, d->uidvalidity));
		add(&l, MAILLOG_FIELD_MAILBOX_UID, put_number(uid, d->uid));
	}
	send_line(&l);
}

void
maillog_active(struct span id, struct span sender, uint64_t size, size_t rcpts)
{
	struct line l = { .event = MAILLOG_ACTIVE };
	char size_text[NUMBER_MAX], rcpts_text[NUMBER_MAX];

	add(&l, LOG_FIELD_ID, id);
	add(&l, MAILLOG_FIELD_FROM, sender.p ? sender : SPAN(""));
	add(&l, MAILLOG_FIELD_SIZE, put_number(size_text, size));
	add(&l, MAILLOG_FIELD_NRCPT, put_number(rcpts_text, rcpts));
	send_line(&l);
}

void
maillog_removed(struct span id)
{
	struct line l = { .event = MAILLOG_REMOVED };

	add(&l, LOG_FIELD_ID, id);
	log_linger();
	send_line(&l);
}

void
maillog_expired(struct span id, struct span sender)
{
	struct line l = { .event = MAILLOG_EXPIRED };

	add(&l, LOG_FIELD_ID, id);
	add(&l, MAILLOG_FIELD_FROM, sender.p ? sender : SPAN(""));
	send_line(&l);
}

void
maillog_submitted(struct span id, uint64_t uid, struct span sender)
{
	struct line l = { .event = MAILLOG_SUBMITTED, .service = "pickup" };
	char number[NUMBER_MAX];

	add(&l, LOG_FIELD_ID, id);
	add(&l, MAILLOG_FIELD_UID, put_number(number, uid));
	add(&l, MAILLOG_FIELD_FROM, sender.p ? sender : SPAN(""));
	send_line(&l);
}

void
maillog_notification(struct span id, struct span report, struct span new_id)
{
	struct line l = { .event = MAILLOG_NOTIFICATION, .service = "bounce" };

	add(&l, LOG_FIELD_ID, id);
	add(&l, MAILLOG_FIELD_REPORT, report);
	add(&l, MAILLOG_FIELD_NEW_ID, new_id);
	send_line(&l);
}

void
maillog_message_id(struct span id, struct span message_id)
{
	struct line l = { .event = MAILLOG_MESSAGE_ID, .service = "cleanup" };

	add(&l, LOG_FIELD_ID, id);
	add(&l, MAILLOG_FIELD_MESSAGE_ID, message_id);
	send_line(&l);
}

void
maillog_connect(const struct log_client *c)
{
	struct line l = { .event = MAILLOG_CONNECT };

	add_client(&l, c);
	log_linger();
	send_line(&l);
}

void
maillog_disconnect(const struct log_client *c, struct span counts)
{
	struct line l = { .event = MAILLOG_DISCONNECT };

	add_client(&l, c);
	add_if_any(&l, MAILLOG_FIELD_COUNTS, counts);
	log_linger();
	send_line(&l);
}

void
maillog_broken(const struct log_client *c, struct span what, struct span verb)
{
	struct line l = { .event = MAILLOG_BROKEN };

	add(&l, MAILLOG_FIELD_WHAT, what);
	add(&l, MAILLOG_FIELD_VERB, verb);
	add_client(&l, c);
	send_line(&l);
}

void
maillog_client(struct span id, const struct log_client *c,
    struct span sasl_method, struct span sasl_user, struct span rules)
{
	struct line l = { .event = MAILLOG_CLIENT };

	add(&l, LOG_FIELD_ID, id);
	add_client(&l, c);
	add_if_any(&l, MAILLOG_FIELD_SASL_METHOD, sasl_method);
	add_if_any(&l, MAILLOG_FIELD_SASL_USER, sasl_user);
	add_if_any(&l, MAILLOG_FIELD_RULE, rules);
	send_line(&l);
}

void
maillog_reject(const struct log_reject *r)
{
	struct line l = { .event = MAILLOG_REJECT };

	add(&l, LOG_FIELD_ID, r->id.n ? r->id : SPAN("NOQUEUE"));
	add(&l, MAILLOG_FIELD_WHAT, r->what);
	add(&l, MAILLOG_FIELD_VERB, r->verb);
	add_client(&l, &r->client);
	add(&l, MAILLOG_FIELD_REPLY, r->reply);
	add(&l, MAILLOG_FIELD_FROM, r->sender);
	add(&l, MAILLOG_FIELD_TO, r->rcpt);
	add_if_any(&l, MAILLOG_FIELD_PROTO, r->proto);
	add_if_any(&l, MAILLOG_FIELD_HELO, r->helo);
	add_if_any(&l, MAILLOG_FIELD_RULE, r->rule);
	send_line(&l);
}

void
maillog_not_smtp(const struct log_client *c, struct span line)
{
	struct line l = { .event = MAILLOG_NOT_SMTP };

	add_client(&l, c);
	add(&l, MAILLOG_FIELD_INPUT, line);
	send_line(&l);
}

void
maillog_bad_address(const struct log_client *c, struct span verb,
    struct span text)
{
	struct line l = { .event = MAILLOG_BAD_ADDRESS };

	add_client(&l, c);
	add(&l, MAILLOG_FIELD_VERB, verb);
	add(&l, MAILLOG_FIELD_INPUT, text);
	send_line(&l);
}

void
maillog_auth_failed(const struct log_client *c, struct span method,
    struct span text, struct span user)
{
	struct line l = { .event = MAILLOG_AUTH_FAILED };

	add_client(&l, c);
	add(&l, MAILLOG_FIELD_SASL_METHOD, method);
	add(&l, MAILLOG_FIELD_REASON, text);
	add_if_any(&l, MAILLOG_FIELD_SASL_USER, user);
	send_line(&l);
}

/* What ends a user's name in the line must not stand in it. */
static struct span
put_user(char *text, size_t max, struct span user)
{
	size_t n = user.n < max ? user.n : max;

	for (size_t i = 0; i < n; i++)
		text[i] = user.p[i] == '<' || user.p[i] == '>' ? '?'
							       : user.p[i];
	return (struct span){ text, n };
}

static void
send_login(enum maillog_event event, const struct log_login *g)
{
	struct line l = { .event = event, .tag = g->tag };
	char user[USER_SHOWN_MAX], pid[NUMBER_MAX];

	add(&l, MAILLOG_FIELD_PROCESS, span_str(g->process));
	add_if_any(&l, MAILLOG_FIELD_REASON, g->reason);
	add_if_any(&l, MAILLOG_FIELD_WHAT, g->what);
	add(&l, MAILLOG_FIELD_USER, put_user(user, sizeof(user), g->user));
	add_if_any(&l, MAILLOG_FIELD_METHOD, g->method);
	add_if_any(&l, MAILLOG_FIELD_RIP, g->remote);
	add_if_any(&l, MAILLOG_FIELD_LIP, g->local);
	if (g->mailbox_pid)
		add(&l, MAILLOG_FIELD_MPID, put_number(pid, g->mailbox_pid));
	add_if_any(&l, MAILLOG_FIELD_SECURED, g->secured);
	add(&l, MAILLOG_FIELD_SESSION, g->session);
	send_line(&l);
}

void
maillog_login(const struct log_login *g)
{
	send_login(MAILLOG_LOGIN, g);
}

void
maillog_no_login(const struct log_login *g)
{
	send_login(MAILLOG_NO_LOGIN, g);
}

void
maillog_session(const struct log_login *g)
{
	send_login(MAILLOG_SESSION, g);
}
