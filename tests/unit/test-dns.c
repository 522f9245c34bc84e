#include "tests/unit/test.h"

#include "base/sock.h"
#include "lookup/dnsd/client.h"
#include "service/dns.h"
#include "service/resolver.h"
#include "task/task.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* A name server that knows a few names, on a port of its own. */
static struct {
	int fd;
	unsigned asked; /* questions that came */
	char address[64];
	char socket_path[64];
	char notes[4096];
	size_t notes_n;
} fx;

enum {
	NOERROR = 0,
	SERVFAIL = 2,
	NXDOMAIN = 3,
	SILENT = -1,
};

#define NAME_MAIL "\4mail\1b\4test"

static const struct record {
	const char *name; /* in lower case, with dots */
	int type;
	int rcode;
	struct span rdata;
} records[] = {
	{ "b.test", RDATA_MX, 0, SPAN_INIT("\0\24" NAME_MAIL "\0") },
	{ "b.test", RDATA_MX, 0, SPAN_INIT("\0\12\2mx\1b\4test\0") },
	{ "b.test", RDATA_MX, 0, SPAN_INIT("\0\17\2my\1b\4test\0") },
	{ "b.test", RDATA_TXT, 0, SPAN_INIT("\3v=x\2 y") },
	{ "mail.b.test", RDATA_A, 0, SPAN_INIT("\300\0\2\1") },
	{ "mail.b.test", RDATA_AAAA, 0,
	    SPAN_INIT("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1") },
	{ "mx.b.test", RDATA_A, 0, SPAN_INIT("\300\0\2\2") },
	{ "alias.b.test", RDATA_CNAME, 0, SPAN_INIT(NAME_MAIL "\0") },
	{ "null.test", RDATA_MX, 0, SPAN_INIT("\0\0\0") },
	{ "odd.test", RDATA_MX, 0, SPAN_INIT("\0\1\3a\0b\0") },
	{ "1.2.0.192.in-addr.arpa", RDATA_PTR, 0, SPAN_INIT(NAME_MAIL "\0") },
	{ "broken.test", RDATA_MX, SERVFAIL, SPAN_INIT("") },
	{ "half.test", RDATA_A, SERVFAIL, SPAN_INIT("") },
	{ "half.test", RDATA_AAAA, 0,
	    SPAN_INIT("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\2") },
	{ "silent.test", RDATA_MX, SILENT, SPAN_INIT("") },
};

/* Reads the name of a question; returns what is behind it. */
static const unsigned char *
read_question(const unsigned char *p, char *name)
{
	size_t n = 0;

	while (*p) {
		if (n > 0)
			name[n++] = '.';
		for (unsigned i = 0; i < *p; i++)
			name[n++] = ascii_lower((char)p[i + 1]);
		p += *p + 1;
	}
	name[n] = '\0';
	return p + 1;
}

static size_t
put_record(unsigned char *to, int type, struct span rdata)
{
	const unsigned char head[] = { 0xc0, 12, 0, (unsigned char)type, 0, 1,
		0, 0, 0, 60, (unsigned char)(rdata.n >> 8),
		(unsigned char)rdata.n };

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), rdata.p, rdata.n);
	return sizeof(head) + rdata.n;
}

static int
find_records(const char *name, int type, unsigned char *out, size_t *n,
    unsigned *count)
{
	int rcode = NXDOMAIN;

	for (size_t i = 0; i < COUNT_OF(records); i++) {
		const struct record *r = &records[i];

		if (strcmp(r->name, name) != 0)
			continue;
		if (rcode == NXDOMAIN)
			rcode = NOERROR;
		if (r->type != type && r->type != RDATA_CNAME)
			continue;
		if (r->rcode != 0)
			return r->rcode;
		*n += put_record(out + *n, r->type, r->rdata);
		(*count)++;
	}
	return rcode;
}

static void
serve_names(void *arg)
{
	(void)arg;
	while (task_wait_fd(fx.fd, TASK_INPUT, TASK_NEVER) == TASK_READY) {
		unsigned char packet[2048];
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(fx.fd, packet, 512, MSG_DONTWAIT,
		    (struct sockaddr *)&from, &len);
		unsigned count = 0;
		char name[256];
		size_t n;
		int rcode;

		if (got < 17)
			continue;
		fx.asked++;
		const unsigned char *end = read_question(packet + 12, name);
		n = (size_t)(end + 4 - packet);
		rcode = find_records(name, end[1], packet, &n, &count);
		if (rcode == SILENT)
			continue;
		packet[2] = 0x85;
		packet[3] = (unsigned char)(0x80 | rcode);
		packet[6] = 0;
		packet[7] = (unsigned char)count;
		memset(packet + 8, 0, 4);
		(void)!sendto(fx.fd, packet, n, MSG_DONTWAIT,
		    (struct sockaddr *)&from, len);
	}
}

PRINTF_LIKE(1, 2)
static void
note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fx.notes_n += (size_t)vsnprintf(fx.notes + fx.notes_n,
	    sizeof(fx.notes) - fx.notes_n, fmt, ap);
	va_end(ap);
}

static const char *const words[] = { "found", "absent", "nodata", "tempfail",
	"cancelled" };

static void
ask_mx(const char *name, int64_t ms)
{
	struct arena *a = arena_new(1 << 20);
	struct dns_mx *list;
	struct why why;
	bool secure;
	size_t n;
	enum dns_result r = dns_mx(a, span_str(name), task_after(ms), &list, &n,
	    &secure, &why);

	note("%s:%s", name, words[r]);
	for (size_t i = 0; i < n; i++)
		note(" %u/%s", list[i].preference, list[i].host);
	note("\n");
	arena_free(a);
}

static void
ask_addrs(const char *name, unsigned families)
{
	struct arena *a = arena_new(1 << 20);
	struct addr *list;
	struct why why;
	bool secure;
	size_t n;
	enum dns_result r = dns_addrs(a, span_str(name), families,
	    task_after(30000), &list, &n, &secure, &why);

	note("%s:%s", name, words[r]);
	for (size_t i = 0; i < n; i++) {
		char text[ADDR_TEXT_MAX];
		struct buf b;

		buf_init(&b, text, sizeof(text) - 1);
		addr_put(&b, &list[i]);
		text[b.n] = '\0';
		note(" %s", text);
	}
	note("\n");
	arena_free(a);
}

static void
ask_ptr(const char *address)
{
	struct arena *a = arena_new(1 << 20);
	const char **list;
	struct addr addr;
	struct why why;
	size_t n;

	must(addr_parse(span_str(address), &addr));
	enum dns_result r = dns_ptr(a, &addr, task_after(30000), &list, &n,
	    &why);

	note("%s:%s", address, words[r]);
	for (size_t i = 0; i < n; i++)
		note(" %s", list[i]);
	note("\n");
	arena_free(a);
}

static void
accept_one(void *arg)
{
	int listener = *(int *)arg;

	if (task_wait_fd(listener, TASK_INPUT, TASK_NEVER) == TASK_READY)
		client_serve(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

static void
ask_all(void *arg)
{
	int listener = sock_unix_listen(fx.socket_path, SOCK_SEQPACKET, 0600);

	(void)arg;
	must(listener >= 0);
	must(task_spawn(serve_names, NULL, "name server"));
	must(task_spawn(resolver_serve, NULL, "resolver"));
	must(task_spawn(accept_one, &listener, "dnsd"));
	must(task_spawn(dns_serve, fx.socket_path, "client"));
	ask_mx("b.test", 30000);
	ask_mx("null.test", 30000);
	ask_mx("odd.test", 30000);
	ask_mx("mail.b.test", 30000);
	ask_mx("nobody.test", 30000);
	ask_mx("broken.test", 30000);
	ask_mx("silent.test", 300);
	ask_addrs("mail.b.test", DNS_IPV4 | DNS_IPV6);
	ask_addrs("mail.b.test", DNS_IPV4);
	ask_addrs("ALIAS.b.test", DNS_IPV4);
	ask_addrs("mx.b.test", DNS_IPV6);
	ask_addrs("half.test", DNS_IPV4 | DNS_IPV6);
	ask_addrs("half.test", DNS_IPV4);
	ask_ptr("192.0.2.1");
	ask_ptr("192.0.2.9");
	unsigned before = fx.asked;
	ask_mx("b.test", 30000);
	note("%s\n", fx.asked == before ? "remembered" : "asked again");
	task_cancel_others();
	task_close(listener);
}

static void
names_are_resolved(void **state)
{
	const struct resolver_conf conf = {
		.servers = fx.address,
		.resolv_conf = "/dev/null",
		.trust_anchors = "",
	};
	struct why why;

	(void)state;
	assert_int_equal(resolver_init(&conf, &why), 0);
	task_run(ask_all, NULL);
	resolver_fini();
	assert_string_equal(fx.notes,
	    "b.test:found 10/mx.b.test 15/my.b.test 20/mail.b.test\n"
	    "null.test:found 0/\n"
	    "odd.test:nodata\n"
	    "mail.b.test:nodata\n"
	    "nobody.test:absent\n"
	    "broken.test:tempfail\n"
	    "silent.test:tempfail\n"
	    "mail.b.test:found 2001:db8::1 192.0.2.1\n"
	    "mail.b.test:found 192.0.2.1\n"
	    "ALIAS.b.test:found 192.0.2.1\n"
	    "mx.b.test:nodata\n"
	    "half.test:found 2001:db8::2\n"
	    "half.test:tempfail\n"
	    "192.0.2.1:found mail.b.test\n"
	    "192.0.2.9:absent\n"
	    "b.test:found 10/mx.b.test 15/my.b.test 20/mail.b.test\n"
	    "remembered\n");
}

static void
a_wrong_server_is_told(void **state)
{
	const struct resolver_conf conf = {
		.servers = "no-address",
		.resolv_conf = "/dev/null",
		.trust_anchors = "",
	};
	struct why why;

	(void)state;
	assert_int_not_equal(resolver_init(&conf, &why), 0);
	assert_string_equal(why.text,
	    "dns_servers: no-address is no address@port");
}

static void
data_of_records(void **state)
{
	static const struct {
		struct span rdata;
		const char *name; /* NULL: it is none */
	} rows[] = {
		{ SPAN_INIT("\0"), "" },
		{ SPAN_INIT("\1a\0"), "a" },
		{ SPAN_INIT("\3a-b\2_c\0"), "a-b._c" },
		{ SPAN_INIT(""), NULL },
		{ SPAN_INIT("\1"), NULL },
		{ SPAN_INIT("\1a"), NULL },
		{ SPAN_INIT("\1a\0x"), NULL },
		{ SPAN_INIT("\300\14"), NULL },
		{ SPAN_INIT("\1.\0"), NULL },
		{ SPAN_INIT("\1 \0"), NULL },
		{ SPAN_INIT("\1\0\0"), NULL },
		{ SPAN_INIT("\1\n\0"), NULL },
	};
	char name[RDATA_NAME_MAX];
	unsigned char wire[300];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(rdata_name(guarded(rows[i].rdata), name),
		    rows[i].name != NULL);
		if (rows[i].name)
			assert_string_equal(name, rows[i].name);
	}
	/* The longest name: 255 bytes with its lengths; and one more. */
	for (int i = 0; i < 127; i++) {
		wire[n++] = 1;
		wire[n++] = 'a';
	}
	wire[n] = 0;
	assert_true(rdata_name((struct span){ (char *)wire, n + 1 }, name));
	assert_int_equal(strlen(name), 253);
	wire[0] = 2;
	memmove(wire + 3, wire + 2, n - 1);
	wire[2] = 'b';
	assert_false(rdata_name((struct span){ (char *)wire, n + 2 }, name));
}

static int
begin(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	(void)state;
	inet_pton(AF_INET, "127.0.0.1", &sin.sin_addr);
	fx.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(fx.fd, (struct sockaddr *)&sin, len) < 0 ||
	    getsockname(fx.fd, (struct sockaddr *)&sin, &len) < 0)
		return -1;
	snprintf(fx.address, sizeof(fx.address), "127.0.0.1@%u",
	    ntohs(sin.sin_port));
	snprintf(fx.socket_path, sizeof(fx.socket_path),
	    "/tmp/postrider-dns-%d", (int)getpid());
	return 0;
}

static int
end(void **state)
{
	(void)state;
	unlink(fx.socket_path);
	close(fx.fd);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_are_resolved, begin, end),
		TEST(a_wrong_server_is_told),
		TEST(data_of_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
