#include "tests/unit/test.h"

#include "base/why.h"
#include "net/cidr.h"

#include <netinet/in.h>

/* What is written, and how it is put; NULL: it is none. */
static const struct {
	struct span text;
	const char *put;
} addrs[] = {
	{ SPAN_INIT("192.0.2.1"), "192.0.2.1" },
	{ SPAN_INIT("[192.0.2.1]"), "192.0.2.1" },
	{ SPAN_INIT("2001:DB8::1"), "2001:db8::1" },
	{ SPAN_INIT("[IPv6:2001:db8:0:0::1]"), "2001:db8::1" },
	{ SPAN_INIT("[::1]"), "::1" },
	{ SPAN_INIT("::ffff:192.0.2.1"), "192.0.2.1" },
	{ SPAN_INIT("unix:/run/x"), "unix:/run/x" },
	{ SPAN_INIT("unix:"), NULL },
	{ SPAN_INIT(""), NULL },
	{ SPAN_INIT("[]"), NULL },
	{ SPAN_INIT("192.0.2"), NULL },
	{ SPAN_INIT("192.0.2.256"), NULL },
	{ SPAN_INIT("192.0.2.01"), NULL },
	{ SPAN_INIT("192.0.2.1 "), NULL },
	{ SPAN_INIT("1::2::3"), NULL },
	{ SPAN_INIT("IPv6:::1"), NULL },
	{ SPAN_INIT("[::1"), NULL },
	{ SPAN_INIT("192.0.2.1\0"), NULL },
	{ SPAN_INIT("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"),
	    NULL },
};

static void
addresses_are_numbers(void **state)
{
	char storage[ADDR_TEXT_MAX];
	struct buf out;
	struct addr a;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(addrs); i++) {
		assert_int_equal(addr_parse(guarded(addrs[i].text), &a),
		    addrs[i].put != NULL);
		if (!addrs[i].put)
			continue;
		buf_init(&out, storage, sizeof(storage));
		addr_put(&out, &a);
		assert_span(buf_span(&out),
		    ((struct span){ addrs[i].put, strlen(addrs[i].put) }));
	}
}

static void
a_sockaddr_is_the_same_address(void **state)
{
	struct sockaddr_storage sa;
	struct addr a;
	struct addr b;

	(void)state;
	assert_true(addr_parse(SPAN("[::1]"), &a));
	a.port = 65535;
	assert_int_equal(addr_to_sockaddr(&a, &sa),
	    sizeof(struct sockaddr_in6));
	assert_true(addr_from_sockaddr((struct sockaddr *)&sa, &b));
	assert_int_equal(addr_cmp(&a, &b), 0);
	assert_int_equal(b.port, 65535);
}

static const struct {
	struct span net;
	const char *put; /* NULL: it is none */
	struct span in;
	struct span out;
} nets[] = {
	{ SPAN_INIT("192.0.2.0/24"), "192.0.2.0/24", SPAN_INIT("192.0.2.255"),
	    SPAN_INIT("192.0.3.0") },
	{ SPAN_INIT("192.0.2.128/25"), "192.0.2.128/25",
	    SPAN_INIT("192.0.2.128"), SPAN_INIT("192.0.2.127") },
	{ SPAN_INIT("0.0.0.0/0"), "0.0.0.0/0", SPAN_INIT("10.0.0.1"),
	    SPAN_INIT("::1") },
	{ SPAN_INIT("192.0.2.1"), "192.0.2.1/32", SPAN_INIT("192.0.2.1"),
	    SPAN_INIT("192.0.2.2") },
	{ SPAN_INIT("[2001:db8::]/33"), "[2001:db8::]/33",
	    SPAN_INIT("2001:db8:7fff::1"), SPAN_INIT("2001:db8:8000::1") },
	{ SPAN_INIT("2001:db8::/32"), "[2001:db8::]/32",
	    SPAN_INIT("2001:db8::1"), SPAN_INIT("192.0.2.1") },
	{ SPAN_INIT("[2001:db8::/32]"), "[2001:db8::]/32",
	    SPAN_INIT("2001:db8::1"), SPAN_INIT("2001:db9::1") },
	{ SPAN_INIT("[::ffff:127.0.0.0]/104"), "127.0.0.0/8",
	    SPAN_INIT("127.9.9.9"), SPAN_INIT("128.0.0.1") },
	{ .net = SPAN_INIT("192.0.2.1/24") },
	{ .net = SPAN_INIT("192.0.2.0/33") },
	{ .net = SPAN_INIT("192.0.2.0/") },
	{ .net = SPAN_INIT("192.0.2.0/2x") },
	{ .net = SPAN_INIT("::ffff:192.0.2.0/24") },
	{ .net = SPAN_INIT("[[::1]/128]") },
	{ .net = SPAN_INIT("/24") },
	{ .net = SPAN_INIT("") },
	{ .net = SPAN_INIT("unix:/x") },
};

static void
networks_hold_addresses(void **state)
{
	char storage[ADDR_TEXT_MAX];
	struct buf put;
	struct cidr c;
	struct addr a;
	struct why why;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(nets); i++) {
		print_message("# %s\n", nets[i].net.p);
		assert_int_equal(cidr_parse(guarded(nets[i].net), &c, &why) ==
			0,
		    nets[i].put != NULL);
		if (!nets[i].put)
			continue;
		buf_init(&put, storage, sizeof(storage));
		cidr_put(&put, &c);
		assert_span(buf_span(&put),
		    ((struct span){ nets[i].put, strlen(nets[i].put) }));
		assert_true(addr_parse(nets[i].in, &a));
		assert_true(cidr_has(&c, &a));
		assert_true(addr_parse(nets[i].out, &a));
		assert_false(cidr_has(&c, &a));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(addresses_are_numbers),
		TEST(a_sockaddr_is_the_same_address),
		TEST(networks_hold_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
