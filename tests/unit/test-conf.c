#include "tests/unit/conf.h"

#include "base/buf.h"
#include "conf/conf.h"
#include "conf/lines.h"
#include "conf/master_cf.h"
#include "conf/master_edit.h"
#include "conf/names.h"
#include "conf/params.h"
#include "conf/value.h"

#include <errno.h>

static const char *const files[] = { "main.cf", "master.cf", "main.cf.tmp",
	NULL };

static void
lines_are_joined_and_comments_skipped(void **state)
{
	static const struct {
		const char *line;
		unsigned number;
	} want[] = { { "a = 1", 2 }, { "b = x   y z", 5 }, { "c=", 11 },
		{ "d = 5", 13 } };
	char text[] = "\na = 1\n# note\n\nb = x\n# inner\n   y\n\n z\n   \n"
		      "c=\n #d\nd = 5";
	struct lines l = { .p = text, .n = sizeof(text) - 1 };
	struct span line;
	unsigned number;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		assert_true(lines_next(&l, &line, &number));
		assert_span(line,
		    ((struct span){ want[i].line, strlen(want[i].line) }));
		assert_int_equal(number, want[i].number);
	}
	assert_false(lines_next(&l, &line, &number));
}

static void
times_have_units(void **state)
{
	static const struct {
		struct span text;
		int64_t ms; /* -1: it is none */
	} cases[] = {
		{ SPAN_INIT("0"), 0 },
		{ SPAN_INIT("5"), 300000 },
		{ SPAN_INIT("5s"), 5000 },
		{ SPAN_INIT("5M"), 300000 },
		{ SPAN_INIT("2h"), 7200000 },
		{ SPAN_INIT("1d"), 86400000 },
		{ SPAN_INIT("1w"), 604800000 },
		{ SPAN_INIT("5days"), 432000000 },
		{ SPAN_INIT("1Hour"), 3600000 },
		{ SPAN_INIT("5q"), -1 },
		{ SPAN_INIT("5ms"), -1 },
		{ SPAN_INIT("5dayss"), -1 },
		{ SPAN_INIT("1h30m"), -1 },
		{ SPAN_INIT("-1s"), -1 },
		{ SPAN_INIT(""), -1 },
		{ SPAN_INIT("99999999999999999999"), -1 },
		{ SPAN_INIT("9999999999999w"), -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t ms = -1;

		assert_int_equal(value_time(guarded(cases[i].text), 'm', &ms),
		    cases[i].ms >= 0);
		assert_int_equal(ms, cases[i].ms);
	}
}

struct params {
	const char *smtpd_banner;
	bool disable_vrfy_command;
	int64_t smtpd_recipient_limit;
	int64_t timeout;
	int64_t message_size_limit;
	int bare;
	const char *relay_domains;
	const char *raw;
};

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct params, smtpd_banner),
	CONF_FIELD(CONF_BOOL, struct params, disable_vrfy_command),
	CONF_FIELD(CONF_INT, struct params, smtpd_recipient_limit),
	CONF_FIELD_AS(CONF_TIME, struct params, timeout, "smtpd_timeout"),
	CONF_FIELD(CONF_SIZE, struct params, message_size_limit),
	CONF_FIELD_AS(CONF_ENUM, struct params, bare,
	    "smtpd_forbid_bare_newline"),
	CONF_FIELD(CONF_LIST, struct params, relay_domains),
	CONF_FIELD_AS(CONF_RAW, struct params, raw, "smtpd_banner"),
};

static struct conf *
load(const char *dir, const char *text, struct why *why)
{
	temp_file(dir, "main.cf", text);
	return conf_load(dir, NULL, 0, why);
}

static void
parameters_become_a_struct(void **state)
{
	const char *dir = temp_dir();
	struct params p = { 0 };
	struct why why;
	struct conf *c = load(dir,
	    "myhostname = mx.example.com\nsmtpd_timeout = 2m\n"
	    "smtpd_timeout = 5m\ndisable_vrfy_command = Yes\n"
	    "smtpd_forbid_bare_newline = yes\nrelay_domains = $mydomain\n",
	    &why);

	(void)state;
	assert_non_null(c);
	assert_int_equal(conf_get_struct(c, fields, COUNT_OF(fields), &p, &why),
	    0);
	assert_string_equal(p.smtpd_banner, "mx.example.com ESMTP Postrider");
	assert_string_equal(p.raw, "$myhostname ESMTP $mail_name");
	assert_true(p.disable_vrfy_command);
	assert_int_equal(p.smtpd_recipient_limit, 1000);
	assert_int_equal(p.timeout, 300000);
	assert_int_equal(p.message_size_limit, 10240000);
	assert_int_equal(p.bare, 1);
	assert_string_equal(p.relay_domains, "example.com");
	conf_free(c);
	temp_remove(dir, files);
}

static void
a_transport_inherits(void **state)
{
	const char *dir = temp_dir();
	struct why why;
	int64_t n = 0;
	struct conf *c = load(dir,
	    "default_destination_concurrency_limit = 7\n"
	    "slow_destination_rate_delay = 2\nsmtpd_service_workers = 3\n",
	    &why);

	(void)state;
	assert_non_null(c);
	assert_int_equal(conf_get_number(c,
			     "virtual_destination_concurrency_limit", CONF_INT,
			     &n, &why),
	    0);
	assert_int_equal(n, 7);
	assert_int_equal(conf_get_number(c, "xy_destination_concurrency_limit",
			     CONF_INT, &n, &why),
	    0);
	assert_int_equal(n, 7);
	assert_int_equal(conf_get_number(c, "slow_destination_rate_delay",
			     CONF_TIME, &n, &why),
	    0);
	assert_int_equal(n, 2000);
	assert_int_equal(conf_get_number(c, "smtpd_service_workers", CONF_INT,
			     &n, &why),
	    0);
	assert_int_equal(n, 3);
	conf_free(c);
	temp_remove(dir, files);
}

static void
overrides_win(void **state)
{
	static const char *const o[] = { "foo=1", "{ smtpd_banner = a b }" };
	const char *dir = temp_dir();
	const char *file;
	unsigned line;
	struct why why;

	(void)state;
	temp_file(dir, "main.cf", "smtpd_banner = x\n\nfoo = 2\nbar = 3\n");

	struct conf *c = conf_load(dir, o, 2, &why);

	assert_non_null(c);
	assert_string_equal(conf_get(c, "smtpd_banner", &why), "a b");
	assert_string_equal(conf_get(c, "foo", &why), "1");
	assert_string_equal(conf_get(c, "nobody", &why), "");
	assert_null(conf_raw(c, "nobody"));
	assert_true(conf_source(c, "bar", &file, &line));
	assert_string_equal(file, "main.cf");
	assert_int_equal(line, 4);
	assert_false(conf_source(c, "mydomain", &file, &line));
	conf_free(c);
	temp_remove(dir, files);
}

/* Whichever is asked first: both go back to the name of the machine. */
static void
a_name_may_be_of_its_own_domain(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		const char *dir = temp_dir();
		struct why why;
		struct conf *c = load(dir, "myhostname = mail.$mydomain\n",
		    &why);
		char want[512];

		assert_non_null(c);
		assert_non_null(
		    conf_get(c, first ? "mydomain" : "myhostname", &why));
		snprintf(want, sizeof(want), "mail.%s",
		    conf_get(c, "mydomain", &why));
		assert_string_equal(conf_get(c, "myhostname", &why), want);
		assert_true(strlen(want) > strlen("mail."));
		conf_free(c);
		temp_remove(dir, files);
	}
}

/* Each is told in one line, with its place and what is allowed. */
static const struct {
	const char *text;
	const char *why;
} faults[] = {
	{ "# x\n\nfoo bar\n",
	    "main.cf:3: \"foo bar\": \"=\" is missing; allowed is name = "
	    "value" },
	{ "= x\n",
	    "main.cf:1: \"= x\": the name is missing; allowed is name = "
	    "value" },
	{ "a = 1\nsmtpd_timeout = 5q\n",
	    "main.cf:2: smtpd_timeout: bad time \"5q\"; allowed is a number "
	    "with s, m, h, d or w behind it, up to 100 years" },
	{ "disable_vrfy_command = maybe\n",
	    "main.cf:1: disable_vrfy_command: bad switch \"maybe\"; allowed is "
	    "yes or no" },
	{ "\nsmtpd_recipient_limit = 1k\n",
	    "main.cf:2: smtpd_recipient_limit: bad number \"1k\"; allowed is a "
	    "whole number" },
	{ "smtpd_recipient_limit = 0\n",
	    "main.cf:1: smtpd_recipient_limit: \"0\" is out of range; allowed "
	    "is 1 or more" },
	{ "smtpd_forbid_bare_newline = what\n",
	    "main.cf:1: smtpd_forbid_bare_newline: bad word \"what\"; allowed "
	    "is one of: no normalize|yes reject note" },
	{ "smtpd_banner =\n",
	    "main.cf:1: smtpd_banner: is empty; allowed is any text" },
	{ "smtpd_banner = $a\na = $smtpd_banner\n",
	    "main.cf:1: smtpd_banner: refers to itself: smtpd_banner -> a -> "
	    "smtpd_banner" },
	{ "x = 1\nsmtpd_banner =\n  ${x?{a}b}\n",
	    "main.cf:2: smtpd_banner: \":\" is expected at \"b\"" },
	{ "smtpd_banner = 5 $\n",
	    "main.cf:1: smtpd_banner: a name is expected (a dollar is $$) at "
	    "\"$\"" },
	{ "message_size_limit = -1\n",
	    "main.cf:1: message_size_limit: \"-1\" is out of range; allowed is "
	    "0 or more" },
};

static void
faults_name_file_and_line(void **state)
{
	const char *dir = temp_dir();
	struct params p;
	struct why why;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		struct conf *c = load(dir, faults[i].text, &why);

		print_message("# %s\n", faults[i].why);
		if (c)
			assert_int_equal(conf_get_struct(c, fields,
					     COUNT_OF(fields), &p, &why),
			    -EINVAL);
		assert_string_equal(why.text, faults[i].why);
		conf_free(c);
	}
	temp_remove(dir, files);
}

static const struct {
	const char *text;
	const char *why;
} master_faults[] = {
	{ "smtp inet n - y - - smtpd\nsmtp\n",
	    "master.cf:2: the field \"type\" is missing; allowed is service "
	    "type private unpriv chroot wakeup maxproc command + args" },
	{ "smtp tcp n - y - - smtpd\n",
	    "master.cf:1: tcp: bad service type; allowed is inet, unix, fifo, "
	    "pass or unix-dgram" },
	{ "a unix x - y - - smtpd\n",
	    "master.cf:1: x: bad private; allowed is y, n or -" },
	{ "a unix - - y 5m - smtpd\n",
	    "master.cf:1: 5m: bad wakeup; allowed is seconds, seconds with a ? "
	    "behind them, or -" },
	{ "\na unix - - y - many smtpd\n",
	    "master.cf:2: many: bad maxproc; allowed is a number, or -" },
	{ "a inet y - y - - smtpd\n",
	    "master.cf:1: a: bad private; allowed is n for a service of type "
	    "inet" },
	{ "a unix - - y - - /bin/smtpd\n",
	    "master.cf:1: /bin/smtpd: bad command; allowed is the name of a "
	    "program in daemon_directory" },
	{ "a unix - - y - - smtpd\n\t-o { x = 1\n",
	    "master.cf:1: { x = 1: bad argument; allowed is a } for each {" },
};

static void
services_name_file_and_line(void **state)
{
	const char *dir = temp_dir();
	struct why why;
	struct conf *c = load(dir, "", &why);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(master_faults); i++) {
		temp_file(dir, "master.cf", master_faults[i].text);
		assert_null(master_cf_load(c, &why));
		assert_string_equal(why.text, master_faults[i].why);
	}
	conf_free(c);
	temp_remove(dir, files);
}

static void
services_are_read(void **state)
{
	const char *dir = temp_dir();
	struct why why;
	struct conf *c = load(dir, "", &why);

	(void)state;
	temp_file(dir, "master.cf",
	    "smtp inet n - y - - smtpd\n"
	    "# note\nflush unix n n - 1000? 0 flush -v\n"
	    "  -o { a = b c } -o d=e\n"
	    "postlog unix-dgram n - n - 1 postlogd\n"
	    "smtp inet n - n - 7 smtpd\n");

	struct master_cf *m = master_cf_load(c, &why);

	assert_non_null(m);
	assert_int_equal(master_cf_count(m), 3);

	const struct service_line *s = master_cf_at(m, 0);

	assert_string_equal(s->name, "smtp");
	assert_int_equal(s->maxproc, 7);
	assert_false(s->private);
	assert_true(s->unpriv);
	s = master_cf_find(m, "flush", SERVICE_UNIX);
	assert_non_null(s);
	assert_int_equal(s->wakeup, 1000000);
	assert_true(s->wakeup_if_used);
	assert_int_equal(s->maxproc, 0);
	assert_int_equal(s->args_n, 5);
	assert_string_equal(s->args[2], "a = b c");
	assert_null(s->args[5]);
	assert_int_equal(s->line, 3);
	assert_int_equal(master_cf_at(m, 2)->type, SERVICE_UNIX_DGRAM);
	master_cf_free(m);
	conf_free(c);
	temp_remove(dir, files);
}

static void
note_text(const char *text, void *arg)
{
	struct buf *out = arg;
	const char *colon = strchr(text, ':');

	buf_putf(out, "%s;", colon ? colon + 2 : text);
}

/* What is told of these two files, without their directory. */
static void
check_names(const char *main_cf, const char *master_cf, const char *want)
{
	const char *dir = temp_dir();
	char storage[512];
	struct entry_list entries;
	struct conf_names *names;
	struct buf out;
	struct why why;
	struct conf *c = load(dir, main_cf, &why);

	assert_non_null(c);
	temp_file(dir, "master.cf", master_cf);
	buf_init(&out, storage, sizeof(storage));
	conf_each_remark(c, note_text, &out);
	assert_int_equal(entry_list_load(dir, &entries, note_text, &out, &why),
	    0);
	names = conf_names_new(c, &entries);
	conf_names_each_undefined(names, note_text, &out);
	conf_names_each_unused(names, true, note_text, &out);
	assert_span(buf_span(&out), span_str(want));
	conf_names_free(names);
	entry_list_free(&entries);
	conf_free(c);
	temp_remove(dir, files);
}

static void
unused_names_are_found(void **state)
{
	static const struct {
		const char *main_cf, *master_cf, *want;
	} cases[] = {
		{ "foo = 1\n", "", "unused parameter: foo=1;" },
		{ "bar = 2\nsmtpd_banner = ${bar?x}\n", "", "" },
		{ "smtpd_tiemout = 5\n", "",
		    "unused parameter: smtpd_tiemout=5;" },
		{ "smtpd_banner = $nope\n", "", "undefined parameter: nope;" },
		{ "a = $b\nb = 1\nrelayhost = $a\n", "", "" },
		{ "a = $b\nb = $a\nrelayhost = $a\n", "", "" },
		{ "smtpd_restriction_classes = strict, no\nstrict = $x\nx = "
		  "permit\n",
		    "", "undefined parameter: no;" },
		{ "x_recipient_limit = 5\n", "",
		    "unused parameter: x_recipient_limit=5;" },
		{ "x_recipient_limit = 5\n", "x unix - - n - - smtp\n", "" },
		{ "x_time_limit = 5\n", "x unix - - n - - smtp\n",
		    "unused parameter: x_time_limit=5;" },
		{ "x_time_limit = 5\n", "x unix - - n - - pipe\n", "" },
		{ "alias_maps = hash:/a, proxy:ldap:l\nl_bind = no\nl_x = 1\n",
		    "", "unused parameter: l_x=1;" },
		{ "y = 1\n",
		    "x unix - - n - - smtp -o x=$y -o relayhost=$x -o z=1\n",
		    "unused parameter: z=1;" },
		{ " x = 1\nrelayhost = a\nrelayhost = b\n", "",
		    "logical line must not start with whitespace: \" x = "
		    "1\";overriding earlier entry: relayhost=a;" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		check_names(cases[i].main_cf, cases[i].master_cf,
		    cases[i].want);
}

static unsigned unmatched;

static void
note_unmatched(const char *request)
{
	(void)request;
	unmatched++;
}

/* Edits master.cf, and compares it with `want`. */
static void
check_master_edit(enum master_edit kind, const char *request, const char *want)
{
	static const char before[] = "# top\na unix - - n - - smtp -v\n"
				     "  -o { x = y z } arg\n# b's\n"
				     "b unix - - n - - smtp\n";
	const char *dir = temp_dir();
	char name[128];
	struct lines l;
	struct why why;
	char *text;

	temp_file(dir, "master.cf", before);
	snprintf(name, sizeof(name), "%s/master.cf", dir);
	if (master_edit(dir, kind, &request, 1, note_unmatched, &why) < 0)
		want = before;
	assert_int_equal(lines_read(name, &l, &text, &why), 0);
	assert_string_equal(text, want);
	free(text);
	temp_remove(dir, files);
}

static void
master_cf_is_edited(void **state)
{
#define A "a          unix  -       -       n       -       -       smtp"
#define TAIL "# b's\nb unix - - n - - smtp\n"
#define LONG "a unix - - n - - smtp -v\n  -o { x = y z } arg\n"
	static const struct {
		enum master_edit kind;
		const char *request, *want;
	} cases[] = {
		{ MASTER_EDIT_SET, "a/unix=a unix - - n - - smtp",
		    "# top\n" A "\n" TAIL },
		{ MASTER_EDIT_SET, "c/unix=a", NULL },
		{ MASTER_EDIT_SET_PARAM, "a/*/x=1",
		    "# top\n" A " -v\n    -o x=1\n    arg\n" TAIL },
		{ MASTER_EDIT_SET_PARAM, "a/unix/w=1",
		    "# top\n" A
		    " -v\n    -o {x=y z}\n    -o w=1\n    arg\n" TAIL },
		{ MASTER_EDIT_REMOVE_PARAM, "*/unix/x",
		    "# top\n" A " -v arg\n# b's\n"
		    "b          unix  -       -       n       -       -       "
		    "smtp\n" },
		{ MASTER_EDIT_SET_FIELD, "a/unix/command=smtp",
		    "# top\n" A "\n" TAIL },
		{ MASTER_EDIT_SET_FIELD, "a/unix/chroot=z", NULL },
		{ MASTER_EDIT_SET_FIELD, "a/unix/nope=z", NULL },
		{ MASTER_EDIT_SET_FIELD, "c/unix/chroot=y",
		    "# top\n" LONG TAIL },
		{ MASTER_EDIT_COMMENT, "a/unix",
		    "# top\n#a unix - - n - - smtp -v\n"
		    "#  -o { x = y z } arg\n" TAIL },
		{ MASTER_EDIT_REMOVE, "a/unix", "# top\n" TAIL },
		{ MASTER_EDIT_REMOVE, "a", NULL },
	};
#undef A
#undef TAIL
#undef LONG

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		check_master_edit(cases[i].kind, cases[i].request,
		    cases[i].want);
	assert_int_equal(unmatched, 1);
}

static void
edits_keep_what_they_do_not_mean(void **state)
{
	static const char *const set[] = { "foo = new", "added=1" };
	static const char *const names[] = { "b" };
	const char *dir = temp_dir();
	struct lines l;
	struct why why;
	char *text;

	(void)state;
	temp_file(dir, "main.cf", "# top\nfoo = a\n  b\n# in\n  c\nb = 1\n");
	assert_int_equal(conf_edit(dir, CONF_EDIT_SET, set, 2, &why), 0);
	assert_int_equal(conf_edit(dir, CONF_EDIT_COMMENT, names, 1, &why), 0);

	const char *path = temp_file(dir, "other", "");
	char name[128];

	snprintf(name, sizeof(name), "%s/main.cf", dir);
	assert_int_equal(lines_read(name, &l, &text, &why), 0);
	assert_string_equal(text,
	    "# top\nfoo = new\n# in\n#b = 1\nadded = 1\n");
	free(text);
	unlink(path);
	assert_int_equal(conf_edit(dir, CONF_EDIT_SET, names, 1, &why),
	    -EINVAL);
	temp_remove(dir, files);
}

static void
check_row(const struct param *p, void *arg)
{
	struct conf *c = arg;
	struct why why;
	int64_t value;

	if (p->type == CONF_RAW)
		return;
	if (!conf_get(c, p->name, &why))
		fail_msg("%s", why.text);
	if (p->type != CONF_STR && p->type != CONF_LIST &&
	    conf_get_number(c, p->name, p->type, &value, &why) < 0)
		fail_msg("%s", why.text);
	if (!*p->meaning)
		fail_msg("%s has no meaning", p->name);
}

static void
each_default_is_allowed(void **state)
{
	const char *dir = temp_dir();
	struct why why;
	struct conf *c = load(dir, "", &why);

	(void)state;
	param_each(check_row, c);
	for (size_t i = 1; i < param_count(); i++)
		assert_true(
		    strcmp(param_at(i - 1)->name, param_at(i)->name) < 0);
	conf_free(c);
	temp_remove(dir, files);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(lines_are_joined_and_comments_skipped),
		TEST(times_have_units),
		TEST(parameters_become_a_struct),
		TEST(a_transport_inherits),
		TEST(overrides_win),
		TEST(a_name_may_be_of_its_own_domain),
		TEST(faults_name_file_and_line),
		TEST(services_name_file_and_line),
		TEST(services_are_read),
		TEST(unused_names_are_found),
		TEST(master_cf_is_edited),
		TEST(edits_keep_what_they_do_not_mean),
		TEST(each_default_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
