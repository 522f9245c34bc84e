/*
 * dnsd - the resolver of the suite: asks name servers, validates, remembers.
 *
 * All that others may say to it is a name and a type. It speaks to name servers
 * and to daemons of ours, opens no files but its trust anchor, and knows nothing
 * of mail.
 */
#include "lookup/dnsd/client.h"
#include "service/resolver.h"
#include "service/service.h"

enum {
	DRAIN_MS = 2000, /* for questions under way */
	CHECK_MS = 50,
};

static struct params {
	const char *servers;
	const char *resolv_conf;
	const char *trust_anchors;
} params;

static const struct conf_field fields[] = {
	CONF_FIELD_AS(CONF_LIST, struct params, servers, "dns_servers"),
	CONF_FIELD_AS(CONF_STR, struct params, resolv_conf,
	    "dns_resolv_conf_file"),
	CONF_FIELD_AS(CONF_STR, struct params, trust_anchors,
	    "dns_trust_anchor_file"),
};

static void
serve_conn(void *arg)
{
	struct service_conn *conn CLEANUP(service_conn_freep) = arg;
	int fd = conn->fd;

	conn->fd = -1;
	client_serve(fd);
}

static int
warm_up(const struct conf *c, struct why *why)
{
	const struct resolver_conf conf = {
		.servers = params.servers,
		.resolv_conf = params.resolv_conf,
		.trust_anchors = params.trust_anchors,
	};

	(void)c;
	if (*params.trust_anchors)
		sandbox_allow(params.trust_anchors, false);
	sandbox_allow("/dev/urandom", false);
	service_watch(params.resolv_conf);
	return resolver_init(&conf, why);
}

static void
serve(void *arg)
{
	struct task *resolver;
	int64_t by;

	(void)arg;
	resolver = task_spawn(resolver_serve, NULL, "libunbound");
	if (!resolver)
		die("no memory for a task");
	service_accept(serve_conn, "client of dnsd");
	by = task_after(DRAIN_MS);
	while (client_questions() > 0 && task_now() < by &&
	    task_sleep(task_after(CHECK_MS)) == TASK_TIMEOUT)
		continue;
	task_cancel_others();
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "dnsd",
		.summary = "asks name servers for the other daemons",
		.user = SERVICE_NET,
		.sandbox = SANDBOX_STDIO | SANDBOX_RECVFD | SANDBOX_ACCEPT |
		    SANDBOX_TCP | SANDBOX_UDP | SANDBOX_READ,
		.fields = fields,
		.fields_n = COUNT_OF(fields),
		.params = &params,
		.warm_up = warm_up,
		.serve = serve,
	};

	return service_main(argc, argv, &spec);
}
