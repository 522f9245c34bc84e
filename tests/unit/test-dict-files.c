/* Tables that are made: what is written is read, and damage is no answer. */
#include "tests/unit/conf.h"

#include "dict/build.h"
#include "dict/dict.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MANY = 3000,
	LARGE = 20000, /* bytes: on pages of its own */
	FLIPS = 400,
};

static const struct {
	const char *type;
	const char *file;
} types[] = {
#ifdef HAVE_BERKELEY_DB
	{ "hash", "t.db" },
	{ "btree", "t.db" },
#endif
	{ "cdb", "t.cdb" },
#ifdef HAVE_LMDB
	{ "lmdb", "t.lmdb" },
#endif
};

static const char *const files[] = { "t.db", "t.cdb", "t.lmdb", NULL };

static const char *dir;
static char table[300];
static char path[300];

static void
begin(size_t type)
{
	print_message("# %s\n", types[type].type);
	dir = temp_dir();
	snprintf(table, sizeof(table), "%s:%s/t", types[type].type, dir);
	snprintf(path, sizeof(path), "%s/%s", dir, types[type].file);
}

static void
add(struct dict_build *b, const char *key, struct span value)
{
	struct why why;

	if (dict_build_add(b, span_str(key), value, &why) != DICT_BUILD_ADDED)
		fail_msg("%s: %s", key, why.text);
}

static struct dict_build *
make(unsigned flags)
{
	struct why why;
	struct dict_build *b = dict_build_begin(table, 0644, flags, &why);

	if (!b)
		fail_msg("%s", why.text);
	return b;
}

static void
commit(struct dict_build *b)
{
	struct why why;

	if (dict_build_commit(b, &why) < 0)
		fail_msg("%s", why.text);
}

static struct span
large(void)
{
	static char text[LARGE];

	memset(text, 'v', sizeof(text));
	return (struct span){ text, sizeof(text) };
}

static void
fill(unsigned flags, size_t n)
{
	struct dict_build *b = make(flags);
	char key[40], value[40];

	for (size_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "user%zu@example.com", i * 7 % n);
		snprintf(value, sizeof(value), "box/%zu/", i * 7 % n);
		add(b, key, span_str(value));
	}
	add(b, "large", large());
	add(b, "none", SPAN(""));
	commit(b);
}

static enum dict_result
ask(struct dict *d, const char *key, struct span *value_r, struct arena *a)
{
	struct why why;

	return dict_get(d, guarded(span_str(key)), a, value_r, &why);
}

static void
check_all(size_t n)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(1 << 20);
	struct why why;
	struct dict *d = dict_open(table, 0, &why);
	struct span value;
	char key[40], want[40];

	if (!d)
		fail_msg("%s", why.text);
	for (size_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "USER%zu@example.com", i);
		snprintf(want, sizeof(want), "box/%zu/", i);
		arena_reset(a);
		assert_int_equal(ask(d, key, &value, a), DICT_FOUND);
		assert_span(value, span_str(want));
	}
	assert_int_equal(ask(d, "large", &value, a), DICT_FOUND);
	assert_span(value, large());
	assert_int_equal(ask(d, "none", &value, a), DICT_FOUND);
	assert_span(value, SPAN(""));
	assert_int_equal(ask(d, "nobody", &value, a), DICT_ABSENT);
	assert_int_equal(ask(d, "larg", &value, a), DICT_ABSENT);
	assert_true(dict_is_quick(d));
	assert_string_equal(dict_file(d), path);
	dict_close(d);
}

static void
what_is_written_is_read(void **state)
{
	static const size_t sizes[] = { 0, 1, 30, 200, MANY };
	static const unsigned flags[] = { 0, DICT_BUILD_NUL,
		DICT_BUILD_NO_NUL };

	(void)state;
	for (size_t t = 0; t < COUNT_OF(types); t++)
		for (size_t i = 0; i < COUNT_OF(sizes) * COUNT_OF(flags); i++) {
			begin(t);
			fill(flags[i % 3], sizes[i / 3]);
			check_all(sizes[i / 3]);
			temp_remove(dir, files);
		}
}

struct counted {
	size_t n, bytes;
};

static void
count(struct span key, struct span value, void *arg)
{
	struct counted *c = arg;

	c->n++;
	c->bytes += key.n + value.n;
}

static void
all_is_told(void **state)
{
	struct why why;

	(void)state;
	for (size_t t = 0; t < COUNT_OF(types); t++) {
		struct counted c = { 0 }, again = { 0 };

		begin(t);
		fill(0, MANY);
		assert_int_equal(dict_each(table, count, &c, &why), 0);
		assert_int_equal(c.n, MANY + 2);
		fill(DICT_BUILD_NO_NUL, MANY);
		assert_int_equal(dict_each(table, count, &again, &why), 0);
		assert_int_equal(again.bytes, c.bytes);
		temp_remove(dir, files);
	}
}

static void
a_table_is_changed(void **state)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(1 << 20);
	struct span value;
	struct why why;

	(void)state;
	for (size_t t = 0; t < COUNT_OF(types); t++) {
		struct dict_build *b;
		struct dict *d;

		begin(t);
		fill(0, 100);
		b = make(DICT_BUILD_CHANGE | DICT_BUILD_REPLACE);
		assert_true(dict_build_remove(b, SPAN("user5@example.com")));
		assert_false(dict_build_remove(b, SPAN("user5@example.com")));
		assert_int_equal(dict_build_add(b, SPAN("none"), SPAN("new"),
				     &why),
		    DICT_BUILD_TWICE);
		commit(b);
		d = dict_open(table, 0, &why);
		assert_non_null(d);
		assert_int_equal(ask(d, "user5@example.com", &value, a),
		    DICT_ABSENT);
		assert_int_equal(ask(d, "user6@example.com", &value, a),
		    DICT_FOUND);
		assert_int_equal(ask(d, "none", &value, a), DICT_FOUND);
		assert_span(value, SPAN("new"));
		assert_false(dict_changed(d));
		fill(0, 10);
		assert_true(dict_changed(d));
		dict_close(d);
		temp_remove(dir, files);
	}
}

/* Whatever it says, it says it, and ends. */
static void
try_damaged(void)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(1 << 20);
	struct counted c = { 0 };
	struct why why = { "" };
	struct dict *d = dict_open(table, 0, &why);
	struct span value;

	if (!d) {
		assert_true(why.text[0] != '\0');
		return;
	}
	for (size_t i = 0; i < 20; i++) {
		char key[40];

		snprintf(key, sizeof(key), "user%zu@example.com", i * 150);
		arena_reset(a);
		if (dict_get(d, span_str(key), a, &value, &why) ==
		    DICT_TEMPFAIL)
			assert_true(why.text[0] != '\0');
	}
	(void)!dict_get(d, SPAN("large"), a, &value, &why);
	dict_close(d);
	(void)!dict_each(table, count, &c, &why);
}

static char *
slurp(size_t *n_r)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	text = zalloc((size_t)st.st_size);
	assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
	close(fd);
	*n_r = (size_t)st.st_size;
	return text;
}

static void
spill(const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

/* LMDB maps its file, and is damaged only where nobody else can write to it. */
static bool
is_read(size_t type)
{
	return strcmp(types[type].type, "lmdb") != 0;
}

static void
a_table_that_is_cut_off_is_no_answer(void **state)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(1 << 20);
	struct span value;
	struct why why;
	char *text;
	size_t n;

	(void)state;
	for (size_t t = 0; t < COUNT_OF(types); t++) {
		struct dict *d;

		if (!is_read(t))
			continue;
		begin(t);
		fill(0, MANY);
		text = slurp(&n);
		for (size_t cut = 0; cut < n; cut += 512) {
			spill(text, cut);
			assert_null(dict_open(table, 0, &why));
			assert_non_null(strstr(why.text, path));
		}
		/* While it is open, too: what is asked then was cut off. */
		spill(text, n);
		d = dict_open(table, 0, &why);
		assert_non_null(d);
		assert_int_equal(truncate(path, 512), 0);
		assert_int_equal(ask(d, "user1@example.com", &value, a),
		    DICT_TEMPFAIL);
		dict_close(d);
		free(text);
		temp_remove(dir, files);
	}
}

static void
a_damaged_table_kills_nobody(void **state)
{
	char *text, *bad;
	size_t n;

	(void)state;
	srandom(1);
	for (size_t t = 0; t < COUNT_OF(types); t++) {
		if (!is_read(t))
			continue;
		begin(t);
		fill(0, MANY);
		text = slurp(&n);
		bad = zalloc(n);
		for (size_t i = 0; i < FLIPS; i++) {
			memcpy(bad, text, n);
			for (size_t k = 0; k < 1 + i % 40; k++) {
				size_t at = (size_t)random() % n;

				/* Mostly where a page tells of itself. */
				if (k % 4 != 0)
					at = at / 4096 * 4096 + at % 100;
				if (at < n)
					bad[at] = (char)random();
			}
			spill(bad, n);
			try_damaged();
		}
		free(text);
		free(bad);
		temp_remove(dir, files);
	}
}

static void
the_other_type_is_refused(void **state)
{
#ifdef HAVE_BERKELEY_DB
	struct why why;

	begin(0);
	fill(0, 3);
	snprintf(table, sizeof(table), "btree:%s/t", dir);
	assert_null(dict_open(table, 0, &why));
	assert_non_null(strstr(why.text, "this is a hash table"));
	temp_remove(dir, files);
#endif
	(void)state;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(all_is_told),
		TEST(a_table_is_changed),
		TEST(a_table_that_is_cut_off_is_no_answer),
		TEST(a_damaged_table_kills_nobody),
		TEST(the_other_type_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
