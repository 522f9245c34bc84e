#include "smtpd/backend.h"

#include "base/log.h"
#include "service/counters.h"
#include "service/service.h"
#include "smtpd/hints.h"
#include "smtpd/params.h"
#include "smtpd/peername.h"
#include "task/task.h"

#include <stdio.h>

enum {
	VALUES_LIMIT = 1 << 18, /* bytes that look-ups for a client find */
	SPACE_CHECK_MS = 1000,
};

const struct smtpd_config *
backend_config(void)
{
	return &resources.config;
}

const struct backend_tls *
backend_tls(void)
{
	return &resources.backend_tls;
}

struct backend_times
backend_times(void)
{
	return (struct backend_times){
		.timeout = params.timeout,
		.error_sleep = params.error_sleep,
		.line_max = params.line_limit,
	};
}

/* Where a list cannot be asked a client is a stranger. */
static bool
has_client(const struct lists *l, const struct backend_client *c)
{
	struct why why;

	switch (lists_has_client(l, span_str(c->name), &c->peer, &why)) {
	case DICT_FOUND:
		return true;
	case DICT_TEMPFAIL:
		log_warning("%s", why.text);
		break;
	case DICT_ABSENT:
		break;
	}
	return false;
}

/* Where the tables cannot be asked, nothing is kept from the client. */
static unsigned
discarded_for(const struct backend_client *c)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(VALUES_LIMIT);
	const struct maps *m = &resources.discard_ehlo;
	struct span value;
	struct why why;

	for (size_t i = 0; i < m->n; i++)
		switch (dict_get(m->v[i], span_str(c->addr), a, &value, &why)) {
		case DICT_FOUND:
			return params_keywords(value);
		case DICT_ABSENT:
			break;
		case DICT_TEMPFAIL:
			log_warning("%s", why.text);
			return 0;
		}
	return 0;
}

static enum backend_bare_lf
bare_lf_of(const struct backend_client *c)
{
	/* In the order of the parameter table: no normalize reject note. */
	static const enum backend_bare_lf modes[] = {
		BACKEND_LF_ENDS_DATA,
		BACKEND_LF_ENDS_LINE,
		BACKEND_LF_REFUSED,
		BACKEND_LF_NOTED,
	};

	must(params.bare_lf >= 0 && params.bare_lf < (int)COUNT_OF(modes));
	enum backend_bare_lf mode = modes[params.bare_lf];

	/* Nobody is so well known that he may smuggle. */
	if ((mode == BACKEND_LF_REFUSED || mode == BACKEND_LF_NOTED) &&
	    has_client(resources.bare_lf_exceptions, c))
		return BACKEND_LF_ENDS_LINE;
	return mode;
}

static void
name_client(struct backend_client *c)
{
	static const char *const own[2] = { "127.0.0.1", "::1" };
	struct buf b;

	buf_init(&b, c->addr, sizeof(c->addr) - 1);
	addr_put(&b, &c->peer);
	c->addr[b.n] = '\0';
	if (params.peername_lookup) {
		struct peername found;

		peername_find(&c->peer, &found);
		snprintf(c->name, sizeof(c->name), "%s", found.name);
	} else {
		snprintf(c->name, sizeof(c->name), "unknown");
		return;
	}
	for (int i = 0; i < 2; i++)
		if (strcmp(c->addr, own[i]) == 0)
			snprintf(c->name, sizeof(c->name), "%s",
			    resources.loopback_name[i]);
}

bool
backend_came(const struct addr *peer, struct backend_client *c_r)
{
	*c_r = (struct backend_client){ .peer = *peer };
	name_client(c_r);
	c_r->is_ours = has_client(resources.mynetworks, c_r);
	c_r->bare_lf = bare_lf_of(c_r);
	c_r->discard = discarded_for(c_r);
	if (params.client_count == 0 ||
	    has_client(resources.limit_exceptions, c_r))
		return true;
	c_r->counted = limits_take(service_limits(), span_str(c_r->addr),
	    params.client_count);
	if (!c_r->counted)
		log_warning("Connection concurrency limit exceeded: %lld from "
			    "%s[%s] for service %s",
		    (long long)params.client_count + 1, c_r->name, c_r->addr,
		    service_name());
	return c_r->counted;
}

void
backend_left(struct backend_client *c)
{
	if (c->counted)
		limits_give(service_limits(), span_str(c->addr));
	c->counted = false;
}

/* What does not fit is left out: it is for a reader of traces. */
static void
note_permit(struct buf *permits, const struct access_trace *t)
{
	char text[BACKEND_RULES_MAX];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	buf_putf(&b, "%s%s: %s", permits->n ? "; " : "", t->list, t->rule);
	if (t->table)
		buf_putf(&b, " %s (%.*s)", t->table, (int)t->key.n,
		    t->key.p ? t->key.p : "");
	if (!b.overflow && b.n <= buf_room(permits))
		buf_put(permits, buf_span(&b));
}

/* Of which a trace is. */
struct evaluation {
	const struct access_facts *facts;
	struct buf *permits;
};

static void
on_trace(const struct access_trace *t, void *arg)
{
	const struct evaluation *e = arg;

	if (strcmp(t->outcome, "permit") == 0) {
		note_permit(e->permits, t);
		if (strcmp(t->rule, "permit_mynetworks") == 0)
			hints_network(e->facts);
	}
	log_debug("%s: %s%s%s %.*s: %.*s", t->list, t->rule,
	    t->table ? " " : "", t->table ? t->table : "", (int)t->key.n,
	    t->key.p ? t->key.p : "", (int)t->said.n, t->said.p);
}

void
backend_access(const struct access_facts *facts, unsigned lists,
    struct access_verdict *verdict_r, struct buf *permits,
    answers_note_fn *note, void *arg)
{
	struct evaluation e = { facts, permits };
	const struct answers_listener to = { on_trace, &e, note, arg };

	/* What could not be found out is in the verdict, and logged. */
	(void)!answers_judge(facts, lists, &to, verdict_r);
}

bool
backend_has_room(uint64_t size)
{
	static int64_t checked = -SPACE_CHECK_MS;
	static uint64_t bytes, inodes;
	static bool known;
	uint64_t need = (uint64_t)params.queue_minfree;

	if (task_now() >= checked + SPACE_CHECK_MS) {
		checked = task_now();
		known = queue_space(resources.queue, &bytes, &inodes) == 0;
	}
	if (!known)
		return true; /* the write will tell */
	/* As Postfix: room for one more of the largest, half as large again. */
	if (need < (uint64_t)params.size_limit / 2 * 3)
		need = (uint64_t)params.size_limit / 2 * 3;
	return bytes > need && bytes - need >= size && inodes > 100;
}

void
backend_shook_hands(bool done)
{
	counter_add(done ? COUNTER_TLS : COUNTER_TLS_FAILED, 1);
}

void
backend_refused(void)
{
	counter_add(COUNTER_REJECTS, 1);
}
