#include "tests/unit/test.h"

#include "base/buf.h"
#include "master/plan.h"

#include <fcntl.h>
#include <sys/stat.h>

/* A configuration in a folder, with programs that can be run. */
static char dir[] = "/tmp/test-plan.XXXXXX";
static char notes[4096];
static struct buf noted;
static struct why why;

static void
write_file(const char *name, const char *text, mode_t mode)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int
make_dir(void **state)
{
	static const char *const programs[] = { "smtpd", "smtp", "lmtp", "qmgr",
		"postlogd", "broker", "dnsd", "local", "proxymap", "cleanup" };

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < COUNT_OF(programs); i++)
		write_file(programs[i], "#!/bin/true\n", 0755);
	return 0;
}

static int
remove_dir(void **state)
{
	static const char *const files[] = { "smtpd", "smtp", "lmtp", "qmgr",
		"postlogd", "broker", "dnsd", "local", "proxymap", "cleanup",
		"main.cf", "master.cf" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static void
note(const char *text, void *arg)
{
	(void)arg;
	buf_putf(&noted, "%s\n", text);
}

static struct plan *
plan_of(const char *main_cf, const char *master_cf)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "daemon_directory = %s\nservice_workers = 3\n%s", dir, main_cf);
	write_file("main.cf", text, 0644);
	write_file("master.cf", master_cf, 0644);
	buf_init(&noted, notes, sizeof(notes));
	why.text[0] = '\0';
	return plan_load(dir, note, NULL, &why);
}

/* Debian's, as installed. */
static const char standard[] =
    "smtp inet n - y - - smtpd\n"
    "pickup unix n - y 60 1 pickup\n"
    "cleanup unix n - y - 0 cleanup\n"
    "qmgr unix n - n 300 1 qmgr\n"
    "tlsmgr unix - - y 1000? 1 tlsmgr\n"
    "rewrite unix - - y - - trivial-rewrite\n"
    "bounce unix - - y - 0 bounce\n"
    "defer unix - - y - 0 bounce\n"
    "trace unix - - y - 0 bounce\n"
    "verify unix - - y - 1 verify\n"
    "flush unix n - y 1000? 0 flush\n"
    "proxymap unix - - n - - proxymap\n"
    "proxywrite unix - - n - 1 proxymap\n"
    "smtp unix - - y - - smtp\n"
    "relay unix - - y - - smtp\n"
    "  -o syslog_name=postfix/$service_name\n"
    "showq unix n - y - - showq\n"
    "error unix - - y - - error\n"
    "retry unix - - y - - error\n"
    "discard unix - - y - - discard\n"
    "local unix - n n - - local\n"
    "virtual unix - n n - - virtual\n"
    "lmtp unix - - y - - lmtp\n"
    "anvil unix - - y - 1 anvil\n"
    "scache unix - - y - 1 scache\n"
    "postlog unix-dgram n - n - 1 postlogd\n"
    "maildrop unix - n n - - pipe\n"
    "  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}\n"
    "uucp unix - n n - - pipe\n"
    "  flags=Fqhu user=uucp argv=uux -r -n -z -a$sender - $nexthop\n"
    "mailman unix - n n - - pipe\n"
    "  flags=FRX user=list argv=/usr/lib/mailman/bin/postfix-to-mailman.py\n";

static void
a_standard_master_cf_is_understood(void **state)
{
	struct plan *p = plan_of("inet_interfaces = 127.0.0.1\n", standard);
	const struct plan_service *s;

	(void)state;
	assert_non_null(p);
	/* smtp, cleanup, qmgr, proxymap, smtp, relay, local, lmtp; postlog, */
	assert_int_equal(p->n, 11); /* broker, dns */
	s = plan_find(p, "inet smtp");
	assert_non_null(s);
	assert_int_equal(s->workers, 3);
	assert_int_equal(s->maxproc, 100);
	assert_int_equal(s->sockets_n, 1);
	assert_int_equal(s->sockets[0].addr.port, 25);
	s = plan_find(p, "unix qmgr");
	assert_non_null(s);
	assert_int_equal(s->workers, 1);
	assert_int_equal(s->maxproc, 0);
	assert_string_equal(s->sockets[0].path, "private/qmgr");
	assert_string_equal(s->sockets[1].path, "public/showq");
	/* Nobody but qmgr may tell it what to send. */
	s = plan_find(p, "unix relay");
	assert_non_null(s);
	assert_int_equal(s->workers, 3);
	assert_int_equal(s->sockets[0].type, SOCK_SEQPACKET);
	assert_int_equal(s->sockets[0].mode, 0600);
	assert_string_equal(s->sockets[0].path, "private/relay");
	s = plan_find(p, "unix-dgram postlog");
	assert_true(s && s->is_log);
	s = plan_find(p, "unix broker");
	assert_non_null(s);
	assert_int_equal(s->sockets[0].mode, 0600);
	buf_put(&noted, (struct span){ "", 1 });
	assert_non_null(strstr(noted.p, "service uucp: program pipe is not"));
	assert_null(strstr(noted.p, "bounce"));
	plan_free(p);
}

static void
too_many_sessions_for_the_system_are_told_of(void **state)
{
	struct plan *p = plan_of("", "25 inet n - - - 2000000000 smtpd\n");

	(void)state;
	assert_non_null(p);
	buf_put(&noted, (struct span){ "", 1 });
	assert_non_null(strstr(noted.p,
	    "service 25: 2000000000 sessions (maxproc) may need 4000000064"));
	plan_free(p);
	p = plan_of("", "25 inet n - - - 10 smtpd\n");
	assert_non_null(p);
	assert_int_equal(noted.n, 0);
	plan_free(p);
}

static void
what_is_wrong_is_named_with_its_line(void **state)
{
	static const struct {
		const char *main_cf;
		const char *master_cf;
		const char *text;
	} cases[] = {
		{ "", "a unix - - - - - nonsense\n",
		    "master.cf:1: service a: unknown command nonsense" },
		{ "", "\nx:y:z inet n - - - - smtpd\n",
		    "master.cf:2: service x:y:z: z is no port" },
		{ "", "nohost.invalid:25 inet n - - - - smtpd\n",
		    "nohost.invalid is no address" },
		{ "", "25 inet n - - - - smtpd -o\n", "-o must be followed" },
		{ "", "25 inet n - - - - smtpd -o x\n", "-o must be followed" },
		{ "", "a unix-dgram n - - - - smtpd\n",
		    "cannot be of type unix-dgram" },
		{ "", "q unix n - - - 1 qmgr\nr unix n - - - 1 qmgr\n",
		    "master.cf:2: service r: there can be only one qmgr" },
		{ "daemon_directory = /nowhere\n", "25 inet n - - - - smtpd\n",
		    "main.cf:3: daemon_directory: service 25: cannot run" },
		{ "service_workers = x\n", "25 inet n - - - - smtpd\n",
		    "main.cf:3: service_workers" },
		{ "25_service_workers = x\n", "25 inet n - - - - smtpd\n",
		    "main.cf:3: 25_service_workers" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_null(plan_of(cases[i].main_cf, cases[i].master_cf));
		if (!strstr(why.text, cases[i].text))
			print_error("got: %s\n", why.text);
		assert_non_null(strstr(why.text, cases[i].text));
	}
}

static void
services_have_options_and_addresses_of_their_own(void **state)
{
	struct plan *p = plan_of("inet_interfaces = all\n"
				 "inet_protocols = ipv4\n"
				 "26_service_workers = 7\n",
	    "26 inet n - - - 9 smtpd -v -o a=b -oc=d\n"
	    "[::1]:27 inet n - - - 0 smtpd\n"
	    "127.0.0.9:27 inet n - - - 0 smtpd -o a=b\n");
	const struct plan_service *s;

	(void)state;
	assert_null(p); /* ::1 is of no protocol that is wanted */
	p = plan_of("25_service_workers = 7\n",
	    "25 inet n - - - 9 smtpd -v -o a=b -oc=d\n"
	    "127.0.0.9:27 inet n - - - 0 smtpd -o a=b\n");
	assert_non_null(p);
	s = plan_find(p, "inet 25");
	assert_int_equal(s->workers, 7);
	assert_int_equal(s->maxproc, 9);
	assert_int_equal(s->overrides_n, 2);
	assert_string_equal(s->overrides[1], "c=d");
	assert_int_equal(s->sockets_n, 2);
	assert_false(plan_same_options(s, plan_find(p, "inet 127.0.0.9:27")));
	plan_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_standard_master_cf_is_understood),
		TEST(too_many_sessions_for_the_system_are_told_of),
		TEST(what_is_wrong_is_named_with_its_line),
		TEST(services_have_options_and_addresses_of_their_own),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
