#include "store/watch.h"

#include "store/mbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
	EVENTS = IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |
	    IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
	ROOM = 2048, /* of one read */
	ROUNDS = 64, /* reads at a time */
};

/* A folder that is watched, by one or more. */
struct watch {
	struct hash_link link;
	int wd;
	bool is_new;
	struct link watchers;
};

struct watches {
	int fd;
	pthread_mutex_t lock; /* of what follows */
	struct hash folders; /* by wd */
	struct link marked; /* watchers that are to be told */
	bool spilled; /* the kernel lost some */
};

static struct span
wd_key(struct hash_link *l)
{
	const struct watch *w = container_of(l, struct watch, link);

	return (struct span){ (const char *)&w->wd, sizeof(w->wd) };
}

static struct watch *
find(struct watches *ws, int wd)
{
	struct hash_link *l = hash_find(&ws->folders,
	    (struct span){ (const char *)&wd, sizeof(wd) });

	return l ? container_of(l, struct watch, link) : NULL;
}

int
store_watch_fd(struct store *s)
{
	int fd = -1;

	pthread_mutex_lock(&s->lock);
	if (s->watches) {
		fd = s->watches->fd;
	} else {
		fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (fd >= 0) {
			s->watches = zalloc(sizeof(*s->watches));
			s->watches->fd = fd;
			pthread_mutex_init(&s->watches->lock, NULL);
			hash_init(&s->watches->folders, wd_key);
			list_init(&s->watches->marked);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return fd;
}

struct watches *
watch_free(struct watches *ws)
{
	struct hash_link *l;

	if (!ws)
		return NULL;
	while ((l = hash_next(&ws->folders, NULL))) {
		struct watch *w = container_of(l, struct watch, link);

		hash_remove(&ws->folders, l);
		free(w);
	}
	hash_fini(&ws->folders);
	pthread_mutex_destroy(&ws->lock);
	close(ws->fd);
	free(ws);
	return NULL;
}

static int
watch_folder(struct mbox *m, const char *folder, bool is_new, struct link *l)
{
	struct store *s = m->u->s;
	char path[2 * BOX_PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%.*s%s", s->root_path,
	    (int)m->b->path_n, m->b->path, folder);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -1;
	int wd = inotify_add_watch(s->watches->fd, path, EVENTS);
	if (wd < 0)
		return -1;
	struct watch *w = find(s->watches, wd);
	if (!w) {
		w = zalloc(sizeof(*w));
		w->wd = wd;
		w->is_new = is_new;
		list_init(&w->watchers);
		hash_add(&s->watches->folders, &w->link);
	}
	list_append(&w->watchers, l);
	return wd;
}

static void
unwatch_folder(struct watches *ws, int *wd, struct link *l)
{
	struct watch *w = *wd >= 0 ? find(ws, *wd) : NULL;

	link_remove(l);
	*wd = -1;
	if (!w || !list_empty(&w->watchers))
		return;
	(void)inotify_rm_watch(ws->fd, w->wd);
	hash_remove(&ws->folders, &w->link);
	free(w);
}

void
mbox_unwatch(struct mbox *m)
{
	struct watches *ws = m->u->s->watches;

	if (!ws || (m->watcher.new < 0 && m->watcher.cur < 0))
		return;
	pthread_mutex_lock(&ws->lock);
	unwatch_folder(ws, &m->watcher.new, &m->watcher.in_new);
	unwatch_folder(ws, &m->watcher.cur, &m->watcher.in_cur);
	link_remove(&m->watcher.marked);
	pthread_mutex_unlock(&ws->lock);
}

bool
mbox_watch(struct mbox *m, void *tag)
{
	struct watcher *w = &m->watcher;

	if (store_watch_fd(m->u->s) < 0)
		return false;
	mbox_unwatch(m);
	struct watches *ws = m->u->s->watches;
	pthread_mutex_lock(&ws->lock);
	w->tag = tag;
	w->new = watch_folder(m, "new", true, &w->in_new);
	w->cur = watch_folder(m, "cur", false, &w->in_cur);
	bool all = w->new >= 0 && w->cur >= 0;
	pthread_mutex_unlock(&ws->lock);
	if (!all)
		mbox_unwatch(m);
	return all;
}

static struct watcher *
watcher_of(const struct watch *w, struct link *l)
{
	return w->is_new ? container_of(l, struct watcher, in_new)
			 : container_of(l, struct watcher, in_cur);
}

/* Each is in the lists of two folders, and is told once. */
static void
mark(struct watches *ws, struct watch *w)
{
	for (struct link *l = w->watchers.next; l != &w->watchers;
	     l = l->next) {
		struct watcher *who = watcher_of(w, l);

		if (!link_is_on(&who->marked))
			list_append(&ws->marked, &who->marked);
	}
}

static void
mark_all(struct watches *ws)
{
	for (struct hash_link *l = hash_next(&ws->folders, NULL); l;
	     l = hash_next(&ws->folders, l))
		mark(ws, container_of(l, struct watch, link));
}

/* Returns whether there may be more. */
static bool
read_events(struct watches *ws)
{
	union {
		struct inotify_event first; /* for its alignment */
		char bytes[ROOM];
	} room;
	ssize_t n = read(ws->fd, room.bytes, sizeof(room.bytes));

	for (ssize_t at = 0; at < n;) {
		struct inotify_event e;

		memcpy(&e, room.bytes + at, sizeof(e));
		at += (ssize_t)(sizeof(e) + e.len);
		struct watch *w = find(ws, e.wd);
		if (e.mask & IN_Q_OVERFLOW)
			ws->spilled = true;
		else if (w)
			mark(ws, w);
	}
	return n > 0;
}

void
store_watch_take(struct store *s, store_watch_fn *fn, void *arg)
{
	struct watches *ws = s->watches;

	if (!ws)
		return;
	pthread_mutex_lock(&ws->lock);
	for (unsigned i = 0; i < ROUNDS && read_events(ws); i++)
		;
	if (ws->spilled)
		mark_all(ws);
	ws->spilled = false;
	while (!list_empty(&ws->marked)) {
		struct watcher *who = container_of(ws->marked.next,
		    struct watcher, marked);

		link_remove(&who->marked);
		fn(who->tag, arg);
	}
	pthread_mutex_unlock(&ws->lock);
}
