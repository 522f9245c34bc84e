/* Parameters that are made of a transport's name, and what qmgr makes of them. */
#include "tests/unit/conf.h"

#include "conf/params.h"
#include "qmgr/settings.h"

#include <stdio.h>
#include <stdlib.h>

#define MASTER "fast unix - - n - - smtp\nother unix - - n - - smtp\n"

static double
window_max(const struct transport_limits *l)
{
	return l->destination.window_max;
}

static double
window_initial(const struct transport_limits *l)
{
	return l->destination.window_initial;
}

static double
cohort_limit(const struct transport_limits *l)
{
	return l->destination.cohort_limit;
}

static double
positive(const struct transport_limits *l)
{
	return feedback_value(&l->destination.positive, 4);
}

static double
negative(const struct transport_limits *l)
{
	return feedback_value(&l->destination.negative, 4);
}

static double
rcpt_limit(const struct transport_limits *l)
{
	return l->rcpt_limit;
}

static double
slot_cost(const struct transport_limits *l)
{
	return l->slot_cost;
}

static double
slot_loan(const struct transport_limits *l)
{
	return l->slot_loan;
}

static double
slot_discount(const struct transport_limits *l)
{
	return l->slot_discount;
}

static double
slot_minimum(const struct transport_limits *l)
{
	return l->slot_minimum;
}

/* What "fast" + suffix says, and the default for all; NULL: not built yet. */
static const struct {
	const char *suffix;
	const char *fallback; /* its name */
	const char *value, *other;
	double want, other_want;
	double (*get)(const struct transport_limits *l);
} rows[] = {
	{ "_destination_concurrency_limit",
	    "default_destination_concurrency_limit", "7", "30", 7, 30,
	    window_max },
	{ "_initial_destination_concurrency", "initial_destination_concurrency",
	    "9", "3", 9, 3, window_initial },
	{ "_destination_concurrency_failed_cohort_limit",
	    "default_destination_concurrency_failed_cohort_limit", "2", "5", 2,
	    5, cohort_limit },
	{ "_destination_concurrency_positive_feedback",
	    "default_destination_concurrency_positive_feedback",
	    "1/concurrency", "0.5", 0.25, 0.5, positive },
	{ "_destination_concurrency_negative_feedback",
	    "default_destination_concurrency_negative_feedback",
	    "1/sqrt_concurrency", "0.75", 0.5, 0.75, negative },
	{ "_destination_recipient_limit", "default_destination_recipient_limit",
	    "11", "40", 11, 40, rcpt_limit },
	{ "_delivery_slot_cost", "default_delivery_slot_cost", "6", "4", 6, 4,
	    slot_cost },
	{ "_delivery_slot_loan", "default_delivery_slot_loan", "8", "2", 8, 2,
	    slot_loan },
	{ "_delivery_slot_discount", "default_delivery_slot_discount", "40",
	    "70", 40, 70, slot_discount },
	{ "_minimum_delivery_slots", "default_minimum_delivery_slots", "4", "2",
	    4, 2, slot_minimum },
	{ "_destination_rate_delay", "default_destination_rate_delay", "3s",
	    "4s", 3000, 4000, NULL },
	{ "_transport_rate_delay", "default_transport_rate_delay", "5s", "6s",
	    5000, 6000, NULL },
	{ "_extra_recipient_limit", "default_extra_recipient_limit", "900",
	    "800", 900, 800, NULL },
	{ "_recipient_limit", "default_recipient_limit", "1900", "1800", 1900,
	    1800, NULL },
	{ "_recipient_refill_delay", "default_recipient_refill_delay", "7s",
	    "8s", 7000, 8000, NULL },
	{ "_recipient_refill_limit", "default_recipient_refill_limit", "90",
	    "80", 90, 80, NULL },
	{ "_time_limit", "command_time_limit", "77s", "78s", 77000, 78000,
	    NULL },
};

static const char *dir;

static struct settings *
settings_of(const char *main_cf)
{
	struct why why = { .text = "" };
	struct settings *s = NULL;
	struct conf *c;

	(void)temp_file(dir, "main.cf", main_cf);
	c = conf_load(dir, NULL, 0, &why);
	if (c)
		s = settings_new(c, &why);
	if (!s)
		print_error("%s\n", why.text);
	assert_non_null(s);
	return s;
}

static void
end(struct settings *s)
{
	struct conf *c = (struct conf *)(uintptr_t)s->conf;

	settings_free(s);
	conf_free(c);
}

static double
limit_of(const struct settings *s, const char *transport, size_t row)
{
	struct transport_limits l;
	struct why why;

	assert_int_equal(settings_limits(s, transport, &l, &why), 0);
	return rows[row].get(&l);
}

/* Of one that no code reads yet. */
static double
number_of(const struct settings *s, const char *transport, size_t row)
{
	const struct param *p = param_find(span_str(rows[row].fallback));
	char name[128];
	int64_t value;
	struct why why;

	snprintf(name, sizeof(name), "%s%s", transport, rows[row].suffix);
	assert_int_equal(conf_get_number(s->conf, name, p->type, &value, &why),
	    0);
	return (double)value;
}

/* Digits behind a point are not exact. */
static bool
same(double a, double b)
{
	return a - b < 1e-6 && b - a < 1e-6;
}

static void
each_family_is_for_its_transport(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		double (*look)(const struct settings *s, const char *t,
		    size_t row) = rows[i].get ? limit_of : number_of;
		struct settings *s;
		char text[512];

		snprintf(text, sizeof(text), "fast%s = %s\n%s = %s\n",
		    rows[i].suffix, rows[i].value, rows[i].fallback,
		    rows[i].other);
		s = settings_of(text);
		if (!same(look(s, "fast", i), rows[i].want) ||
		    !same(look(s, "other", i), rows[i].other_want))
			fail_msg("%s: %g and %g", rows[i].suffix,
			    look(s, "fast", i), look(s, "other", i));
		end(s);
		s = settings_of("");
		assert_true(same(look(s, "fast", i), look(s, "other", i)));
		end(s);
	}
}

static void
each_suffix_is_one_of_these(void **state)
{
	const char *suffix;

	(void)state;
	for (size_t i = 0; (suffix = param_suffix("pipe", i)); i++) {
		bool found = strcmp(suffix, "_service_workers") == 0;

		for (size_t k = 0; k < COUNT_OF(rows); k++)
			found |= strcmp(suffix, rows[k].suffix) == 0;
		if (!found)
			print_error("%s has no row\n", suffix);
		assert_true(found);
	}
}

static void
a_bad_one_is_told_by_its_own_name(void **state)
{
	struct settings *s = settings_of("fast_delivery_slot_cost = many\n");
	struct transport_limits l;
	struct why why;

	(void)state;
	assert_int_not_equal(settings_limits(s, "fast", &l, &why), 0);
	assert_string_equal(why.text,
	    "main.cf:1: fast_delivery_slot_cost: bad number \"many\"; allowed is "
	    "a whole number");
	assert_int_equal(settings_limits(s, "other", &l, &why), 0);
	end(s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_family_is_for_its_transport),
		TEST(each_suffix_is_one_of_these),
		TEST(a_bad_one_is_told_by_its_own_name),
	};
	int failed;

	dir = strdup(temp_dir());
	(void)temp_file(dir, "master.cf", MASTER);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	temp_remove(dir, (const char *const[]){ "main.cf", "master.cf", NULL });
	free((char *)(uintptr_t)dir);
	return failed;
}
