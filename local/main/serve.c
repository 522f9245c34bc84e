#include "base/log.h"
#include "local/main/local.h"
#include "local/main/pool.h"
#include "service/agent.h"
#include "service/proxymap.h"
#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	WORKS_MAX = 200, /* requests at a time */
	MEMORY_MAX = 32 << 20, /* of a request */
};

struct rcpt {
	uint64_t n;
	struct span addr;
	struct span orig;
	struct verdict verdict;
};

struct work {
	struct agent_work agent;
	struct mail mail;
	struct rcpt *rcpts;
	size_t n;
};

static char proxymap_socket[] = "private/proxymap";
static char cleanup_socket[] = "private/cleanup";

static struct work *
free_work(struct work *w)
{
	if (w->mail.fd >= 0)
		close(w->mail.fd);
	arena_free(w->mail.arena);
	free(w);
	return NULL;
}

static struct span
keep(struct work *w, const struct msg_in *in, enum msg_field field)
{
	struct span s = msg_str(in, field);
	const char *copy = arena_dup(w->mail.arena, s);

	return copy ? (struct span){ copy, s.n } : SPAN("");
}

static void
take_mail(struct work *w, const struct msg_in *in)
{
	struct mail *m = &w->mail;

	m->request = in->id;
	m->id = keep(w, in, MSG_FIELD_ID);
	m->sender = keep(w, in, MSG_FIELD_SENDER);
	m->offset = msg_u64(in, MSG_FIELD_OFFSET);
	m->length = msg_u64(in, MSG_FIELD_LENGTH);
	m->checksum = msg_u64(in, MSG_FIELD_CHECKSUM);
	m->client_name = keep(w, in, MSG_FIELD_CLIENT_NAME);
	m->client_addr = keep(w, in, MSG_FIELD_CLIENT_ADDR);
	m->helo = keep(w, in, MSG_FIELD_HELO);
	m->proto = keep(w, in, MSG_FIELD_PROTO);
	m->sasl_method = keep(w, in, MSG_FIELD_SASL_METHOD);
	m->envid = keep(w, in, MSG_FIELD_ENVID);
	m->flags = msg_u64(in, MSG_FIELD_FLAGS);
	m->ret = msg_u64(in, MSG_FIELD_RET);
	m->sasl_user = keep(w, in, MSG_FIELD_SASL_USER);
	m->arrived = (int64_t)msg_u64(in, MSG_FIELD_ARRIVED);
	m->active = (int64_t)msg_u64(in, MSG_FIELD_TIME_BEGUN);
	m->begun = service_wall();
}

/* NULL, with `fd` closed: it cannot be used. */
static struct work *
make_work(const struct msg_in *in, int fd)
{
	struct work *w = zalloc(sizeof(*w));
	struct span rest = in->fields;
	size_t max = msg_count_groups(in, MSG_FIELD_RCPT);
	struct msg_in group;

	w->mail.fd = fd;
	w->mail.arena = arena_new(MEMORY_MAX);
	w->rcpts = arena_alloc(w->mail.arena, (max + 1) * sizeof(*w->rcpts));
	take_mail(w, in);
	while (w->rcpts && w->n < max &&
	    msg_next_group(&rest, MSG_FIELD_RCPT, &group))
		w->rcpts[w->n++] = (struct rcpt){
			.n = msg_u64(&group, MSG_FIELD_N),
			.addr = keep(w, &group, MSG_FIELD_ADDR),
			.orig = keep(w, &group, MSG_FIELD_ORIG),
		};
	return fd >= 0 && w->n > 0 && w->mail.id.n > 0 ? w : free_work(w);
}

static void
put_rcpt(struct buf *b, const struct rcpt *r, bool text)
{
	size_t group = msg_group_begin(b, MSG_FIELD_RCPT);

	msg_put_u64(b, MSG_FIELD_N, r->n);
	msg_put_str(b, MSG_FIELD_ADDR,
	    r->verdict.transport ? r->verdict.addr
		: text           ? r->addr
				 : SPAN(""));
	msg_put_u64(b, MSG_FIELD_STATUS, r->verdict.status);
	if (r->verdict.transport)
		msg_put_str(b, MSG_FIELD_TRANSPORT,
		    span_str(r->verdict.transport));
	msg_put_str(b, MSG_FIELD_DSN, span_str(r->verdict.dsn));
	if (text)
		msg_put_str(b, MSG_FIELD_TEXT, span_str(r->verdict.text));
	msg_group_end(b, group);
}

static bool
put_result(struct buf *b, const struct work *w, bool text)
{
	b->n = 0;
	b->overflow = false;
	msg_begin(b, MSG_RESULT, w->mail.request);
	msg_put_str(b, MSG_FIELD_ID, w->mail.id);
	msg_put_str(b, MSG_FIELD_RELAY, SPAN("local"));
	msg_put_u64(b, MSG_FIELD_TIME_BEGUN, (uint64_t)w->mail.begun);
	msg_put_u64(b, MSG_FIELD_TIME_CONNECTED, (uint64_t)w->mail.begun);
	msg_put_u64(b, MSG_FIELD_TIME_ENDED, (uint64_t)service_wall());
	for (size_t i = 0; i < w->n; i++)
		put_rcpt(b, &w->rcpts[i], text);
	return msg_end(b, 0);
}

/*
 * The last that another transport was to have waits instead: its next try is with
 * fewer others. False: there is none.
 */
static bool
put_off_one(struct work *w)
{
	for (size_t i = w->n; i > 0; i--)
		if (w->rcpts[i - 1].verdict.transport) {
			w->rcpts[i - 1].verdict.transport = NULL;
			return true;
		}
	return false;
}

static void
finish(struct work *w)
{
	static char storage[MSG_MAX];
	struct buf b;

	buf_init(&b, storage, sizeof(storage));
	if (!put_result(&b, w, true))
		while (!put_result(&b, w, false))
			must(put_off_one(w));
	agent_result(&w->agent, buf_span(&b));
	agent_end(&w->agent);
	service_status((unsigned)agent_running());
	free_work(w);
}

/* A task for each DELIVER. */
static void
run(void *arg)
{
	struct work *w = arg;

	tables_refresh();
	for (size_t i = 0; i < w->n; i++)
		w->rcpts[i].verdict = recipient_deliver(&w->mail,
		    w->rcpts[i].addr, w->rcpts[i].orig);
	finish(w);
}

static void
begin(const struct msg_in *in, int fd)
{
	struct work *w = make_work(in, fd);

	if (!w) {
		log_error("qmgr sent a DELIVER that cannot be used");
		return;
	}
	agent_begin(&w->agent, in);
	service_status((unsigned)agent_running());
	if (task_spawn(run, w, "local %.*s", (int)w->mail.id.n, w->mail.id.p))
		return;
	for (size_t i = 0; i < w->n; i++)
		w->rcpts[i].verdict = (struct verdict){
			.status = DELIVERY_DEFERRED,
			.dsn = "4.3.0",
			.text = "too many deliveries at once",
		};
	finish(w);
}

static void
serve_lookups(void *path)
{
	proxymap_serve(path);
}

void
local_serve(void *arg)
{
	(void)arg;
	if (!task_spawn(users_keep, proxymap_socket, "ask who users are") ||
	    !task_spawn(serve_lookups, proxymap_socket, "ask proxymap") ||
	    !task_spawn(forward_keep, cleanup_socket, "ask cleanup"))
		die("no memory for a task");
	agent_init(begin, WORKS_MAX);
	agent_serve(service_listener(0), service_stop_bell(), service_stopping);
	agent_fini();
	pool_fini();
	task_cancel_others();
}
