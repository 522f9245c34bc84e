#include "access/private.h"

#include "base/scan.h"

#include <stdarg.h>
#include <stdio.h>

void
access_begin(struct access_eval *e, const struct access *a,
    const struct access_facts *facts, unsigned lists)
{
	*e = (struct access_eval){
		.access = a,
		.facts = facts,
		.lists = lists,
	};
}

enum access_outcome
access_refuse(struct access_eval *e, unsigned code, const char *dsn,
    const char *fmt, ...)
{
	struct access_verdict *v = &e->verdict;
	va_list ap;

	v->action = ACCESS_REJECT;
	v->code = code;
	snprintf(v->dsn, sizeof(v->dsn), "%s", dsn);
	va_start(ap, fmt);
	vsnprintf(v->text, sizeof(v->text), fmt, ap);
	va_end(ap);
	for (char *c = v->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return OUTCOME_DECIDED;
}

static void
tell_trace(struct access_eval *e, const struct access_rule *r,
    const char *outcome)
{
	struct access_trace t = {
		.list = e->access->lists[e->list].name,
		.rule = r->what->name ? r->what->name : "class",
		.table = r->what->arity == ARITY_TABLE
		    ? e->access->tables[r->target]
		    : NULL,
		.said = span_str(outcome),
		.outcome = outcome,
	};

	if (!e->trace)
		return;
	if (t.table && e->answered && e->answer == ACCESS_YES) {
		t.key = span_str(e->verdict.key);
		t.said = e->value;
	}
	e->trace(&t, e->trace_arg);
}

static bool
push(struct access_eval *e, struct access_frame frame)
{
	if (e->depth == ACCESS_DEPTH_MAX)
		return false;
	e->frames[e->depth++] = frame;
	return true;
}

/* The list that comes after the one that is over. False: there is none. */
static bool
next_list(struct access_eval *e)
{
	e->depth = 0;
	for (int i = 0; i < ACCESS_LISTS; i++)
		if (e->lists & BIT(i)) {
			e->lists &= ~BIT(i);
			e->list = (enum access_list)i;
			return push(e,
			    (struct access_frame){
				.rules = &e->access->lists[i] });
		}
	return false;
}

static enum access_want
finish(struct access_eval *e)
{
	struct access_verdict *v = &e->verdict;

	if (v->action != ACCESS_REJECT && e->if_permit.code)
		*v = e->if_permit;
	else if (v->action == ACCESS_REJECT && v->code >= 500 &&
	    e->if_reject.code)
		*v = e->if_reject;
	e->lists = 0;
	e->depth = 0;
	e->waiting = false;
	return e->want = ACCESS_WANT_NOTHING;
}

static enum access_want
finish_broken(struct access_eval *e)
{
	access_refuse(e, 451, "4.3.5", "Server configuration error");
	return finish(e);
}

enum next {
	NEXT_RULE,
	NEXT_NONE,
	NEXT_BROKEN,
};

/* The next rule of the innermost list, leaving those that are over. */
static enum next
next_rule(struct access_eval *e, struct access_rule *rule_r)
{
	struct span word;

	while (e->depth > 0) {
		struct access_frame *f = &e->frames[e->depth - 1];

		if (f->rules && f->at < f->rules->n) {
			*rule_r = f->rules->v[f->at++];
			rule_r->warn_only |= f->warn_only;
			return NEXT_RULE;
		}
		if (!f->rules && take_element(&f->text, &word)) {
			if (!access_word_rule(e->access, word, rule_r))
				return NEXT_BROKEN;
			rule_r->warn_only |= f->warn_only;
			return NEXT_RULE;
		}
		e->depth--;
	}
	return NEXT_NONE;
}

static enum access_outcome
run_rule(struct access_eval *e, const struct access_rule *r)
{
	if (r->what->arity == ARITY_CLASS) {
		if (push(e,
			(struct access_frame){
			    .rules = &e->access->classes[r->target],
			    .warn_only = r->warn_only }))
			return OUTCOME_CALL;
		return access_refuse(e, 451, "4.3.5",
		    "Server configuration error");
	}
	return r->what->step(e, r);
}

/* A refusal by a rule that may only warn is told, and then never was. */
static enum access_want
warn_only(struct access_eval *e)
{
	struct access_verdict *v = &e->verdict;

	snprintf(e->note, sizeof(e->note), "%u %s %s", v->code, v->dsn,
	    v->text);
	*v = (struct access_verdict){ 0 };
	e->what = "reject_warning";
	return e->want = ACCESS_WANT_NOTE;
}

enum access_want
access_step(struct access_eval *e)
{
	static const char *const said[] = {
		[OUTCOME_DUNNO] = "dunno",
		[OUTCOME_PERMIT] = "permit",
		[OUTCOME_DECIDED] = "reject",
		[OUTCOME_CALL] = "class",
	};

	for (;;) {
		struct access_rule rule = e->current;

		if (!e->waiting) {
			switch (next_rule(e, &rule)) {
			case NEXT_NONE:
				if (!next_list(e))
					return finish(e);
				continue;
			case NEXT_BROKEN:
				return finish_broken(e);
			case NEXT_RULE:
				break;
			}
			if (++e->steps > ACCESS_STEPS_MAX)
				return finish_broken(e);
		}
		e->current = rule;
		enum access_outcome o = run_rule(e, &rule);
		if (o == OUTCOME_ASK) {
			e->waiting = true;
			return e->want;
		}
		tell_trace(e, &rule, said[o]);
		e->waiting = e->answered = e->noted = false;
		switch (o) {
		case OUTCOME_PERMIT:
			e->depth = 0;
			break;
		case OUTCOME_DECIDED:
			if (rule.warn_only &&
			    e->verdict.action == ACCESS_REJECT)
				return warn_only(e);
			e->verdict.list = e->access->lists[e->list].name;
			e->verdict.rule = rule.what->name;
			e->verdict.table = rule.what->arity == ARITY_TABLE
			    ? e->access->tables[rule.target]
			    : NULL;
			return finish(e);
		case OUTCOME_DUNNO:
		case OUTCOME_CALL:
		case OUTCOME_ASK:
			break;
		}
	}
}

static void
answer(struct access_eval *e, enum access_want want, enum access_answer a)
{
	must(e->want == want && e->waiting);
	e->answer = a;
	e->answered = true;
}

void
access_answer_table(struct access_eval *e, enum access_answer a,
    struct span key, struct span value)
{
	answer(e, ACCESS_WANT_TABLE, a);
	snprintf(e->verdict.key, sizeof(e->verdict.key), "%.*s",
	    (int)(key.n < ACCESS_KEY_MAX ? key.n : ACCESS_KEY_MAX),
	    key.p ? key.p : "");
	e->value = value;
}

void
access_answer_yes(struct access_eval *e, enum access_answer a)
{
	answer(e, ACCESS_WANT_ROUTE, a);
}

void
access_answer_listed(struct access_eval *e, enum access_answer a,
    struct span text)
{
	answer(e, ACCESS_WANT_LISTED, a);
	e->value = text;
}

void
access_answer_owners(struct access_eval *e, enum access_answer a,
    struct span owners)
{
	answer(e, ACCESS_WANT_OWNERS, a);
	e->value = owners;
}

void
access_answer_note(struct access_eval *e)
{
	must(e->want == ACCESS_WANT_NOTE);
	e->effect = ACCESS_EFFECT_NONE;
	e->effect_arg = (struct span){ 0 };
	e->noted = e->waiting;
}
