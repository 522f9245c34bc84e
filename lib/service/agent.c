#include "service/agent.h"

#include "base/log.h"
#include "net/channel.h"
#include "service/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	KEEP_MAX = 16 << 20, /* results that qmgr does not read */
	GOODBYE_MS = 5 * 1000, /* for the last ACKs, told to end */
};

/* What was answered and not yet taken. */
struct result {
	struct link link;
	uint32_t request;
	char id[AGENT_ID_MAX];
	struct span packet;
	char bytes[];
};

static struct agent {
	agent_deliver_fn *deliver;
	size_t max;
	struct channel *qmgr; /* NULL: gone */
	struct task *reader; /* of it */
	struct link results;
	struct link running;
	size_t running_n;
	int64_t last_work;
	int64_t lost; /* when qmgr went */
	bool spare; /* qmgr knows that it must not send more */
	struct bell changed;
} self;

void
agent_init(agent_deliver_fn *fn, size_t max)
{
	self = (struct agent){ .deliver = fn, .max = max };
	list_init(&self.results);
	list_init(&self.running);
	bell_init(&self.changed, "work");
	self.last_work = self.lost = task_now();
}

static void
changed(void)
{
	self.last_work = task_now();
	bell_ring(&self.changed);
}

/* What cannot be sent stays: the next qmgr gets it. At a stop it goes first. */
static void
send_to_qmgr(struct span packet)
{
	if (self.qmgr && !channel_send(self.qmgr, packet, NULL, 0) &&
	    !service_stopping())
		log_warning("qmgr takes no results; they are kept");
}

static void
send_empty(enum msg_type type)
{
	char bytes[64];
	struct buf b;

	buf_init(&b, bytes, sizeof(bytes));
	msg_begin(&b, type, 0);
	must(msg_end(&b, 0));
	send_to_qmgr(buf_span(&b));
}

void
agent_begin(struct agent_work *w, const struct msg_in *in)
{
	struct span id = msg_str(in, MSG_FIELD_ID);

	w->request = in->id;
	snprintf(w->id, sizeof(w->id), "%.*s",
	    (int)(id.n < AGENT_ID_MAX ? id.n : AGENT_ID_MAX - 1), id.p);
	list_append(&self.running, &w->link);
	self.running_n++;
	changed();
}

void
agent_end(struct agent_work *w)
{
	link_remove(&w->link);
	self.running_n--;
	changed();
}

void
agent_result(const struct agent_work *w, struct span packet)
{
	struct result *r = zalloc(sizeof(*r) + packet.n);

	r->request = w->request;
	memcpy(r->id, w->id, sizeof(r->id));
	memcpy(r->bytes, packet.p, packet.n);
	r->packet = (struct span){ r->bytes, packet.n };
	list_append(&self.results, &r->link);
	send_to_qmgr(r->packet);
}

static void
drop_result(uint32_t request)
{
	for (struct link *l = self.results.next; l != &self.results;
	     l = l->next) {
		struct result *r = container_of(l, struct result, link);

		if (r->request != request)
			continue;
		link_remove(l);
		free(r);
		return;
	}
}

static void
take_acks(const struct msg_in *in)
{
	struct span rest = in->fields;
	struct span value;

	while (msg_next(&rest, MSG_FIELD_N, &value)) {
		uint64_t request;

		memcpy(&request, value.p, sizeof(request));
		drop_result((uint32_t)request);
	}
	bell_ring(&self.changed);
}

static void
handle(struct span packet, int *fds, size_t n)
{
	struct msg_in in;

	if (!msg_read(packet, &in)) {
		log_error("a message of qmgr is of another version");
	} else if (in.type == MSG_DELIVER) {
		self.deliver(&in, n ? fds[--n] : -1);
	} else if (in.type == MSG_ACK) {
		take_acks(&in);
	} else if (in.type == MSG_SPARE) {
		self.spare = true;
		bell_ring(&self.changed);
	} else {
		log_warning("qmgr sent %s, which is not for us",
		    msg_name(in.type));
	}
	while (n > 0)
		task_close(fds[--n]);
}

/* Not more than ->max are begun; what we are told to leave we do not read. */
static bool
may_read(void)
{
	enum task_wake w = TASK_READY;

	while (self.running_n >= self.max && w == TASK_READY)
		w = bell_wait(&self.changed, TASK_NEVER);
	return w == TASK_READY;
}

static void
read_qmgr(void *arg)
{
	struct channel *ch = arg;
	enum stream_result r = STREAM_OK;
	int fds[SOCK_FDS_MAX];
	struct span packet;
	size_t n;

	while (r == STREAM_OK && may_read()) {
		r = channel_recv(ch, TASK_NEVER, &packet, fds, &n);
		if (r == STREAM_OK)
			handle(packet, fds, n);
	}
	channel_free(ch);
	if (self.qmgr == ch) {
		self.qmgr = NULL;
		self.reader = NULL;
		self.lost = task_now();
	}
	bell_ring(&self.changed);
}

/*
 * Names all that the new qmgr must not give out again before it knows what came
 * of it: what is under way, and what was answered but not taken.
 */
static void
send_hello(void)
{
	static char storage[MSG_MAX];
	struct buf b;

	buf_init(&b, storage, sizeof(storage));
	msg_begin(&b, MSG_HELLO, 0);
	msg_put_u64(&b, MSG_FIELD_PID, (uint64_t)getpid());
	for (struct link *l = self.running.next; l != &self.running;
	     l = l->next) {
		const char *id = container_of(l, struct agent_work, link)->id;

		msg_put_str(&b, MSG_FIELD_ID, span_str(id));
	}
	for (struct link *l = self.results.next; l != &self.results;
	     l = l->next) {
		const char *id = container_of(l, struct result, link)->id;

		msg_put_str(&b, MSG_FIELD_ID, span_str(id));
	}
	if (msg_end(&b, 0))
		send_to_qmgr(buf_span(&b));
	else
		log_error("too much is under way to tell qmgr of all");
}

void
agent_attach(int fd, bool hello)
{
	struct channel *ch = channel_new(fd, MSG_MAX, KEEP_MAX);
	struct task *reader = task_spawn(read_qmgr, ch, "qmgr");

	if (!reader) {
		log_error("no stack for qmgr's channel");
		channel_free(ch);
		return;
	}
	if (self.reader)
		task_cancel(self.reader); /* it frees its channel */
	self.qmgr = ch;
	self.reader = reader;
	self.spare = false;
	self.last_work = task_now();
	if (!hello)
		return;
	send_hello();
	for (struct link *l = self.results.next; l != &self.results;
	     l = l->next)
		send_to_qmgr(container_of(l, struct result, link)->packet);
}

size_t
agent_running(void)
{
	return self.running_n;
}

bool
agent_is_done(void)
{
	return self.running_n == 0 && list_empty(&self.results);
}

bool
agent_is_attached(void)
{
	return self.qmgr != NULL;
}

int64_t
agent_lost(void)
{
	return self.lost;
}

int64_t
agent_last_work(void)
{
	return self.last_work;
}

struct bell *
agent_changed(void)
{
	return &self.changed;
}

/* Another worker may have taken the connection. */
static void
accept_qmgr(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		agent_attach(fd, true);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		log_error("cannot accept qmgr: %s", strerror(errno));
}

/*
 * A worker with a qmgr leaves the listener alone, so each connection that qmgr
 * makes comes to a worker that has none.
 */
static void
serve_until_stop(int listener, struct bell *stop, bool (*is_stopping)(void))
{
	enum task_wake w = TASK_READY;

	while (!is_stopping() && w == TASK_READY) {
		struct task_wait waits[] = {
			{ .bell = stop },
			{ .bell = &self.changed },
			{ .fd = listener, .events = TASK_INPUT },
		};

		w = task_wait_any(waits, self.qmgr ? 2 : 3, TASK_NEVER);
		if (w == TASK_READY && !self.qmgr && waits[2].ready)
			accept_qmgr(listener);
	}
}

/* Qmgr answers when it has sent its last: so none is lost on the way. */
static void
leave(void)
{
	enum task_wake w = TASK_READY;
	int64_t deadline = task_after(GOODBYE_MS);

	if (self.qmgr)
		send_empty(MSG_SPARE);
	while (self.qmgr && !self.spare && w == TASK_READY)
		w = bell_wait(&self.changed, deadline);
	while (self.running_n > 0 && w != TASK_CANCELLED)
		w = bell_wait(&self.changed, TASK_NEVER);
	deadline = task_after(GOODBYE_MS);
	while (!agent_is_done() && self.qmgr && w == TASK_READY)
		w = bell_wait(&self.changed, deadline);
}

void
agent_serve(int listener, struct bell *stop, bool (*is_stopping)(void))
{
	serve_until_stop(listener, stop, is_stopping);
	task_close(listener);
	leave();
}

void
agent_fini(void)
{
	if (self.reader)
		task_cancel(self.reader);
	while (self.qmgr && task_sleep(task_after(0)) != TASK_CANCELLED)
		;
	while (!list_empty(&self.results)) {
		struct result *r = container_of(self.results.next,
		    struct result, link);

		link_remove(&r->link);
		free(r);
	}
}
