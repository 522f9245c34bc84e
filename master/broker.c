/*
 * broker: gives qmgr a process of a mailbox's owner. It is root, and so it is
 * small: it reads numbers from qmgr, forks, becomes somebody for good and execs
 * deliver. It parses no text, asks no name service, touches no user's file.
 *
 * A worker has a channel to us, over which it gets channels to later qmgrs, and
 * one to the qmgr that asked for it. If we die it goes on without us.
 */
#include "base/log.h"
#include "master/broker-core.h"
#include "master/spawn.h"
#include "net/channel.h"
#include "service/msg.h"
#include "service/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	KEEP_MAX = 1 << 20,
	ANSWER_MAX = 1024,
	DRAIN_TIME = 4000, /* ms that workers have when all ends */
};

struct params {
	const char *daemon_directory;
	const char *mail_owner;
	int64_t first_valid_uid;
};

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct params, daemon_directory),
	CONF_FIELD(CONF_STR, struct params, mail_owner),
	CONF_FIELD(CONF_INT, struct params, first_valid_uid),
};

static struct params params;
static struct broker broker;
static uid_t client_uid; /* mail_owner's: qmgr */

/* A process, and the channel over which it gets channels. */
struct process {
	struct broker_worker worker;
	struct channel *control;
	pid_t pid;
	int pidfd;
};

static int
warm_up(const struct conf *c, struct why *why)
{
	struct privs owner;
	int err = privs_find(params.mail_owner, &owner, why);

	(void)c;
	if (err)
		return err;
	client_uid = owner.uid;
	broker_init(&broker, geteuid(), (uid_t)params.first_valid_uid);
	return 0;
}

/* What it starts from now on is by the new configuration. */
static int
reload(struct conf *c, struct why *why)
{
	struct params p;
	int err = conf_get_struct(c, fields, COUNT_OF(fields), &p, why);

	if (err)
		return err;
	params = p;
	broker.first_valid_uid = (uid_t)p.first_valid_uid;
	return 0;
}

/* Until it dies, and then forgets it. */
static void
watch(void *arg)
{
	struct process *p = arg;
	int fds[SOCK_FDS_MAX];
	enum stream_result r;
	struct span packet;
	char how[64];
	int status;
	size_t n;

	while ((r = channel_recv(p->control, TASK_NEVER, &packet, fds, &n)) ==
	    STREAM_OK)
		while (n > 0)
			task_close(fds[--n]);
	broker_remove(&broker, &p->worker);
	service_status((unsigned)broker.workers.n);
	if (r != STREAM_CANCELLED &&
	    task_wait_fd(p->pidfd, TASK_INPUT, TASK_NEVER) == TASK_READY) {
		spawn_reap(p->pid, &status, how, sizeof(how));
		if (status != 0)
			log_warning("process deliver[%d] of uid %u %s",
			    (int)p->pid, (unsigned)p->worker.key.uid, how);
	}
	channel_free(p->control);
	task_close(p->pidfd);
	free(p);
}

static int
exec_deliver(const struct broker_key *key, int parent, int channel,
    pid_t *pid_r)
{
	struct spawn *s = zalloc(sizeof(*s));
	struct privs as = { .uid = (uid_t)key->uid, .gid = (gid_t)key->gid };
	char path[1024];
	const char *const args[] = { path, "-c", conf_dir(service_conf()), "-n",
		"deliver", "-s", "1" };
	int err;

	as.groups[as.groups_n++] = as.gid;
	snprintf(path, sizeof(path), "%s/deliver", params.daemon_directory);
	s->path = path;
	s->log = FDS_LOG;
	s->parent = parent;
	s->limits = -1;
	s->clock = FDS_CLOCK;
	s->listeners[s->listeners_n++] = channel;
	s->as = &as;
	for (size_t i = 0; i < COUNT_OF(args); i++)
		spawn_arg(s, args[i]);
	err = spawn_run(s, pid_r);
	free(s);
	return err;
}

/* Starts a worker with a channel to qmgr. Returns 0 or -errno. */
static int
start(const struct broker_key *key, int channel, struct process **p_r)
{
	struct process *p;
	int pair[2] = { -1, -1 };
	pid_t pid;
	int err = sock_pair(pair);

	if (!err)
		err = exec_deliver(key, pair[1], channel, &pid);
	if (err) {
		task_close(pair[0]);
		task_close(pair[1]);
		return err;
	}
	task_close(pair[1]);
	p = zalloc(sizeof(*p));
	p->worker.key = *key;
	p->control = channel_new(pair[0], MSG_MAX, KEEP_MAX);
	p->pid = pid;
	p->pidfd = spawn_watch(pid);
	if (p->pidfd < 0 || !task_spawn(watch, p, "deliver[%d]", (int)pid))
		die("cannot watch a worker");
	broker_add(&broker, &p->worker);
	service_status((unsigned)broker.workers.n);
	*p_r = p;
	return 0;
}

static bool
send_plain(struct channel *ch, enum msg_type type, int *fd)
{
	char packet[MSG_HEAD];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, type, 0);
	return msg_end(&b, fd ? 1 : 0) &&
	    channel_send(ch, buf_span(&b), fd, fd ? 1 : 0);
}

/* One end of a new channel goes to the worker, the other to qmgr. */
static int
attach(struct process *p, int *channel_r)
{
	int pair[2];
	int err = sock_pair(pair);

	if (err)
		return err;
	if (!send_plain(p->control, MSG_ATTACH, &pair[1])) {
		task_close(pair[0]);
		return -EPIPE;
	}
	*channel_r = pair[0];
	return 0;
}

/* A worker that does not take a channel is as good as dead: another is. */
static int
find_or_start(const struct broker_key *key, struct process **p_r,
    int *channel_r)
{
	struct broker_worker *w = broker_pick(&broker, key);
	int pair[2];
	int err;

	if (w) {
		*p_r = container_of(w, struct process, worker);
		if (attach(*p_r, channel_r) == 0)
			return 0;
		broker_remove(&broker, w);
	}
	err = sock_pair(pair);
	if (err)
		return err;
	err = start(key, pair[1], p_r);
	task_close(pair[1]);
	if (err)
		task_close(pair[0]);
	else
		*channel_r = pair[0];
	return err;
}

static bool
send_worker(struct channel *ch, uint32_t id, const struct process *p, int fd)
{
	char packet[ANSWER_MAX];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_WORKER, id);
	msg_put_u64(&b, MSG_FIELD_UID, p->worker.key.uid);
	msg_put_u64(&b, MSG_FIELD_GID, p->worker.key.gid);
	msg_put_u64(&b, MSG_FIELD_SLOT, p->worker.key.slot);
	msg_put_u64(&b, MSG_FIELD_PID, (uint64_t)p->pid);
	return msg_end(&b, 1) && channel_send(ch, buf_span(&b), &fd, 1);
}

static bool
send_no_worker(struct channel *ch, uint32_t id, const struct broker_key *key,
    const char *text)
{
	char packet[ANSWER_MAX];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_NO_WORKER, id);
	msg_put_u64(&b, MSG_FIELD_UID, key->uid);
	msg_put_u64(&b, MSG_FIELD_SLOT, key->slot);
	msg_put_str(&b, MSG_FIELD_TEXT, span_str(text));
	return msg_end(&b, 0) && channel_send(ch, buf_span(&b), NULL, 0);
}

static bool
on_get_worker(struct channel *ch, const struct msg_in *in)
{
	struct broker_key key = {
		.uid = msg_u64(in, MSG_FIELD_UID),
		.gid = msg_u64(in, MSG_FIELD_GID),
		.slot = msg_u64(in, MSG_FIELD_SLOT),
	};
	struct process *p;
	struct why why;
	int channel = -1;
	int err;

	if (!broker_may(&broker, &key, &why))
		return send_no_worker(ch, in->id, &key, why.text);
	err = find_or_start(&key, &p, &channel);
	if (err) {
		log_warning("no process for uid %u: %s", (unsigned)key.uid,
		    strerror(-err));
		return send_no_worker(ch, in->id, &key, strerror(-err));
	}
	return send_worker(ch, in->id, p, channel);
}

static bool
on_get_all(struct channel *ch, const struct msg_in *in)
{
	struct broker_worker *w = NULL;
	char packet[ANSWER_MAX];
	uint64_t n = 0;
	struct buf b;
	int channel = -1;

	while ((w = broker_next(&broker, w))) {
		struct process *p = container_of(w, struct process, worker);

		if (attach(p, &channel) < 0)
			continue; /* its end will be seen */
		if (!send_worker(ch, in->id, p, channel))
			return false;
		n++;
	}
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_ALL, in->id);
	msg_put_u64(&b, MSG_FIELD_COUNT, n);
	return msg_end(&b, 0) && channel_send(ch, buf_span(&b), NULL, 0);
}

static bool
answer(struct channel *ch, struct span packet)
{
	struct msg_in in;

	if (!msg_read(packet, &in)) {
		log_warning("qmgr speaks another version");
		return false;
	}
	if (in.type == MSG_GET_WORKER)
		return on_get_worker(ch, &in);
	if (in.type == MSG_GET_ALL)
		return on_get_all(ch, &in);
	return true;
}

static void
serve_client(void *arg)
{
	struct service_conn *conn CLEANUP(service_conn_freep) = arg;
	struct channel *ch CLEANUP(
	    channel_freep) = channel_new(conn->fd, MSG_MAX, KEEP_MAX);
	struct sock_peer peer = channel_peer(ch);
	int fds[SOCK_FDS_MAX];
	struct span packet;
	bool go_on = true;
	size_t n;

	conn->fd = -1;
	if (peer.uid != client_uid || peer.pid == 0) {
		log_warning("uid %u is not mail_owner, and gets no process",
		    (unsigned)peer.uid);
		return;
	}
	while (go_on &&
	    channel_recv(ch, TASK_NEVER, &packet, fds, &n) == STREAM_OK) {
		while (n > 0)
			task_close(fds[--n]);
		go_on = answer(ch, packet);
	}
}

static void
tell_all(enum msg_type type)
{
	struct broker_worker *w = NULL;

	while ((w = broker_next(&broker, w))) {
		struct process *p = container_of(w, struct process, worker);

		send_plain(p->control, type, NULL);
	}
}

/* The tests' clock was moved: all are to look at it. */
static void
on_parent(const struct msg_in *in, int *fds, size_t n)
{
	while (n > 0)
		task_close(fds[--n]);
	if (in->type == MSG_TICK)
		tell_all(MSG_TICK);
}

static void
serve(void *arg)
{
	int64_t by;

	(void)arg;
	service_on_parent(on_parent);
	service_accept(serve_client, "qmgr");
	by = task_after(DRAIN_TIME);
	tell_all(MSG_DRAIN);
	while (broker.workers.n > 0 && task_wait_end(by) == TASK_READY)
		continue;
	task_cancel_others(); /* who is left goes on without us */
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "broker",
		.user = SERVICE_ROOT,
		.fields = fields,
		.fields_n = COUNT_OF(fields),
		.params = &params,
		.warm_up = warm_up,
		.serve = serve,
		.reload = reload,
	};

	return service_main(argc, argv, &spec);
}
