/*
 * DNS names, if they are asked for (--dns): this machine's own, the relay host, and
 * who takes the mail of our domains. Who asks is no root: a child that has become
 * net_owner, as dnsd is, and says what it found.
 */
#include "master/check/check.h"

#include "base/clock.h"
#include "base/scan.h"
#include "master/check/dnsreply.h"
#include "master/dirs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SERVERS_MAX = 8,
	TRIES = 2,
	PATIENCE = 2000, /* ms for an answer */
	PACKET_MAX = 65535,
	DNS_PORT = 53,
};

static struct addr servers[SERVERS_MAX];
static size_t servers_n;

static void
add_server(struct span text)
{
	struct span address = span_cut(&text, '@');
	uint64_t port = DNS_PORT;
	struct addr a;

	if (servers_n == SERVERS_MAX || !addr_parse(address, &a) ||
	    (text.n > 0 && !take_number(&text, UINT16_MAX, &port)))
		return;
	a.port = (uint16_t)port;
	servers[servers_n++] = a;
}

static void
read_resolv_conf(void)
{
	FILE *f = fopen("/etc/resolv.conf", "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		struct span s = span_str(line), word;

		s = trim_white(s);
		if (take_word(&s, &word) && span_eq(word, SPAN("nameserver"))) {
			take_blanks(&s);
			add_server(s);
		}
	}
	if (f)
		fclose(f);
}

static void
find_servers(const struct checkup *k)
{
	struct check_value v = check_value_of(k, "dns_servers");
	struct span rest = span_str(v.text), element;

	while (conf_list_next(&rest, &element))
		add_server(element);
	if (!*v.text)
		read_resolv_conf();
}

/* Until the time is over; what is for others is not heard. */
static enum dnsreply
wait_reply(int fd, uint16_t id, uint16_t type)
{
	static char packet[PACKET_MAX];
	int64_t end = clock_mono() + PATIENCE;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end - clock_mono();
		enum dnsreply r;
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return DNSREPLY_TEMPFAIL;
		n = recv(fd, packet, sizeof(packet), 0);
		if (n < 0)
			return DNSREPLY_TEMPFAIL;
		r = dnsreply_read((struct span){ packet, (size_t)n }, id, type);
		if (r != DNSREPLY_FOREIGN)
			return r;
	}
}

static enum dnsreply
ask_server(const struct addr *a, struct span name, uint16_t type)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(a, &sa);
	int fd = socket(a->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	enum dnsreply r = DNSREPLY_TEMPFAIL;
	char query[DNSREPLY_QUERY_MAX];
	struct buf b;
	uint16_t id;

	buf_init(&b, query, sizeof(query));
	if (fd >= 0 && getrandom(&id, sizeof(id), 0) == sizeof(id) &&
	    dnsreply_ask(&b, id, name, type) &&
	    connect(fd, (struct sockaddr *)&sa, len) == 0 &&
	    send(fd, b.p, b.n, 0) == (ssize_t)b.n)
		r = wait_reply(fd, id, type);
	if (fd >= 0)
		close(fd);
	return r;
}

static enum dnsreply
ask(struct span name, uint16_t type)
{
	enum dnsreply r = DNSREPLY_TEMPFAIL;

	for (size_t i = 0; i < TRIES * servers_n && r == DNSREPLY_TEMPFAIL; i++)
		r = ask_server(&servers[i % servers_n], name, type);
	return r;
}

static enum dnsreply
ask_addresses(struct span name)
{
	enum dnsreply a = ask(name, DNSREPLY_A);
	enum dnsreply aaaa;

	if (a == DNSREPLY_FOUND || a == DNSREPLY_ABSENT)
		return a;
	aaaa = ask(name, DNSREPLY_AAAA);
	return aaaa == DNSREPLY_NODATA ? a : aaaa;
}

static const char *
words_of(enum dnsreply r)
{
	switch (r) {
	case DNSREPLY_FOUND:
		return "is there";
	case DNSREPLY_NO_MAIL:
		return "takes no mail (a null MX)";
	case DNSREPLY_NODATA:
		return "has no such record";
	case DNSREPLY_ABSENT:
		return "there is no such name";
	case DNSREPLY_TEMPFAIL:
	case DNSREPLY_FOREIGN:
		break;
	}
	return "no name server could say";
}

static bool
is_localhost(struct span name)
{
	static const struct span end = SPAN_INIT(".localdomain");

	return span_ieq(name, SPAN("localhost")) ||
	    (name.n > 10 && memcmp(name.p, "localhost.", 10) == 0) ||
	    (name.n > end.n &&
		span_eq((struct span){ name.p + name.n - end.n, end.n }, end));
}

static void
check_host(struct checkup *k)
{
	struct check_value v = check_value_of(k, "myhostname");
	enum dnsreply r;

	if (is_localhost(span_str(v.text)))
		return;
	r = ask_addresses(span_str(v.text));
	if (r != DNSREPLY_FOUND)
		check_tell(k, CHECK_WARNING, &v,
		    "%s: has no address in DNS: %s; others refuse mail from "
		    "who calls himself so",
		    v.text, words_of(r));
}

/* Mail for a domain goes to its MX, or to its own address. */
static enum dnsreply
ask_domain(struct span name)
{
	enum dnsreply r = ask(name, DNSREPLY_MX);

	return r == DNSREPLY_NODATA ? ask_addresses(name) : r;
}

/* "[host]:port" or "domain:port". */
static void
check_relayhost(struct checkup *k)
{
	struct check_value v = check_value_of(k, "relayhost");
	struct span rest = span_str(v.text), name;
	bool is_host = take_char(&rest, '[');
	struct addr a;
	enum dnsreply r;

	name = span_cut(&rest, is_host ? ']' : ':');
	if (name.n == 0 || addr_parse(name, &a) || is_localhost(name))
		return;
	r = is_host ? ask_addresses(name) : ask_domain(name);
	if (r != DNSREPLY_FOUND)
		check_tell(k, CHECK_ERROR, &v,
		    "%.*s: cannot be found in DNS: %s; all mail for other "
		    "machines would wait for it",
		    (int)name.n, name.p, words_of(r));
}

static void
check_own_domains(struct checkup *k, const char *class)
{
	struct check_value v = check_value_of(k, class);
	struct span rest = span_str(v.text), name;

	while (conf_list_next(&rest, &name)) {
		enum dnsreply r;

		if (is_localhost(name) || memchr(name.p, ':', name.n) ||
		    memchr("!/.[", *name.p, 4))
			continue;
		r = ask_domain(name);
		if (r != DNSREPLY_FOUND)
			check_tell(k, CHECK_WARNING, &v,
			    "%.*s: nobody can find who takes its mail: %s; it "
			    "needs an MX record",
			    (int)name.n, name.p, words_of(r));
	}
}

_Noreturn static void
ask_all(struct checkup *k)
{
	struct privs net;
	struct why why;

	k->errors = 0;
	if (dirs_user(k->conf, "net_owner", &net, &why) < 0 ||
	    privs_drop(&net, &why) < 0) {
		check_say(k, CHECK_ERROR, "%s", why.text);
	} else if (servers_n == 0) {
		check_say(k, CHECK_ERROR,
		    "there is no name server in dns_servers or "
		    "/etc/resolv.conf");
	} else {
		check_host(k);
		check_relayhost(k);
		check_own_domains(k, "mydestination");
		check_own_domains(k, "virtual_mailbox_domains");
		check_own_domains(k, "virtual_alias_domains");
	}
	fflush(stdout);
	_exit(k->errors > UINT8_MAX ? UINT8_MAX : (int)k->errors);
}

void
check_dns(struct checkup *k)
{
	int status = 0;
	pid_t child;

	if (!k->asks_dns)
		return;
	find_servers(k);
	fflush(stdout);
	child = fork();
	if (child == 0)
		ask_all(k);
	if (child < 0 || waitpid(child, &status, 0) != child ||
	    !WIFEXITED(status))
		check_say(k, CHECK_ERROR, "DNS names could not be asked for");
	else
		k->errors += (unsigned)WEXITSTATUS(status);
}
