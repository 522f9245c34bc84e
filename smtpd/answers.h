/*
 * answers.h - evaluates restriction lists with the tables of main.cf: for smtpd's
 * sessions, and for postexplain.
 */
#ifndef SMTPD_ANSWERS_H
#define SMTPD_ANSWERS_H

#include "access/access.h"

/* Tells a note of the restrictions: reject_warning, warn ..., with its effect. */
typedef void answers_note_fn(const struct access_eval *e, void *arg);

/* Who is told of what happens on the way. */
struct answers_listener {
	access_trace_fn *trace; /* after each rule; may be NULL */
	void *trace_arg;
	answers_note_fn *note;
	void *note_arg;
};

/*
 * Evaluates the BIT()s of `lists`, after params_open_rules(). False: a table
 * could not be asked, which is logged; what that means is in the verdict. May
 * sleep, or where nobody is set to ask (dict_on_ask()), it blocks.
 */
MUST_USE bool answers_judge(const struct access_facts *facts, unsigned lists,
    const struct answers_listener *to, struct access_verdict *verdict_r);

#endif
