#include "master/sockets.h"

#include "base/list.h"
#include "base/log.h"
#include "base/sock.h"
#include "master/interfaces.h"
#include "master/systemd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BACKLOG = 4096, /* somaxconn has the last word */
};

struct kept {
	struct link link;
	struct plan_socket socket; /* its ->path is ours */
	int fd;
};

static struct link all = { &all, &all };

static bool
is_same(const struct plan_socket *a, const struct plan_socket *b)
{
	if (a->path || b->path)
		return a->path && b->path && strcmp(a->path, b->path) == 0;
	return a->addr.port == b->addr.port &&
	    addr_cmp(&a->addr, &b->addr) == 0;
}

static struct kept *
find(const struct plan_socket *s)
{
	for (struct link *l = all.next; l != &all; l = l->next) {
		struct kept *k = container_of(l, struct kept, link);

		if (is_same(&k->socket, s))
			return k;
	}
	return NULL;
}

int
sockets_find(const struct plan_socket *s)
{
	const struct kept *k = find(s);

	return k ? k->fd : -1;
}

static int
describe(const struct plan_socket *s, int error, struct why *why)
{
	char bytes[ADDR_TEXT_MAX];
	struct buf b;

	buf_init(&b, bytes, sizeof(bytes) - 1);
	if (s->path)
		return why_set(why, error, NULL, 0, "cannot listen on %s: %s",
		    s->path, strerror(error));
	addr_put_port(&b, &s->addr);
	return why_set(why, error, NULL, 0, "cannot listen on %.*s: %s",
	    (int)b.n, b.p, strerror(error));
}

static int
open_inet(const struct plan_socket *s)
{
	int fd = interfaces_bind(&s->addr);
	int err;

	if (fd < 0 || listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static gid_t
group_of(const struct dirs_owners *o, enum plan_group group)
{
	switch (group) {
	case PLAN_LOGIN:
		return o->login.gid;
	case PLAN_AUTH:
		return o->auth.gid;
	case PLAN_NET:
		break;
	}
	return o->net.gid;
}

int
sockets_open_path(const struct plan_socket *s, const struct dirs_owners *o,
    struct why *why)
{
	gid_t gid = group_of(o, s->group);
	int fd = sock_unix_listen(s->path, s->type, s->mode);

	if (fd < 0)
		return describe(s, -fd, why);
	if (geteuid() == 0 && lchown(s->path, o->owner.uid, gid) < 0) {
		int error = errno;

		close(fd);
		return describe(s, error, why);
	}
	return fd;
}

static void
keep(const struct plan_socket *s, int fd)
{
	struct kept *k = zalloc(sizeof(*k));

	k->socket = *s;
	k->fd = fd;
	if (s->path) {
		k->socket.path = strdup(s->path);
		must(k->socket.path);
	}
	list_append(&all, &k->link);
}

/* Whether a service manager has opened it; then it is kept, if it is needed. */
static bool
was_given(const struct plan_socket *s)
{
	bool covered;
	int fd = s->path ? -1 : systemd_adopt(&s->addr, &covered);

	if (fd >= 0)
		keep(s, fd);
	return !s->path && (fd >= 0 || covered);
}

static int
open_one(const struct plan_socket *s, const struct dirs_owners *o,
    struct why *why)
{
	int fd;

	if (was_given(s))
		return 0;
	fd = s->path ? sockets_open_path(s, o, why) : open_inet(s);
	if (fd < 0 && s->path)
		return fd;
	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		if (s->may_lack)
			return 0;
	if (fd < 0)
		return describe(s, -fd, why);
	keep(s, fd);
	return 0;
}

/* Its name goes too, so that who connects is told at once. */
static void
close_kept(struct kept *k)
{
	union {
		const char *in;
		char *out;
	} path = { k->socket.path };

	if (path.in)
		unlink(path.in);
	free(path.out);
	link_remove(&k->link);
	close(k->fd);
	free(k);
}

/* Closes what came after `last`. */
static void
close_after(const struct link *last)
{
	while (last->next != &all)
		close_kept(container_of(last->next, struct kept, link));
}

/* What `why` says, with the line of the service. */
static int
blame(const struct plan_service *s, int err, struct why *why)
{
	const struct why inner = *why;

	return why_set(why, -err, s->line ? "master.cf" : NULL, s->line,
	    "service %s: %s", s->name, inner.text);
}

static int
open_service(const struct plan_service *s, const struct dirs_owners *o,
    struct why *why)
{
	size_t found = 0;
	int err = 0;

	for (size_t i = 0; i < s->sockets_n && !err; i++) {
		if (!find(&s->sockets[i]))
			err = open_one(&s->sockets[i], o, why);
		found += sockets_find(&s->sockets[i]) >= 0;
	}
	if (!err && !s->is_log && found == 0)
		err = why_set(why, EADDRNOTAVAIL, NULL, 0,
		    "the machine has none of its addresses");
	return err ? blame(s, err, why) : 0;
}

int
sockets_open(const struct plan *plan, const struct dirs_owners *o,
    struct why *why)
{
	const struct link *last = all.prev;
	int err = 0;

	for (size_t i = 0; i < plan->n && !err; i++)
		err = open_service(&plan->services[i], o, why);
	if (err)
		close_after(last);
	return err;
}

static bool
is_wanted(const struct plan *plan, const struct plan_socket *s)
{
	for (size_t i = 0; i < plan->n; i++)
		for (size_t j = 0; j < plan->services[i].sockets_n; j++)
			if (is_same(&plan->services[i].sockets[j], s))
				return true;
	return false;
}

void
sockets_close_others(const struct plan *plan)
{
	struct link *next;

	for (struct link *l = all.next; l != &all; l = next) {
		struct kept *k = container_of(l, struct kept, link);

		next = l->next;
		if (!is_wanted(plan, &k->socket))
			close_kept(k);
	}
}
