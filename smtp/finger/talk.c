/*
 * What is said to a server: up to its offers under TLS, and goodbye. With -r it is
 * said again, to see whether the server resumes what it had.
 */
#include "base/scan.h"
#include "smtp/finger/finger.h"
#include "smtp/private.h"
#include "task/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	IN_MAX = 16384,
	REPLY_MAX = 4096, /* of a reply that is told again */
	NAME_SIZE = 256,
};

/* A server behind the address, and what it remembers us by. */
struct seen {
	char name[NAME_SIZE];
	struct tls_session *session;
};

struct visit {
	const struct finger *f;
	struct finger_server *server;
	struct stream *stream;
	bool again; /* not the first connection */
	bool tls;
	bool lost;
	unsigned code; /* of the last reply */
	bool offers_tls;
	char text[REPLY_MAX]; /* its lines */
	char name[NAME_SIZE]; /* that the server has in its reply to EHLO */
	struct seen seen[FINGER_SERVERS_MAX];
	size_t seen_n;
};

static void
keep_text(struct visit *v, struct span line, bool is_first)
{
	size_t n = strlen(v->text), code = v->code ? 4 : 0;

	if (line.n >= code) {
		line.p += code;
		line.n -= code;
	} else {
		line.n = 0;
	}
	snprintf(v->text + n, sizeof(v->text) - n, "%s%.*s",
	    is_first ? "" : "\n", (int)line.n, line.p);
}

static void
take_offers(struct visit *v, struct span line, bool is_first)
{
	struct span word;

	if (line.n < 4)
		return;
	line.p += 4;
	line.n -= 4;
	if (!take_word(&line, &word))
		return;
	if (is_first)
		snprintf(v->name, sizeof(v->name), "%.*s", (int)word.n, word.p);
	else if (session_feature(word) == SMTP_HAS_STARTTLS)
		v->offers_tls = true;
}

/*
 * Reads a reply; "timeout" or "lost connection" if there is none. What is no reply
 * has the code 0 and ends.
 */
static const char *
take_reply(struct visit *v, int64_t by)
{
	bool last = false, is_first = true;

	v->text[0] = '\0';
	while (!last) {
		struct span line;
		enum stream_result r = stream_line(v->stream, IN_MAX,
		    STREAM_LF_TOO, by, &line);

		if (r != STREAM_OK) {
			v->lost = true;
			return r == STREAM_TIMEOUT ? "timeout"
						   : "lost connection";
		}
		if (v->f->chat)
			finger_say("< %.*s", (int)line.n, line.p);
		if (!reply_code(line, &v->code, &last)) {
			v->code = 0;
			last = true;
		}
		keep_text(v, line, is_first);
		take_offers(v, line, is_first);
		is_first = false;
	}
	return NULL;
}

static const char *
ask(struct visit *v, const char *command, const char *argument)
{
	if (v->f->chat)
		finger_say("> %s%s%s", command, *argument ? " " : "", argument);
	buf_putf(&v->stream->out, "%s%s%s\r\n", command, *argument ? " " : "",
	    argument);
	return take_reply(v, task_after(v->f->command_timeout));
}

static bool
greet(struct visit *v)
{
	const char *why = take_reply(v, task_after(v->f->connect_timeout));

	if (why)
		finger_say("%s while reading server greeting", why);
	else if (v->code / 100 != 2)
		finger_say("%s service not available: %u %s",
		    v->f->lmtp ? "LMTP" : "SMTP", v->code, v->text);
	return !why && v->code / 100 == 2;
}

static bool
hello(struct visit *v)
{
	const char *word = v->f->lmtp ? "LHLO" : "EHLO";
	const char *why;

	v->offers_tls = false;
	why = ask(v, word, v->f->myhostname);
	if (why)
		finger_say("%s while sending %s", why, word);
	else if (v->code / 100 != 2)
		finger_say("%s rejected: %u %s", word, v->code, v->text);
	return !why && v->code / 100 == 2;
}

static void
goodbye(struct visit *v)
{
	const char *why = ask(v, "QUIT", "");

	if (why)
		finger_warn("%s while sending QUIT command", why);
}

static void
note(void *arg, enum tls_note what, const char *text)
{
	const struct visit *v = arg;

	if (what == TLS_NOTE_STATE && v->f->log & FINGER_STATES)
		finger_say("%s", text);
	else if (what == TLS_NOTE_VERIFY && v->f->log & FINGER_VERBOSE)
		finger_say("%s: %s", v->server->name, text);
}

static struct seen *
find_seen(struct visit *v)
{
	for (size_t i = 0; i < v->seen_n; i++)
		if (strcmp(v->seen[i].name, v->name) == 0)
			return &v->seen[i];
	return NULL;
}

/* The names that a certificate may have: what was asked for, or what is usual. */
struct names {
	struct span v[3 * FINGER_MATCHES_MAX];
	size_t n;
	char dot_nexthop[NAME_SIZE];
};

static void
add_name(struct names *n, struct span name)
{
	if (name.n > 0 && n->n < COUNT_OF(n->v))
		n->v[n->n++] = name;
}

/* Words of smtp_tls_secure_cert_match stand for names; all else is one. */
static void
add_match(struct names *n, const struct visit *v, struct span word)
{
	if (span_ieq(word, SPAN("nexthop")))
		add_name(n, v->server->target.host);
	else if (span_ieq(word, SPAN("dot-nexthop")))
		add_name(n, span_str(n->dot_nexthop));
	else if (span_ieq(word, SPAN("hostname")))
		add_name(n, span_str(v->server->host->name));
	else
		add_name(n, word);
}

static void
find_names(struct names *n, const struct visit *v)
{
	const struct finger_server *s = v->server;
	const struct finger *f = v->f;

	n->n = 0;
	snprintf(n->dot_nexthop, sizeof(n->dot_nexthop), ".%.*s",
	    (int)s->target.host.n, s->target.host.p);
	if (s->base) {
		add_name(n, s->target.host); /* ->base itself is one anyway */
		return;
	}
	if (s->level != FINGER_VERIFY && s->level != FINGER_SECURE)
		return;
	for (size_t i = 0; i < f->matches_n; i++)
		add_match(n, v, f->matches[i]);
	if (f->matches_n > 0)
		return;
	if (s->level == FINGER_VERIFY) {
		add_match(n, v, SPAN("hostname"));
	} else {
		add_match(n, v, SPAN("nexthop"));
		add_match(n, v, SPAN("dot-nexthop"));
	}
}

/* False: what was asked for cannot be done, and it was said. */
static bool
may_shake_hands(const struct visit *v)
{
	const struct finger *f = v->f;

	if (f->log & FINGER_VERBOSE && !v->again)
		finger_say("setting up TLS connection to %s", v->server->name);
	if (f->bad_protocols)
		finger_warn("%s: Invalid TLS protocol list \"%s\": aborting "
			    "TLS session",
		    v->server->name, f->bad_protocols);
	else if (f->bad_grade)
		finger_warn("%s: invalid cipher grade: \"%s\"", v->server->name,
		    f->bad_grade);
	else if (f->log & FINGER_VERBOSE && !v->again)
		finger_say("%s: TLS cipher list \"%s\"", v->server->name,
		    f->ciphers);
	return !f->bad_protocols && !f->bad_grade;
}

static void
say_tls_failure(const struct visit *v, enum stream_result r)
{
	const char *why = "-1";

	if (r == STREAM_TIMEOUT)
		why = "Connection timed out";
	else if (r == STREAM_EOF)
		why = "lost connection";
	finger_say("SSL_connect error to %s: %s", v->server->name, why);
	if (r == STREAM_EARLY_DATA)
		finger_warn("%s spoke before the handshake", v->server->name);
	finger_say_problems();
}

static bool
shake_hands(struct visit *v)
{
	struct names *names = zalloc(sizeof(*names));
	const struct seen *seen = v->again ? find_seen(v) : NULL;
	struct tls_want want = {
		.sni = v->f->sni,
		.names = names->v,
		.records = v->server->records,
		.records_n = v->server->records_n,
		.base = v->server->base,
		.session = seen ? seen->session : NULL,
		.note = note,
		.arg = v,
	};
	struct tls_facts facts;
	enum stream_result r;

	if (!may_shake_hands(v)) {
		free(names);
		return false;
	}
	find_names(names, v);
	want.names_n = names->n;
	r = stream_starttls_wanting(v->stream, v->f->tls, &want,
	    task_after(v->f->command_timeout), &facts);
	free(names);
	if (r != STREAM_OK) {
		say_tls_failure(v, r);
		return false;
	}
	v->tls = true;
	finger_report(v->f, v->server, v->stream, &facts);
	return true;
}

/* False: the connection is of no further use. */
static bool
start_tls(struct visit *v)
{
	const char *why = ask(v, "STARTTLS", "");

	if (why)
		finger_fatal("%s while sending STARTTLS", why);
	if (v->code / 100 != 2) {
		finger_say("STARTTLS rejected: %u %s", v->code, v->text);
		return false;
	}
	return shake_hands(v);
}

/* All that is said on one connection; false: it broke. */
static bool
converse(struct visit *v)
{
	bool wants_tls = v->f->tls && v->server->level != FINGER_NONE;

	if (v->f->wrapper && (!wants_tls || !shake_hands(v)))
		return false;
	if (!greet(v) || !hello(v))
		return false;
	if (wants_tls && !v->tls && v->offers_tls) {
		if (!start_tls(v))
			return false;
		if (!hello(v))
			return false;
	}
	goodbye(v);
	return !v->lost;
}

/* The chain stands behind all else, as Postfix has it. */
static bool
visit_once(struct visit *v)
{
	bool whole = converse(v);

	if (v->f->print_chain && v->tls)
		finger_print_chain(v->f, v->stream);
	return whole;
}

/* False: it is known, or there is nothing to be remembered. */
static bool
remember(struct visit *v)
{
	struct tls_session *session = tls_session_take(v->stream);
	struct seen *seen = find_seen(v);

	if (seen || !session || v->seen_n == FINGER_SERVERS_MAX) {
		tls_session_free(session);
		return false;
	}
	seen = &v->seen[v->seen_n++];
	snprintf(seen->name, sizeof(seen->name), "%s", v->name);
	seen->session = session;
	return true;
}

static bool
connect_again(struct visit *v)
{
	int fd;

	finger_say("Reconnecting after %lld seconds",
	    (long long)v->f->reconnect_delay);
	if (task_sleep(task_after(v->f->reconnect_delay * 1000)) !=
	    TASK_TIMEOUT)
		return false;
	fd = dial_connect(&(struct dial){ .timeout = v->f->connect_timeout },
	    &v->server->host->addr);
	if (fd < 0) {
		finger_say("Failed to connect to %s: %s", v->server->name,
		    strerror(-fd));
		return false;
	}
	stream_free(v->stream);
	v->stream = stream_new(fd, IN_MAX, IN_MAX);
	v->again = true;
	v->tls = false;
	return true;
}

void
finger_talk(const struct finger *f, struct finger_server *s, int fd)
{
	struct visit *v = zalloc(sizeof(*v));
	struct finger *again = zalloc(sizeof(*again)); /* tells less */
	int64_t left = f->reconnects_max;

	v->f = f;
	v->server = s;
	v->stream = stream_new(fd, IN_MAX, IN_MAX);
	while (visit_once(v) && f->reconnect_delay > 0 && v->tls) {
		if (!remember(v)) {
			finger_say(v->again ? "Found a previously used server. "
					      " Done reconnecting."
					    : "The server gives nothing to "
					      "resume a session with.");
			break;
		}
		if (left-- == 0 || !connect_again(v))
			break;
		*again = *f;
		again->log = FINGER_SUMMARY | FINGER_CACHE;
		v->f = again;
	}
	for (size_t i = 0; i < v->seen_n; i++)
		tls_session_free(v->seen[i].session);
	stream_free(v->stream);
	free(again);
	free(v);
}
