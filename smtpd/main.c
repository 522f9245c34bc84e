#include "dict/dict.h"
#include "queue/queue.h"
#include "sasl/client.h"
#include "service/dns.h"
#include "service/proxymap.h"
#include "service/service.h"
#include "smtpd/notify.h"
#include "smtpd/params.h"
#include "smtpd/serve.h"

#include <errno.h>

enum {
	SESSIONS_CHECK_MS = 100,
};

static char qmgr_socket[] = "private/qmgr";
static char authd_socket[] = "private/auth";
static char dnsd_socket[] = "private/dns";
static char proxymap_socket[] = "private/proxymap";

static unsigned sessions;

/* A connection, as a task. */
static void
serve_conn(void *arg)
{
	struct service_conn *conn CLEANUP(service_conn_freep) = arg;
	struct addr peer = { .family = AF_UNSPEC };
	int fd = conn->fd;

	conn->fd = -1;
	if (!addr_from_sockaddr((const struct sockaddr *)conn->peer, &peer))
		peer = (struct addr){ .family = AF_UNSPEC };
	sessions++;
	serve_client(fd, &peer);
	sessions--;
}

/*
 * The queue is opened where it is now and will be after the change of root: in
 * this directory.
 */
static int
warm_up(const struct conf *c, struct why *why)
{
	dict_on_open(service_watch_as);
	if (dict_configure(c, why) < 0)
		return -EINVAL;
	proxymap_use(service_name());
	if (service_checking()) /* there may be no queue yet */
		return params_open(c, why);
	resources.queue = queue_open(".", QUEUE_CREATE, params.long_ids, why);
	if (!resources.queue)
		return -EINVAL;
	sandbox_allow_new("incoming");
	return params_open(c, why);
}

/* NULL once it has ended, as when all tasks are cancelled. */
static struct task *notifier;
static struct task *authenticator;
static struct task *resolver;
static struct task *lookups;

static void
serve_notifier(void *path)
{
	notify_serve(path);
	notifier = NULL;
}

static void
serve_authenticator(void *path)
{
	sasl_serve(path);
	authenticator = NULL;
}

static void
serve_resolver(void *path)
{
	dns_serve(path);
	resolver = NULL;
}

static void
serve_lookups(void *path)
{
	proxymap_serve(path);
	lookups = NULL;
}

static void
serve(void *arg)
{
	(void)arg;
	lookups = task_spawn(serve_lookups, proxymap_socket, "ask proxymap");
	if (!lookups)
		die("no memory for a task");
	notifier = task_spawn(serve_notifier, qmgr_socket, "notify qmgr");
	if (!notifier)
		die("no memory for a task");
	if (params.sasl_enable) {
		authenticator = task_spawn(serve_authenticator, authd_socket,
		    "ask authd");
		if (!authenticator)
			die("no memory for a task");
	}
	if (params.peername_lookup) {
		resolver = task_spawn(serve_resolver, dnsd_socket, "ask dnsd");
		if (!resolver)
			die("no memory for a task");
	}
	service_accept(serve_conn, "smtp");
	/* What they take in is still to be told. */
	while (task_sleep(task_after(SESSIONS_CHECK_MS)) != TASK_CANCELLED &&
	    sessions > 0)
		continue;
	if (lookups)
		task_cancel(lookups);
	if (resolver)
		task_cancel(resolver);
	if (authenticator)
		task_cancel(authenticator);
	if (notifier)
		task_cancel(notifier);
}

int
main(int argc, char **argv)
{
	static struct service_spec spec = {
		.name = "smtpd",
		.summary = "takes mail in by SMTP",
		.user = SERVICE_NET,
		.chroot = true,
		.sandbox = SANDBOX_STDIO | SANDBOX_ACCEPT | SANDBOX_UNIX |
		    SANDBOX_CREATE,
		.fields = params_fields,
		.params = &params,
		.warm_up = warm_up,
		.serve = serve,
	};

	spec.fields_n = params_fields_n;
	return service_main(argc, argv, &spec);
}
