/*
 * smtp - takes mail to other servers, by SMTP; the same program is lmtp, which
 * speaks LMTP.
 *
 * It connects to whoever DNS or the next hop names, reads queue files only by
 * descriptors that qmgr hands it, and opens no file itself. All that is read,
 * certificates and passwords for servers, is read before privileges go.
 */
#include "dict/dict.h"
#include "service/agent.h"
#include "service/dns.h"
#include "service/proxymap.h"
#include "service/service.h"
#include "smtp/deliver.h"
#include "smtp/params.h"

static char dnsd_socket[] = "private/dns";

static struct task *resolver; /* NULL once it has ended */
static struct task *lookups; /* likewise */

static int
warm_up(const struct conf *c, struct why *why)
{
	dict_on_open(service_watch_as);
	if (dict_configure(c, why) < 0)
		return -1;
	proxymap_use(service_name());
	return params_open(c, IS_LMTP, why);
}

static void
serve_resolver(void *path)
{
	dns_serve(path);
	resolver = NULL;
}

static void
serve_lookups(void *arg)
{
	(void)arg;
	proxymap_serve("private/proxymap");
	lookups = NULL;
}

static void
serve(void *arg)
{
	(void)arg;
	resolver = task_spawn(serve_resolver, dnsd_socket, "ask dnsd");
	lookups = task_spawn(serve_lookups, NULL, "ask proxymap");
	if (!resolver || !lookups)
		die("no memory for a task");
	agent_init(deliver_begin, DELIVER_MAX);
	agent_serve(service_listener(0), service_stop_bell(), service_stopping);
	if (resolver)
		task_cancel(resolver);
	if (lookups)
		task_cancel(lookups);
	agent_fini();
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = IS_LMTP ? "lmtp" : "smtp",
		.summary = "takes mail to other servers",
		.user = SERVICE_NET,
		/* Sockets of LMTP servers lie anywhere. */
		.chroot = !IS_LMTP,
		.sandbox = SANDBOX_STDIO | SANDBOX_RECVFD | SANDBOX_ACCEPT |
		    SANDBOX_UNIX | SANDBOX_TCP,
		.warm_up = warm_up,
		.serve = serve,
	};

	return service_main(argc, argv, &spec);
}
