/*
 * authd - knows the users and verifies their passwords; nobody else sees the
 * tables. It opens them, hashes in a pool, speaks only with daemons of ours, and
 * tells the broker who has logged in.
 */
#include "auth/authd.h"
#include "base/log.h"
#include "dict/dict.h"
#include "sasl/scheme.h"
#include "service/lookups.h"
#include "service/proxymap.h"
#include "service/service.h"

#include <libgen.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DRAIN_MS = 4000, /* for logins under way */
	CHECK_MS = 50,
	SETTINGS_MS = 200, /* until a reload counts */
};

#define ROW(type, member, name) \
	CONF_FIELD_AS(type, struct authd_settings, member, name)

static const struct conf_field fields[] = {
	ROW(CONF_LIST, user_maps, "auth_user_maps"),
	ROW(CONF_INT, address_limit, "auth_address_limit"),
	ROW(CONF_TIME, cache_negative_ttl, "auth_cache_negative_ttl"),
	ROW(CONF_INT, cache_size, "auth_cache_size"),
	ROW(CONF_TIME, cache_ttl, "auth_cache_ttl"),
	ROW(CONF_TIME, failure_delay, "auth_failure_delay"),
	ROW(CONF_TIME, failure_delay_max, "auth_failure_delay_max"),
	ROW(CONF_TIME, failure_forget, "auth_failure_forget_time"),
	ROW(CONF_INT, login_limit, "auth_login_limit"),
	ROW(CONF_INT, table_connections, "table_connection_limit"),
	ROW(CONF_TIME, table_retry, "table_retry_time"),
};

/* Read by a reload, to be taken over by the task. */
struct next {
	struct authd_settings settings;
	struct users *users;
	struct places *places;
};
static _Atomic(struct next *) next_settings;

static struct task *watcher;
static size_t hashers;
static char broker_socket[] = "auth/broker";

static void
allow(const char *path, void *arg)
{
	char dir[2048];

	(void)arg;
	/* The folder: a new file takes the place of the old. */
	snprintf(dir, sizeof(dir), "%s", path);
	sandbox_allow(dirname(dir), false);
}

/* What libraries load when they are first used is loaded here. */
static void
warm_libraries(void)
{
	struct cache c;
	struct why why;
	struct span word = SPAN("warm");

	cache_init(&c, 0);
	(void)cache_key(&c, word, word, word, word);
	cache_fini(&c);
	(void)!scheme_matches(SPAN("{SHA}qZk+NkcGgWq6PiVxeFDCbJzQ2J0="), word,
	    &why);
}

/* For dict_on_open(): tables of mailboxes, which are opened anew later. */
static void
allow_table(const char *path, const struct stat *st)
{
	static char last[2048];
	char dir[2048];

	(void)st;
	snprintf(dir, sizeof(dir), "%s", path);
	if (strcmp(dirname(dir), last) == 0)
		return;
	snprintf(last, sizeof(last), "%s", dir);
	sandbox_allow(last, false);
}

static int
open_places(const struct conf *c, struct why *why)
{
	struct places *p;

	proxymap_use(service_name());
	dict_on_open(allow_table);
	p = places_open(c, why);
	dict_on_open(NULL);
	if (!p)
		return -1;
	places_use(p);
	return 0;
}

/*
 * What tables behind a server need: its library loads and reads what it likes. No
 * other authd has these rights.
 */
static void
allow_servers(const struct conf *c)
{
	static const char *const read[] = { "/run", "/usr", "/lib",
		"/dev/urandom" };
	const char *file;
	unsigned line;

	service_needs(SANDBOX_TCP | SANDBOX_UDP | SANDBOX_LOAD);
	for (size_t i = 0; i < COUNT_OF(read); i++)
		sandbox_allow(read[i], false);
	if (!conf_source(c, "lookup_threads", &file, &line))
		task_pool_set(TASK_LOOKUP, LOOKUPS_THREADS);
}

/* With a main.cf of their own, as they are opened by threads. */
static struct users *
open_users(const struct conf *c, const char *list, struct why *why)
{
	static struct conf *now;
	struct conf *tables = conf_load(conf_dir(c), NULL, 0, why), *old = now;

	if (!tables)
		return NULL;
	dict_use_conf(tables);
	now = tables;
	conf_free(old);
	return users_open(list, why);
}

static int
warm_up(const struct conf *c, struct why *why)
{
	int64_t threads = 0;

	if (dict_configure(c, why) < 0 ||
	    conf_get_number(c, "cpu_threads", CONF_INT, &threads, why) < 0)
		return -1;
	hashers = threads > 0 ? (size_t)threads : service_processors();
	dict_on_open(allow_table);
	authd.users = open_users(c, authd.settings.user_maps, why);
	dict_on_open(NULL);
	if (!authd.users)
		return -1;
	if (users_are_asked_for(authd.users))
		allow_servers(c);
	lookups_set_limit((size_t)authd.settings.table_connections);
	dict_set_retry(authd.settings.table_retry);
	sandbox_allow("/etc", false);
	sandbox_allow(conf_dir(c), false);
	users_each_file(authd.users, allow, NULL);
	warm_libraries();
	return open_places(c, why);
}

static int
reload(struct conf *c, struct why *why)
{
	struct next *n = zalloc(sizeof(*n)), *old;

	if (dict_configure(c, why) == 0 &&
	    conf_get_struct(c, fields, COUNT_OF(fields), &n->settings, why) ==
		0)
		n->users = open_users(c, n->settings.user_maps, why);
	if (n->users)
		n->places = places_open(c, why);
	if (!n->places) {
		users_drop(n->users);
		free(n);
		return -1;
	}
	old = atomic_exchange(&next_settings, n);
	if (old) {
		users_drop(old->users);
		places_close(old->places);
	}
	free(old);
	return 0;
}

/* A task: takes over what a reload has read. */
static void
watch(void *arg)
{
	(void)arg;
	while (task_sleep(task_after(SETTINGS_MS)) == TASK_TIMEOUT) {
		struct next *n = atomic_exchange(&next_settings, NULL);

		if (!n)
			continue;
		authd_change(&n->settings, n->users, n->places);
		free(n);
	}
	watcher = NULL;
}

static void
serve_conn(void *arg)
{
	struct service_conn *conn CLEANUP(service_conn_freep) = arg;
	int fd = conn->fd;

	conn->fd = -1;
	peer_serve(fd);
}

/* About mailboxes. */
static void
serve_lookups(void *arg)
{
	(void)arg;
	proxymap_serve("auth/proxymap");
}

static void
serve(void *arg)
{
	int64_t by;

	(void)arg;
	authd_init(hashers);
	if (!task_spawn(serve_lookups, NULL, "ask proxymap"))
		die("no memory for a task");
	watcher = task_spawn(watch, NULL, "settings");
	if (!watcher ||
	    !task_spawn(grant_serve, broker_socket, "ask the broker"))
		die("no memory for a task");
	service_accept(serve_conn, "client of authd");
	by = task_after(DRAIN_MS);
	while (authd.penalty.attempts > 0 && task_now() < by &&
	    task_sleep(task_after(CHECK_MS)) == TASK_TIMEOUT)
		continue;
	task_cancel_others();
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "authd",
		.summary = "knows the users and verifies their passwords",
		.user = SERVICE_AUTH,
		.sandbox = SANDBOX_STDIO | SANDBOX_ACCEPT | SANDBOX_UNIX |
		    SANDBOX_READ,
		.fields = fields,
		.fields_n = COUNT_OF(fields),
		.params = &authd.settings,
		.warm_up = warm_up,
		.serve = serve,
		.reload = reload,
	};

	return service_main(argc, argv, &spec);
}
