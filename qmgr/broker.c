/*
 * The broker forks workers as their owners and sends the other end of their
 * channels. At our start it sends those of all workers there are: only when they
 * have said what they still have do we begin.
 */
#include "qmgr/worker.h"

#include "base/log.h"
#include "qmgr/fleet.h"
#include "service/msg.h"
#include "service/service.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	AGAIN_MS = 200, /* between two tries to reach it */
	GREETING_MS = 5000, /* for workers to say hello */
	KEEP_MAX = 256 * 1024,
};

static struct channel *broker;
static bool all_there; /* those of before our time have their channels */

static bool
send_message(struct buf *b)
{
	return msg_end(b, 0) && channel_send(broker, buf_span(b), NULL, 0);
}

void
broker_ask(struct worker *w)
{
	char packet[256];
	struct buf b;

	if (w->asked || !broker)
		return;
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_GET_WORKER, 0);
	msg_put_u64(&b, MSG_FIELD_UID, w->uid);
	msg_put_u64(&b, MSG_FIELD_GID, w->gid);
	msg_put_u64(&b, MSG_FIELD_SLOT, w->slot);
	w->asked = send_message(&b);
}

static void
ask_for_all(void)
{
	char packet[256];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_GET_ALL, 0);
	if (!send_message(&b))
		log_warning("the broker does not take a message");
	for (struct worker *w = worker_next(NULL); w; w = worker_next(w))
		if (!w->channel) {
			w->asked = false;
			broker_ask(w);
		}
}

static void
begin(void)
{
	if (qmgr.ready)
		return;
	qmgr.ready = true;
	bell_ring(&qmgr.arrivals);
	bell_ring(&qmgr.dispatch);
}

void
broker_greeted(void)
{
	if (!all_there || !fleets_settled())
		return;
	for (struct worker *w = worker_next(NULL); w; w = worker_next(w))
		if (w->channel && !w->greeted)
			return;
	begin();
}

static void
take_worker(const struct msg_in *in, const int *fds, size_t n)
{
	uid_t uid = (uid_t)msg_u64(in, MSG_FIELD_UID);
	gid_t gid = (gid_t)msg_u64(in, MSG_FIELD_GID);
	unsigned slot = (unsigned)msg_u64(in, MSG_FIELD_SLOT);
	struct worker *w = worker_find(uid, gid, slot);

	if (n != 1) {
		log_error("the broker sent a worker without a channel");
		while (n > 0)
			close(fds[--n]);
		return;
	}
	if (!w)
		w = worker_make(uid, gid, slot);
	w->asked = false;
	worker_start(w, fds[0], (pid_t)msg_u64(in, MSG_FIELD_PID));
}

static void
take_refusal(const struct msg_in *in)
{
	struct span text = msg_str(in, MSG_FIELD_TEXT);
	struct worker *next, *w = worker_next(NULL);
	char line[512];

	snprintf(line, sizeof(line), "no delivery agent: %.*s",
	    (int)(text.n < 400 ? text.n : 400), text.p);
	log_error("%s", line);
	for (; w; w = next) {
		next = worker_next(w);
		if (!w->channel && w->uid == msg_u64(in, MSG_FIELD_UID) &&
		    w->slot == msg_u64(in, MSG_FIELD_SLOT))
			worker_refused(w, line);
	}
}

static void
take_message(struct span packet, const int *fds, size_t n)
{
	struct msg_in in;

	if (!msg_read(packet, &in)) {
		log_error("the broker speaks another protocol");
		while (n > 0)
			close(fds[--n]);
	} else if (in.type == MSG_WORKER) {
		take_worker(&in, fds, n);
	} else if (in.type == MSG_NO_WORKER) {
		take_refusal(&in);
	} else if (in.type == MSG_ALL) {
		all_there = true;
		broker_greeted();
	}
}

static void
converse(void)
{
	int64_t greeting = task_after(GREETING_MS);
	int fds[SOCK_FDS_MAX];
	struct span packet;
	size_t n;

	ask_for_all();
	for (;;) {
		int64_t by = qmgr.ready ? TASK_NEVER : greeting;

		switch (channel_recv(broker, by, &packet, fds, &n)) {
		case STREAM_OK:
			take_message(packet, fds, n);
			break;
		case STREAM_TIMEOUT: /* of who is silent we know nothing */
			begin();
			break;
		case STREAM_EOF:
		case STREAM_TOO_LONG:
		case STREAM_CANCELLED:
		case STREAM_FAILED:
		case STREAM_EARLY_DATA:
			return;
		}
	}
}

void
task_broker(void *arg)
{
	enum task_wake wake = TASK_TIMEOUT;
	bool told = false;
	char path[512];

	(void)arg;
	snprintf(path, sizeof(path), "%s/private/broker",
	    qmgr.settings->queue_directory);
	while (wake != TASK_CANCELLED) {
		int fd = sock_unix_connect(path);

		if (fd < 0 && !told)
			log_warning("%s: %s; will be tried again", path,
			    strerror(-fd));
		told = fd < 0;
		if (fd >= 0) {
			broker = channel_new(fd, MSG_MAX, KEEP_MAX);
			converse();
			broker = channel_free(broker);
		}
		wake = task_sleep(task_after(AGAIN_MS));
	}
}
