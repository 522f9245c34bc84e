#include "dict/server/conns.h"

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	IDLE_MS = 60 * 1000,
	RETRY_MS = 60 * 1000,
	HOSTS_MAX = 32,
};

struct idle {
	struct idle *next;
	void *conn;
	int64_t since;
};

struct host {
	char *name;
	int64_t away_until; /* 0: as far as is known, it is there */
	struct idle *idle; /* the one that was used last is first */
};

struct conns {
	struct conns *next;
	size_t holders;
	char *key;
	const struct server_link *link;
	struct config *config;
	struct why last; /* why a host is away */
	size_t n;
	struct host hosts[HOSTS_MAX];
};

/* All that is above, of all pools, but for ->link and ->config. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct conns *all;
static int64_t retry_ms = RETRY_MS;

void
conns_set_retry(int64_t ms)
{
	pthread_mutex_lock(&lock);
	retry_ms = ms;
	pthread_mutex_unlock(&lock);
}

static char *
copy(struct span s)
{
	char *z = zalloc(s.n + 1);

	memcpy(z, s.p, s.n);
	return z;
}

/* All that makes a connection what it is. */
static char *
make_key(const char *kind, const struct server_link *link,
    const struct config *c, const char *hosts)
{
	char *key = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&key, &size);

	must(f);
	fprintf(f, "%s\n%s\n", kind, hosts);
	for (const char *const *p = link->params; p && *p; p++)
		fprintf(f, "%s=%s\n", *p, config_text(c, *p, "\n"));
	must(fclose(f) == 0);
	return key;
}

static struct conns *
new_conns(char *key, const struct server_link *link, struct config *c,
    const char *hosts)
{
	struct conns *p = zalloc(sizeof(*p));
	struct span rest = span_str(hosts), host;

	p->key = key;
	p->link = link;
	p->config = c ? config_hold(c) : NULL;
	while (p->n < HOSTS_MAX && conf_list_next(&rest, &host))
		p->hosts[p->n++].name = copy(host);
	p->next = all;
	all = p;
	return p;
}

struct conns *
conns_open(const char *kind, const struct server_link *link, struct config *c,
    const char *hosts)
{
	char *key = make_key(kind, link, c, hosts);
	struct conns *p;

	pthread_mutex_lock(&lock);
	for (p = all; p && strcmp(p->key, key) != 0; p = p->next)
		continue;
	if (p) {
		explicit_bzero(key, strlen(key)); /* a password */
		free(key);
	} else {
		p = new_conns(key, link, c, hosts);
	}
	p->holders++;
	pthread_mutex_unlock(&lock);
	return p;
}

/* Takes out, under the lock, those of a host that are older. */
static struct idle *
take_old(struct host *h, int64_t than)
{
	struct idle **at = &h->idle, *old;

	while (*at && (*at)->since > than)
		at = &(*at)->next;
	old = *at;
	*at = NULL;
	return old;
}

static void
close_all(const struct server_link *link, struct idle *i)
{
	while (i) {
		struct idle *next = i->next;

		link->close(i->conn);
		free(i);
		i = next;
	}
}

static void
unlink_conns(struct conns *p)
{
	struct conns **at = &all;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
}

struct conns *
conns_close(struct conns *p)
{
	bool last;

	if (!p)
		return NULL;
	pthread_mutex_lock(&lock);
	last = --p->holders == 0;
	if (last)
		unlink_conns(p);
	pthread_mutex_unlock(&lock);
	if (!last)
		return NULL;
	for (size_t i = 0; i < p->n; i++) {
		close_all(p->link, p->hosts[i].idle);
		free(p->hosts[i].name);
	}
	config_drop(p->config);
	explicit_bzero(p->key, strlen(p->key));
	free(p->key);
	free(p);
	return NULL;
}

void
conns_tend(void)
{
	int64_t than = clock_mono() - IDLE_MS;

	pthread_mutex_lock(&lock);
	for (struct conns *p = all; p; p = p->next)
		for (size_t i = 0; i < p->n; i++)
			close_all(p->link, take_old(&p->hosts[i], than));
	pthread_mutex_unlock(&lock);
}

/* A connection that waits, or NULL. */
static void *
take_idle(struct conns *p, struct host *h)
{
	struct idle *i, *old;
	void *conn = NULL;

	pthread_mutex_lock(&lock);
	old = take_old(h, clock_mono() - IDLE_MS);
	i = h->idle;
	if (i)
		h->idle = i->next;
	pthread_mutex_unlock(&lock);
	close_all(p->link, old);
	if (i)
		conn = i->conn;
	free(i);
	return conn;
}

static void
give_back(struct host *h, void *conn)
{
	struct idle *i = zalloc(sizeof(*i));

	pthread_mutex_lock(&lock);
	*i = (struct idle){ h->idle, conn, clock_mono() };
	h->idle = i;
	h->away_until = 0;
	pthread_mutex_unlock(&lock);
}

/* What else waits there is as broken as the one that failed. */
static void
leave_alone(struct conns *p, struct host *h, const struct why *why)
{
	struct idle *others;

	log_warning("%s%s%s: %s", p->config ? config_table(p->config) : "",
	    p->config ? ": " : "", h->name, why->text);
	pthread_mutex_lock(&lock);
	h->away_until = clock_mono() + retry_ms;
	p->last = *why;
	others = h->idle;
	h->idle = NULL;
	pthread_mutex_unlock(&lock);
	close_all(p->link, others);
}

/* A question under way. */
struct asking {
	struct conns *conns;
	conns_fn *fn;
	void *arg;
	int64_t deadline;
};

static enum server_result
ask_by(const struct asking *a, struct host *h, void *conn, struct why *why)
{
	enum server_result r = a->fn(conn, a->arg, a->deadline, why);

	if (r == SERVER_LOST)
		a->conns->link->close(conn);
	else
		give_back(h, conn);
	return r;
}

static enum server_result
ask_host(const struct asking *a, struct host *h, struct why *why)
{
	struct server_target t = { h->name, a->conns->config, config_get,
		clock_mono() + CONNS_CONNECT_MS };
	void *conn = take_idle(a->conns, h);
	enum server_result r = SERVER_LOST;

	if (conn)
		r = ask_by(a, h, conn, why);
	if (r != SERVER_LOST || clock_mono() >= a->deadline)
		return r;
	if (t.deadline > a->deadline)
		t.deadline = a->deadline;
	conn = a->conns->link->open(&t, why);
	return conn ? ask_by(a, h, conn, why) : SERVER_LOST;
}

/* Those to try, in any order, but who is connected first. */
static size_t
choose(struct conns *p, struct host *order[HOSTS_MAX])
{
	int64_t now = clock_mono();
	uint8_t random[HOSTS_MAX];
	size_t n = 0, connected = 0;

	must(getrandom(random, sizeof(random), 0) == sizeof(random));
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < p->n; i++) {
		struct host *h = &p->hosts[i];
		size_t from = h->idle ? 0 : connected;
		size_t to = h->idle ? connected++ : n;

		if (h->away_until > now)
			continue;
		/* Into its half, at a place that nobody foresees. */
		size_t at = from + random[i] % (to - from + 1);

		memmove(order + at + 1, order + at,
		    (n - at) * sizeof(struct host *));
		order[at] = h;
		n++;
	}
	pthread_mutex_unlock(&lock);
	return n;
}

bool
conns_ask(struct conns *p, conns_fn *fn, void *arg, struct why *why)
{
	struct asking a = { p, fn, arg, clock_mono() + CONNS_ASK_MS };
	struct host *order[HOSTS_MAX];
	size_t n = choose(p, order);

	if (n == 0) {
		pthread_mutex_lock(&lock);
		*why = p->last;
		pthread_mutex_unlock(&lock);
	}
	for (size_t i = 0; i < n; i++) {
		switch (ask_host(&a, order[i], why)) {
		case SERVER_DONE:
			return true;
		case SERVER_REFUSED:
			return false;
		case SERVER_LOST:
			break;
		}
		leave_alone(p, order[i], why);
		if (clock_mono() >= a.deadline)
			break;
	}
	return false;
}
