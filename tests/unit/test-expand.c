#include "tests/unit/test.h"

#include "conf/expand.h"

#include <errno.h>

/* What the names mean here. */
static const char *
look_up(void *arg, struct span name)
{
	static const struct {
		struct span name;
		const char *value;
	} known[] = {
		{ SPAN_INIT("n1"), "10" },
		{ SPAN_INIT("n2"), "9" },
		{ SPAN_INIT("empty"), "" },
		{ SPAN_INIT("u"), "$nope" },
		{ SPAN_INIT("level"), "3.6" },
		{ SPAN_INIT("deep"), "<$n1>" },
		{ SPAN_INIT("loop"), "a $pool" },
		{ SPAN_INIT("pool"), "${loop}" },
		{ SPAN_INIT("self"), "$self" },
		{ SPAN_INIT("nil0"), "$empty$empty" },
	};

	(void)arg;
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (span_eq(known[i].name, name))
			return known[i].value;
	return NULL;
}

/* What Postfix 3.7 makes of the same; NULL: an error. */
static const struct {
	struct span text;
	const char *value;
} cases[] = {
	{ SPAN_INIT(""), "" },
	{ SPAN_INIT("plain {text}"), "plain {text}" },
	{ SPAN_INIT("$n1.x $(n1) ${n1} $n1-1"), "10.x 10 10 10-1" },
	{ SPAN_INIT("$nope"), "" },
	{ SPAN_INIT("$$n1 $$"), "$n1 $" },
	{ SPAN_INIT("$deep"), "<10>" },
	{ SPAN_INIT("${ n1 }"), "10" },
	{ SPAN_INIT("${u?x}"), "x" },
	{ SPAN_INIT("${u:x}"), "" },
	{ SPAN_INIT("${n1?{ x }}"), " x " },
	{ SPAN_INIT("${n1? x }"), " x " },
	{ SPAN_INIT("${n1 ? x }"), " x " },
	{ SPAN_INIT("${n1?}"), "" },
	{ SPAN_INIT("${n1?a:b}"), "a:b" },
	{ SPAN_INIT("${n1:x}"), "" },
	{ SPAN_INIT("${n1:{x}}"), "" },
	{ SPAN_INIT("${nope:x}"), "x" },
	{ SPAN_INIT("${nope: {x} }"), "x" },
	{ SPAN_INIT("${nope?a:b}"), "" },
	{ SPAN_INIT("${nope?{a} : {b}}"), "b" },
	{ SPAN_INIT("${nope?{a}:y}"), "y" },
	{ SPAN_INIT("$(n1?{x}:{y})"), "x" },
	{ SPAN_INIT("$(n1?x)"), "x" },
	{ SPAN_INIT("${n1?{$n2}:{$nope}}"), "9" },
	{ SPAN_INIT("${n1?$$}"), "$" },
	{ SPAN_INIT("${n1?{${n2?{deep}}}}"), "deep" },
	{ SPAN_INIT("${n1?(}"), "(" },
	{ SPAN_INIT("${?x}"), "" },
	{ SPAN_INIT("${{a}=={a}?x:y}"), "x:y" },
	{ SPAN_INIT("${{a}=={b}?{x}:y}"), "y" },
	{ SPAN_INIT("${{a}=={a}}"), "true" },
	{ SPAN_INIT("${{a}=={b}}"), "" },
	{ SPAN_INIT("${{a}=={a}:x}"), "" },
	{ SPAN_INIT("${{a}!={a}:x}"), "x" },
	{ SPAN_INIT("${{$n1}<{$n2}?{lt}:{ge}}"), "ge" },
	{ SPAN_INIT("${{a b} == { a b }?{eq}:{ne}}"), "ne" },
	{ SPAN_INIT("${ {a}=={a} ? {x} : {y} }"), "x" },
	{ SPAN_INIT("${{010}=={10}?{x}:{y}}"), "x" },
	{ SPAN_INIT("${{1.0}=={1}?{x}:{y}}"), "y" },
	{ SPAN_INIT("${{}=={}?{x}:{y}}"), "x" },
	{ SPAN_INIT("${{-1}<{0}?{x}:{y}}"), "x" },
	{ SPAN_INIT("${{5}<{a}?{x}:{y}}"), "x" },
	{ SPAN_INIT("${{2}<={2}?{x}:{y}}${{3}>={4}?{x}:{y}}"), "xy" },
	{ SPAN_INIT("${{abc} > {abd} ? {x} : {y}}"), "y" },
	{ SPAN_INIT("${{$level} <level {2} ? {old} : {new}}"), "new" },
	{ SPAN_INIT("${{3.10}<=level{3.9}?{x}:{y}}"), "y" },
	{ SPAN_INIT("$nil0"), "" },
	{ SPAN_INIT("${b"), NULL },
	{ SPAN_INIT("$(b"), NULL },
	{ SPAN_INIT("$(n1}"), NULL },
	{ SPAN_INIT("$"), NULL },
	{ SPAN_INIT("x$ y"), NULL },
	{ SPAN_INIT("$( )"), NULL },
	{ SPAN_INIT("${}"), NULL },
	{ SPAN_INIT("${n1.x}"), NULL },
	{ SPAN_INIT("${a b}"), NULL },
	{ SPAN_INIT("${n1?{a}b}"), NULL },
	{ SPAN_INIT("${n1?{a}:{b}c}"), NULL },
	{ SPAN_INIT("${nope:{x}y}"), NULL },
	{ SPAN_INIT("${{a}<>{b}?x}"), NULL },
	{ SPAN_INIT("${{a}=={b}x}"), NULL },
	{ SPAN_INIT("${{1} = {2}?x}"), NULL },
	{ SPAN_INIT("${{1}==2?{x}}"), NULL },
	{ SPAN_INIT("${{x}<level{1}?{x}}"), NULL },
	{ SPAN_INIT("$loop"), NULL },
	{ SPAN_INIT("$self"), NULL },
};

static void
texts_become_what_postfix_makes_of_them(void **state)
{
	char storage[256];
	struct buf out;
	struct why why;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		print_message("# %s\n", cases[i].text.p);
		buf_init(&out, storage, sizeof(storage));

		int error = expand(guarded(cases[i].text), SPAN("test"),
		    look_up, NULL, &out, &why);

		assert_int_equal(error, cases[i].value ? 0 : -EINVAL);
		if (cases[i].value)
			assert_span(buf_span(&out),
			    ((struct span){ cases[i].value,
				strlen(cases[i].value) }));
	}
}

static void
a_loop_is_told_as_a_chain(void **state)
{
	char storage[256];
	struct buf out;
	struct why why;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	assert_int_equal(expand(SPAN("$loop"), SPAN("test"), look_up, NULL,
			     &out, &why),
	    -EINVAL);
	assert_string_equal(why.text, "refers to itself: loop -> pool -> loop");
}

static void
what_does_not_fit_is_an_error(void **state)
{
	char storage[8];
	struct buf out;
	struct why why;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	assert_int_equal(expand(SPAN("12345678"), SPAN("t"), look_up, NULL,
			     &out, &why),
	    0);
	buf_init(&out, storage, sizeof(storage));
	assert_int_equal(expand(SPAN("123456789"), SPAN("t"), look_up, NULL,
			     &out, &why),
	    -EINVAL);
}

static const char *
double_up(void *arg, struct span name)
{
	static const char *const next[] = { "$b$b", "$c$c", "$d$d", "$e$e",
		"$f$f", "$g$g", "$h$h", "$i$i", "$j$j", "$k$k", "$l$l", "$m$m",
		"$n$n", "$o$o", "$p$p", "$q$q", "$r$r", "$s$s", "$t$t",
		"$u$u" };

	(void)arg;
	return name.n == 1 && name.p[0] < 'u' ? next[name.p[0] - 'a'] : "";
}

static void
names_that_double_come_to_an_end(void **state)
{
	char storage[8];
	struct buf out;
	struct why why;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	assert_int_equal(expand(SPAN("$a"), SPAN("test"), double_up, NULL, &out,
			     &why),
	    -EINVAL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(texts_become_what_postfix_makes_of_them),
		TEST(a_loop_is_told_as_a_chain),
		TEST(what_does_not_fit_is_an_error),
		TEST(names_that_double_come_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
