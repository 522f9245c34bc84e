#include "smtpd/notify.h"

#include "base/log.h"
#include "base/sock.h"
#include "net/channel.h"
#include "service/msg.h"
#include "task/task.h"

#include <stdio.h>

enum {
	PACKET_MAX = 4096,
	KEEP_MAX = 1 << 20,
	RETRY_MIN_MS = 100,
	RETRY_MAX_MS = 5000,
};

/* One of the worker; only its task changes ->channel. */
static struct {
	struct channel *channel; /* NULL: the queue manager is away */
	bool missed; /* something was not told */
} notify;

static bool
tell(enum msg_type type, struct span name)
{
	char packet[512];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, type, 0);
	if (type == MSG_NEW)
		msg_put_str(&b, MSG_FIELD_ID, name);
	return msg_end(&b, 0) &&
	    channel_send(notify.channel, buf_span(&b), NULL, 0);
}

void
notify_new(struct span name)
{
	if (notify.missed || !notify.channel || !tell(MSG_NEW, name))
		notify.missed = true;
}

/* What was missed may still be, so it is told again until it went out. */
static void
tell_missed(void)
{
	if (notify.missed && tell(MSG_SCAN, (struct span){ 0 }))
		notify.missed = false;
}

static void
close_received(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		task_close(fds[i]);
}

/* Until the queue manager is gone. False: we are to end. */
static bool
stay_connected(void)
{
	int fds[SOCK_FDS_MAX];
	struct span packet;
	enum stream_result r;
	size_t n;

	do {
		tell_missed();
		n = 0;
		r = channel_recv(notify.channel, task_after(RETRY_MAX_MS),
		    &packet, fds, &n);
		if (r == STREAM_OK)
			close_received(fds, n);
	} while (r == STREAM_OK || r == STREAM_TIMEOUT);
	notify.channel = channel_free(notify.channel);
	/* What had gone to the socket may not have been read. */
	notify.missed = true;
	return r != STREAM_CANCELLED;
}

void
notify_serve(void *path)
{
	int64_t retry = RETRY_MIN_MS;
	bool said = false;

	for (;;) {
		int fd = sock_unix_connect(path);

		if (fd >= 0) {
			notify.channel = channel_new(fd, PACKET_MAX, KEEP_MAX);
			retry = RETRY_MIN_MS;
			said = false;
			if (!stay_connected())
				return;
		} else if (!said) {
			log_warning("the queue manager is away: %s",
			    (const char *)path);
			said = true;
		}
		if (task_sleep(task_after(retry)) == TASK_CANCELLED)
			return;
		retry = retry * 2 < RETRY_MAX_MS ? retry * 2 : RETRY_MAX_MS;
	}
}
