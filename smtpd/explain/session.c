/*
 * A session that nobody holds: smtpd's own, fed with the commands of a client, and
 * its questions answered from the tables.
 */
#include "smtpd/session.h"
#include "base/log.h"
#include "smtpd/answers.h"
#include "smtpd/explain/explain.h"
#include "smtpd/explain/out.h"
#include "smtpd/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

enum {
	OUT_MAX = 16 * SMTPD_REPLY_MAX,
	COMMAND_MAX = 2048,
};

struct client {
	const struct explain_options *o;
	struct smtpd_session session;
	struct arena *arena; /* the session's */
	struct buf out;
	char replies[OUT_MAX];
	struct access_verdict refusal; /* the last one; ->code 0: none */
	bool is_known; /* all that was asked for */
	bool is_refused;
	size_t taken; /* recipients */
	size_t steps; /* printed so far */
	size_t rules; /* of this step */
};

/* What a rule said, or a note of it. */
static void
print_rule(struct client *c, const struct access_trace *t)
{
	if (!c->o->json) {
		printf("  %s: %s", t->list, t->rule);
		out_table(t->table, t->key);
		fputs(": ", stdout);
		if (t->key.n > 0) {
			out_text(t->said);
			fputs(": ", stdout);
		}
		puts(t->outcome);
		return;
	}
	fputs(c->rules++ ? ", {" : "{", stdout);
	out_member(true, "list", span_str(t->list));
	out_member(false, "rule", span_str(t->rule));
	if (t->table)
		out_member(false, "table", span_str(t->table));
	if (t->key.n > 0) {
		out_member(false, "key", t->key);
		out_member(false, "said", t->said);
	}
	out_member(false, "outcome", span_str(t->outcome));
	putchar('}');
}

static void
on_trace(const struct access_trace *t, void *arg)
{
	print_rule(arg, t);
}

static void
on_note(const struct access_eval *e, void *arg)
{
	struct client *c = arg;

	session_effect(&c->session, e->effect, e->effect_arg);
	if (!c->o->json) {
		printf("  %s: ", e->what);
		out_text(span_str(e->note));
		putchar('\n');
		return;
	}
	fputs(c->rules++ ? ", {" : "{", stdout);
	out_member(true, "note", span_str(e->what));
	out_member(false, "said", span_str(e->note));
	putchar('}');
}

static void
answer_access(struct client *c)
{
	struct smtpd_session *s = &c->session;
	const struct answers_listener to = { on_trace, c, on_note, c };
	struct access_verdict v = { 0 };

	if (!answers_judge(&s->facts, s->lists, &to, &v))
		c->is_known = false;
	if (v.action == ACCESS_REJECT)
		c->refusal = v;
	session_access(s, &v);
}

/* Until it wants something of the client. */
static void
answer_all(struct client *c)
{
	struct smtpd_session *s = &c->session;

	for (;;)
		switch (s->want) {
		case SMTPD_WANT_ACCESS:
			answer_access(c);
			break;
		case SMTPD_WANT_SPACE:
			session_space(s, true);
			break;
		case SMTPD_WANT_AUTH:
			session_auth(s,
			    &(struct smtpd_auth_answer){
				.result = SMTPD_AUTH_OK,
				.user = span_str(c->o->user) });
			break;
		case SMTPD_WANT_LINE:
		case SMTPD_WANT_DATA:
		case SMTPD_WANT_COMMIT:
		case SMTPD_WANT_TLS:
		case SMTPD_WANT_CLOSE:
			return;
		}
}

static void
begin_step(struct client *c, const char *command)
{
	buf_init(&c->out, c->replies, sizeof(c->replies));
	c->rules = 0;
	if (c->o->json) {
		fputs(c->steps++ ? ",\n  {" : "  {", stdout);
		out_member(true, "command", span_str(command));
		fputs(", \"rules\": [", stdout);
	} else {
		out_text(span_str(command));
		putchar('\n');
	}
}

/* The last line of a reply, which has its code. */
static struct span
last_line(const struct client *c)
{
	struct span s = buf_span(&c->out);
	const char *nl;

	if (s.n >= 2)
		s.n -= 2;
	nl = s.n ? memrchr(s.p, '\n', s.n) : NULL;
	if (nl)
		s = (struct span){ nl + 1, s.n - (size_t)(nl + 1 - s.p) };
	return s;
}

/* Prints the reply. True: it is no refusal. */
static bool
end_step(struct client *c)
{
	struct span reply = last_line(c);
	bool ok = reply.n == 0 || reply.p[0] == '2' || reply.p[0] == '3';

	if (c->o->json) {
		putchar(']');
		if (reply.n > 0)
			out_member(false, "reply", reply);
		putchar('}');
	} else if (reply.n > 0) {
		fputs("  ", stdout);
		out_text(reply);
		putchar('\n');
	}
	if (!ok)
		c->is_refused = true;
	return ok;
}

static bool
say(struct client *c, const char *verb, const char *arg, const char *after)
{
	char line[COMMAND_MAX];
	struct buf b;

	buf_init(&b, line, sizeof(line) - 1);
	buf_putf(&b, "%s%s%s", verb, arg, after);
	if (b.overflow)
		explain_fail(EX_USAGE, "too long: ", verb);
	line[b.n] = '\0';
	begin_step(c, line);
	session_line(&c->session, buf_span(&b));
	answer_all(c);
	return end_step(c);
}

static bool
connect_as(struct client *c, const struct access_facts *facts)
{
	char text[COMMAND_MAX];

	snprintf(text, sizeof(text), "CONNECT %.*s[%.*s]",
	    (int)facts->client_name.n, facts->client_name.p,
	    (int)facts->client_addr.n, facts->client_addr.p);
	begin_step(c, text);
	session_init(&c->session, &resources.config, facts, c->arena, &c->out);
	c->session.tls = c->o->tls || resources.tls.from_start;
	answer_all(c);
	return end_step(c);
}

/* What it has to show does not matter: there is nobody to look at it. */
static bool
authenticate(struct client *c)
{
	const struct smtpd_config *config = &resources.config;
	const char *mechs = c->session.tls ? config->auth_tls_mechs
					   : config->auth_mechs;
	struct span rest = span_str(mechs ? mechs : "");
	struct span first = span_cut(&rest, ' ');
	char name[64];

	if (!c->o->user)
		return true;
	snprintf(name, sizeof(name), "%.*s", first.n ? (int)first.n : 5,
	    first.n ? first.p : "PLAIN");
	return say(c, "AUTH ", name, "");
}

/* Up to the point where a mail would be in the queue. */
static void
send_mail(struct client *c)
{
	const struct explain_options *o = c->o;

	if (!say(c, "MAIL FROM:<", o->from, ">"))
		return;
	for (size_t i = 0; i < o->rcpts_n; i++)
		if (say(c, "RCPT TO:<", o->rcpts[i], ">"))
			c->taken++;
		else if (c->session.want == SMTPD_WANT_CLOSE)
			return;
	if (c->taken == 0 || !say(c, "DATA", "", ""))
		return;
	begin_step(c, "END-OF-MESSAGE");
	session_data(&c->session, SMTPD_DATA_OK);
	answer_all(c);
	end_step(c);
}

static void
converse(struct client *c, const struct access_facts *facts)
{
	char literal[ADDR_TEXT_MAX + 8];
	const char *helo = c->o->helo;

	if (!helo && c->o->client_name)
		helo = c->o->client_name;
	if (!helo) {
		snprintf(literal, sizeof(literal), "[%s%.*s]",
		    memchr(facts->client_addr.p, ':', facts->client_addr.n)
			? "IPv6:"
			: "",
		    (int)facts->client_addr.n, facts->client_addr.p);
		helo = literal;
	}
	if (connect_as(c, facts) && say(c, "EHLO ", helo, "") &&
	    authenticate(c))
		send_mail(c);
}

static enum explain_status
status_of(const struct client *c)
{
	if (!c->is_refused)
		return EXPLAIN_ACCEPTED;
	return c->is_known ? EXPLAIN_REFUSED : EXPLAIN_UNKNOWN;
}

/* What decided: a rule, or the protocol alone. */
static void
conclude(const struct client *c)
{
	static const char *const words[] = { "accepted", "refused" };
	const struct access_verdict *v = &c->refusal;
	const char *word = status_of(c) == EXPLAIN_UNKNOWN
	    ? "unknown"
	    : words[c->is_refused];
	bool lost = !c->is_refused && c->session.txn.discard;

	if (lost)
		word = "discarded";
	if (!c->o->json) {
		fputs(word, stdout);
		if (c->is_refused && v->list) {
			printf(" by %s: %s", v->list, v->rule);
			out_table(v->table, span_str(v->key));
		}
		putchar('\n');
		return;
	}
	printf("\n],\n");
	out_member(true, "verdict", span_str(word));
	if (c->is_refused && v->list) {
		out_member(false, "list", span_str(v->list));
		out_member(false, "rule", span_str(v->rule));
		if (v->table)
			out_member(false, "table", span_str(v->table));
		if (*v->key)
			out_member(false, "key", span_str(v->key));
	}
	puts("}");
}

/* Opens what smtpd would, but for queue and keys. */
static void
open_rules(const struct conf *c)
{
	struct why why;

	if (conf_get_struct(c, params_fields, params_fields_n, &params, &why) <
		0 ||
	    service_tls_read(c, "smtpd", &resources.tls, &why) < 0 ||
	    params_open_rules(c, &why) < 0)
		explain_fail(EX_CONFIG, why.text, "");
}

static bool
is_ours(struct span name, const struct addr *a)
{
	struct why why;

	switch (lists_has_client(resources.mynetworks, name, a, &why)) {
	case DICT_FOUND:
		return true;
	case DICT_ABSENT:
		break;
	case DICT_TEMPFAIL:
		log_warning("mynetworks: %s", why.text);
		break;
	}
	return false;
}

enum explain_status
explain_session(const struct conf *conf, const struct explain_options *o)
{
	struct client *c = zalloc(sizeof(*c));
	struct access_facts facts = { .client_addr = span_str(o->client) };
	enum explain_status status;
	struct addr a;

	if (!addr_parse(span_str(o->client), &a))
		explain_fail(EX_USAGE, "no address of a client: ", o->client);
	open_rules(conf);
	if (o->tls && !resources.tls.offered && !resources.tls.from_start)
		explain_fail(EX_USAGE, "this service has no TLS", "");
	c->o = o;
	c->is_known = true;
	c->arena = arena_new(EXPLAIN_MEMORY);
	facts.client_name = span_str(
	    o->client_name ? o->client_name : "unknown");
	facts.client_is_ours = is_ours(facts.client_name, &a);
	if (o->json)
		puts("{\"steps\": [");
	converse(c, &facts);
	conclude(c);
	status = status_of(c);
	arena_free(c->arena);
	free(c);
	return status;
}
