#include "tests/unit/test.h"

#include "mail/templates.h"

#include <errno.h>
#include <stdio.h>

static char told[2048]; /* what was remarked, in lines */

static void
note(const char *text, void *arg)
{
	size_t n = strlen(told);

	(void)arg;
	snprintf(told + n, sizeof(told) - n, "%s\n", text);
}

static const struct templates_to to = { note, NULL };

#define IGNORED " -- ignoring this template\n"

/* What a file says, and what the failure template is then. */
static const struct {
	const char *file;
	const char *subject; /* NULL: the built-in one's */
	const char *text;
	const char *told;
} rows[] = {
	{ "failure_template = <<X\nSubject: a b \n\n c\n\nd\nX\n", "a b",
	    " c\n\nd\n", "" },
	{ "failure_template = <<X\n\nSUBJECT : a\nb\nX\n", "a", "b\n", "" },
	{ "failure_template = <<X\r\nSubject: a\r\n\r\nb\r\nX\r\n", "a", "b\n",
	    "" },
	{ "# x\n\n  \n failure_template=one line", NULL, "one line\n", "" },
	{ "failure_template = <<X\n\na\n X\nXX\n", NULL, "a\n X\nXX\n",
	    "f, line 5: missing \"X\" end marker\n" },
	{ "failure_template = a\nfailure_template = b\n", NULL, "b\n", "" },
	{ "failure_template = a\nfailure_template = <<X\nFoo: x\n\nb\nX\n",
	    NULL, "a\n",
	    "f: unknown \"Foo\" header label in failure template" IGNORED },
	{ "failure_template = a\nfailure_template = Subject:\n", NULL, "a\n",
	    "f: empty \"Subject\" header value in failure template" IGNORED },
	{ "failure_template = a\nfailure_template = From: \303\244\n", NULL,
	    "a\n",
	    "f: non-ASCII \"From\" header value in failure template" IGNORED },
	{ "failure_template = a\nfailure_template = From: \001\n", NULL, "a\n",
	    "f: non-printable \"From\" header value in failure "
	    "template" IGNORED },
	{ "failure_template = a\nfailure_template = \n", NULL, "a\n",
	    "f: missing message text in failure template" IGNORED },
	{ "failure_template = a\nfailure_template = \303\244\n", NULL, "a\n",
	    "f: 8-bit message text in failure template\n"
	    "please specify a charset value other than us-ascii\n"
	    "-- ignoring this template for now\n" },
	{ "failure_template = <<X\nCharset: utf-8\n\n\303\244\nX\n", NULL,
	    "\303\244\n", "" },
	{ "failure_template = a\nx_template = b\n", NULL, "a\n",
	    "f, line 2: unknown template name: x_template" IGNORED },
	{ "failure_template = a\nsuccess_template = Postmaster-Subject: b\n",
	    NULL, "a\n",
	    "f: inapplicable \"Postmaster-Subject\" header label in success "
	    "template" IGNORED },
};

/* Returns what templates_parse() does. */
static int
read_text(const char *file, struct templates *t, struct arena *a,
    struct why *why)
{
	told[0] = '\0';
	templates_init(t);
	return templates_parse(t, span_str(file), "f", a, &to, why);
}

static void
files_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *a = arena_new(1 << 16);
		struct template *failure;
		struct templates t, own;
		struct why why;

		templates_init(&own);
		failure = &t.of[TEMPLATE_FAILURE];
		assert_int_equal(read_text(rows[i].file, &t, a, &why), 0);
		assert_span(failure->text, span_str(rows[i].text));
		assert_string_equal(failure->subject,
		    rows[i].subject ? rows[i].subject
				    : own.of[TEMPLATE_FAILURE].subject);
		assert_string_equal(told, rows[i].told);
		assert_null(t.of[TEMPLATE_SUCCESS].file);
		arena_free(a);
	}
}

static void
what_is_none_is_refused_where_it_stands(void **state)
{
	static const char *const wrong[][2] = {
		{ "\ngarbage\n",
		    "f:2: \"garbage\": \"=\" is missing; allowed is name = "
		    "value" },
		{ "failure_template = <<\n",
		    "f:1: missing end marker after <<" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct arena *a = arena_new(1 << 16);
		struct templates t;
		struct why why;

		assert_int_equal(read_text(wrong[i][0], &t, a, &why), -EINVAL);
		assert_string_equal(why.text, wrong[i][1]);
		arena_free(a);
	}
}

/* A text, and what becomes of it, or, after a '!', what is wrong with it. */
static const char *const texts[][2] = {
	{ "$maximal_queue_lifetime_seconds $maximal_queue_lifetime_days "
	  "$maximal_queue_lifetime $$x",
	    "432000 5 5d $x\n" },
	{ "${maximal_queue_lifetime_hours} $delay_warning_time_hours",
	    "120 0\n" },
	{ "- ${nothing?a}${nothing:b}", "- b\n" },
	{ "a $nothing",
	    "!f: failure template: nothing has this name: at \"nothing\"" },
	{ "a $",
	    "!f: failure template: a name is expected (a dollar is $$) at "
	    "\"$?\"" },
	{ "$delay_warning_time_years",
	    "!f: failure template: unrecognized suffix \"years\" in parameter "
	    "\"delay_warning_time_years\"" },
};

static void
names_stand_for_values(void **state)
{
	struct conf *c = conf_new("/nowhere");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct arena *a = arena_new(1 << 16);
		struct templates t;
		struct span text;
		struct why why;
		char file[256];
		int error;

		snprintf(file, sizeof(file), "failure_template=<<X\n\n%s\nX\n",
		    texts[i][0]);
		assert_int_equal(read_text(file, &t, a, &why), 0);
		error = template_expand(&t.of[TEMPLATE_FAILURE], c, a, &to,
		    &text, &why);
		assert_int_equal(error, texts[i][1][0] == '!' ? -EINVAL : 0);
		if (error)
			assert_string_equal(why.text, texts[i][1] + 1);
		else
			assert_span(text, span_str(texts[i][1]));
		arena_free(a);
	}
	conf_free(c);
}

static void
numbers_of_no_use_are_told_of(void **state)
{
	struct arena *a = arena_new(1 << 16);
	struct conf *c = conf_new("/nowhere");
	struct templates t;
	struct span text;
	struct why why;

	(void)state;
	assert_int_equal(
	    read_text("delay_template = $maximal_queue_lifetime_minutes\n", &t,
		a, &why),
	    0);
	assert_int_equal(template_expand(&t.of[TEMPLATE_DELAY], c, a, &to,
			     &text, &why),
	    0);
	assert_string_equal(told,
	    "f: excessive result \"7200\" in delay template conversion of "
	    "parameter \"maximal_queue_lifetime_minutes\"\n"
	    "please increase time unit \"minutes\" of "
	    "\"maximal_queue_lifetime_minutes\" in delay template\n"
	    "for instructions see the bounce(5) manual\n");
	conf_free(c);
	arena_free(a);
}

static void
the_built_in_ones_have_values(void **state)
{
	struct arena *a = arena_new(1 << 16);
	struct conf *c = conf_new("/nowhere");
	struct templates t;
	struct why why;

	(void)state;
	told[0] = '\0';
	assert_int_equal(templates_open(&t, c, a, &to, &why), 0);
	assert_non_null(strstr(t.of[TEMPLATE_DELAY].text.p,
	    "Delivery is tried for 5 days from"));
	assert_null(strchr(t.of[TEMPLATE_FAILURE].text.p, '$'));
	assert_string_equal(told, "");
	conf_free(c);
	arena_free(a);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(files_are_read),
		TEST(what_is_none_is_refused_where_it_stands),
		TEST(names_stand_for_values),
		TEST(numbers_of_no_use_are_told_of),
		TEST(the_built_in_ones_have_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
