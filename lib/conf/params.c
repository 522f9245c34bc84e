#include "conf/params.h"

#include <fnmatch.h>
#include <stdlib.h>

#define PARAM(NAME, TYPE, DEFAULT, MIN, MAX, SINCE, STATE, MEANING) \
	{ #NAME, CONF_##TYPE, DEFAULT, MIN, MAX, NULL, SINCE, PARAM_##STATE, \
		MEANING },
#define PARAM_ENUM(NAME, DEFAULT, WORDS, SINCE, STATE, MEANING) \
	{ #NAME, CONF_ENUM, DEFAULT, 0, 0, WORDS, SINCE, PARAM_##STATE, \
		MEANING },

static const struct param params[] = {
#include "conf/params/all.def"
};

enum {
	PARAMS_N = COUNT_OF(params),
};

/* The places of the rows in the order of their names, made when first used. */
static uint16_t by_name[PARAMS_N];
static bool is_sorted;

/* Which services give names to parameters. */
enum {
	DELIVERS = 1, /* those that qmgr hands mail to */
	RUNS = 2, /* those that run commands */
	OURS = 4, /* all; Postfix has no such parameter */
};

/* Names that begin with a service's name, and what they inherit. */
#define INHERIT(SUFFIX, FROM, WHOSE) \
	{ \
		SPAN_INIT(SUFFIX), SPAN_INIT("$" FROM), WHOSE \
	}
static const struct {
	struct span suffix;
	struct span value;
	unsigned whose;
} inherited[] = {
	/* The longer one first, where one ends in another. */
	INHERIT("_destination_concurrency_failed_cohort_limit",
	    "default_destination_concurrency_failed_cohort_limit", DELIVERS),
	INHERIT("_destination_concurrency_negative_feedback",
	    "default_destination_concurrency_negative_feedback", DELIVERS),
	INHERIT("_destination_concurrency_positive_feedback",
	    "default_destination_concurrency_positive_feedback", DELIVERS),
	INHERIT("_initial_destination_concurrency",
	    "initial_destination_concurrency", DELIVERS),
	INHERIT("_destination_concurrency_limit",
	    "default_destination_concurrency_limit", DELIVERS),
	INHERIT("_destination_recipient_limit",
	    "default_destination_recipient_limit", DELIVERS),
	INHERIT("_destination_rate_delay", "default_destination_rate_delay",
	    DELIVERS),
	INHERIT("_transport_rate_delay", "default_transport_rate_delay",
	    DELIVERS),
	INHERIT("_delivery_slot_cost", "default_delivery_slot_cost", DELIVERS),
	INHERIT("_delivery_slot_discount", "default_delivery_slot_discount",
	    DELIVERS),
	INHERIT("_delivery_slot_loan", "default_delivery_slot_loan", DELIVERS),
	INHERIT("_minimum_delivery_slots", "default_minimum_delivery_slots",
	    DELIVERS),
	INHERIT("_extra_recipient_limit", "default_extra_recipient_limit",
	    DELIVERS),
	INHERIT("_recipient_refill_delay", "default_recipient_refill_delay",
	    DELIVERS),
	INHERIT("_recipient_refill_limit", "default_recipient_refill_limit",
	    DELIVERS),
	INHERIT("_recipient_limit", "default_recipient_limit", DELIVERS),
	INHERIT("_time_limit", "command_time_limit", RUNS),
	INHERIT("_service_workers", "service_workers", OURS),
};
#undef INHERIT

static int
compare_rows(const void *a, const void *b)
{
	const uint16_t *left = a;
	const uint16_t *right = b;

	return strcmp(params[*left].name, params[*right].name);
}

static void
sort_rows(void)
{
	if (is_sorted)
		return;
	for (size_t i = 0; i < PARAMS_N; i++)
		by_name[i] = (uint16_t)i;
	qsort(by_name, PARAMS_N, sizeof(by_name[0]), compare_rows);
	is_sorted = true;
}

static int
compare_name(struct span name, const char *row)
{
	size_t n = strlen(row);
	int d = memcmp(name.p, row, name.n < n ? name.n : n);

	return d ? d : name.n < n ? -1 : name.n > n;
}

const struct param *
param_find(struct span name)
{
	size_t low = 0;
	size_t high = PARAMS_N;

	sort_rows();
	while (name.n > 0 && low < high) {
		size_t middle = (low + high) / 2;
		const struct param *p = &params[by_name[middle]];
		int d = compare_name(name, p->name);

		if (d == 0)
			return p;
		if (d < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const char *
param_inherited_value(struct span name)
{
	for (size_t i = 0; i < COUNT_OF(inherited); i++) {
		struct span suffix = inherited[i].suffix;

		if (name.n > suffix.n &&
		    span_eq((struct span){ name.p + name.n - suffix.n,
				suffix.n },
			suffix))
			return inherited[i].value.p;
	}
	return NULL;
}

const struct param *
param_find_inherited(struct span name)
{
	const char *value = param_inherited_value(name);

	return value ? param_find(span_str(value + 1)) : NULL;
}

static unsigned
gives_names(const char *command)
{
	static const char *const agents[] = { "error", "lmtp", "local", "pipe",
		"smtp", "virtual" };
	unsigned whose = OURS;

	for (size_t i = 0; i < COUNT_OF(agents); i++)
		if (strcmp(command, agents[i]) == 0)
			whose |= DELIVERS;
	if (strcmp(command, "pipe") == 0 || strcmp(command, "spawn") == 0)
		whose |= RUNS;
	return whose;
}

const char *
param_suffix(const char *command, size_t i)
{
	unsigned whose = gives_names(command);

	for (size_t at = 0; at < COUNT_OF(inherited); at++)
		if ((inherited[at].whose & whose) && i-- == 0)
			return inherited[at].suffix.p;
	return NULL;
}

size_t
param_count(void)
{
	return PARAMS_N;
}

const struct param *
param_at(size_t i)
{
	must(i < PARAMS_N);
	sort_rows();
	return &params[by_name[i]];
}

bool
param_number(const char *name, size_t *i_r)
{
	for (size_t i = 0; i < PARAMS_N; i++)
		if (strcmp(param_at(i)->name, name) == 0) {
			*i_r = i;
			return true;
		}
	return false;
}

void
param_each(param_fn *fn, void *arg)
{
	for (size_t i = 0; i < PARAMS_N; i++)
		fn(param_at(i), arg);
}

char
param_time_unit(const struct param *p)
{
	size_t n = strlen(p->fallback);
	char last = n ? p->fallback[n - 1] : 's';

	return strchr("smhdw", last) && last ? last : 's';
}

#define REASON(PATTERN, TEXT) { PATTERN, TEXT },

static const struct reason {
	const char *pattern;
	const char *text;
} reasons[] = {
#include "conf/params/no-effect.def"
};

const char *
param_reason(const struct param *p)
{
	const struct reason *best = NULL;

	if (p->state != PARAM_NO_EFFECT)
		return NULL;
	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		if (fnmatch(reasons[i].pattern, p->name, 0) == 0 &&
		    (!best ||
			strlen(reasons[i].pattern) > strlen(best->pattern)))
			best = &reasons[i];
	return best ? best->text : "it means nothing here";
}
