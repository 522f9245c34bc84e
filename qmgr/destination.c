#include "qmgr/destination.h"

#include <stdio.h>
#include <stdlib.h>

struct destination *
destination_new(struct transport *t, struct span name,
    const struct destination_limits *l)
{
	struct destination *d = zalloc(sizeof(*d));

	d->transport = t;
	d->name = zalloc(name.n + 1);
	memcpy(d->name, name.p, name.n);
	d->window = l->window_initial;
	list_init(&d->waiting);
	return d;
}

struct destination *
destination_free(struct destination *d)
{
	if (!d)
		return NULL;
	must(d->busy == 0 && d->todo == 0);
	free(d->name);
	free(d);
	return NULL;
}

void
destination_good(struct destination *d, const struct destination_limits *l)
{
	d->cohorts = 0;
	if (destination_is_dead(d)) { /* what was under way came through */
		d->window = d->busy > 0 ? d->busy : l->window_initial;
		d->success = d->failure = 0;
		return;
	}
	if (d->window >= l->window_max ||
	    d->window >= d->busy + l->window_initial)
		return;

	double g = feedback_value(&l->positive, d->window);

	d->success += g;
	while (d->success + g / 2 >= 1) {
		d->window++;
		d->success -= 1;
		d->failure = 0;
		if (d->window >= l->window_max) {
			d->success = 0;
			return;
		}
	}
}

static void
shrink(struct destination *d, const struct destination_limits *l)
{
	double f = feedback_value(&l->negative, d->window);

	d->failure -= f;
	while (d->failure - f / 2 < 0) {
		d->window--;
		d->failure += 1;
		d->success = 0;
	}
	if (d->window < 1)
		d->window = 1;
}

bool
destination_bad(struct destination *d, const struct destination_limits *l,
    const char *reason, int64_t now)
{
	if (destination_is_dead(d))
		return false;
	d->cohorts += 1.0 / d->window;
	if (l->cohort_limit == 0 || d->cohorts < l->cohort_limit) {
		shrink(d, l);
		return false;
	}
	d->window = 0;
	d->dead_until = now + l->dead_ms;
	snprintf(d->reason, sizeof(d->reason), "%s", reason);
	return true;
}

void
destination_revive(struct destination *d)
{
	if (!destination_is_dead(d))
		return;
	d->window = 1;
	d->success = d->failure = d->cohorts = 0;
	d->reason[0] = '\0';
}
