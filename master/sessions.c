/*
 * The broker and those who log people in: authd says who may come, and a front
 * brings the connection, which goes to a process of the mail's owner.
 */
#include "master/processes.h"

#include "base/log.h"
#include "master/grants.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ANSWER_MAX = 1024,
	ROOT_MAX = 1024,
};

static struct grants grants;
static size_t workers; /* of a uid; 0: each user has one */

void
sessions_init(const uint64_t secret[2])
{
	grants_init(&grants, secret);
}

void
sessions_set(size_t n)
{
	workers = n;
}

static bool
send_text(struct channel *ch, uint32_t id, enum msg_type type, const char *text)
{
	char packet[ANSWER_MAX];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, type, id);
	if (text)
		msg_put_str(&b, MSG_FIELD_TEXT, span_str(text));
	return msg_end(&b, 0) && channel_send(ch, buf_span(&b), NULL, 0);
}

/* It becomes a word of the command line of a process. */
static bool
is_root_path(struct span root)
{
	return root.n > 0 && root.n < ROOT_MAX && root.p[0] == '/' &&
	    !memchr(root.p, '\0', root.n);
}

/* Nobody logs in to get a deliver, but lmtpd brings it mail. */
static bool
find_program(struct span service, enum broker_program *p_r)
{
	if (!span_eq(service, SPAN("lmtp")))
		return broker_program(service, p_r);
	*p_r = BROKER_DELIVER;
	return true;
}

static bool
grant(const struct msg_in *in, struct why *why)
{
	struct grant what = {
		.user = msg_str(in, MSG_FIELD_USER),
		.root = msg_str(in, MSG_FIELD_ROOT),
		.mailbox = msg_str(in, MSG_FIELD_MAILBOX),
		.fields = msg_str(in, MSG_FIELD_FIELDS),
		.key.uid = msg_u64(in, MSG_FIELD_UID),
		.key.gid = msg_u64(in, MSG_FIELD_GID),
	};
	uint64_t pid = msg_u64(in, MSG_FIELD_PID);
	enum broker_program program;

	if (!find_program(msg_str(in, MSG_FIELD_SERVICE), &program) ||
	    !is_root_path(what.root) || pid > INT32_MAX) {
		why_set(why, EINVAL, NULL, 0, "no such session can be");
		return false;
	}
	what.front = (pid_t)pid;
	what.key.program = program;
	if (program != BROKER_DELIVER) { /* qmgr's has neither */
		what.key.slot = broker_slot(&processes.core, what.user,
		    workers);
		what.key.root = broker_root(&processes.core, what.root);
	}
	return broker_may(&processes.core, &what.key, why) &&
	    grants_add(&grants, msg_str(in, MSG_FIELD_TOKEN), &what, task_now(),
		why);
}

bool
authd_message(struct channel *ch, const struct msg_in *in)
{
	struct why why;

	if (in->type != MSG_GRANT)
		return false;
	return send_text(ch, in->id, MSG_GRANTED,
	    grant(in, &why) ? NULL : why.text);
}

/* What the worker is to know; what a front may say of it is only for the log. */
static void
put_session(struct buf *b, const struct grant *g, const struct msg_in *in)
{
	msg_begin(b, MSG_SESSION, 0);
	msg_put_str(b, MSG_FIELD_USER, g->user);
	msg_put_str(b, MSG_FIELD_ROOT, g->root);
	msg_put_str(b, MSG_FIELD_MAILBOX, g->mailbox);
	msg_put_opt(b, MSG_FIELD_FIELDS, g->fields);
	msg_put_str(b, MSG_FIELD_CLIENT_ADDR,
	    msg_str(in, MSG_FIELD_CLIENT_ADDR));
	msg_put_str(b, MSG_FIELD_SESSION, msg_str(in, MSG_FIELD_SESSION));
	msg_put_opt(b, MSG_FIELD_SERVER_ADDR,
	    msg_str(in, MSG_FIELD_SERVER_ADDR));
	msg_put_opt(b, MSG_FIELD_TAG, msg_str(in, MSG_FIELD_TAG));
	msg_put_opt(b, MSG_FIELD_PREREAD, msg_str(in, MSG_FIELD_PREREAD));
	msg_put_opt(b, MSG_FIELD_SECURED, msg_str(in, MSG_FIELD_SECURED));
	if (msg_u64(in, MSG_FIELD_TLS))
		msg_put_u64(b, MSG_FIELD_TLS, 1);
}

static int
start(const struct grant *g, struct process **p_r)
{
	char root[ROOT_MAX];

	snprintf(root, sizeof(root), "%.*s", (int)g->root.n, g->root.p);
	return process_start(&g->key, root, -1, p_r);
}

/* The one of now; what has an older configuration serves out what it has. */
static int
find_or_start(const struct grant *g, struct process **p_r)
{
	struct broker_worker *w = broker_pick(&processes.core, &g->key);

	if (w && process_of(w)->generation == processes.generation) {
		*p_r = process_of(w);
		return 0;
	}
	if (w)
		process_retire(process_of(w));
	return start(g, p_r);
}

/* A worker that does not take it is as good as dead: another is made, once. */
static int
send_session(const struct grant *g, struct span packet, int fd,
    struct process **p_r)
{
	int err = 0;

	for (int tries = 0; tries < 2; tries++) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		if (copy < 0)
			return -errno;
		err = find_or_start(g, p_r);
		if (err) {
			task_close(copy);
			return err;
		}
		if (channel_send((*p_r)->control, packet, &copy, 1))
			return 0;
		process_retire(*p_r);
		err = -EPIPE;
	}
	return err;
}

static int
hand_over(const struct grant *g, const struct msg_in *in, int fd,
    struct process **p_r)
{
	char *packet = zalloc(MSG_MAX);
	struct buf b;
	int err = -E2BIG;

	buf_init(&b, packet, MSG_MAX);
	put_session(&b, g, in);
	if (msg_end(&b, 1))
		err = send_session(g, buf_span(&b), fd, p_r);
	explicit_bzero(packet, b.n);
	free(packet);
	return err;
}

static bool
send_handed(struct channel *ch, uint32_t id, pid_t pid)
{
	char packet[ANSWER_MAX];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_HANDED, id);
	msg_put_u64(&b, MSG_FIELD_PID, (uint64_t)pid);
	return msg_end(&b, 0) && channel_send(ch, buf_span(&b), NULL, 0);
}

static bool
on_hand_over(struct channel *ch, const struct msg_in *in, int fd)
{
	struct grant *g CLEANUP(grant_freep) = NULL;
	pid_t front = channel_peer(ch).pid;
	enum broker_program program;
	struct process *p;
	struct why why;
	int err;

	if (fd < 0 || !broker_program(msg_str(in, MSG_FIELD_SERVICE), &program))
		return false;
	g = grants_take(&grants, msg_str(in, MSG_FIELD_TOKEN), program, front,
	    task_now(), &why);
	if (!g) {
		log_warning("no session for process %d: %s", (int)front,
		    why.text);
		return send_text(ch, in->id, MSG_NO_SESSION, why.text);
	}
	if (!broker_may(&processes.core, &g->key, &why))
		return send_text(ch, in->id, MSG_NO_SESSION, why.text);
	err = hand_over(g, in, fd, &p);
	if (err) {
		log_warning("no process for uid %u: %s", (unsigned)g->key.uid,
		    strerror(-err));
		return send_text(ch, in->id, MSG_NO_SESSION, strerror(-err));
	}
	return send_handed(ch, in->id, p->pid);
}

/* What a deliver is to do for who says `token`, with one end of a channel. */
static bool
send_may_put(struct process *p, const struct grant *g, struct span token,
    int fd)
{
	char *packet = zalloc(MSG_MAX);
	struct buf b;
	bool sent;

	buf_init(&b, packet, MSG_MAX);
	msg_begin(&b, MSG_MAY_PUT, 0);
	msg_put_str(&b, MSG_FIELD_TOKEN, token);
	msg_put_str(&b, MSG_FIELD_ROOT, g->root);
	msg_put_str(&b, MSG_FIELD_MAILBOX, g->mailbox);
	must(msg_end(&b, 1)); /* a grant has its bound */
	sent = channel_send(p->control, buf_span(&b), &fd, 1);
	free(packet);
	return sent;
}

/* A worker that does not take it is as good as dead: another is made, once. */
static int
open_inbox(const struct grant *g, struct span token, struct process **p_r,
    int *fd_r)
{
	int err = 0;

	for (int tries = 0; tries < 2; tries++) {
		int pair[2];

		err = process_deliver(&g->key, p_r);
		if (!err)
			err = sock_pair(pair);
		if (err)
			return err;
		*fd_r = pair[0];
		if (send_may_put(*p_r, g, token, pair[1]))
			return 0;
		task_close(pair[0]);
		process_retire(*p_r);
		err = -EPIPE;
	}
	return err;
}

static bool
send_inbox(struct channel *ch, uint32_t id, const struct grant *g,
    const struct process *p, int fd)
{
	char packet[ANSWER_MAX];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_INBOX_OPEN, id);
	msg_put_u64(&b, MSG_FIELD_PID, (uint64_t)p->pid);
	msg_put_u64(&b, MSG_FIELD_TREE, broker_root(&processes.core, g->root));
	return msg_end(&b, 1) && channel_send(ch, buf_span(&b), &fd, 1);
}

static bool
on_inbox(struct channel *ch, const struct msg_in *in)
{
	struct span token = msg_str(in, MSG_FIELD_TOKEN);
	struct grant *g CLEANUP(grant_freep) = NULL;
	pid_t front = channel_peer(ch).pid;
	struct process *p = NULL;
	struct why why;
	int fd = -1;
	int err;

	g = grants_take(&grants, token, BROKER_DELIVER, front, task_now(),
	    &why);
	if (!g || !broker_may(&processes.core, &g->key, &why)) {
		log_warning("no delivery for process %d: %s", (int)front,
		    why.text);
		return send_text(ch, in->id, MSG_NO_SESSION, why.text);
	}
	err = open_inbox(g, token, &p, &fd);
	if (!err)
		return send_inbox(ch, in->id, g, p, fd);
	log_warning("no process for uid %u: %s", (unsigned)g->key.uid,
	    strerror(-err));
	return send_text(ch, in->id, MSG_NO_SESSION, strerror(-err));
}

bool
front_message(struct channel *ch, const struct msg_in *in, int *fd)
{
	if (in->type == MSG_INBOX)
		return on_inbox(ch, in);
	if (in->type != MSG_HANDOVER)
		return false;
	return on_hand_over(ch, in, *fd);
}
