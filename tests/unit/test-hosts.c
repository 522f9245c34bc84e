#include "tests/unit/test.h"

#include "net/hosts.h"

static char path[] = "/tmp/test-hosts.XXXXXX";

static const char text[] = "# comment\n"
			   "127.0.0.1\tlocalhost  loop # not here\n"
			   "::1 localhost\n"
			   "\n"
			   "not-an-address here\n"
			   "192.0.2.1\n"
			   "smtp 25/tcp mail\r\n"
			   "syslog 514/udp\n"
			   "submission 587/tcp # no newline";

static int
make_file(void **state)
{
	int fd = mkstemp(path);
	bool ok = fd >= 0 &&
	    write(fd, text, sizeof(text) - 1) == sizeof(text) - 1;

	(void)state;
	close(fd);
	return ok ? 0 : -1;
}

static int
remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void
a_name_has_all_its_addresses(void **state)
{
	struct addr found[HOSTS_ADDRS_MAX];

	(void)state;
	assert_int_equal(hosts_find(path, SPAN("LocalHost"), found), 2);
	assert_int_equal(found[0].family, AF_INET);
	assert_int_equal(found[1].family, AF_INET6);
	assert_int_equal(hosts_find(path, SPAN("loop"), found), 1);
	assert_int_equal(hosts_find(path, SPAN("here"), found), 0);
	assert_int_equal(hosts_find("/nowhere", SPAN("loop"), found), 0);
}

static void
an_address_has_its_first_name(void **state)
{
	char name[HOSTS_NAME_MAX + 1];
	struct addr a;

	(void)state;
	assert_true(addr_parse(SPAN("127.0.0.1"), &a));
	assert_true(hosts_name(path, &a, name));
	assert_string_equal(name, "localhost");
	assert_true(addr_parse(SPAN("192.0.2.1"), &a));
	assert_false(hosts_name(path, &a, name));
}

static void
ports_have_names(void **state)
{
	static const struct {
		struct span name;
		uint16_t port; /* 0: none */
	} cases[] = {
		{ SPAN_INIT("25"), 25 },
		{ SPAN_INIT("65535"), 65535 },
		{ SPAN_INIT("65536"), 0 },
		{ SPAN_INIT("0"), 0 },
		{ SPAN_INIT("-1"), 0 },
		{ SPAN_INIT(""), 0 },
		{ SPAN_INIT("smtp"), 25 },
		{ SPAN_INIT("MAIL"), 25 },
		{ SPAN_INIT("syslog"), 0 },
		{ SPAN_INIT("submission"), 588 }, /* the parameter's first */
		{ SPAN_INIT("submissions"), 465 },
		{ SPAN_INIT("smtps"), 465 },
		{ SPAN_INIT("465"), 465 },
		{ SPAN_INIT("bad"), 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint16_t port = 0;
		bool found = port_find(path,
		    SPAN("smtps=submissions=465, submission=588,bad=x"),
		    cases[i].name, &port);

		assert_int_equal(found, cases[i].port != 0);
		assert_int_equal(port, cases[i].port);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_has_all_its_addresses),
		TEST(an_address_has_its_first_name),
		TEST(ports_have_names),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
