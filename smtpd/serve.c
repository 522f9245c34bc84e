#include "smtpd/serve.h"

#include "base/log.h"
#include "mail/talk.h"
#include "smtpd/backend.h"
#include "smtpd/handshake.h"
#include "task/task.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	IN_MAX = 4096,
	IN_DATA_MAX = 16384, /* while a mail comes in */
	OUT_MAX = SMTPD_REPLY_MAX,
	LINE_LEAST = 512, /* RFC 5321, section 4.5.3.1.4 */
	TXN_LIMIT = 1 << 20, /* bytes of a transaction's addresses */
	RULE_MAX = 256,
};

/* All there is of a client; it lives on the stack of its task. */
struct client {
	struct talk talk;
	struct arena *arena;
	struct smtpd_session session;
	struct backend_client who;
	struct backend_times times;
	struct backend_mail *mail;
	struct sasl_exchange *auth;
	struct tls_facts *tls; /* owned; NULL in the clear */
	bool said_bare_lf;
	struct span rule; /* that refuses, while that is logged */
};

static struct talk_at
at(const struct client *c)
{
	return (struct talk_at){
		.verb = c->session.verb,
		.in_data = c->session.state == SMTPD_DATA,
	};
}

/* Something that a rule says of the client or his mail. */
static void
log_word(struct client *c, const char *what, struct span reply)
{
	const struct smtpd_session *s = &c->session;

	maillog_reject(&(struct log_reject){
	    .what = span_str(what),
	    .verb = s->state == SMTPD_DATA ? SPAN("END-OF-MESSAGE") : s->verb,
	    .client = c->talk.client,
	    .reply = reply,
	    .sender = s->facts.sender,
	    .rcpt = s->facts.rcpt,
	    .proto = session_protocol(s),
	    .helo = s->facts.helo,
	    .rule = c->rule,
	});
}

static void
log_refusal(struct client *c, const char *what, struct span reply)
{
	log_word(c, what, reply);
	backend_refused();
}

static void
note(const struct access_eval *e, void *arg)
{
	struct client *c = arg;

	session_effect(&c->session, e->effect, e->effect_arg);
	if (e->effect != ACCESS_EFFECT_PREPEND)
		log_word(c, e->what, span_str(e->note));
}

/* Logs what the last step left; its reply is what ->out has since `before`. */
static void
log_step(struct client *c, size_t before)
{
	struct smtpd_session *s = &c->session;
	struct span out = buf_span(&c->talk.stream->out), reply;

	reply = (struct span){ out.p + before, out.n - before };
	reply.n -= reply.n >= 2 ? 2 : reply.n;
	switch (s->log.kind) {
	case SMTPD_LOG_NOTHING:
		break;
	case SMTPD_LOG_REJECT:
		log_refusal(c, "reject", reply);
		break;
	case SMTPD_LOG_DISCARD:
		log_refusal(c, "discard", s->log.text);
		break;
	case SMTPD_LOG_ADDRESS:
		maillog_bad_address(&c->talk.client, s->verb, s->log.text);
		break;
	case SMTPD_LOG_NOT_SMTP:
		maillog_not_smtp(&c->talk.client, s->log.text);
		break;
	case SMTPD_LOG_AUTH_FAILED:
		maillog_auth_failed(&c->talk.client, s->auth.mech, s->log.text,
		    s->log.user);
		break;
	case SMTPD_LOG_AUTH_UNKNOWN:
		log_warning("%s[%s]: SASL %.*s authentication is not possible "
			    "now: %.*s",
		    c->who.name, c->who.addr, (int)s->auth.mech.n,
		    s->auth.mech.p, (int)s->log.text.n, s->log.text.p);
		break;
	}
	s->log.kind = SMTPD_LOG_NOTHING;
}

/* Says how a wait for the client ended. True: there is nobody any more. */
static bool
is_over(struct client *c, enum stream_result r)
{
	switch (talk_ended(&c->talk, at(c), r)) {
	case TALK_GOES_ON:
		return false;
	case TALK_TOO_LONG:
		session_overlong(&c->session);
		return false;
	case TALK_TIMEOUT:
		session_timeout(&c->session);
		return false;
	case TALK_SHUTDOWN:
		session_shutdown(&c->session);
		return false;
	case TALK_IS_OVER:
		break;
	}
	return true;
}

static size_t
line_max(const struct client *c)
{
	if (c->times.line_max < LINE_LEAST)
		return LINE_LEAST;
	return c->times.line_max < IN_MAX ? (size_t)c->times.line_max : IN_MAX;
}

/* Gives the session its next line. False: the client has no more to say. */
static bool
take_line(struct client *c)
{
	enum stream_mode mode = c->who.bare_lf == BACKEND_LF_REFUSED
	    ? STREAM_CRLF
	    : STREAM_LF_TOO;
	size_t before;
	struct span line;
	enum stream_result r = stream_line(c->talk.stream, line_max(c), mode,
	    talk_deadline(&c->talk), &line);

	if (r != STREAM_OK)
		return !is_over(c, r);
	before = c->talk.stream->out.n;
	session_line(&c->session, line);
	log_step(c, before);
	return true;
}

/* "smtpd_sender_restrictions: check_sender_access hash:/t (a@b)" */
static struct span
describe_rule(const struct access_verdict *v)
{
	/* Nothing waits before it is logged: one is enough for all tasks. */
	static char text[RULE_MAX];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	if (v->action == ACCESS_PERMIT || !v->rule)
		return SPAN("");
	buf_putf(&b, "%s: %s", v->list ? v->list : "", v->rule);
	if (v->table)
		buf_putf(&b, " %s%s%s%s", v->table, v->key[0] ? " (" : "",
		    v->key, v->key[0] ? ")" : "");
	return buf_span(&b);
}

static void
ask_access(struct client *c)
{
	struct smtpd_session *s = &c->session;
	size_t before = c->talk.stream->out.n;
	struct access_verdict v = { 0 };
	char rules[BACKEND_RULES_MAX];
	struct buf permits;

	buf_init(&permits, rules, sizeof(rules));
	backend_access(&s->facts, s->lists, &v, &permits, note, c);
	c->rule = describe_rule(&v);
	session_access(s, &v);
	if (v.action == ACCESS_PERMIT)
		session_permitted(s, buf_span(&permits));
	log_step(c, before);
	c->rule = SPAN("");
}

static void
ask_space(struct client *c)
{
	size_t before = c->talk.stream->out.n;

	session_space(&c->session, backend_has_room(c->session.txn.size));
	log_step(c, before);
}

static void
ask_auth(struct client *c)
{
	size_t before = c->talk.stream->out.n;
	struct smtpd_auth_answer a;

	backend_auth(&c->auth, &c->session, &c->who, &a);
	session_auth(&c->session, &a);
	log_step(c, before);
}

/* Who may not send a bare LF has sent one; or it is only to be known. */
static bool
is_refused_lf(struct client *c, const struct dots *d)
{
	if (!d->bare_lf || c->who.bare_lf == BACKEND_LF_ENDS_LINE ||
	    c->who.bare_lf == BACKEND_LF_ENDS_DATA)
		return false;
	if (!c->said_bare_lf)
		log_info("NOQUEUE: %s: DATA from %s[%s]: bare <LF> received",
		    c->who.bare_lf == BACKEND_LF_NOTED ? "info" : "reject",
		    c->who.name, c->who.addr);
	c->said_bare_lf = true;
	return c->who.bare_lf == BACKEND_LF_REFUSED;
}

/* What follows the mail already may not fit: then it stays large. */
static void
size_input(struct client *c, size_t max)
{
	(void)!stream_resize(c->talk.stream, max, 2 * OUT_MAX);
}

/* Reads a mail up to its end, also what of it is not kept. */
static bool
take_data(struct client *c)
{
	struct dots d = {
		.lf_too = c->who.bare_lf != BACKEND_LF_REFUSED,
		.lf_ends = c->who.bare_lf == BACKEND_LF_ENDS_DATA,
	};
	enum smtpd_data result = SMTPD_DATA_OK;
	struct span piece;

	c->talk.data_bytes = 0;
	c->mail = backend_mail_new(&c->session, &c->who);
	size_input(c, IN_DATA_MAX);
	while (!d.ended) {
		enum stream_result r = stream_data(c->talk.stream, &d,
		    talk_deadline(&c->talk), &piece);

		if (r != STREAM_OK) {
			c->mail = backend_mail_free(c->mail);
			return !is_over(c, r);
		}
		c->talk.data_bytes += piece.n;
		if (is_refused_lf(c, &d)) {
			result = SMTPD_DATA_BARE_LF;
			break;
		}
		if (result == SMTPD_DATA_OK)
			result = backend_mail_put(c->mail, piece);
	}
	size_input(c, IN_MAX);
	session_data(&c->session, result);
	return true;
}

static void
commit(struct client *c)
{
	char id[BACKEND_ID_MAX] = "";
	enum smtpd_data result = backend_mail_commit(c->mail, id);
	size_t before = c->talk.stream->out.n;

	session_committed(&c->session, result, span_str(id));
	log_step(c, before);
}

/* False: there is nobody to talk to any more. */
static bool
shake_hands(struct client *c)
{

	c->tls = zalloc(sizeof(*c->tls));
	if (handshake(c->talk.stream, backend_tls(), &c->talk.client, c->tls)) {
		c->who.tls = c->tls;
		return true;
	}
	talk_broken(&c->talk, at(c), "lost connection");
	return false;
}

static bool
begin_tls(struct client *c)
{
	bool is_on = shake_hands(c);

	session_tls(&c->session, is_on);
	return is_on;
}

static bool
make_room(struct client *c)
{
	struct smtpd_session *s = &c->session;

	if (s->slow && c->times.error_sleep > 0)
		task_sleep(task_after(c->times.error_sleep));
	s->slow = false;
	return talk_make_room(&c->talk, at(c), SMTPD_REPLY_MAX);
}

/* Does what the session wants until it, or the client, wants no more. */
static void
converse(struct client *c)
{
	while (make_room(c))
		switch (c->session.want) {
		case SMTPD_WANT_LINE:
			if (c->mail)
				c->mail = backend_mail_free(c->mail);
			if (!take_line(c))
				return;
			break;
		case SMTPD_WANT_ACCESS:
			ask_access(c);
			break;
		case SMTPD_WANT_SPACE:
			ask_space(c);
			break;
		case SMTPD_WANT_DATA:
			if (!take_data(c))
				return;
			break;
		case SMTPD_WANT_COMMIT:
			commit(c);
			break;
		case SMTPD_WANT_TLS:
			if (!begin_tls(c))
				return;
			break;
		case SMTPD_WANT_AUTH:
			ask_auth(c);
			break;
		case SMTPD_WANT_CLOSE:
			talk_goodbye(&c->talk, at(c), c->session.broken,
			    c->session.command == SMTPD_CMD_QUIT);
			return;
		}
}

static void
log_end(struct client *c)
{
	char text[256];
	struct buf counts;

	buf_init(&counts, text, sizeof(text));
	session_put_counts(&c->session, &counts);
	maillog_disconnect(&c->talk.client, buf_span(&counts));
}

static void
greet_and_converse(struct client *c, bool welcome)
{
	const struct access_facts facts = {
		.client_name = c->talk.client.name,
		.client_addr = c->talk.client.addr,
		.client_is_ours = c->who.is_ours,
	};
	bool tls = backend_tls()->from_start;

	c->session.verb = SPAN("CONNECT");
	if (tls && !shake_hands(c))
		return;
	if (welcome)
		session_init(&c->session, backend_config(), &facts, c->arena,
		    &c->talk.stream->out);
	else
		session_crowded(&c->session, backend_config(), &facts,
		    &c->talk.stream->out);
	c->session.tls = tls;
	c->session.ehlo &= ~c->who.discard;
	converse(c);
}

static void
log_begin(struct client *c)
{
	c->who.connection = talk_name();
	c->talk.client = (struct log_client){
		.name = span_str(c->who.name),
		.addr = span_str(c->who.addr),
		.connection = c->who.connection,
	};
	maillog_connect(&c->talk.client);
}

void
serve_client(int fd, const struct addr *peer)
{
	struct stream *st CLEANUP(
	    stream_freep) = stream_new(fd, IN_MAX, 2 * OUT_MAX);
	struct arena *arena CLEANUP(arena_freep) = arena_new(TXN_LIMIT);
	struct client c = {
		.talk = { .stream = st },
		.arena = arena,
		.times = backend_times(),
	};
	bool welcome = backend_came(peer, &c.who);

	c.talk.timeout = c.times.timeout;
	log_begin(&c);
	greet_and_converse(&c, welcome);
	c.mail = backend_mail_free(c.mail);
	backend_auth_free(c.auth);
	log_end(&c);
	backend_left(&c.who);
	free(c.tls);
}
