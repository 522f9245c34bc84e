#include "master/control.h"

#include "base/log.h"
#include "master/services.h"
#include "net/channel.h"
#include "service/counters.h"
#include "service/msg.h"
#include "task/task.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ASK_TIME = 10 * 1000, /* ms, for all that one client wants */
	KEEP_MAX = 1 << 20,
	ANSWER_MAX = 8192,
	COUNTERS_MAX = 4096, /* for all there are */
};

static _Atomic int64_t *shared_clock;

void
control_set_clock(_Atomic int64_t *clock)
{
	shared_clock = clock;
}

static void
send_end(struct channel *ch, uint32_t id)
{
	char packet[64];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_LAST, id);
	if (msg_end(&b, 0))
		(void)!channel_send(ch, buf_span(&b), NULL, 0);
}

/* Those that are not 0, as "sessions=5 messages=3". */
static void
put_counters(struct buf *b, const struct limits *l)
{
	for (enum counter c = 0; c < COUNTERS_N; c++) {
		uint64_t n = limits_counter(l, c);

		if (n > 0)
			buf_putf(b, "%s%s=%llu", b->n > 0 ? " " : "",
			    counter_name(c), (unsigned long long)n);
	}
}

static void
send_state(const struct services_state *s, void *arg)
{
	int64_t sessions = s->sessions < 0 ? 0 : s->sessions;
	static char packet[ANSWER_MAX], text[COUNTERS_MAX];
	struct buf b, counters;

	buf_init(&counters, text, sizeof(text));
	put_counters(&counters, s->limits);
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_SERVICE_STATUS, 0);
	msg_put_str(&b, MSG_FIELD_SERVICE, span_str(s->name));
	msg_put_u64(&b, MSG_FIELD_WORKERS, s->workers);
	msg_put_u64(&b, MSG_FIELD_GENERATION, s->generation);
	msg_put_u64(&b, MSG_FIELD_SESSIONS, (uint64_t)sessions);
	msg_put_str(&b, MSG_FIELD_TYPE, span_str(s->type));
	msg_put_opt(&b, MSG_FIELD_TEXT, span_str(s->text));
	msg_put_opt(&b, MSG_FIELD_COUNTERS, buf_span(&counters));
	if (msg_end(&b, 0))
		(void)!channel_send(arg, buf_span(&b), NULL, 0);
}

static void
move_clock(uint64_t ms)
{
	if (!shared_clock)
		return;
	*shared_clock += (int64_t)ms;
	services_tell_all(MSG_TICK);
}

static void
answer(struct channel *ch, const struct msg_in *in)
{
	if (in->type == MSG_STATUS_ALL)
		services_each(send_state, ch);
	else if (in->type == MSG_CLOCK)
		move_clock(msg_u64(in, MSG_FIELD_MILLISECONDS));
	send_end(ch, in->id);
}

static void
serve(void *arg)
{
	struct channel *ch CLEANUP(channel_freep) = arg;
	int64_t by = task_after(ASK_TIME);
	int fds[SOCK_FDS_MAX];
	struct span packet;
	struct msg_in in;
	size_t n;

	while (channel_recv(ch, by, &packet, fds, &n) == STREAM_OK) {
		while (n > 0)
			task_close(fds[--n]);
		if (!msg_read(packet, &in))
			return;
		answer(ch, &in);
	}
}

void
control_run(void *arg)
{
	int listener = *(int *)arg;

	while (task_wait_fd(listener, TASK_INPUT, TASK_NEVER) == TASK_READY) {
		int fd = accept4(listener, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct channel *ch;

		if (fd < 0)
			continue;
		ch = channel_new(fd, MSG_MAX, KEEP_MAX);
		if (!task_spawn(serve, ch, "control"))
			channel_free(ch);
	}
}
