#include "qmgr/scheduler.h"

#include "test.h"

static const struct transport_limits limits = {
	.rcpt_limit = 50,
	.slot_cost = 5,
	.slot_loan = 3,
	.slot_discount = 50,
	.slot_minimum = 3,
	.destination = {
		.window_max = 20,
		.window_initial = 5,
		.cohort_limit = 1,
		.dead_ms = 60000,
		.positive = { .x = 1, .by = FEEDBACK_CONSTANT },
		.negative = { .x = 1, .by = FEEDBACK_CONSTANT },
	},
};

static int letters[26];

/* Message `name` with `n` recipients, each at a destination of its own or not. */
static void
add(struct scheduler *s, struct transport *t, char name, unsigned n,
    const char *to, int64_t when)
{
	struct batch b;

	scheduler_begin(s, &b, &letters[name - 'a'], when);
	for (unsigned i = 0; i < n; i++)
		scheduler_add(&b, t, (struct span){ to, strlen(to) }, i, 100);
	scheduler_end(&b);
}

static char
name_of(const struct entry *e)
{
	return (char)('a' + ((int *)e->message - letters));
}

/* Delivers all that is left, `n` of it under way already, and frees all. */
static void
end(struct scheduler *s, struct entry **under_way, size_t n)
{
	struct entry *e;

	while (n > 0)
		assert_false(scheduler_done(s, under_way[--n], NULL, 1000));
	while ((e = scheduler_next(s, 1000)))
		assert_false(scheduler_done(s, e, NULL, 1000));
	assert_int_equal(s->entries, 0);
	scheduler_fini(s);
}

static struct transport *
begin(struct scheduler *s, const struct transport_limits *l)
{
	scheduler_init(s);
	return scheduler_transport(s, SPAN("virtual"), l);
}

static void
recipients_of_a_destination_share_an_entry(void **state)
{
	struct scheduler s;
	struct transport *t = begin(&s, &limits);
	struct entry *e;

	(void)state;
	add(&s, t, 'a', 120, "x.test", 1);
	assert_int_equal(s.entries, 3);
	for (size_t want = 50; (e = scheduler_next(&s, 1000));
	     want = s.entries > 1 ? 50 : 20) {
		assert_int_equal(e->n, want);
		assert_false(scheduler_done(&s, e, NULL, 1000));
	}
	assert_int_equal(s.entries, 0);
	scheduler_fini(&s);
}

static void
recipients_that_fill_a_request_share_no_more(void **state)
{
	struct transport_limits l = limits;
	struct scheduler s;
	struct entry *e;

	(void)state;
	l.bytes_limit = 1050;
	struct transport *t = begin(&s, &l);

	add(&s, t, 'a', 20, "x.test", 1);
	assert_int_equal(s.entries, 2);
	assert_non_null(e = scheduler_next(&s, 1000));
	assert_int_equal(e->n, 10);
	assert_false(scheduler_done(&s, e, NULL, 1000));
	l.bytes_limit = 50; /* each is too long, and goes alone */
	t->limits = l;
	add(&s, t, 'b', 3, "x.test", 2);
	assert_int_equal(s.entries, 4);
	end(&s, NULL, 0);
}

static void
no_more_go_out_than_the_window(void **state)
{
	struct transport_limits l = limits;
	struct entry *e[6];
	struct scheduler s;

	(void)state;
	l.rcpt_limit = 1;
	struct transport *t = begin(&s, &l);

	add(&s, t, 'a', 8, "x.test", 1);
	for (size_t i = 0; i < 5; i++)
		assert_non_null(e[i] = scheduler_next(&s, 1000));
	assert_null(scheduler_next(&s, 1000));
	/* A good one makes room for itself and one more. */
	assert_false(scheduler_done(&s, e[0], NULL, 1000));
	assert_non_null(e[0] = scheduler_next(&s, 1000));
	assert_non_null(e[5] = scheduler_next(&s, 1000));
	assert_null(scheduler_next(&s, 1000));
	end(&s, e, COUNT_OF(e));
}

static void
one_busy_destination_does_not_hold_up_others(void **state)
{
	struct transport_limits l = limits;
	struct scheduler s;
	struct entry *e[7];
	size_t n = 0, fast = 0;

	(void)state;
	l.rcpt_limit = 1;
	struct transport *t = begin(&s, &l);

	add(&s, t, 'a', 100, "slow.test", 1);
	add(&s, t, 'b', 2, "fast.test", 1);
	/* Five of the first, which is its window, and both of the second. */
	for (; n < COUNT_OF(e); n++) {
		assert_non_null(e[n] = scheduler_next(&s, 1000));
		fast += name_of(e[n]) == 'b';
	}
	assert_null(scheduler_next(&s, 1000));
	assert_int_equal(fast, 2);
	end(&s, e, n);
}

static void
a_small_message_passes_a_large_one(void **state)
{
	struct transport_limits l = limits;
	unsigned before = 0;
	struct scheduler s;
	struct entry *e;

	(void)state;
	l.rcpt_limit = 1;
	l.destination.window_initial = l.destination.window_max = 1;
	struct transport *t = begin(&s, &l);

	add(&s, t, 'a', 1000, "x.test", 1);
	add(&s, t, 'b', 3, "x.test", 2);
	while ((e = scheduler_next(&s, 10000)) && name_of(e) == 'a') {
		assert_false(scheduler_done(&s, e, NULL, 10000));
		before++;
	}
	assert_non_null(e);
	assert_int_equal(name_of(e), 'b');
	assert_true(before >= 1 && before < 50);
	end(&s, &e, 1);
}

/*
 * It passes `a`, is stopped by its destination's window, and is still there when
 * `c`, which stood before both, has room again.
 */
static void
a_job_that_passed_one_may_pass_another(void **state)
{
	struct transport_limits l = limits;
	struct entry *a, *b, *c;
	struct scheduler s;

	(void)state;
	l.rcpt_limit = 1;
	l.destination.window_initial = l.destination.window_max = 1;
	struct transport *t = begin(&s, &l);

	add(&s, t, 'c', 100, "x.test", 1);
	add(&s, t, 'a', 100, "y.test", 2);
	assert_non_null(c = scheduler_next(&s, 9000));
	assert_int_equal(name_of(c), 'c');
	assert_non_null(a = scheduler_next(&s, 9000));
	assert_int_equal(name_of(a), 'a');
	add(&s, t, 'b', 3, "z.test", 3);
	assert_non_null(b = scheduler_next(&s, 9000));
	assert_int_equal(name_of(b), 'b');
	assert_false(scheduler_done(&s, c, NULL, 9000));
	/* What passes `c` is `b`, which has no room either. */
	assert_non_null(c = scheduler_next(&s, 9000));
	assert_int_equal(name_of(c), 'c');
	end(&s, (struct entry *[]){ a, b, c }, 3);
}

static void
a_dead_destination_gives_up_what_waits(void **state)
{
	struct transport_limits l = limits;
	struct scheduler s;
	struct entry *e;
	size_t n = 0;

	(void)state;
	l.rcpt_limit = 1;
	l.destination.window_initial = 1;
	struct transport *t = begin(&s, &l);

	add(&s, t, 'a', 10, "x.test", 1);
	e = scheduler_next(&s, 1000);
	struct destination *d = e->to;

	assert_true(scheduler_done(&s, e, "no route", 1000));
	assert_true(destination_is_dead(d));
	assert_string_equal(d->reason, "no route");
	assert_null(scheduler_next(&s, 1000));
	while ((e = scheduler_take_waiting(&s, d))) {
		scheduler_drop(&s, e);
		n++;
	}
	assert_int_equal(n, 9);
	scheduler_purge(&s, 2000);
	assert_ptr_equal(transport_find(t, SPAN("x.test")), d);
	scheduler_purge(&s, 1000 + l.destination.dead_ms);
	assert_null(transport_find(t, SPAN("x.test")));
	scheduler_fini(&s);
}

static void
an_entry_without_an_answer_comes_again(void **state)
{
	struct scheduler s;
	struct transport *t = begin(&s, &limits);
	struct entry *e;

	(void)state;
	add(&s, t, 'a', 2, "x.test", 1);
	e = scheduler_next(&s, 1000);
	assert_null(scheduler_next(&s, 1000));
	scheduler_again(&s, e, 1);
	assert_ptr_equal(scheduler_next(&s, 1000), e);
	assert_int_equal(e->n, 2);
	assert_false(scheduler_done(&s, e, NULL, 1000));
	scheduler_fini(&s);
}

/* A random walk: whatever happens, each recipient ends exactly once. */

enum {
	STEPS = 100000,
	MESSAGES = 26,
	UNDER_WAY_MAX = 64,
};

static uint64_t seed = 42;

static unsigned
dice(unsigned n)
{
	seed = seed * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)(seed >> 33) % n;
}

struct walk {
	struct scheduler s;
	struct transport *t[2];
	struct entry *under_way[UNDER_WAY_MAX];
	size_t n;
	size_t added;
	size_t ended;
	int64_t now; /* milliseconds */
};

static void
walk_add(struct walk *w)
{
	static const char *const sites[] = { "a", "b", "c", "d", "e" };
	unsigned n = dice(10) ? 1 + dice(5) : 1 + dice(300);
	struct batch b;

	scheduler_begin(&w->s, &b, &letters[dice(MESSAGES)], w->now / 1000);
	for (unsigned i = 0; i < n; i++) {
		const char *to = sites[dice(COUNT_OF(sites))];
		struct transport *t = w->t[dice(2)];
		struct destination *d = transport_find(t,
		    (struct span){ to, 1 });

		if (d && destination_is_dead(d))
			continue;
		scheduler_add(&b, t, (struct span){ to, 1 }, i, 100);
		w->added++;
	}
	scheduler_end(&b);
}

static void
walk_next(struct walk *w)
{
	struct entry *e;

	if (w->n == UNDER_WAY_MAX)
		return;
	e = scheduler_next(&w->s, w->now);
	if (!e)
		return;
	assert_true(e->to->busy <= w->t[0]->limits.destination.window_max);
	w->under_way[w->n++] = e;
}

static void
walk_end(struct walk *w)
{
	struct destination *d;
	struct entry *e;
	size_t i;

	if (w->n == 0)
		return;
	i = dice((unsigned)w->n);
	e = w->under_way[i];
	w->under_way[i] = w->under_way[--w->n];
	d = e->to;
	if (dice(20) == 0) {
		scheduler_again(&w->s, e, w->now / 1000);
		return;
	}
	w->ended += e->n;
	if (!scheduler_done(&w->s, e, dice(15) ? NULL : "dead", w->now))
		return;
	while ((e = scheduler_take_waiting(&w->s, d))) {
		w->ended += e->n;
		scheduler_drop(&w->s, e);
	}
}

static void
every_recipient_ends_exactly_once(void **state)
{
	struct transport_limits l = limits;
	struct walk w = { 0 };

	(void)state;
	l.rcpt_limit = 3;
	l.busy_limit = 40;
	scheduler_init(&w.s);
	w.t[0] = scheduler_transport(&w.s, SPAN("one"), &l);
	w.t[1] = scheduler_transport(&w.s, SPAN("two"), &l);
	for (unsigned i = 0; i < STEPS; i++) {
		w.now += dice(1000);
		switch (dice(8)) {
		case 0:
			if (w.s.entries < 1000)
				walk_add(&w);
			break;
		case 1:
			scheduler_purge(&w.s, w.now);
			break;
		case 2:
		case 3:
		case 4:
			walk_next(&w);
			break;
		default:
			walk_end(&w);
		}
	}
	while (w.s.entries > 0) {
		w.now += 1000;
		scheduler_purge(&w.s, w.now);
		walk_next(&w);
		walk_end(&w);
	}
	assert_int_equal(w.added, w.ended);
	scheduler_fini(&w.s);
}

static void
feedback_is_read_as_postfix_writes_it(void **state)
{
	static const struct {
		const char *text;
		int err;
		unsigned n;
		double value;
	} rows[] = {
		{ "1", 0, 5, 1 },
		{ " 0.5 ", 0, 5, 0.5 },
		{ "1/concurrency", 0, 4, 0.25 },
		{ "1 / sqrt_concurrency", 0, 4, 0.5 },
		{ "2", -22, 0, 0 },
		{ "", -22, 0, 0 },
		{ "1/x", -22, 0, 0 },
		{ "1 2", -22, 0, 0 },
		{ "-1", -22, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span text = { rows[i].text, strlen(rows[i].text) };
		struct feedback f;
		struct why why;

		assert_int_equal(feedback_parse("p", guarded(text), &f, &why),
		    rows[i].err);
		if (!rows[i].err)
			assert_true(feedback_value(&f, rows[i].n) >
				rows[i].value - 0.001 &&
			    feedback_value(&f, rows[i].n) <
				rows[i].value + 0.001);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(recipients_of_a_destination_share_an_entry),
		TEST(recipients_that_fill_a_request_share_no_more),
		TEST(no_more_go_out_than_the_window),
		TEST(one_busy_destination_does_not_hold_up_others),
		TEST(a_small_message_passes_a_large_one),
		TEST(a_job_that_passed_one_may_pass_another),
		TEST(a_dead_destination_gives_up_what_waits),
		TEST(an_entry_without_an_answer_comes_again),
		TEST(every_recipient_ends_exactly_once),
		TEST(feedback_is_read_as_postfix_writes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
