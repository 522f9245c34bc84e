#include "login/worker.h"

#include "base/hash.h"
#include "base/log.h"
#include "login/name.h"
#include "service/msg.h"
#include "service/service.h"
#include "store/store.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	COMPLAIN_MS = 60 * 1000, /* between two lines about the same */
	NEWS_MS = 100, /* between two tellings */
	REST_MS = 30 * 1000, /* after which an index is closed */
	REST_MANY = 16, /* that leave holes in the heap */
	IDLE_MS = 60 * 1000, /* without sessions: the worker asks for leave */
	CROWD_KEY_MAX = 512, /* a user and an address */
};

static struct {
	int64_t userip_limit;
} params;

static const struct conf_field fields[] = {
	{ "mail_max_userip_connections", CONF_INT, 0 },
};

/* The sessions of a user from one address. */
struct crowd {
	struct hash_link link;
	int64_t n;
	size_t key_n;
	char key[CROWD_KEY_MAX];
};

struct session {
	struct session_in in;
	struct crowd *crowd; /* NULL: it is not counted */
	struct span root;
	char bytes[]; /* the SESSION, to which the spans point */
};

/* One of the process. */
static struct worker {
	const struct worker_spec *spec;
	struct hash crowds;
	size_t sessions;
	int64_t last; /* when a session began or ended */
	bool asked; /* for leave */
	bool may_go; /* no more sessions will come */
	struct bell changed;
	struct bell opened; /* the store is, or cannot be */
	bool opening;
	struct store *store; /* NULL: not yet */
	struct task *watcher; /* of it; NULL: there is none */
	int64_t rest; /* when it is looked at what nobody uses */
	bool ended; /* who leaves last closes the store */
} worker;

int
worker_warm_up(const struct conf *c, struct why *why)
{
	int err = conf_get_struct(c, fields, COUNT_OF(fields), &params, why);

	if (!err)
		err = login_name_read(c, why);
	if (err || service_checking())
		return err;
	if (!service_root())
		return why_set(why, EINVAL, NULL, 0,
		    "there is no folder to work in");
	sandbox_allow(service_root(), true);
	sandbox_allow("/proc/sys/kernel/random/boot_id", false);
	return 0;
}

static void
changed(void)
{
	worker.last = task_now();
	service_status((unsigned)worker.sessions);
	bell_ring(&worker.changed);
}

static struct span
key_of(struct hash_link *l)
{
	const struct crowd *c = container_of(l, struct crowd, link);

	return (struct span){ c->key, c->key_n };
}

/* Counts the session. False: it is one too many. */
static bool
join_crowd(struct session *s)
{
	struct crowd *c = zalloc(sizeof(*c));
	struct hash_link *l;
	struct buf b;

	buf_init(&b, c->key, sizeof(c->key));
	buf_put(&b, s->in.user);
	buf_put(&b, SPAN("\0"));
	buf_put(&b, s->in.remote);
	c->key_n = b.n;
	l = hash_find(&worker.crowds, buf_span(&b));
	if (l) {
		free(c);
		c = container_of(l, struct crowd, link);
	} else {
		hash_add(&worker.crowds, &c->link);
	}
	c->n++;
	s->crowd = c;
	return params.userip_limit == 0 || c->n <= params.userip_limit;
}

static void
leave_crowd(struct session *s)
{
	if (--s->crowd->n > 0)
		return;
	hash_remove(&worker.crowds, &s->crowd->link);
	free(s->crowd);
}

/* An offloaded step: all of it is the task's that waits. */
struct opening {
	struct store *store;
	struct why why;
};

static void
open_store(void *arg)
{
	struct opening *o = arg;

	o->store = store_open(service_root(), &o->why);
}

/* The first session opens it, and others wait. False: it cannot be opened. */
static bool
find_store(void)
{
	struct opening o = { 0 };
	enum task_wake w = TASK_READY;

	while (worker.opening && w == TASK_READY)
		w = bell_wait(&worker.opened, TASK_NEVER);
	if (worker.store || w != TASK_READY)
		return worker.store != NULL;
	worker.opening = true;
	task_offload(TASK_DISK, open_store, &o);
	worker.opening = false;
	worker.store = o.store;
	bell_ring(&worker.opened);
	if (!o.store)
		log_error("%s: %s", service_root(), o.why.text);
	return o.store != NULL;
}

/* Sessions that are told to end at once say goodbye, and need it for that. */
static void
close_store_if_last(void)
{
	if (!worker.ended || worker.sessions > 0 || worker.watcher)
		return;
	worker.store = store_close(worker.store);
	hash_fini(&worker.crowds);
}

static void
free_session(struct session *s)
{
	stream_free(s->in.stream);
	leave_crowd(s);
	free(s);
	worker.sessions--;
	changed();
	close_store_if_last();
}

/* A task for each session. */
static void
serve_session(void *arg)
{
	struct session *s = arg;

	if (find_store()) {
		s->in.store = worker.store;
		worker.spec->serve(&s->in);
	}
	free_session(s);
}

static struct session *
make_session(const struct msg_in *in)
{
	struct session *s = zalloc(sizeof(*s) + in->fields.n);
	struct msg_in own = *in;

	memcpy(s->bytes, in->fields.p, in->fields.n);
	own.fields.p = s->bytes;
	s->root = msg_str(&own, MSG_FIELD_ROOT);
	s->in = (struct session_in){
		.user = msg_str(&own, MSG_FIELD_USER),
		.remote = msg_str(&own, MSG_FIELD_CLIENT_ADDR),
		.local = msg_str(&own, MSG_FIELD_SERVER_ADDR),
		.name = msg_str(&own, MSG_FIELD_SESSION),
		.tag = msg_str(&own, MSG_FIELD_TAG),
		.fields = msg_str(&own, MSG_FIELD_FIELDS),
		.mailbox = msg_str(&own, MSG_FIELD_MAILBOX),
		.tls = msg_u64(&own, MSG_FIELD_TLS) != 0,
	};
	return s;
}

/* Takes over `fd`. */
static void
begin_session(const struct msg_in *in, int fd)
{
	const struct worker_spec *spec = worker.spec;
	struct session *s = make_session(in);

	s->in.stream = stream_new(fd, spec->in_max, spec->out_max);
	s->in.too_many = !join_crowd(s);
	worker.sessions++;
	changed();
	if (!span_eq(s->root, span_str(service_root())))
		log_error("a session for another folder came here");
	else if (!stream_prefill(s->in.stream, msg_str(in, MSG_FIELD_PREREAD)))
		log_warning("user %.*s had said too much in advance",
		    (int)s->in.user.n, s->in.user.p);
	else if (task_spawn(serve_session, s, "session of %.*s",
		     (int)s->in.user.n, s->in.user.p))
		return;
	else
		log_error("no stack for a session");
	free_session(s);
}

static void
on_parent(const struct msg_in *in, int *fds, size_t n)
{
	if (in->type == MSG_SESSION && n == 1)
		begin_session(in, fds[--n]);
	if (in->type == MSG_SPARE) {
		worker.may_go = true;
		bell_ring(&worker.changed);
	}
	while (n > 0)
		task_close(fds[--n]);
}

/* When there is nothing left to wait for, if nothing happens. */
static int64_t
end_of_wait(void)
{
	return worker.sessions == 0 && !worker.asked ? worker.last + IDLE_MS
						     : TASK_NEVER;
}

static bool
is_over(void)
{
	return worker.sessions == 0 &&
	    (worker.may_go || service_stopping() || service_orphaned());
}

static void
close_unused(void *arg)
{
	(void)arg;
	if (store_rest(REST_MS) >= REST_MANY)
		malloc_trim(0);
}

/* Most sessions wait most of the time, and their indexes with them. */
static void
rest_if_due(void)
{
	if (worker.rest > task_now())
		return;
	task_offload(TASK_DISK, close_unused, NULL);
	worker.rest = task_after(REST_MS);
}

static int64_t
next_moment(void)
{
	int64_t end = end_of_wait();

	return worker.rest < end && worker.sessions > 0 ? worker.rest : end;
}

static void
serve_until_told(void)
{
	struct task_wait w[] = {
		{ .bell = &worker.changed },
		{ .bell = service_stop_bell() },
	};
	enum task_wake wake = TASK_READY;

	while (!is_over() && wake != TASK_CANCELLED) {
		wake = task_wait_any(w, COUNT_OF(w), next_moment());
		rest_if_due();
		if (wake != TASK_CANCELLED && end_of_wait() <= task_now()) {
			worker.asked = true;
			service_tell(MSG_SPARE);
		}
	}
}

void
worker_serve(const struct worker_spec *spec)
{
	worker = (struct worker){
		.spec = spec,
		.last = task_now(),
		.rest = task_after(REST_MS),
	};
	hash_init(&worker.crowds, key_of);
	bell_init(&worker.changed, "sessions");
	bell_init(&worker.opened, "the store");
	service_on_parent(on_parent);
	serve_until_told();
	if (worker.watcher)
		task_cancel(worker.watcher);
	worker.ended = true;
	close_store_if_last();
}

static void
tell(void *tag, void *arg)
{
	struct worker_news *news = tag;

	(void)arg;
	news->pending = true;
	bell_ring(&news->bell);
}

/*
 * A task: tells of changes in all mailboxes that are watched. The first is told at
 * once; what follows it closely is told together, as each telling has all sessions
 * of a mailbox look, and one of them move what is new.
 */
static void
watch_store(void *arg)
{
	struct store *store = arg;
	int fd = store_watch_fd(store);

	while (task_wait_fd(fd, TASK_INPUT, TASK_NEVER) == TASK_READY) {
		store_watch_take(store, tell, NULL);
		task_sleep(task_after(NEWS_MS));
	}
	worker.watcher = NULL;
	close_store_if_last();
}

/* Who looks now and then costs more, and nobody sees why. */
static bool
complain(void)
{
	static int64_t next;

	if (task_now() < next)
		return false;
	log_warning("mailboxes cannot be watched (%s): clients hear of news "
		    "later; see fs.inotify in sysctl",
	    strerror(errno));
	next = task_after(COMPLAIN_MS);
	return false;
}

bool
worker_watch(struct session_in *in, struct mbox *m, struct worker_news *news)
{
	if (store_watch_fd(in->store) < 0)
		return complain();
	if (!worker.watcher)
		worker.watcher = task_spawn(watch_store, in->store,
		    "changes of mailboxes");
	return worker.watcher && (mbox_watch(m, news) || complain());
}
