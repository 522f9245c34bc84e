#include "tests/unit/test.h"

#include "base/arena.h"
#include "master/check/dnsreply.h"
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

#define HEAD "\x12\x34\x81\x80\0\1\0\1\0\0\0\0\1a\4test\0"
#define MX "\0\x0f\0\1"
#define RECORD "\xc0\x0c\0\x0f\0\1\0\0\0\1"

static void
an_answer_says_whether_there_is_one(void **state)
{
	static const struct {
		struct span packet;
		enum dnsreply says;
	} rows[] = {
		{ SPAN_INIT(HEAD MX RECORD "\0\5\0\1\1b\0"), DNSREPLY_FOUND },
		{ SPAN_INIT(HEAD MX RECORD "\0\3\0\1\0"), DNSREPLY_NO_MAIL },
		{ SPAN_INIT(HEAD MX RECORD "\0\7\0\1\1b\0"), DNSREPLY_NODATA },
		{ SPAN_INIT(HEAD MX), DNSREPLY_NODATA },
		{ SPAN_INIT(HEAD "\0\1\0\1"), DNSREPLY_FOREIGN },
		{ SPAN_INIT("\x12\x35\x81\x80\0\1\0\1\0\0\0\0\1a\4test\0" MX),
		    DNSREPLY_FOREIGN },
		{ SPAN_INIT("\x12\x34\x01\x80\0\1\0\1\0\0\0\0\1a\4test\0" MX),
		    DNSREPLY_FOREIGN },
		{ SPAN_INIT("\x12\x34\x81\x83\0\1\0\0\0\0\0\0\1a\4test\0" MX),
		    DNSREPLY_ABSENT },
		{ SPAN_INIT("\x12\x34\x81\x82\0\1\0\0\0\0\0\0\1a\4test\0" MX),
		    DNSREPLY_TEMPFAIL },
		{ SPAN_INIT(""), DNSREPLY_FOREIGN },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span part = rows[i].packet;

		assert_int_equal(dnsreply_read(guarded(part), 0x1234,
				     DNSREPLY_MX),
		    rows[i].says);
		while (
		    part.n-- > 0) /* cut off anywhere, it is read no further */
			(void)!dnsreply_read(guarded(part), 0x1234,
			    DNSREPLY_MX);
	}
}

#define LABEL_OF_64 \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
a_question_is_for_a_name(void **state)
{
	static const char *const none[] = { "", ".", "a..b", LABEL_OF_64 ".b" };
	char bytes[DNSREPLY_QUERY_MAX];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(none); i++) {
		buf_init(&b, bytes, sizeof(bytes));
		assert_false(
		    dnsreply_ask(&b, 1, span_str(none[i]), DNSREPLY_A));
	}
	buf_init(&b, bytes, sizeof(bytes));
	assert_true(dnsreply_ask(&b, 0x1234, SPAN("a.test."), DNSREPLY_MX));
	assert_true(span_eq(buf_span(&b),
	    SPAN("\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\4test\0" MX)));
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
		cmocka_unit_test(an_answer_says_whether_there_is_one),
		cmocka_unit_test(a_question_is_for_a_name),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
