#include "smtpd/backend.h"

#include "base/log.h"
#include "dict/keys.h"
#include "mail/address.h"
#include "service/counters.h"
#include "service/service.h"
#include "smtpd/params.h"
#include "smtpd/peername.h"
#include "task/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ANSWERS_LIMIT = 1 << 18, /* bytes that look-ups of one question find */
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
	struct arena *a CLEANUP(arena_freep) = arena_new(ANSWERS_LIMIT);
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

/* An evaluation, and where its look-ups put what they find. */
struct question {
	struct access_eval e;
	struct arena *arena;
	struct why why;
	struct keys keys;
};

/* Asks one table for the keys of one form. */
static enum dict_result
ask_keys(struct question *q, struct dict *d, struct span *value_r)
{
	while (keys_next(&q->keys)) {
		if (q->keys.partial && dict_is_pattern(d))
			continue;
		enum dict_result r = dict_get(d, q->keys.key, q->arena, value_r,
		    &q->why);
		if (r != DICT_ABSENT)
			return r;
	}
	return DICT_ABSENT;
}

static enum dict_result
ask_client(struct question *q, struct dict *d, struct span *value_r)
{
	struct span name = q->e.facts->client_name;

	if (!span_eq(name, SPAN("unknown"))) {
		keys_host(&q->keys, name, resources.access_parents);
		enum dict_result r = ask_keys(q, d, value_r);
		if (r != DICT_ABSENT)
			return r;
	}
	keys_ip(&q->keys, q->e.facts->client_addr);
	return ask_keys(q, d, value_r);
}

static enum dict_result
ask_table(struct question *q, struct span *value_r)
{
	struct dict *d = resources.tables[q->e.table];
	struct span subject = q->e.subject;

	switch (q->e.form) {
	case ACCESS_FORM_CLIENT:
		return ask_client(q, d, value_r);
	case ACCESS_FORM_HOST:
		keys_host(&q->keys, subject, resources.access_parents);
		break;
	case ACCESS_FORM_ADDRESS:
		if (subject.n == 0) {
			q->keys.key = span_str(params.null_key);
			return dict_get(d, q->keys.key, q->arena, value_r,
			    &q->why);
		}
		keys_address(&q->keys, KEYS_ACCESS, subject,
		    span_str(params.recipient_delimiter), true,
		    resources.access_parents);
		break;
	}
	return ask_keys(q, d, value_r);
}

/* "Could not find out" is logged here, where it is known why. */
static enum access_answer
answer_of(struct question *q, enum dict_result r)
{
	switch (r) {
	case DICT_FOUND:
		return ACCESS_YES;
	case DICT_ABSENT:
		return ACCESS_NO;
	case DICT_TEMPFAIL:
		break;
	}
	log_warning("look-up of \"%.*s\": %s", (int)q->e.subject.n,
	    q->e.subject.p, q->why.text);
	return ACCESS_TEMPFAIL;
}

/* Who relays by a route within the address asks for more than a domain. */
static bool
has_route(struct span addr)
{
	struct span local, domain;

	address_cut(addr, &local, &domain);
	return local.n > 0 &&
	    (memchr(local.p, '%', local.n) || memchr(local.p, '!', local.n) ||
		memchr(local.p, '@', local.n));
}

static void
answer_route(struct question *q)
{
	struct route route;
	struct span addr;
	enum access_answer a = ACCESS_TEMPFAIL;

	if (rewrite_complete(resources.rewrite, q->e.subject, q->arena, &addr))
		a = answer_of(q,
		    routing_resolve(resources.routing, addr, q->arena, &route,
			&q->why));
	else
		why_set(&q->why, ENOMEM, NULL, 0, "the address is too long");
	if (a == ACCESS_YES &&
	    (route.class == CLASS_DEFAULT ||
		(route.class == CLASS_RELAY && has_route(addr))))
		a = ACCESS_NO;
	access_answer_yes(&q->e, a);
}

/* Who is in a canonical table is known, as who is in an alias table. */
static enum dict_result
find_listed(struct question *q, struct span *addr_r, const char **text_r)
{
	enum dict_result r = rewrite_address(resources.rewrite,
	    REWRITE_ENVELOPE_RECIPIENT, false, q->e.subject, q->arena, addr_r,
	    &q->why);
	struct span plain;

	if (r == DICT_TEMPFAIL)
		return r;
	if (r == DICT_FOUND &&
	    rewrite_complete(resources.rewrite, q->e.subject, q->arena,
		&plain) &&
	    !span_eq(plain, *addr_r))
		return DICT_FOUND;
	return routing_exists(resources.routing, *addr_r, q->arena, text_r,
	    &q->why);
}

static void
answer_listed(struct question *q)
{
	const char *text = "User unknown";
	struct span addr;
	enum access_answer a = answer_of(q, find_listed(q, &addr, &text));

	access_answer_listed(&q->e, a, span_str(text));
}

static void
answer_owners(struct question *q)
{
	const struct maps_form form = {
		.kind = KEYS_VIRTUAL,
		.delimiters = span_str(params.recipient_delimiter),
	};
	struct span value = { 0 };
	enum access_answer a = answer_of(q,
	    maps_find(&resources.sender_logins, &form, q->e.subject, q->arena,
		&value, NULL, &q->why));

	access_answer_owners(&q->e, a, value);
}

static void
answer_table(struct question *q)
{
	struct span value = { 0 };
	enum access_answer a = answer_of(q, ask_table(q, &value));

	access_answer_table(&q->e, a, q->keys.key, value);
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

static void
on_trace(const struct access_trace *t, void *arg)
{
	if (strcmp(t->outcome, "permit") == 0)
		note_permit(arg, t);
	log_debug("%s: %s%s%s %.*s: %.*s", t->list, t->rule,
	    t->table ? " " : "", t->table ? t->table : "", (int)t->key.n,
	    t->key.p ? t->key.p : "", (int)t->said.n, t->said.p);
}

static void
evaluate(struct question *q, backend_note_fn *note, void *arg)
{
	for (;;)
		switch (access_step(&q->e)) {
		case ACCESS_WANT_NOTHING:
			return;
		case ACCESS_WANT_TABLE:
			answer_table(q);
			break;
		case ACCESS_WANT_ROUTE:
			answer_route(q);
			break;
		case ACCESS_WANT_LISTED:
			answer_listed(q);
			break;
		case ACCESS_WANT_OWNERS:
			answer_owners(q);
			break;
		case ACCESS_WANT_NOTE:
			note(&q->e, arg);
			access_answer_note(&q->e);
			break;
		}
}

void
backend_access(const struct access_facts *facts, unsigned lists,
    struct access_verdict *verdict_r, struct buf *permits,
    backend_note_fn *note, void *arg)
{
	/* Too large for a task's stack; and others ask while this one waits. */
	struct question *q = zalloc(sizeof(*q));

	q->arena = arena_new(ANSWERS_LIMIT);
	access_begin(&q->e, resources.access, facts, lists);
	q->e.trace = on_trace;
	q->e.trace_arg = permits;
	evaluate(q, note, arg);
	*verdict_r = q->e.verdict;
	arena_free(q->arena);
	free(q);
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
