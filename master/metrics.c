/*
 * metrics: answers who asks for counters over HTTP, on the sockets that its lines
 * in master.cf name.
 *
 * Master itself is root and never reads a network. So this program, which is
 * mail_owner and may do little, asks master over its control socket, as
 * `postrider status` does, counts the files in the queue's folders, and makes
 * text of it. Over TCP only this machine is answered.
 */
#include "master/http.h"
#include "master/openmetrics.h"
#include "net/addr.h"
#include "net/stream.h"
#include "service/service.h"

#include <stdlib.h>

enum {
	REQUEST_MS = 10 * 1000, /* for all of it */
	FRESH_MS = 1000, /* so long an answer is good for others */
};

/* The newest answer. It is made by one task at a time, offloaded. */
static struct {
	struct state state;
	char text[OPENMETRICS_MAX];
	size_t n; /* 0: there is none */
	int64_t made;
	bool in_work;
	struct bell done;
} answer;

static int
warm_up(const struct conf *c, struct why *why)
{
	(void)c;
	(void)why;
	for (size_t i = 0; i < STATE_FOLDERS; i++)
		sandbox_allow_list(state_folder(i));
	return 0;
}

static void
find_out(void *arg)
{
	struct buf b;
	struct why why;

	(void)arg;
	answer.n = 0;
	buf_init(&b, answer.text, sizeof(answer.text));
	if (state_read(&answer.state, &why) == 0)
		openmetrics_put(&b, &answer.state);
	if (!b.overflow)
		answer.n = b.n;
}

/* However many ask, master is asked once a second. */
static void
freshen(void)
{
	while (answer.in_work)
		if (bell_wait(&answer.done, TASK_NEVER) == TASK_CANCELLED)
			return;
	if (answer.n > 0 && task_now() < answer.made + FRESH_MS)
		return;
	answer.in_work = true;
	task_offload(TASK_DISK, find_out, NULL);
	answer.made = task_now();
	answer.in_work = false;
	bell_ring(&answer.done);
}

/* Reads the request; what it is to get. HTTP_MORE: there is nobody to tell. */
static enum http_status
read_request(struct stream *s, struct http_request *r, int64_t by)
{
	enum http_status status = HTTP_MORE;
	struct span line;

	while (status == HTTP_MORE)
		switch (stream_line(s, HTTP_LINE_MAX, STREAM_CRLF, by, &line)) {
		case STREAM_OK:
			status = http_line(r, line, SPAN("/metrics"));
			break;
		case STREAM_TOO_LONG:
			return r->begun ? HTTP_TOO_MANY : HTTP_TOO_LONG;
		default:
			return HTTP_MORE;
		}
	return status;
}

static void
reply(struct stream *s, const struct http_request *r, enum http_status status,
    int64_t by)
{
	struct span type = SPAN("text/plain"), body = SPAN("");
	char storage[HTTP_HEAD_MAX];
	struct buf head;

	if (status == HTTP_OK)
		freshen();
	/* It is copied before anything waits. */
	if (status == HTTP_OK && (answer.in_work || answer.n == 0))
		status = HTTP_UNAVAILABLE;
	if (status == HTTP_OK) {
		type = SPAN(OPENMETRICS_TYPE);
		body = (struct span){ answer.text, answer.n };
	}
	buf_init(&head, storage, sizeof(storage));
	http_put_head(&head, status, type, body.n);
	if (r->is_head)
		body.n = 0;
	if (!stream_resize(s, HTTP_LINE_MAX + 2, head.n + body.n))
		return;
	buf_put(&s->out, buf_span(&head));
	buf_put(&s->out, body);
	stream_finish(s, by);
}

static bool
is_ours(const struct service_conn *c)
{
	static const struct addr loopback = { .family = AF_INET6,
		.bytes = { [15] = 1 } };
	struct addr a;

	if (c->peer->ss_family == AF_UNIX)
		return true;
	if (!addr_from_sockaddr((const struct sockaddr *)c->peer, &a))
		return false;
	return a.family == AF_INET ? a.bytes[0] == 127
				   : addr_cmp(&a, &loopback) == 0;
}

static void
serve_one(void *arg)
{
	struct service_conn *c CLEANUP(service_conn_freep) = arg;
	struct stream *s CLEANUP(
	    stream_freep) = stream_new(c->fd, HTTP_LINE_MAX + 2, HTTP_HEAD_MAX);
	struct http_request r = { 0 };
	int64_t by = task_after(REQUEST_MS);
	enum http_status status = is_ours(c) ? read_request(s, &r, by)
					     : HTTP_FORBIDDEN;

	c->fd = -1;
	if (status != HTTP_MORE)
		reply(s, &r, status, by);
}

static void
serve(void *arg)
{
	(void)arg;
	bell_init(&answer.done, "master's answer");
	service_accept(serve_one, "metrics");
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "metrics",
		.summary = "tells counters to monitoring, over HTTP",
		.user = SERVICE_OWNER,
		.sandbox = SANDBOX_STDIO | SANDBOX_ACCEPT | SANDBOX_RECVFD |
		    SANDBOX_UNIX | SANDBOX_READ,
		.warm_up = warm_up,
		.serve = serve,
	};

	return service_main(argc, argv, &spec);
}
