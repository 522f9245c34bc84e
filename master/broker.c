/*
 * broker: gives qmgr, and who has logged in, a process of a mailbox's owner. It
 * is root, and so it is small: it reads fixed messages from three daemons, forks,
 * becomes somebody for good and execs deliver, imap or pop3. It parses no text,
 * asks no name service, touches no user's file.
 *
 * Each of the three has a socket of its own and may say only what is its own:
 * qmgr asks for deliver, authd names who has logged in, fronts bring connections.
 */
#include "base/log.h"
#include "master/processes.h"
#include "service/privs.h"
#include "service/service.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	KEEP_MAX = 1 << 20,
	DRAIN_TIME = 4000, /* ms that workers have when all ends */
};

/* In the order of the sockets, which is the plan's. */
enum kind {
	QMGR,
	AUTHD,
	FRONT,
	KINDS,
};

struct params {
	const char *daemon_directory;
	const char *mail_owner;
	const char *auth_owner;
	const char *login_owner;
	int64_t first_valid_uid;
	int64_t service_workers;
	int isolation;
};

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct params, daemon_directory),
	CONF_FIELD(CONF_STR, struct params, mail_owner),
	CONF_FIELD(CONF_STR, struct params, auth_owner),
	CONF_FIELD(CONF_STR, struct params, login_owner),
	CONF_FIELD(CONF_INT, struct params, first_valid_uid),
	CONF_FIELD(CONF_INT, struct params, service_workers),
	CONF_FIELD_AS(CONF_ENUM, struct params, isolation,
	    "mail_worker_isolation"),
};

static struct params params;
static uid_t client_uids[KINDS];

static const char *const kinds[KINDS] = {
	[QMGR] = "mail_owner",
	[AUTHD] = "auth_owner",
	[FRONT] = "login_owner",
};

static int
find_clients(struct why *why)
{
	const char *const names[KINDS] = {
		[QMGR] = params.mail_owner,
		[AUTHD] = params.auth_owner,
		[FRONT] = params.login_owner,
	};
	struct privs p;
	int err = 0;

	for (size_t i = 0; i < KINDS && !err; i++) {
		err = privs_find(names[i], &p, why);
		client_uids[i] = p.uid;
	}
	return err;
}

static void
use_params(void)
{
	enum {
		UID, /* its workers share what a uid's users have to do */
		USER,
	};
	int64_t n = params.service_workers;

	if (n <= 0)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	sessions_set(params.isolation == USER ? 0 : (size_t)(n > 0 ? n : 1));
	processes.daemon_directory = params.daemon_directory;
	processes.core.first_valid_uid = (uid_t)params.first_valid_uid;
	processes.generation++;
}

static int
warm_up(const struct conf *c, struct why *why)
{
	uint64_t secret[2];
	int err = find_clients(why);

	(void)c;
	if (err)
		return err;
	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return why_set(why, errno, NULL, 0, "no random numbers");
	broker_init(&processes.core, geteuid(), (uid_t)params.first_valid_uid,
	    secret);
	sessions_init(secret);
	list_init(&processes.all);
	use_params();
	return 0;
}

/* Read by a reload, which is offloaded; taken over by the loop. */
static struct params next_params;

static int
reload(struct conf *c, struct why *why)
{
	struct params p;
	int err = conf_get_struct(c, fields, COUNT_OF(fields), &p, why);

	if (!err)
		next_params = p;
	return err;
}

/* What it starts from now on is by the new configuration. */
static void
reloaded(void)
{
	params = next_params;
	use_params();
}

static bool
answer(enum kind kind, struct channel *ch, struct span packet, int *fd)
{
	struct msg_in in;

	if (!msg_read(packet, &in)) {
		log_warning("a daemon of %s speaks another version",
		    kinds[kind]);
		return false;
	}
	switch (kind) {
	case QMGR:
		return qmgr_message(ch, &in);
	case AUTHD:
		return authd_message(ch, &in);
	case FRONT:
		return front_message(ch, &in, fd);
	case KINDS:
		break;
	}
	return false;
}

static void
converse(enum kind kind, struct channel *ch)
{
	int fds[SOCK_FDS_MAX];
	struct span packet;
	bool go_on = true;
	size_t n;

	while (go_on &&
	    channel_recv(ch, TASK_NEVER, &packet, fds, &n) == STREAM_OK) {
		int none = -1;

		go_on = answer(kind, ch, packet, n == 1 ? &fds[0] : &none);
		while (n > 0)
			task_close(fds[--n]);
	}
}

static void
serve_client(void *arg)
{
	struct service_conn *conn CLEANUP(service_conn_freep) = arg;
	struct channel *ch CLEANUP(
	    channel_freep) = channel_new(conn->fd, MSG_MAX, KEEP_MAX);
	struct sock_peer peer = channel_peer(ch);

	conn->fd = -1;
	must(conn->listener < KINDS);
	if (peer.uid == client_uids[conn->listener] && peer.pid != 0)
		converse((enum kind)conn->listener, ch);
	else
		log_warning("uid %u is not %s, and gets no process",
		    (unsigned)peer.uid, kinds[conn->listener]);
}

/* The tests' clock was moved: all are to look at it. */
static void
on_parent(const struct msg_in *in, int *fds, size_t n)
{
	while (n > 0)
		task_close(fds[--n]);
	if (in->type == MSG_TICK)
		processes_tell(MSG_TICK);
}

static void
serve(void *arg)
{
	(void)arg;
	service_on_parent(on_parent);
	service_accept(serve_client, "client of the broker");
	processes_end(DRAIN_TIME);
	task_cancel_others(); /* who is left goes on without us */
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "broker",
		.summary =
		    "gives sessions and deliveries a process of their owner",
		.user = SERVICE_ROOT,
		/* What it starts has at most this, and its own less. */
		.sandbox = SANDBOX_STDIO | SANDBOX_ACCEPT | SANDBOX_FILES |
		    SANDBOX_EXEC,
		.fields = fields,
		.fields_n = COUNT_OF(fields),
		.params = &params,
		.warm_up = warm_up,
		.serve = serve,
		.reload = reload,
		.reloaded = reloaded,
	};

	return service_main(argc, argv, &spec);
}
