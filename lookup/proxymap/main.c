/*
 * proxymap - asks what daemons in their sandboxes cannot: the name service today,
 * servers of databases when their types are there.
 *
 * It takes no table's name from anybody: a question has the number of a parameter
 * and of its element, in the configuration of the service that asks, and tables of
 * parameters of authd's are not for it. What waits is offloaded, and as many wait
 * at a time as that pool has threads.
 */
#include "base/log.h"
#include "conf/master_cf.h"
#include "conf/params.h"
#include "dict/dict.h"
#include "net/channel.h"
#include "service/entries.h"
#include "service/msg.h"
#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ANSWER_MAX = 32 << 10,
	KEEP_MAX = 1 << 20,
	QUESTIONS_MAX = 1000,
	TABLE_NAME_MAX = 2048,
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
	char table[TABLE_NAME_MAX];
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

/* Offloaded. */
static void
look_up(void *arg)
{
	struct question *q = arg;
	struct dict *d = dict_open(q->table, 0, &q->why);

	if (d)
		q->result = dict_get(d, q->key, q->arena, &q->value, &q->why);
	dict_close(d);
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

	task_offload(TASK_LOOKUP, look_up, q);
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

/* What `service` says of the parameter: by its line of master.cf, or main.cf. */
static struct conf *
conf_of(struct span service, struct why *why)
{
	const char *dir = conf_dir(service_conf());
	struct master_cf *m = master_cf_load(service_conf(), why);
	const char **overrides;
	struct conf *c;
	size_t n = 0;

	if (!m)
		return NULL;
	overrides = zalloc(256 * sizeof(*overrides));
	for (size_t i = 0; i < master_cf_count(m); i++) {
		const struct service_line *l = master_cf_at(m, i);

		if (!span_eq(service, span_str(l->name)))
			continue;
		for (size_t k = 0; k + 1 < l->args_n && n < 255; k++)
			if (strcmp(l->args[k], "-o") == 0)
				overrides[n++] = l->args[++k];
		break;
	}
	c = conf_load(dir, overrides, n, why);
	free(overrides);
	master_cf_free(m);
	return c;
}

/* Kept until the configuration changes, which starts us anew. */
static struct conf *
cached_conf(struct span service, struct why *why)
{
	static struct {
		char name[256];
		struct conf *conf;
	} cache[64];
	static size_t n;

	for (size_t i = 0; i < n; i++)
		if (span_eq(service, span_str(cache[i].name)))
			return cache[i].conf;
	if (n == COUNT_OF(cache) || service.n >= sizeof(cache[0].name)) {
		why_set(why, 1, NULL, 0, "too many services ask");
		return NULL;
	}
	cache[n].conf = conf_of(service, why);
	if (!cache[n].conf)
		return NULL;
	snprintf(cache[n].name, sizeof(cache[n].name), "%.*s", (int)service.n,
	    service.p);
	return cache[n++].conf;
}

/* Those of authd, and lists that only say what Postfix's may be asked. */
static bool
is_forbidden(const char *parameter)
{
	return strncmp(parameter, "auth_", 5) == 0 ||
	    strncmp(parameter, "proxy_", 6) == 0;
}

/* The table that is meant. False: there is none for whoever asks. */
static bool
find_table(const struct msg_in *in, struct question *q)
{
	uint64_t number = msg_u64(in, MSG_FIELD_PARAMETER);
	uint64_t element = msg_u64(in, MSG_FIELD_ELEMENT);
	const struct param *p = number < param_count()
	    ? param_at((size_t)number)
	    : NULL;
	struct span rest, name;
	struct conf *c;
	const char *text;

	why_set(&q->why, 1, NULL, 0, "there is no such table");
	if (!p || is_forbidden(p->name))
		return false;
	c = cached_conf(msg_str(in, MSG_FIELD_SERVICE), &q->why);
	text = c ? conf_get(c, p->name, &q->why) : NULL;
	if (!text)
		return false;
	rest = span_str(text);
	while (conf_list_next(&rest, &name))
		if (element-- == 0) {
			snprintf(q->table, sizeof(q->table), "%.*s",
			    (int)name.n, name.p);
			return strncmp(q->table, "proxy:", 6) == 0 ||
			    strncmp(q->table, "unix:", 5) == 0;
		}
	return false;
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
	else if (!find_table(in, q)) {
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

/* The name service reads what it likes, and asks whom it likes. */
static int
warm_up(const struct conf *c, struct why *why)
{
	static const char *const read[] = { "/etc", "/run", "/usr", "/lib",
		"/var/lib", "/dev/urandom" };
	struct arena *a CLEANUP(arena_freep) = arena_new(65536);
	struct span value;
	struct dict *d;

	if (dict_configure(c, why) < 0)
		return -1;
	d = dict_open("unix:passwd.byname", 0, why);
	if (!d || dict_get(d, SPAN("root"), a, &value, why) == DICT_TEMPFAIL)
		log_warning("the name service: %s", why->text);
	dict_close(d);
	for (size_t i = 0; i < COUNT_OF(read); i++)
		sandbox_allow(read[i], false);
	sandbox_allow(conf_dir(c), false);
	return 0;
}

static void
serve(void *arg)
{
	int64_t by;

	(void)arg;
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
		.warm_up = warm_up,
		.serve = serve,
	};

	return service_main(argc, argv, &spec);
}
