/*
 * posttls-finger - says what TLS a mail server offers, and whether it is whom one
 * asked for.
 *
 * It speaks to strangers, so root becomes the user of the daemons that do, once
 * files are read. It asks name servers itself, by libunbound: it wants neither
 * the suite to run nor its sockets.
 */
#include "base/help.h"
#include "net/hosts.h"
#include "service/privs.h"
#include "service/resolver.h"
#include "smtp/finger/finger.h"
#include "task/task.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	PROBLEMS_MAX = 8192,
	LINE_SIZE = 32768,
};

static const char help[] =
    "usage: posttls-finger [OPTIONS] DOMAIN[:PORT] | [HOST]:PORT [MATCH...]\n"
    "       posttls-finger -S [OPTIONS] inet:HOST:PORT | unix:PATH [MATCH...]\n"
    "Says what TLS a mail server offers, and whether it is whom one asked for.\n"
    "  -l LEVEL  none may encrypt fingerprint verify secure dane dane-only (dane)\n"
    "  -A FILE   trust these issuers only     -F FILE, -P DIR  trust these\n"
    "  -d DIGEST, -g GRADE of ciphers (medium), -p PROTOCOLS (>=TLSv1)\n"
    "  -s NAME   tell this name (SNI)         -k FILE, -K FILE, -H FILES  our keys\n"
    "  -f        look for TLSA records of unsigned hosts, too\n"
    "  -M LEVEL  of DANE behind unsigned MX records: may encrypt dane (dane)\n"
    "  -a ipv4|ipv6|any, the family tried first; -h dns|native, for hosts' names\n"
    "  -c        no dialogue                  -C  print the chain as PEM\n"
    "  -L WORDS  what is told: none summary untrusted peercert certmatch cache\n"
    "            verbose ssl-debug (routine,certmatch); -v: more of all\n"
    "  -r SECONDS, -m TIMES  connect again, and see if the session is resumed\n"
    "  -t SECONDS, -T SECONDS  for the connection (30), for a command (30)\n"
    "  -S        LMTP                         -w  TLS from the first byte\n"
    "  -o NAME=VALUE  a parameter\n"
    "Exit status: 0, whatever the server is; 1 if it could not be asked.\n"
    "More in posttls-finger(1).\n";

static struct {
	char problems[PROBLEMS_MAX];
	size_t n;
} self;

static void print(const char *kind, const char *fmt, va_list ap)
    PRINTF_LIKE(2, 0);

/* Servers' words end on a terminal. */
static void
print(const char *kind, const char *fmt, va_list ap)
{
	char *text = zalloc(LINE_SIZE);

	vsnprintf(text, LINE_SIZE, fmt, ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = '?';
	printf("posttls-finger: %s%s\n", kind, text);
	free(text);
}

void
finger_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print("", fmt, ap);
	va_end(ap);
}

void
finger_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print("warning: ", fmt, ap);
	va_end(ap);
}

void
finger_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print("fatal: ", fmt, ap);
	va_end(ap);
	fflush(stdout);
	_exit(1); /* tasks may be under way */
}

static void
keep_problem(const char *text)
{
	size_t room = sizeof(self.problems) - self.n;
	int n = snprintf(self.problems + self.n, room, "%s", text);

	if (n >= 0 && (size_t)n < room)
		self.n += (size_t)n + 1;
}

void
finger_say_problems(void)
{
	for (size_t at = 0; at < self.n; at += strlen(self.problems + at) + 1)
		finger_warn("TLS library problem: %s", self.problems + at);
	self.n = 0;
}

static void
open_resolver(const struct finger_settings *s)
{
	struct why why;

	if (resolver_init(&(struct resolver_conf){ s->servers, s->resolv_conf,
			      s->trust_anchors },
		&why) < 0)
		finger_fatal("%s", why.text);
}

/* Where the suite is not installed there is none of its users. */
static void
drop_privileges(const char *net_owner)
{
	struct privs p;
	struct why why;

	if (privs_find(net_owner, &p, &why) < 0 &&
	    privs_find("nobody", &p, &why) < 0)
		finger_fatal("%s", why.text);
	if (privs_drop(&p, &why) < 0)
		finger_fatal("%s", why.text);
	privs_no_more();
}

/* One family first, whatever preferences there are: -a. */
static size_t
order_of(const struct finger *f, const struct host *list, size_t n,
    const struct host **order_r)
{
	int first = f->family;
	unsigned char dice = 0;
	size_t k = 0;

	if (first == AF_UNSPEC)
		first = getrandom(&dice, 1, GRND_NONBLOCK) == 1 && dice & 1
		    ? AF_INET
		    : AF_INET6;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < n; i++)
			if ((list[i].addr.family == first) == (pass == 0))
				order_r[k++] = &list[i];
	return k;
}

/* False: the next one may be better. */
static bool
visit(const struct finger *f, struct finger_server *s)
{
	const char *via = s->host->name;
	int fd;

	s->name = dial_name(f->arena, s->host, true);
	if (!finger_find_level(f, s)) {
		finger_say("Failed to establish session to %s via %s: TLSA "
			   "lookup error for %s:%u",
		    f->destination, via, via, (unsigned)s->host->addr.port);
		return false;
	}
	fd = dial_connect(&(struct dial){ .timeout = f->connect_timeout },
	    &s->host->addr);
	if (fd < 0) {
		bool is_path = s->host->addr.family == AF_UNIX;

		finger_say("Failed to establish session to %s%s%s: connect to "
			   "%s: %s",
		    f->destination, is_path ? "" : " via ", is_path ? "" : via,
		    s->name, strerror(-fd));
		return false;
	}
	if (f->chat)
		finger_say("Connected to %s", s->name);
	finger_talk(f, s, fd);
	return true;
}

static void
visit_all(const struct finger *f, const struct target *t)
{
	struct finger_server *s = zalloc(sizeof(*s));
	const struct host **order;
	struct host *list;
	struct fault fault;
	size_t n;

	s->target = *t;
	if (!hosts_of(&f->hosts, t, f->arena, &list, &n, &fault)) {
		finger_say("Destination address lookup failed: %s", fault.text);
	} else {
		order = zalloc(n * sizeof(struct host *));
		n = order_of(f, list, n, order);
		for (size_t i = 0; i < n; i++) {
			s->host = order[i];
			if (visit(f, s))
				break;
		}
		free(order);
	}
	free(s);
}

static void
warn_of_dnssec(const struct finger *f, const struct target *t)
{
	struct addr a;

	if (f->level < FINGER_HALF_DANE || f->validates || f->hosts.by_file ||
	    t->kind == TARGET_UNIX || addr_parse(t->host, &a))
		return;
	finger_warn("DNSSEC validation may be unavailable");
	finger_warn("reason: dns_trust_anchor_file is empty");
}

static void
run(void *arg)
{
	struct finger *f = arg;
	struct span rest = span_str(f->destination);
	struct target t;
	uint16_t port;

	if (!task_spawn(resolver_serve, NULL, "libunbound"))
		die("no memory for a task");
	if (!target_next(&rest, f->lmtp, &t))
		finger_fatal("no destination");
	if (t.port.n > 0 &&
	    !port_find(f->hosts.services, span_str(f->hosts.known_ports),
		t.port, &port))
		finger_fatal("unknown service: %.*s/tcp", (int)t.port.n,
		    t.port.p);
	warn_of_dnssec(f, &t);
	visit_all(f, &t);
	task_cancel_others();
}

int
main(int argc, char **argv)
{
	struct finger_settings s;
	struct finger *f;
	struct conf *c;

	if (help_asked(argc, argv, help))
		return 0;
	f = zalloc(sizeof(*f));
	setlinebuf(stdout);
	c = finger_read_line(f, argc, argv, &s);
	tls_on_problem(keep_problem);
	finger_open_tls(f, c);
	open_resolver(&s);
	drop_privileges(s.net_owner);
	task_run(run, f);
	resolver_fini();
	tls_free(f->tls);
	arena_free(f->arena);
	conf_free(c);
	free(f);
	return fflush(stdout) == 0 ? 0 : 1;
}
