#include "smtp/deliver.h"

#include "base/log.h"
#include "base/scan.h"
#include "service/service.h"
#include "smtp/connection.h"
#include "smtp/params.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	PERMIT_PAUSE = 50, /* ms, until a place is looked for again */
};

/* A delivery that goes from server to server. */
struct round {
	struct job *job;
	struct connection *connection; /* the one that served last, if any */
	struct fault
	    last; /* why the last server, or the list of them, failed */
	struct policy policy;
	bool talked; /* a server listened to what we have: the next hop lives */
	bool asked; /* ->last is of a server, or of a list of them */
	bool fallback; /* it is a fallback's turn */
};

static struct link idle; /* connections, those used last are last */
static struct bell freed; /* a delivery has ended */

static void
init(void)
{
	if (idle.next)
		return;
	list_init(&idle);
	bell_init(&freed, "a place for a delivery");
}

static bool
is_worn_out(const struct connection *c)
{
	return (params.reuse_count > 0 && c->uses >= params.reuse_count) ||
	    task_now() - c->made >= params.reuse_time;
}

/* An idle one to the same next hop, now the caller's; or NULL. */
static struct connection *
take_idle(const struct job *j)
{
	for (struct link *l = idle.prev; l != &idle; l = l->prev) {
		struct connection *c = container_of(l, struct connection,
		    in_idle);

		if (!span_eq(c->nexthop, j->nexthop) || is_worn_out(c) ||
		    (params.sasl_by_sender &&
			!span_eq(c->sender, j->mail.sender)))
			continue;
		link_remove(l);
		bell_ring(c->taken);
		return c;
	}
	return NULL;
}

/* Waits a little for another mail to the same next hop. */
static void
keep_idle(struct connection *c)
{
	int64_t by = task_after(params.cache_time);
	struct bell taken;

	bell_init(&taken, "another mail");
	c->taken = &taken;
	list_append(&idle, &c->in_idle);
	if (bell_wait(&taken, by) == TASK_READY)
		return; /* it is somebody else's */
	if (!link_is_on(&c->in_idle))
		return;
	link_remove(&c->in_idle);
	connection_quit(c);
}

static void
part(struct connection *c, bool more)
{
	if (!c)
		return;
	if (c->session.reusable && more && params.cache_on_demand &&
	    params.cache_time > 0 && !is_worn_out(c) && !service_stopping())
		keep_idle(c);
	else
		connection_quit(c);
}

/* What a server said that is not the last to be asked. */
static void
log_soft(const struct job *j)
{
	for (size_t i = 0; i < j->mail.n; i++)
		if (j->mail.rcpts[i].fate == SMTP_SOFT) {
			log_info("%.*s: %s", (int)j->id.n, j->id.p,
			    j->mail.rcpts[i].text);
			return;
		}
}

static void
note_outcome(struct round *r)
{
	struct job *j = r->job;
	struct connection *c = r->connection;

	snprintf(j->relay, sizeof(j->relay), "%s", c->relay);
	j->uses = c->uses;
	r->talked |= !c->session.site;
	for (size_t i = 0; i < j->mail.n; i++)
		if (j->mail.rcpts[i].fate == SMTP_SOFT) {
			fault_set(&r->last, SMTP_SOFT, j->mail.rcpts[i].dsn,
			    "%s", j->mail.rcpts[i].text);
			return;
		}
}

/* Whether the server that was asked has left anything for another. */
static bool
is_over(const struct round *r)
{
	return r->job->interrupted || mail_undecided(&r->job->mail) == 0;
}

/* Over a connection that is idle, if there is one that is still good. */
static void
use_idle(struct round *r)
{
	struct connection *c;

	while ((c = take_idle(r->job))) {
		connection_carry(c, r->job);
		if (c->session.stale && !r->job->interrupted) {
			connection_free(c);
			continue;
		}
		r->connection = c;
		note_outcome(r);
		return;
	}
}

/* False: there was no session with this server. */
static bool
ask(struct round *r, const struct host *h)
{
	struct policy policy = r->policy;
	bool again;

	if (mail_undecided(&r->job->mail) > 0)
		log_soft(r->job);
	mail_reopen(&r->job->mail);
	if (r->connection)
		r->connection = connection_quit(r->connection);
	r->asked = true;
	do {
		struct connection *c = connection_open(r->job, h, &policy,
		    &r->last);

		if (!c) {
			log_info("%s", r->last.text);
			return false;
		}
		connection_carry(c, r->job);
		/* As if it had not been offered (RFC 7435). */
		again = c->tls_failed && !r->job->interrupted;
		policy.level = SMTP_TLS_NONE;
		if (again) {
			connection_free(c);
			mail_reopen(&r->job->mail);
			continue;
		}
		r->connection = c;
	} while (again);
	note_outcome(r);
	return true;
}

/* That one has no servers does not mean that those that were down have none. */
static void
note_fault(struct round *r, const struct fault *f)
{
	if (r->asked && f->fate == SMTP_BOUNCED && r->last.fate == SMTP_SOFT) {
		log_info("%s", f->text);
		return;
	}
	r->last = *f;
	r->asked = true;
}

static void
ask_all(struct round *r, const struct target *t)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(JOB_MEMORY_MAX);
	struct host *list;
	int64_t sessions = 0;
	struct fault fault;
	size_t n;

	if (!hosts_of(&params.hosts, t, a, &list, &n, &fault)) {
		note_fault(r, &fault);
		return;
	}
	if (params.mx_address_limit > 0 && n > (size_t)params.mx_address_limit)
		n = (size_t)params.mx_address_limit;
	for (size_t i = 0; i < n && !is_over(r); i++) {
		sessions += ask(r, &list[i]);
		if (params.mx_session_limit > 0 &&
		    sessions >= params.mx_session_limit)
			break;
	}
}

static void
ask_targets(struct round *r, struct span list)
{
	struct span rest = list;
	struct target t;

	while (!is_over(r) && target_next(&rest, params.lmtp, &t)) {
		struct span written = trim_white(
		    (struct span){ list.p, list.n - rest.n });

		list = rest;
		while (written.n > 0 && *written.p == ',')
			written = trim_white(
			    (struct span){ written.p + 1, written.n - 1 });
		if (policy_find(written, &r->policy, &r->last))
			ask_all(r, &t);
	}
}

/* The parameter that names servers which are not there, or NULL: the address does. */
static const char *
to_blame(const struct round *r)
{
	if (r->last.fate != SMTP_BOUNCED)
		return NULL;
	if (r->fallback)
		return params.lmtp ? "lmtp_fallback_relay"
				   : "smtp_fallback_relay";
	return !params.lmtp && *params.relayhost &&
		span_ieq(r->job->nexthop, span_str(params.relayhost))
	    ? "relayhost"
	    : NULL;
}

/* Who could not be asked has the last server's fault. */
static void
conclude(struct round *r)
{
	struct job *j = r->job;
	const char *parameter = to_blame(r);

	if (mail_undecided(&j->mail) == 0)
		return;
	/* All mail goes there: the administrator's fault is nobody's bounce. */
	if (parameter) {
		log_warning("%s configuration problem", parameter);
		r->last.fate = SMTP_SOFT;
		snprintf(r->last.dsn, sizeof(r->last.dsn), "4.3.5");
	}
	mail_decide(&j->mail, r->last.fate, r->last.dsn, r->last.text);
	if (!r->talked && r->last.fate == SMTP_SOFT)
		j->dead = arena_dup(j->arena, span_str(r->last.text));
}

static void
report(struct job *j)
{
	static char storage[MSG_MAX];
	struct buf b;

	j->ended = service_wall();
	job_log(j, params.lmtp ? "lmtp" : "smtp");
	buf_init(&b, storage, sizeof(storage));
	job_put_result(j, &b);
	agent_result(&j->work, buf_span(&b));
}

/* False: we are to end. */
static bool
take_permit(void)
{
	enum task_wake w = TASK_TIMEOUT;

	while (!limits_take(service_limits(), SPAN(""), service_maxproc())) {
		w = bell_wait(&freed, task_after(PERMIT_PAUSE));
		if (w == TASK_CANCELLED)
			return false;
	}
	return true;
}

static void
give_permit(void)
{
	limits_give(service_limits(), SPAN(""));
	(void)bell_ring_one(&freed);
}

static void
run(struct round *r)
{
	fault_set(&r->last, SMTP_SOFT, "4.3.5", "no next hop");
	use_idle(r);
	ask_targets(r, r->job->nexthop);
	r->fallback = !is_over(r) && *params.fallback;
	if (r->fallback)
		ask_targets(r, span_str(params.fallback));
	conclude(r);
}

/* The task. */
static void
deliver(void *arg)
{
	struct round r = { .job = arg };
	struct job *j = arg;
	bool permitted = take_permit(), more = j->reuse;

	if (permitted)
		run(&r);
	else
		j->interrupted = true;
	/* No answer: qmgr tries it again when it knows that we are gone. */
	if (!j->interrupted)
		report(j);
	agent_end(&j->work);
	service_status((unsigned)agent_running());
	if (permitted)
		give_permit();
	more = more && !j->interrupted;
	job_free(j);
	part(r.connection, more);
}

void
deliver_begin(const struct msg_in *in, int fd)
{
	struct job *j = job_new(in, fd, service_wall());

	init();
	if (!j) {
		log_error("qmgr sent a DELIVER that cannot be used");
		return;
	}
	agent_begin(&j->work, in);
	service_status((unsigned)agent_running());
	if (task_spawn(deliver, j, "%s to %.*s", params.lmtp ? "lmtp" : "smtp",
		(int)j->nexthop.n, j->nexthop.p))
		return;
	mail_decide(&j->mail, SMTP_SOFT, "4.3.0",
	    "too many deliveries at once");
	report(j);
	agent_end(&j->work);
	job_free(j);
}
