/*
 * proxymap - asks what daemons in their sandboxes cannot: the name service, servers
 * of databases, whatever needs a password.
 *
 * It takes no table's name from anybody: a question has the number of a parameter
 * and of its element, in the configuration of the service that asks, and tables of
 * parameters of authd's are not for it. Tables and connections stay open; of each
 * server some are asked at a time (service/lookups.h).
 */
#include "base/log.h"
#include "dict/dict.h"
#include "lookup/proxymap/places.h"
#include "lookup/proxymap/tables.h"
#include "net/channel.h"
#include "service/entries.h"
#include "service/lookups.h"
#include "service/msg.h"
#include "service/proxymap.h"
#include "service/service.h"

#include <errno.h>
#include <libgen.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ANSWER_MAX = 32 << 10,
	KEEP_MAX = 1 << 20,
	QUESTIONS_MAX = 4000,
	DRAIN_MS = 2000,
	CHECK_MS = 50,
};

static const char PASSWD[] = "unix:passwd.byname";

/* A daemon that asks. It lives until its last question is answered. */
struct client {
	struct channel *channel; /* NULL: it is gone */
	size_t holders;
};

struct question {
	struct client *client;
	uint32_t id;
	char table[PLACES_NAME_MAX];
	struct span key;
	struct arena *arena;
	enum dict_result result;
	struct span value;
	struct why why;
};

static size_t questions;

static void
release(struct client *c)
{
	if (--c->holders == 0)
		free(c);
}

static void
answer(const struct question *q)
{
	char *packet = zalloc(ANSWER_MAX);
	struct buf b;

	buf_init(&b, packet, ANSWER_MAX);
	msg_begin(&b, MSG_LOOKED_UP, q->id);
	msg_put_u64(&b, MSG_FIELD_STATUS, q->result);
	if (q->result == DICT_FOUND)
		msg_put_str(&b, MSG_FIELD_VALUE, q->value);
	if (q->result == DICT_TEMPFAIL)
		msg_put_str(&b, MSG_FIELD_TEXT, span_str(q->why.text));
	if (!msg_end(&b, 0)) {
		buf_init(&b, packet, ANSWER_MAX);
		msg_begin(&b, MSG_LOOKED_UP, q->id);
		msg_put_u64(&b, MSG_FIELD_STATUS, DICT_TEMPFAIL);
		msg_put_str(&b, MSG_FIELD_TEXT, SPAN("the value is too long"));
		must(msg_end(&b, 0));
	}
	if (q->client->channel &&
	    !channel_send(q->client->channel, buf_span(&b), NULL, 0))
		log_debug("an answer is not taken");
	free(packet);
}

static void
end_question(struct question *q)
{
	answer(q);
	release(q->client);
	arena_free(q->arena);
	free(q);
	questions--;
}

/* May sleep. */
static void
look_up(struct question *q)
{
	struct table *t = tables_hold(q->table, &q->why);

	if (t)
		q->result = lookups_ask(table_dict(t), q->key, q->arena,
		    &q->value, &q->why);
	tables_drop(t);
}

static bool
is_passwd(const struct question *q)
{
	return strcmp(q->table, PASSWD) == 0 ||
	    (strncmp(q->table, "proxy:", 6) == 0 &&
		strcmp(q->table + 6, PASSWD) == 0);
}

/* Before a name smtpd asks for the whole address, which hardly ever is one. */
static bool
is_address(struct span key)
{
	return key.n > 0 && memchr(key.p, '@', key.n);
}

/* The task of a question. */
static void
run(void *arg)
{
	struct question *q = arg;

	look_up(q);
	if (is_passwd(q) &&
	    (q->result == DICT_FOUND ||
		(q->result == DICT_ABSENT && is_address(q->key))))
		entries_put(q->key, q->value, task_now());
	end_question(q);
}

/* What many ask of one message is answered at once. */
static bool
is_known(struct question *q)
{
	struct span line;

	if (!is_passwd(q) || !q->key.p ||
	    !entries_find(q->key, task_now(), &line))
		return false;
	q->result = line.n > 0 ? DICT_FOUND : DICT_ABSENT;
	q->value = line;
	end_question(q);
	return true;
}

/* Around a reload, places are others for some. */
static bool
is_meant(const struct msg_in *in, struct question *q)
{
	uint64_t digest = msg_u64(in, MSG_FIELD_DIGEST);

	why_set(&q->why, EAGAIN, NULL, 0,
	    "another table stands there: the configuration is being changed");
	return digest == 0 || digest == proxymap_digest(q->table);
}

static void
ask(struct client *c, const struct msg_in *in)
{
	bool entry = in->type == MSG_ENTRY;
	struct span key = msg_str(in, entry ? MSG_FIELD_USER : MSG_FIELD_KEY);
	struct question *q = zalloc(sizeof(*q));

	q->client = c;
	q->id = in->id;
	q->result = DICT_TEMPFAIL;
	q->arena = arena_new((size_t)1 << 20);
	q->key = (struct span){ arena_dup(q->arena, key), key.n };
	c->holders++;
	questions++;
	if (entry)
		snprintf(q->table, sizeof(q->table), "%s", PASSWD);
	else if (!places_find(msg_str(in, MSG_FIELD_SERVICE),
		     msg_u64(in, MSG_FIELD_PARAMETER),
		     msg_u64(in, MSG_FIELD_ELEMENT), q->table, &q->why)) {
		end_question(q);
		return;
	}
	if (!entry && !is_meant(in, q)) {
		end_question(q);
		return;
	}
	if (is_known(q))
		return;
	why_set(&q->why, 1, NULL, 0, "too many questions at once");
	if (questions > QUESTIONS_MAX || !q->key.p ||
	    !task_spawn(run, q, "look up"))
		end_question(q);
}

static void
serve_conn(void *arg)
{
	struct service_conn *conn CLEANUP(service_conn_freep) = arg;
	struct client *c = zalloc(sizeof(*c));
	int fds[SOCK_FDS_MAX];
	struct span packet;
	struct msg_in in;
	size_t n;

	c->holders = 1;
	c->channel = channel_new(conn->fd, ANSWER_MAX, KEEP_MAX);
	conn->fd = -1;
	while (channel_recv(c->channel, TASK_NEVER, &packet, fds, &n) ==
	    STREAM_OK) {
		while (n > 0)
			task_close(fds[--n]);
		if (!msg_read(packet, &in) ||
		    (in.type != MSG_LOOKUP && in.type != MSG_ENTRY)) {
			log_warning("a client said what is no question");
			break;
		}
		ask(c, &in);
	}
	c->channel = channel_free(c->channel);
	release(c);
}

struct params {
	int64_t connections;
	int64_t retry;
};

static struct params params;

static const struct conf_field fields[] = {
	CONF_FIELD_AS(CONF_INT, struct params, connections,
	    "table_connection_limit"),
	CONF_FIELD_AS(CONF_TIME, struct params, retry, "table_retry_time"),
};

/* For dict_on_open(): its folder, as a new file takes the place of the old. */
static void
allow_file(const char *path, const struct stat *st)
{
	char dir[PLACES_NAME_MAX];

	(void)st;
	snprintf(dir, sizeof(dir), "%s", path);
	sandbox_allow(dirname(dir), false);
}

static bool failed;

/*
 * Opened once while all can still be read and loaded. What cannot be opened is told
 * now; it is tried again when somebody asks.
 */
static void
try_table(const char *table)
{
	struct why why;
	struct dict *d = dict_open(table, 0, &why);

	if (!d) {
		log_error("%s", why.text);
		if (service_checking())
			fprintf(stderr, "%s\n", why.text);
		failed = true;
	}
	dict_close(d);
}

static void
warm_name_service(void)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(65536);
	struct why why;
	struct dict *d = dict_open(PASSWD, 0, &why);
	struct span value;

	if (!d || dict_get(d, SPAN("root"), a, &value, &why) == DICT_TEMPFAIL)
		log_warning("the name service: %s", why.text);
	dict_close(d);
}

/* The name service reads what it likes, and asks whom it likes. */
static int
warm_up(const struct conf *c, struct why *why)
{
	static const char *const read[] = { "/etc", "/run", "/usr", "/lib",
		"/var/lib", "/dev/urandom" };
	struct conf *tables = conf_load(conf_dir(c), NULL, 0, why);
	unsigned line;
	const char *file;

	if (!tables || dict_configure(c, why) < 0)
		return -EINVAL;
	for (size_t i = 0; i < COUNT_OF(read); i++)
		sandbox_allow(read[i], false);
	sandbox_allow(conf_dir(c), false);
	if (!conf_source(c, "lookup_threads", &file, &line))
		task_pool_set(TASK_LOOKUP, LOOKUPS_THREADS);
	lookups_set_limit((size_t)params.connections);
	dict_set_retry(params.retry);
	warm_name_service();
	tables_init(tables);
	places_use(c);
	dict_on_open(allow_file);
	if (places_each(try_table, why) < 0)
		return -EINVAL;
	dict_on_open(NULL);
	if (failed && service_checking())
		return why_set(why, EINVAL, NULL, 0,
		    "proxymap cannot open all tables");
	return 0;
}

/* Read by a reload, to be taken over by a task. */
struct next {
	const struct conf *conf;
	struct conf *tables;
	struct params params;
};
static _Atomic(struct next *) next_conf;

static int
reload(struct conf *c, struct why *why)
{
	struct next *n = zalloc(sizeof(*n)), *old;

	n->conf = c;
	n->tables = conf_load(conf_dir(c), NULL, 0, why);
	if (!n->tables ||
	    conf_get_struct(c, fields, COUNT_OF(fields), &n->params, why) < 0) {
		conf_free(n->tables);
		free(n);
		return -EINVAL;
	}
	old = atomic_exchange(&next_conf, n);
	if (old)
		conf_free(old->tables);
	free(old);
	return 0;
}

static void
reloaded(void)
{
	struct next *n = atomic_exchange(&next_conf, NULL);

	if (!n)
		return;
	places_use(n->conf);
	params = n->params;
	lookups_set_limit((size_t)params.connections);
	dict_set_retry(params.retry);
	tables_renew(n->tables);
	free(n);
}

static void
serve(void *arg)
{
	int64_t by;

	(void)arg;
	if (!task_spawn(tables_tend, NULL, "idle connections"))
		die("no memory for a task");
	service_accept(serve_conn, "client of proxymap");
	by = task_after(DRAIN_MS);
	while (questions > 0 && task_now() < by &&
	    task_sleep(task_after(CHECK_MS)) == TASK_TIMEOUT)
		continue;
	task_cancel_others();
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "proxymap",
		.summary = "asks tables that the other daemons cannot ask",
		.user = SERVICE_OWNER,
		.sandbox = SANDBOX_STDIO | SANDBOX_RECVFD | SANDBOX_ACCEPT |
		    SANDBOX_UNIX | SANDBOX_TCP | SANDBOX_UDP | SANDBOX_READ |
		    SANDBOX_LOAD,
		.fields = fields,
		.fields_n = COUNT_OF(fields),
		.params = &params,
		.warm_up = warm_up,
		.serve = serve,
		.reload = reload,
		.reloaded = reloaded,
	};

	return service_main(argc, argv, &spec);
}
