#include "qmgr/feedback.h"

#include "base/scan.h"

#include <errno.h>

/* Digits with at most six behind a point. */
static bool
take_decimal(struct span *in, double *x_r)
{
	uint64_t whole = 0;
	double x, unit = 0.1;

	if (!take_number(in, 1000000, &whole))
		return false;
	x = (double)whole;
	if (take_char(in, '.'))
		for (; in->n > 0 && in->p[0] >= '0' && in->p[0] <= '9';
		     in->p++, in->n--, unit /= 10)
			x += unit * (in->p[0] - '0');
	*x_r = x;
	return true;
}

static bool
parse(struct span text, struct feedback *f)
{
	take_blanks(&text);
	if (!take_decimal(&text, &f->x))
		return false;
	take_blanks(&text);
	f->by = FEEDBACK_CONSTANT;
	if (take_char(&text, '/')) {
		take_blanks(&text);
		if (take_text(&text, SPAN("sqrt_concurrency")))
			f->by = FEEDBACK_BY_ROOT;
		else if (take_text(&text, SPAN("concurrency")) ||
		    take_text(&text, SPAN("N")))
			f->by = FEEDBACK_BY_N;
		else
			return false;
	}
	take_blanks(&text);
	return text.n == 0 && f->x >= 0 && f->x <= 1;
}

int
feedback_parse(const char *name, struct span text, struct feedback *f_r,
    struct why *why)
{
	if (parse(text, f_r))
		return 0;
	return why_set(why, EINVAL, "main.cf", 0,
	    "%s: \"%.*s\" is not a number from 0 to 1, maybe with "
	    "\"/concurrency\" or \"/sqrt_concurrency\" behind it",
	    name, (int)(text.n < 80 ? text.n : 80), text.p);
}

/* Newton's way; windows are small numbers. */
static double
root(double n)
{
	double r = n;

	for (int i = 0; i < 20; i++)
		r = (r + n / r) / 2;
	return r;
}

double
feedback_value(const struct feedback *f, unsigned n)
{
	must(n > 0);
	switch (f->by) {
	case FEEDBACK_BY_N:
		return f->x / n;
	case FEEDBACK_BY_ROOT:
		return f->x / root(n);
	case FEEDBACK_CONSTANT:
		break;
	}
	return f->x;
}
