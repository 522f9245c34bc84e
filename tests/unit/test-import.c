#include "tests/unit/test.h"

#include "base/arena.h"
#include "master/import/dovecot.h"

enum {
	MEMORY_MAX = 1 << 20,
};

static struct arena *arena;
static struct dovecot top;
static struct why why;

static bool
read_text(const char *text)
{
	const struct dovecot_text t = { .arena = arena, .file = "f" };

	top = (struct dovecot){ .name = "", .arg = "" };
	return dovecot_parse(&top, &t, span_str(text), &why);
}

static void
a_setting_is_what_stands_behind_the_sign(void **state)
{
	static const struct {
		const char *text, *value;
	} rows[] = {
		{ "a = b", "b" },
		{ "a=b c ", "b c" },
		{ "  a =\tb # said", "b" },
		{ "a = b#c", "b#c" },
		{ "a = \"b # c\" # d", "b # c" },
		{ "a = \"b \\\" c\"", "b \" c" },
		{ "a =", "" },
		{ "a = b \\\n  c", "b   c" },
		{ "a = b\r\n", "b" },
		{ "a = b\na = c", "c" },
		{ "# a = c\n\na = b\n#", "b" },
		{ "a = x { y = z }", "x { y = z }" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(read_text(rows[i].text));
		assert_string_equal(dovecot_value(&top, "a"), rows[i].value);
	}
}

static void
a_value_may_be_in_a_file(void **state)
{
	(void)state;
	assert_true(read_text("a = </x\nb = x"));
	assert_true(dovecot_find(&top, "a")->is_file);
	assert_string_equal(dovecot_value(&top, "a"), "/x");
	assert_false(dovecot_find(&top, "b")->is_file);
}

static void
sections_have_names_and_what_is_in_them(void **state)
{
	const struct dovecot *d;

	(void)state;
	assert_true(
	    read_text("a \"b c\" {\n  d {\n    e = f\n  }\n}\ng = h\n"));
	d = top.first;
	assert_string_equal(d->name, "a");
	assert_string_equal(d->arg, "b c");
	assert_null(d->value);
	assert_string_equal(d->first->first->value, "f");
	assert_int_equal(d->first->first->line, 3);
	assert_string_equal(d->next->value, "h");
	assert_true(read_text("a b { c = d }\na { }\nx = y"));
	assert_string_equal(dovecot_value(top.first, "c"), "d");
	assert_string_equal(dovecot_value(&top, "x"), "y");
}

static void
a_name_may_be_the_sum_of_names(void **state)
{
	(void)state;
	assert_true(read_text("ssl_server {\n cert_file = a\n}\n"
			      "x y {\n z = b\n}\n"));
	assert_string_equal(dovecot_value(&top, "ssl_server_cert_file"), "a");
	assert_null(dovecot_value(&top, "x_z")); /* x has a name of its own */
	assert_null(dovecot_value(&top, "ssl_server_cert"));
}

static void
what_is_none_has_its_line(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "a = b\nc", "f:2: no setting" },
		{ "}", "f:1: a } too many" },
		{ "a {\n b {\n }\n", "f:3: a section is not closed" },
		{ "{", "f:1: a section without a name" },
		{ "= b", "f:1: a setting without a name" },
		{ "!includ x", "f:1: after a !" },
		{ "a \\\n b", "f:1: no setting" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_false(read_text(rows[i].text));
		assert_memory_equal(why.text, rows[i].said,
		    strlen(rows[i].said));
	}
}

static void
sections_are_not_without_end(void **state)
{
	char text[2 * DOVECOT_DEPTH_MAX + 3] = "";

	(void)state;
	for (int i = 0; i < DOVECOT_DEPTH_MAX; i++)
		memcpy(text + 2 * i, "a{", 2);
	assert_false(read_text(text));
	assert_string_equal(why.text, "f:1: a section is not closed");
	memcpy(text + 2 * DOVECOT_DEPTH_MAX, "a{", 2);
	assert_false(read_text(text));
	assert_string_equal(why.text, "f:1: too many sections in sections");
}

static int
set_up(void **state)
{
	(void)state;
	arena = arena_new(MEMORY_MAX);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	arena = arena_free(arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_setting_is_what_stands_behind_the_sign),
		cmocka_unit_test(a_value_may_be_in_a_file),
		cmocka_unit_test(sections_have_names_and_what_is_in_them),
		cmocka_unit_test(a_name_may_be_the_sum_of_names),
		cmocka_unit_test(what_is_none_has_its_line),
		cmocka_unit_test(sections_are_not_without_end),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
