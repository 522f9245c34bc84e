/*
 * Who speaks to us: smtpd and cleanup tell of files they have made; mailq,
 * postqueue and postsuper ask. Each client has a task.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"
#include "service/msg.h"
#include "service/service.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	KEEP_MAX = 1024 * 1024,
};

static void
answer(struct channel *ch, uint32_t request, const char *text, uint64_t count)
{
	char packet[1024];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_DONE, request);
	msg_put_opt(&b, MSG_FIELD_TEXT, span_str(text));
	msg_put_u64(&b, MSG_FIELD_COUNT, count);
	if (!msg_end(&b, 0) || !channel_send(ch, buf_span(&b), NULL, 0))
		log_debug("a client of the queue is gone");
}

/* Copies a name that must be one; false: it is none. */
static bool
take_id(const struct msg_in *in, char *to, size_t max)
{
	struct span id = msg_str(in, MSG_FIELD_ID);

	if (id.n == 0 || id.n >= max || memchr(id.p, '\0', id.n) ||
	    memchr(id.p, '/', id.n))
		return false;
	memcpy(to, id.p, id.n);
	to[id.n] = '\0';
	return true;
}

static void
take_new(const struct msg_in *in)
{
	char name[QUEUE_NAME_MAX];

	if (take_id(in, name, sizeof(name)))
		arrive(QUEUE_INCOMING, name, 0, true);
	else
		log_warning("told of a queue file that has no file's name");
}

static void
want_scan(void)
{
	qmgr.scan_wanted = true;
	bell_ring(&qmgr.scan);
}

static uint64_t
flush_deferred(void)
{
	uint64_t count = 0;
	struct message *m;

	for (; (m = deferred_first(&qmgr.deferred)); count++)
		make_due(m);
	return count;
}

static void
flush(struct channel *ch, const struct msg_in *in)
{
	char id[QUEUE_NAME_MAX];
	struct message *m = NULL;
	uint64_t count = 0;

	scheduler_revive_all(&qmgr.scheduler);
	if (msg_has(in, MSG_FIELD_SITE)) {
		count = flush_site(msg_str(in, MSG_FIELD_SITE));
	} else if (!msg_has(in, MSG_FIELD_ID)) {
		count = flush_deferred();
		want_scan();
	} else if (take_id(in, id, sizeof(id)) && (m = qmgr_find(id)) &&
	    m->phase == MESSAGE_DEFERRED) {
		make_due(m);
		count = 1;
	}
	bell_ring_one(&qmgr.dispatch);
	answer(ch, in->id, "", count);
}

/* Only who owns the queue may change it; everybody who can reach us may look. */
static bool
is_owner(const struct channel *ch)
{
	struct sock_peer p = channel_peer(ch);

	return p.uid == 0 || p.uid == geteuid();
}

/* What is to be known of a client. */
struct client {
	bool tells; /* of files */
	struct loan loan;
};

static void
take_message(struct channel *ch, const struct msg_in *in, struct client *c)
{
	switch (in->type) {
	case MSG_NEW:
		c->tells = true;
		take_new(in);
		return;
	case MSG_SCAN:
		want_scan();
		return;
	case MSG_SHOWQ:
		showq_send(ch, in->id);
		return;
	case MSG_FLUSH:
		flush(ch, in);
		return;
	case MSG_BORROW:
		if (!is_owner(ch))
			answer(ch, in->id, "only the owner of the queue may",
			    0);
		else if (!lend(ch, in, &c->loan))
			log_debug("who wanted to change the queue is gone");
		return;
	default: /* the other messages are not for us */
		log_warning("unexpected message %s from pid %d",
		    msg_name(in->type), (int)channel_peer(ch).pid);
	}
}

/*
 * Who told of files and is gone may have had one more to tell of; and who had some
 * in hand has put them somewhere else.
 */
static void
converse(struct channel *ch)
{
	int fds[SOCK_FDS_MAX];
	struct client c = { 0 };
	struct span packet;
	struct msg_in in;
	size_t n;

	while (!service_stopping() &&
	    channel_recv(ch, TASK_NEVER, &packet, fds, &n) == STREAM_OK) {
		while (n > 0)
			close(fds[--n]); /* nobody has one for us */
		if (!msg_read(packet, &in)) {
			log_warning("pid %d speaks another protocol",
			    (int)channel_peer(ch).pid);
			break;
		}
		take_message(ch, &in, &c);
	}
	/* The files may lie elsewhere now, whether it got to say so or not. */
	if (loan_end(&c.loan) || c.tells)
		want_scan();
}

void
intake_client(void *conn)
{
	struct service_conn *c CLEANUP(service_conn_freep) = conn;
	struct channel *ch = channel_new(c->fd, MSG_MAX, KEEP_MAX);

	c->fd = -1; /* the channel's */
	converse(ch);
	channel_free(ch);
}
