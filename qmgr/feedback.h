/*
 * feedback.h - how much one good or bad delivery moves a destination's window.
 *
 * As Postfix writes it in *_destination_concurrency_positive_feedback and
 * _negative_feedback: a number, or a number divided by the window ("x/N",
 * "x/concurrency") or by its root ("x/sqrt_concurrency").
 */
#ifndef QMGR_FEEDBACK_H
#define QMGR_FEEDBACK_H

#include "base/span.h"
#include "base/why.h"

struct feedback {
	double x;
	enum {
		FEEDBACK_CONSTANT,
		FEEDBACK_BY_N,
		FEEDBACK_BY_ROOT,
	} by;
};

/* Returns 0, or -EINVAL with `why`; `name` is the parameter's. */
MUST_USE int feedback_parse(const char *name, struct span text,
    struct feedback *f_r, struct why *why);

/* For a window of `n`, which is not 0: between 0 and 1. */
double feedback_value(const struct feedback *f, unsigned n);

#endif
