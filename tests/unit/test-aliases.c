#include "test.h"

#include "base/buf.h"
#include "mail/aliases.h"

/* Items of a value as "A=address M=mailbox C=command F=file I=include B=bad". */
static struct span
items_of(const char *text, bool lines, struct arena *a, char *out, size_t max)
{
	static const char signs[] = {
		[ALIAS_ADDRESS] = 'A',
		[ALIAS_MAILBOX] = 'M',
		[ALIAS_COMMAND] = 'C',
		[ALIAS_FILE] = 'F',
		[ALIAS_INCLUDE] = 'I',
		[ALIAS_BAD] = 'B',
	};
	struct span value = span_str(text), raw;
	struct alias_item item;
	struct buf b;

	buf_init(&b, out, max);
	while (lines ? aliases_cut_lines(&value, &raw)
		     : aliases_cut(&value, &raw)) {
		assert_true(aliases_parse(raw, a, &item));
		buf_putf(&b, "%s%c=%.*s", b.n ? "|" : "", signs[item.kind],
		    (int)item.text.n, item.text.p);
	}
	assert_false(b.overflow);
	return buf_span(&b);
}

static void
values_are_cut_and_understood(void **state)
{
	static const struct {
		const char *value;
		const char *items;
	} rows[] = {
		{ "", "" },
		{ " , ,", "" },
		{ "ann", "A=ann" },
		{ "ann, ben@x.test", "A=ann|A=ben@x.test" },
		{ "\\ann", "M=ann" },
		{ "\\ann@x.test", "M=ann@x.test" },
		{ "\\", "B=\\" },
		{ "Ann A. <ann@x.test>,ben", "A=ann@x.test|A=ben" },
		{ "\"Ann, B.\" <ann@x.test>", "A=ann@x.test" },
		{ "ann (a, b), ben", "A=ann|A=ben" },
		{ "\"a b\"@x.test", "A=\"a b\"@x.test" },
		{ "\"ann\"", "A=ann" },
		{ "|cmd arg", "C=cmd arg" },
		{ "| cmd arg", "C=cmd arg" },
		{ "\"|cmd a, b\"", "C=cmd a, b" },
		{ "|\"cmd a, b\"", "C=cmd a, b" },
		{ "\"|cmd \\\"x\\\"\", ann", "C=cmd \"x\"|A=ann" },
		{ "|", "B=" },
		{ "/dev/null", "F=/dev/null" },
		{ "\"/a b\"", "F=/a b" },
		{ ":include:/l/x, ann", "I=/l/x|A=ann" },
		{ ":INCLUDE: /l/x", "I=/l/x" },
		{ "\":include:/l, x\"", "I=/l, x" },
		{ ":include:relative", "B=relative" },
		{ "@@", "B=@@" },
		{ "a@b@c", "B=a@b@c" },
		{ "\"ann", "B=\"ann" },
		{ "ann ben", "B=ann ben" },
	};
	char out[1024];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *a = arena_new(1 << 20);

		assert_span(items_of(rows[i].value, false, a, out, sizeof(out)),
		    span_str(rows[i].items));
		arena_free(a);
	}
}

static void
files_have_lines_and_comments(void **state)
{
	struct arena *a = arena_new(1 << 20);
	char out[1024];

	(void)state;
	assert_span(items_of("# none: a, b\nann\n\n ben , carl\r\n#x\n"
			     "\"|cmd\"\n/f\n# end, too",
			true, a, out, sizeof(out)),
	    SPAN("A=ann|A=ben|A=carl|C=cmd|F=/f"));
	assert_span(items_of("\"ann\nben", true, a, out, sizeof(out)),
	    SPAN("B=\"ann|A=ben"));
	arena_free(a);
}

static void
lines_of_alias_files_have_a_name(void **state)
{
	static const struct {
		const char *line;
		const char *name; /* NULL: it is none */
		const char *value;
	} rows[] = {
		{ "root: ann", "root", "ann" },
		{ "Root :ann, ben", "root", "ann, ben" },
		{ "\"a : b\": ann", "a : b", "ann" },
		{ "a:|cmd: x", "a", "|cmd: x" },
		{ "root ann", NULL, NULL },
		{ ": ann", NULL, NULL },
		{ "root:", NULL, NULL },
		{ "\"root: ann", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *a = arena_new(1 << 20);
		struct span name, value;
		bool taken = aliases_take_line(span_str(rows[i].line), false, a,
		    &name, &value);

		assert_int_equal(taken, rows[i].name != NULL);
		if (taken) {
			assert_span(name, span_str(rows[i].name));
			assert_span(value, span_str(rows[i].value));
		}
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_cut_and_understood),
		cmocka_unit_test(files_have_lines_and_comments),
		cmocka_unit_test(lines_of_alias_files_have_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
