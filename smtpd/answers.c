#include "smtpd/answers.h"

#include "base/log.h"
#include "dict/keys.h"
#include "mail/address.h"
#include "smtpd/hints.h"
#include "smtpd/params.h"

#include <errno.h>
#include <stdlib.h>

enum {
	ANSWERS_LIMIT = 1 << 18, /* bytes that look-ups of one question find */
};

/* An evaluation, and where its look-ups put what they find. */
struct question {
	struct access_eval e;
	bool is_unknown; /* what the verdict needed was not found out */
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
	enum dict_result r;

	/* Who has no name is "unknown", and can be refused as that. */
	keys_host(&q->keys, q->e.facts->client_name, resources.access_parents);
	r = ask_keys(q, d, value_r);
	if (r != DICT_ABSENT)
		return r;
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
	q->is_unknown = true;
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

/* Whether mail to it is taken of anybody, as it is for here or to be relayed. */
static enum dict_result
is_taken(struct question *q, struct span rcpt)
{
	struct span addr, local, domain;
	enum dict_result r;
	struct route route;

	if (!rewrite_complete(resources.rewrite, rcpt, q->arena, &addr)) {
		why_set(&q->why, ENOMEM, NULL, 0, "the address is too long");
		return DICT_TEMPFAIL;
	}
	r = routing_resolve(resources.routing, addr, q->arena, &route, &q->why);
	if (r != DICT_FOUND)
		return r;
	if (route.class == CLASS_RELAY && address_cut(addr, &local, &domain))
		hints_relay_domain(domain);
	return route.class == CLASS_DEFAULT ||
		(route.class == CLASS_RELAY && has_route(addr))
	    ? DICT_ABSENT
	    : DICT_FOUND;
}

static void
answer_route(struct question *q)
{
	access_answer_yes(&q->e, answer_of(q, is_taken(q, q->e.subject)));
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
		.kind = KEYS_ADDRESS,
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

static void
evaluate(struct question *q, const struct answers_listener *to)
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
			to->note(&q->e, to->note_arg);
			access_answer_note(&q->e);
			break;
		}
}

bool
answers_judge(const struct access_facts *facts, unsigned lists,
    const struct answers_listener *to, struct access_verdict *verdict_r)
{
	/* Too large for a task's stack; and others ask while this one waits. */
	struct question *q = zalloc(sizeof(*q));
	bool is_known;

	q->arena = arena_new(ANSWERS_LIMIT);
	access_begin(&q->e, resources.access, facts, lists);
	q->e.trace = to->trace;
	q->e.trace_arg = to->trace_arg;
	evaluate(q, to);
	*verdict_r = q->e.verdict;
	is_known = !q->is_unknown;
	if (verdict_r->action == ACCESS_PERMIT && hints_wants_relay(facts) &&
	    is_taken(q, facts->rcpt) == DICT_ABSENT)
		hints_relay(facts);
	arena_free(q->arena);
	free(q);
	return is_known;
}
