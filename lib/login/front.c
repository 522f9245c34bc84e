#include "login/front.h"

#include "base/base64.h"
#include "base/log.h"
#include "login/handover.h"
#include "login/name.h"
#include "login/relay.h"
#include "mail/maillog.h"
#include "net/addr.h"
#include "sasl/client.h"
#include "service/counters.h"
#include "service/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>

enum {
	ANSWER_MS = 120 * 1000, /* that authd may take, its delays and all */
	GOODBYE_MS = 2000,
	CHECK_MS = 100, /* between two looks whether sessions are left */
	SESSION_BYTES = 12,
	WHAT_MAX = 128,
	NAME_LEN = 64, /* of a parameter */
};

static char authd_socket[] = "login/auth";
static char broker_socket[] = "login/broker";

struct params {
	const char *banner;
	bool auth_only;
	int64_t errors_max;
	int64_t connections_max;
	int64_t login_time;
};

static struct {
	const struct front_spec *spec;
	struct params params;
	struct front_settings settings;
	struct service_tls tls;
	char process[NAME_LEN]; /* "imap-login": in the log */
	unsigned sessions;
	struct task *asker; /* authd */
	struct task *bringer; /* to the broker */
} front;

/* What only this file needs to know of a client. */
struct front_private {
	struct sasl_exchange *exchange;
	char remote[ADDR_TEXT_MAX];
	char local[ADDR_TEXT_MAX];
	char session[BASE64_LEN(SESSION_BYTES) + 1];
	char method[NAME_LEN];
	char user[SASL_USER_MAX + 1];
	bool is_here; /* the client is on this machine */
	bool counted;
	unsigned failures;
	int64_t came;
	int64_t tried; /* first */
	int to_worker; /* the relay's other side, or -1 */
	bool logged_in;
	bool is_over; /* nothing is to be said any more */
};

#define OWN(type, member, suffix) \
	{ \
		(suffix), (type), offsetof(struct params, member) \
	}

/* The program's name stands before these. */
static const struct conf_field own[] = {
	OWN(CONF_STR, banner, "_banner"),
	OWN(CONF_BOOL, auth_only, "_tls_auth_only"),
	OWN(CONF_INT, errors_max, "_hard_error_limit"),
	OWN(CONF_INT, connections_max, "_client_connection_count_limit"),
	OWN(CONF_TIME, login_time, "_login_timeout"),
};

static int
read_params(const struct conf *c, struct why *why)
{
	char name[NAME_LEN];
	int err = 0;

	for (size_t i = 0; i < COUNT_OF(own) && !err; i++) {
		struct conf_field f = own[i];

		snprintf(name, sizeof(name), "%s%s", front.spec->program,
		    own[i].name);
		f.name = name;
		err = conf_get_struct(c, &f, 1, &front.params, why);
	}
	return err;
}

int
front_open(const struct conf *c, const struct front_spec *spec, struct why *why)
{
	int err;

	front.spec = spec;
	snprintf(front.process, sizeof(front.process), "%s-login",
	    spec->service);
	err = read_params(c, why);
	if (!err)
		err = login_name_read(c, why);
	if (!err)
		err = service_tls_open(c, spec->program, spec->service,
		    &front.tls, why);
	front.settings = (struct front_settings){
		.banner = front.params.banner,
		.has_tls = front.tls.offered,
		.errors_max = (unsigned)front.params.errors_max,
	};
	return err;
}

const struct front_settings *
front_settings(void)
{
	return &front.settings;
}

static struct span
secured(const struct front_client *c)
{
	if (c->tls)
		return SPAN("TLS");
	return c->own->is_here ? SPAN("secured") : SPAN("");
}

static struct log_login
log_facts(const struct front_client *c)
{
	const struct front_private *o = c->own;

	return (struct log_login){
		.tag = login_name(),
		.process = front.process,
		.user = span_str(o->user),
		.method = span_str(o->method),
		.remote = span_str(o->remote),
		.local = span_str(o->local),
		.secured = secured(c),
		.session = span_str(o->session),
	};
}

/* What tools read who look for those who try passwords. */
static void
put_what(const struct front_client *c, struct buf *out)
{
	const struct front_private *o = c->own;
	int64_t since = o->failures ? o->tried : o->came;
	long long seconds = (long long)(task_now() - since) / 1000;

	if (o->failures)
		buf_putf(out, "auth failed, %u attempts in %lld secs",
		    o->failures, seconds);
	else if (c->told_clear)
		buf_put(out, SPAN("tried to use disallowed plaintext auth"));
	else
		buf_putf(out, "no auth attempts in %lld secs", seconds);
}

static void
log_end(const struct front_client *c)
{
	struct log_login g = log_facts(c);
	char what[WHAT_MAX];
	struct buf b;

	buf_init(&b, what, sizeof(what));
	put_what(c, &b);
	g.what = buf_span(&b);
	g.reason = span_str(c->reason ? c->reason : "Connection closed");
	maillog_no_login(&g);
}

static void
log_login(const struct front_client *c, pid_t pid)
{
	struct log_login g = log_facts(c);

	g.mailbox_pid = (uint64_t)pid;
	maillog_login(&g);
	counter_add(COUNTER_LOGINS, 1);
}

void
front_lost(struct front_client *c, enum stream_result r)
{
	switch (r) {
	case STREAM_OK:
		return;
	case STREAM_TOO_LONG:
		c->reason = "Input buffer full, aborting";
		break;
	case STREAM_TIMEOUT:
		c->reason = "Inactivity";
		break;
	case STREAM_CANCELLED:
		c->reason = "Shutting down";
		break;
	case STREAM_EOF:
	case STREAM_FAILED:
	case STREAM_EARLY_DATA:
		c->reason = "Connection closed";
		break;
	}
}

static void
log_tls(const struct front_client *c, const struct tls_facts *f)
{
	char text[TLS_FACTS_MAX + ADDR_TEXT_MAX + NAME_LEN];
	struct buf b;

	if (front.tls.log_level < 1)
		return;
	buf_init(&b, text, sizeof(text));
	tls_facts_log(&b, f, true, SPAN("unknown"), span_str(c->own->remote));
	log_info("%.*s", (int)b.n, b.p);
}

bool
front_starttls(struct front_client *c)
{
	int64_t by = task_after(front.tls.timeout);
	struct tls_facts *facts = zalloc(sizeof(*facts));
	enum stream_result r;

	r = stream_starttls(c->stream, front.tls.context, NULL,
	    by < c->by ? by : c->by, facts);
	counter_add(r == STREAM_OK ? COUNTER_TLS : COUNTER_TLS_FAILED, 1);
	if (r == STREAM_OK) {
		c->tls = c->clear_too = true;
		log_tls(c, facts);
	} else {
		c->reason = r == STREAM_EARLY_DATA
		    ? "Connection closed: there was more before TLS began"
		    : "Connection closed: TLS handshaking failed";
		log_info("SSL_accept error from unknown[%s]: %s",
		    c->own->remote, facts->error);
		c->own->is_over = true;
	}
	free(facts);
	return r == STREAM_OK;
}

static void
copy_text(char *to, size_t max, struct span s)
{
	snprintf(to, max, "%.*s", (int)s.n, s.p ? s.p : "");
}

static enum front_answer
answer_of(struct front_client *c, enum sasl_result r)
{
	struct front_private *o = c->own;

	if (o->exchange->user.n > 0)
		copy_text(o->user, sizeof(o->user), o->exchange->user);
	switch (r) {
	case SASL_ANSWER_OK:
		return FRONT_OK;
	case SASL_ANSWER_CONTINUE:
		c->challenge = o->exchange->challenge;
		return FRONT_CONTINUE;
	case SASL_ANSWER_FAIL:
	case SASL_ANSWER_ABSENT:
		o->failures++;
		counter_add(COUNTER_LOGINS_FAILED, 1);
		return FRONT_DENIED;
	case SASL_ANSWER_TEMPFAIL:
		log_warning("unknown[%s]: login is not possible now: %.*s",
		    o->remote, (int)o->exchange->text.n, o->exchange->text.p);
		break;
	}
	return FRONT_UNKNOWN;
}

enum front_answer
front_auth(struct front_client *c, const struct front_question *q)
{
	struct front_private *o = c->own;
	const struct sasl_question ask = {
		.service = span_str(front.spec->service),
		.mech = q->mech,
		.has_initial = q->has_initial,
		.initial = q->initial,
		.remote = span_str(o->remote),
		.tls = c->tls,
	};

	if (!o->exchange)
		o->exchange = sasl_new();
	if (!o->tried)
		o->tried = task_now();
	copy_text(o->method, sizeof(o->method), q->mech);
	for (char *p = o->method; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p & ~0x20);
	return answer_of(c,
	    sasl_start(o->exchange, &ask, task_after(ANSWER_MS)));
}

enum front_answer
front_respond(struct front_client *c, struct span response)
{
	return answer_of(c,
	    sasl_respond(c->own->exchange, response, task_after(ANSWER_MS)));
}

/*
 * What the mailbox's process gets: the connection itself, or one end of a pair.
 * Returns a descriptor, or -1.
 */
static int
make_end(struct front_client *c)
{
	int pair[2];

	if (!c->tls)
		return fcntl(c->stream->fd, F_DUPFD_CLOEXEC, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		pair) < 0)
		return -1;
	c->own->to_worker = pair[0];
	return pair[1];
}

static enum handover_result
bring(struct front_client *c, struct span tag, pid_t *pid_r)
{
	const struct front_private *o = c->own;
	struct handover h = {
		.token = o->exchange->token,
		.service = span_str(front.spec->service),
		.remote = span_str(o->remote),
		.local = span_str(o->local),
		.session = span_str(o->session),
		.tag = tag,
		.secured = secured(c),
		.tls = c->tls,
	};
	size_t n = stream_pending(c->stream);
	int fd;

	/* What is there already is given out without a wait. */
	if (n > 0 && stream_bytes(c->stream, n, c->by, &h.preread) != STREAM_OK)
		return HANDOVER_LOST;
	fd = make_end(c);
	if (fd < 0)
		return HANDOVER_REFUSED;
	return handover(&h, fd, pid_r);
}

bool
front_hand_over(struct front_client *c, struct span tag)
{
	struct front_private *o = c->own;
	enum stream_result r = stream_flush(c->stream, c->by);
	pid_t pid = 0;

	if (r != STREAM_OK) {
		front_lost(c, r);
		o->is_over = true;
		return true;
	}
	switch (bring(c, tag, &pid)) {
	case HANDOVER_DONE:
		log_login(c, pid);
		o->is_over = o->logged_in = true;
		return true;
	case HANDOVER_REFUSED:
		task_close(o->to_worker);
		o->to_worker = -1;
		c->reason = "Internal login failure";
		return false;
	case HANDOVER_LOST:
		break;
	}
	task_close(o->to_worker);
	o->to_worker = -1;
	c->reason = "Internal login failure";
	o->is_over = true;
	return true;
}

static void
name_session(struct front_private *o)
{
	char bytes[SESSION_BYTES];
	struct buf b;

	must(getrandom(bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes));
	buf_init(&b, o->session, sizeof(o->session) - 1);
	base64_put(&b, (struct span){ bytes, sizeof(bytes) });
}

static void
put_addr(char *text, const struct sockaddr_storage *sa)
{
	struct addr a;
	struct buf b;

	buf_init(&b, text, ADDR_TEXT_MAX - 1);
	if (addr_from_sockaddr((const struct sockaddr *)sa, &a))
		addr_put(&b, &a);
	else
		buf_put(&b, SPAN("unknown"));
	text[b.n] = '\0';
}

static struct front_private *
make_private(const struct service_conn *conn)
{
	struct front_private *o = zalloc(sizeof(*o));
	struct sockaddr_storage local;

	service_conn_own(conn, &local);
	put_addr(o->remote, conn->peer);
	put_addr(o->local, &local);
	name_session(o);
	o->is_here = strcmp(o->remote, o->local) == 0;
	o->came = task_now();
	o->to_worker = -1;
	return o;
}

/* Not more connections of one client than may be; those in are not counted. */
static bool
count_in(struct front_private *o)
{
	o->counted = limits_take(service_limits(), span_str(o->remote),
	    front.params.connections_max);
	if (!o->counted)
		log_warning("too many connections from %s that have not "
			    "logged in (%s_client_connection_count_limit)",
		    o->remote, front.spec->program);
	return o->counted;
}

static void
count_out(struct front_private *o)
{
	if (o->counted)
		limits_give(service_limits(), span_str(o->remote));
	o->counted = false;
}

static void
log_in(struct front_client *c)
{
	struct front_private *o = c->own;

	if (!count_in(o))
		c->reason = "Too many connections";
	else if (!front.tls.from_start || front_starttls(c))
		front.spec->serve(c);
	count_out(o);
	o->exchange = sasl_free(o->exchange);
	if (!o->logged_in)
		log_end(c);
	if (!o->is_over)
		stream_finish(c->stream, task_after(GOODBYE_MS));
}

/* A connection, as a task. */
static void
serve_conn(void *arg)
{
	struct service_conn *conn CLEANUP(service_conn_freep) = arg;
	struct front_private *o = make_private(conn);
	struct front_client c = {
		.stream = stream_new(conn->fd, front.spec->in_max,
		    front.spec->out_max),
		.clear_too = !front.params.auth_only || o->is_here,
		.by = task_after(front.params.login_time),
		.own = o,
	};
	int worker;

	conn->fd = -1;
	front.sessions++;
	log_in(&c);
	worker = o->to_worker;
	explicit_bzero(o, sizeof(*o));
	free(o);
	if (worker >= 0)
		relay_run(c.stream, worker, front.spec->goodbye);
	stream_free(c.stream);
	front.sessions--;
}

/* NULL once it has ended, as when all tasks are cancelled. */
static void
ask_authd(void *path)
{
	sasl_serve(path);
	front.asker = NULL;
}

static void
bring_to_broker(void *path)
{
	handover_serve(path);
	front.bringer = NULL;
}

void
front_serve(void)
{
	front.asker = task_spawn(ask_authd, authd_socket, "ask authd");
	front.bringer = task_spawn(bring_to_broker, broker_socket,
	    "bring to the broker");
	if (!front.asker || !front.bringer)
		die("no memory for a task");
	service_accept(serve_conn, front.spec->service);
	while (front.sessions > 0 &&
	    task_sleep(task_after(CHECK_MS)) != TASK_CANCELLED)
		continue;
	if (front.asker)
		task_cancel(front.asker);
	if (front.bringer)
		task_cancel(front.bringer);
}
