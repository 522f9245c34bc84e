/*
 * DNS names, if they are asked for (--dns): this machine's own, the relay host, and
 * who takes the mail of our domains. Who asks is no root: a child that has become
 * net_owner, as dnsd is, and says what it found.
 */
#include "master/check/check.h"

#include "base/scan.h"
#include "master/dirs.h"
#include "service/resolver.h"
#include "task/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PATIENCE = 10 * 1000, /* ms for an answer */
	ANSWER_MAX = 1 << 20,
};

/* What there is of a name, and if that is nothing, in words. */
struct answer {
	bool found;
	const char *words;
	char text[512];
};

static void
set_words(struct answer *a, enum dns_result r, const struct why *why)
{
	a->found = r == DNS_FOUND;
	switch (r) {
	case DNS_FOUND:
		break;
	case DNS_ABSENT:
		a->words = "there is no such name";
		break;
	case DNS_NODATA:
		a->words = "has no such record";
		break;
	case DNS_TEMPFAIL:
	case DNS_CANCELLED:
		snprintf(a->text, sizeof(a->text), "%s", why->text);
		a->words = a->text;
		break;
	}
}

static void
ask_addresses(struct span name, struct answer *answer_r)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(ANSWER_MAX);
	struct addr *list;
	struct why why;
	size_t n;
	bool secure;
	enum dns_result r = dns_addrs(a, name, DNS_IPV4 | DNS_IPV6,
	    task_after(PATIENCE), &list, &n, &secure, &why);

	set_words(answer_r, r, &why);
}

/* Mail for a domain goes to its MX, or to its own address. */
static void
ask_domain(struct span name, struct answer *answer_r)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(ANSWER_MAX);
	struct dns_mx *list;
	struct why why;
	size_t n;
	bool secure;
	enum dns_result r = dns_mx(a, name, task_after(PATIENCE), &list, &n,
	    &secure, &why);

	set_words(answer_r, r, &why);
	if (r == DNS_NODATA)
		ask_addresses(name, answer_r);
	if (r == DNS_FOUND && n == 1 && list[0].host[0] == '\0')
		*answer_r = (struct answer){
			.words = "takes no mail (a null MX)",
		};
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
	struct answer answer;

	if (is_localhost(span_str(v.text)))
		return;
	ask_addresses(span_str(v.text), &answer);
	if (!answer.found)
		check_tell(k, CHECK_WARNING, &v,
		    "%s: has no address in DNS: %s; others refuse mail from "
		    "who calls himself so",
		    v.text, answer.words);
}

/* "[host]:port" or "domain:port". */
static void
check_relayhost(struct checkup *k)
{
	struct check_value v = check_value_of(k, "relayhost");
	struct span rest = span_str(v.text), name;
	bool is_host = take_char(&rest, '[');
	struct answer answer;
	struct addr a;

	name = span_cut(&rest, is_host ? ']' : ':');
	if (name.n == 0 || addr_parse(name, &a) || is_localhost(name))
		return;
	if (is_host)
		ask_addresses(name, &answer);
	else
		ask_domain(name, &answer);
	if (!answer.found)
		check_tell(k, CHECK_ERROR, &v,
		    "%.*s: cannot be found in DNS: %s; all mail for other "
		    "machines would wait for it",
		    (int)name.n, name.p, answer.words);
}

static void
check_own_domains(struct checkup *k, const char *class)
{
	struct check_value v = check_value_of(k, class);
	struct span rest = span_str(v.text), name;

	while (conf_list_next(&rest, &name)) {
		struct answer answer;

		if (is_localhost(name) || memchr(name.p, ':', name.n) ||
		    memchr("!/.[", *name.p, 4))
			continue;
		ask_domain(name, &answer);
		if (!answer.found)
			check_tell(k, CHECK_WARNING, &v,
			    "%.*s: nobody can find who takes its mail: %s; it "
			    "needs an MX record",
			    (int)name.n, name.p, answer.words);
	}
}

/* The first task. */
static void
ask_all(void *checkup)
{
	struct checkup *k = checkup;

	if (!task_spawn(resolver_serve, NULL, "libunbound"))
		die("no memory for a task");
	check_host(k);
	check_relayhost(k);
	check_own_domains(k, "mydestination");
	check_own_domains(k, "virtual_mailbox_domains");
	check_own_domains(k, "virtual_alias_domains");
	task_cancel_others();
}

/* Which name servers there are is read while all may be read. */
_Noreturn static void
be_child(struct checkup *k)
{
	struct resolver_conf c = {
		.servers = check_value_of(k, "dns_servers").text,
		.resolv_conf = check_value_of(k, "dns_resolv_conf_file").text,
		.trust_anchors = "", /* what is there counts, not if it is so */
	};
	struct privs net;
	struct why why;

	k->errors = 0;
	if (resolver_init(&c, &why) < 0 ||
	    dirs_user(k->conf, "net_owner", &net, &why) < 0 ||
	    privs_drop(&net, &why) < 0) {
		check_say(k, CHECK_ERROR, "DNS names cannot be asked for: %s",
		    why.text);
	} else {
		task_run(ask_all, k);
		resolver_fini();
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
	fflush(stdout);
	child = fork();
	if (child == 0)
		be_child(k);
	if (child < 0 || waitpid(child, &status, 0) != child ||
	    !WIFEXITED(status))
		check_say(k, CHECK_ERROR, "DNS names could not be asked for");
	else
		k->errors += (unsigned)WEXITSTATUS(status);
}
