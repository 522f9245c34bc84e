/*
 * lmtpd - takes mail in by LMTP, for mailboxes of this machine, without a queue.
 *
 * It asks authd whose mailbox an address is, and the broker for a channel to the
 * process of its owner, over two sockets. It has no files: mail is in its memory
 * until that process says that it is on disk.
 *
 * Its clients have delivered to others, or decided to, before: it asks for no
 * password. So a Unix socket is for those whom its mode lets in, and an inet socket
 * for lmtpd_mynetworks.
 */
#include "base/log.h"
#include "dict/dict.h"
#include "dict/lists.h"
#include "lmtp/inbox.h"
#include "lmtp/serve.h"
#include "service/service.h"

#include <errno.h>

enum {
	SESSIONS_CHECK_MS = 100,
};

static struct params {
	const char *myhostname;
	const char *mail_name;
	const char *banner;
	const char *networks;
	int64_t size_limit;
	int64_t mailbox_limit;
	int64_t memory_limit;
	int64_t rcpt_limit;
	int64_t errors_max;
	int64_t timeout;
	bool received;
} params;

#define ROW(type, member, name) CONF_FIELD_AS(type, struct params, member, name)

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct params, myhostname),
	CONF_FIELD(CONF_STR, struct params, mail_name),
	ROW(CONF_STR, banner, "lmtpd_banner"),
	ROW(CONF_LIST, networks, "lmtpd_mynetworks"),
	ROW(CONF_SIZE, size_limit, "message_size_limit"),
	ROW(CONF_SIZE, mailbox_limit, "virtual_mailbox_limit"),
	ROW(CONF_SIZE, memory_limit, "lmtpd_memory_limit"),
	ROW(CONF_INT, rcpt_limit, "lmtpd_recipient_limit"),
	ROW(CONF_INT, errors_max, "lmtpd_hard_error_limit"),
	ROW(CONF_TIME, timeout, "lmtpd_timeout"),
	ROW(CONF_BOOL, received, "lmtpd_add_received_header"),
};

static struct serve_config config;
static struct lists *networks;
static unsigned sessions;

static void
use_params(void)
{
	config = (struct serve_config){
		.session = {
			.myhostname = params.myhostname,
			.banner = params.banner,
			.size_limit = (uint64_t)params.size_limit,
			.rcpt_limit = params.rcpt_limit,
			.errors_max = params.errors_max,
		},
		.landing.mailbox_limit = (uint64_t)params.mailbox_limit,
		.mail_name = params.mail_name,
		.timeout = params.timeout,
		.received = params.received,
	};
	body_limits((uint64_t)params.memory_limit, (uint64_t)params.size_limit);
}

static int
warm_up(const struct conf *c, struct why *why)
{
	struct why inner;

	use_params();
	dict_on_open(service_watch_as);
	if (dict_configure(c, why) < 0)
		return -EINVAL;
	networks = lists_open(params.networks, LISTS_ADDRS, &inner);
	if (!networks)
		return conf_complain(c, "lmtpd_mynetworks", EINVAL, inner.text,
		    why);
	if (!lists_is_quick(networks))
		return conf_complain(c, "lmtpd_mynetworks", EINVAL,
		    "names a table that waits for a server", why);
	return 0;
}

/* Whose mail is taken. Who came by a Unix socket was let in by its mode. */
static bool
is_trusted(const struct sockaddr_storage *peer)
{
	struct addr a;
	struct why why;

	if (peer->ss_family == AF_UNIX)
		return true;
	return addr_from_sockaddr((const struct sockaddr *)peer, &a) &&
	    lists_has_addr(networks, &a, &why) == DICT_FOUND;
}

static void
refuse(int fd, const struct sockaddr_storage *peer)
{
	char text[ADDR_TEXT_MAX];
	struct addr a;
	struct buf b;

	buf_init(&b, text, sizeof(text));
	if (addr_from_sockaddr((const struct sockaddr *)peer, &a))
		addr_put(&b, &a);
	log_warning("%.*s is not in lmtpd_mynetworks, and is refused", (int)b.n,
	    b.p);
	task_close(fd);
}

/* A connection, as a task. */
static void
serve_conn(void *arg)
{
	struct service_conn *conn CLEANUP(service_conn_freep) = arg;
	int fd = conn->fd;

	conn->fd = -1;
	sessions++;
	if (is_trusted(conn->peer))
		serve_client(&config, fd, conn->peer);
	else
		refuse(fd, conn->peer);
	sessions--;
}

static void
serve(void *arg)
{
	(void)arg;
	inbox_open();
	service_accept(serve_conn, "lmtp");
	while (sessions > 0 &&
	    task_sleep(task_after(SESSIONS_CHECK_MS)) != TASK_CANCELLED)
		continue;
	inbox_close();
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "lmtpd",
		.summary =
		    "takes mail in by LMTP for mailboxes of this machine",
		.user = SERVICE_LOGIN,
		.chroot = true,
		.sandbox = SANDBOX_STDIO | SANDBOX_ACCEPT | SANDBOX_UNIX |
		    SANDBOX_RECVFD | SANDBOX_MEMFD,
		.fields = fields,
		.fields_n = COUNT_OF(fields),
		.params = &params,
		.warm_up = warm_up,
		.serve = serve,
	};

	return service_main(argc, argv, &spec);
}
