#include "service/frame.h"

#include "base/log.h"
#include "service/fds.h"
#include "service/msg.h"

#include <unistd.h>

enum {
	STATUS_PAUSE = 1000, /* between two states for the parent */
	SMALL_MAX = 64, /* bytes of a message to the parent */
};

void
frame_stop(void)
{
	if (frame.stopping)
		return;
	frame.stopping = true;
	frame.drain_by = task_after(frame.params.service_drain_time);
	bell_ring(&frame.stop);
}

void
frame_tell(int type)
{
	char packet[SMALL_MAX];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, (enum msg_type)type, 0);
	if (type == MSG_STATUS)
		msg_put_u64(&b, MSG_FIELD_BUSY, frame.busy);
	must(msg_end(&b, 0));
	if (!channel_send(frame.parent, buf_span(&b), NULL, 0))
		return; /* receiving will find out */
}

void
service_tell(int msg_type)
{
	frame_tell(msg_type);
}

void
frame_last_words(const char *text)
{
	char packet[SMALL_MAX + sizeof(struct why)];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_BYE, 0);
	msg_put_str(&b, MSG_FIELD_TEXT, span_str(text));
	if (!msg_end(&b, 0) || sock_send(FDS_PARENT, buf_span(&b), NULL, 0) < 0)
		return; /* the exit status says it too */
}

void
service_status(unsigned busy)
{
	if (busy == frame.busy)
		return;
	frame.busy = busy;
	bell_ring(&frame.busy_changed);
}

void
frame_tell_busy(void *arg)
{
	enum task_wake w = TASK_READY;
	unsigned told = frame.busy;

	(void)arg;
	frame_tell(MSG_STATUS); /* the first says: ready */
	while (w == TASK_READY) {
		if (told == frame.busy)
			w = bell_wait(&frame.busy_changed, TASK_NEVER);
		if (told == frame.busy)
			continue;
		told = frame.busy;
		frame_tell(MSG_STATUS);
		if (task_sleep(task_after(STATUS_PAUSE)) == TASK_CANCELLED)
			break;
	}
	frame.own_tasks--;
}

/* For one that is replaced on reload: master tells it to drain instead. */
static void
reload(void *arg)
{
	bool *done = arg;
	struct conf *c;
	struct why why;

	c = conf_load(frame.options.dir, frame.options.overrides,
	    frame.options.overrides_n, &why);
	if (c && frame.spec->reload(c, &why) == 0) {
		frame.conf = c; /* the old one's strings may be in use */
		*done = true;
		return;
	}
	conf_free(c);
	log_error("keeping the old configuration: %s", why.text);
}

/* Who reads that it was done may rely on it. */
static void
reload_in_place(void)
{
	bool done = false;

	task_offload(TASK_DISK, reload, &done);
	if (done && frame.spec->reloaded)
		frame.spec->reloaded();
	if (done)
		log_info("configuration was read anew");
}

static void
handle(struct span packet, int *fds, size_t n)
{
	struct msg_in in;

	if (!msg_read(packet, &in)) {
		log_error("a message of the parent is of another version");
		frame_stop();
	} else if (in.type == MSG_DRAIN) {
		frame_stop();
	} else if (in.type == MSG_RELOAD && frame.spec->reload) {
		reload_in_place();
	} else if (frame.on_parent) {
		frame.on_parent(&in, fds, n);
		return;
	}
	while (n > 0)
		task_close(fds[--n]);
}

void
frame_parent(void *arg)
{
	int fds[SOCK_FDS_MAX];
	enum stream_result r;
	struct span packet;
	size_t n;

	(void)arg;
	while ((r = channel_recv(frame.parent, frame.drain_by, &packet, fds,
		    &n)) == STREAM_OK)
		handle(packet, fds, n);
	if ((r == STREAM_EOF || r == STREAM_FAILED) &&
	    frame.spec->user == SERVICE_SELF) {
		frame.orphaned = true;
		bell_ring(&frame.stop);
	} else if (r == STREAM_EOF || r == STREAM_FAILED) {
		frame_stop();
		if (task_sleep(frame.drain_by) == TASK_TIMEOUT)
			r = STREAM_TIMEOUT;
	}
	if (r == STREAM_TIMEOUT) {
		log_warning("sessions are ended after service_drain_time");
		task_cancel_others();
	}
	frame.own_tasks--;
}
