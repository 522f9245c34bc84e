/* Tables that block, asked by tasks: so many at a time, and who waits in vain. */
#include "tests/unit/test.h"

#include "base/clock.h"
#include "dict/private.h"
#include "service/lookups.h"
#include "task/task.h"

#include <stdatomic.h>
#include <stdlib.h>

/* How many ask a server. */
struct count {
	_Atomic int now;
	_Atomic int most;
};

/* A table whose server holds who asks until it is let go. */
struct slow {
	struct dict dict;
	const void *server;
	struct count *count;
	_Atomic bool go;
};

static enum dict_result
get_slowly(struct dict *d, struct span key, struct arena *arena,
    struct span *value_r, struct why *why)
{
	struct slow *s = container_of(d, struct slow, dict);
	int now = atomic_fetch_add(&s->count->now, 1) + 1;

	(void)key, (void)arena, (void)why;
	if (now > s->count->most)
		s->count->most = now;
	while (!s->go)
		pause_ms(1);
	atomic_fetch_sub(&s->count->now, 1);
	*value_r = SPAN("v");
	return DICT_FOUND;
}

static const void *
server_of(struct dict *d)
{
	return container_of(d, struct slow, dict)->server;
}

static const struct dict_ops ops = { .get = get_slowly, .server = server_of };

static struct dict *
make(struct slow *s, struct count *count, const void *server, bool shared)
{
	*s = (struct slow){ .server = server, .count = count };
	dict_init(&s->dict, &ops, "slow", "x", 0);
	s->dict.shared = shared;
	return &s->dict;
}

enum {
	LIMIT = 2,
	ALL = LIMIT * (1 + LOOKUPS_WAIT) + 3,
};

static struct run {
	struct slow slow, twin, other;
	struct count count, other_count;
	int found, failed, done;
	bool other_answered;
	char why[512];
} run;

static void
ask(void *dict)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(4096);
	struct span value;
	struct why why;

	if (lookups_ask(dict, SPAN("k"), a, &value, &why) == DICT_FOUND) {
		run.found++;
	} else {
		run.failed++;
		snprintf(run.why, sizeof(run.why), "%s", why.text);
	}
	run.done++;
}

static void
spawn(struct dict *d)
{
	must(task_spawn(ask, d, "ask"));
}

static void
crowd(void *arg)
{
	(void)arg;
	/* Two tables of one server count together. */
	for (int i = 0; i < ALL; i++)
		spawn(i % 2 ? &run.slow.dict : &run.twin.dict);
	while (run.failed < 3 || run.count.now < LIMIT)
		(void)task_sleep(task_after(1));
	/* Meanwhile somebody asks another server. */
	run.other.go = true;
	ask(&run.other.dict);
	run.other_answered = run.found == 1;
	run.slow.go = run.twin.go = true;
	while (run.done < ALL + 1)
		(void)task_sleep(task_after(1));
}

static void
a_slow_server_holds_up_nobody_else(void **state)
{
	int server, second;

	(void)state;
	lookups_set_limit(LIMIT);
	make(&run.slow, &run.count, &server, true);
	make(&run.twin, &run.count, &server, true);
	make(&run.other, &run.other_count, &second, true);
	task_run(crowd, NULL);
	assert_true(run.other_answered);
	assert_int_equal(run.failed, 3);
	assert_int_equal(run.found, ALL - 3 + 1);
	assert_int_equal(run.count.most, LIMIT);
	assert_non_null(strstr(run.why, "slow:x: too many wait"));
	free(run.slow.dict.name);
	free(run.twin.dict.name);
	free(run.other.dict.name);
}

static void
alone(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++)
		spawn(&run.slow.dict);
	while (run.count.now < 1)
		(void)task_sleep(task_after(1));
	run.slow.go = true;
	while (run.done < 5)
		(void)task_sleep(task_after(1));
}

/* One that is not made for threads is asked by one at a time. */
static void
what_is_not_shared_is_asked_by_one(void **state)
{
	(void)state;
	run = (struct run){ 0 };
	lookups_set_limit(4);
	make(&run.slow, &run.count, NULL, false);
	task_run(alone, NULL);
	assert_int_equal(run.count.most, 1);
	assert_int_equal(run.found, 5);
	free(run.slow.dict.name);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_slow_server_holds_up_nobody_else),
		TEST(what_is_not_shared_is_asked_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
