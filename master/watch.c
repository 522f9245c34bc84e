#include "master/watch.h"

#include "base/log.h"
#include "service/watch.h"
#include "task/task.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
	LOOK_TIME = 60 * 1000, /* ms between two looks without a sign */
	SETTLE_TIME = 500, /* a key and its certificate change together */
};

struct file {
	struct link link;
	uint64_t stamp;
	char path[];
};

static int inotify = -1;

void
watch_init(struct watch *w)
{
	list_init(&w->files);
	w->n = 0;
}

void
watch_fini(struct watch *w)
{
	while (!list_empty(&w->files)) {
		struct file *f = container_of(w->files.next, struct file, link);

		link_remove(&f->link);
		free(f);
	}
	w->n = 0;
}

/* A folder that is watched already is not watched twice. */
static void
watch_folder(const char *path)
{
	static const uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO |
	    IN_CREATE | IN_ATTRIB | IN_ONLYDIR;
	const char *slash = strrchr(path, '/');
	char folder[1024];

	if (inotify < 0 || !slash)
		return;
	snprintf(folder, sizeof(folder), "%.*s",
	    slash == path ? 1 : (int)(slash - path), path);
	if (slash - path >= (ptrdiff_t)sizeof(folder) ||
	    inotify_add_watch(inotify, folder, events) < 0)
		log_debug("%s is looked at once a minute: %s", folder,
		    strerror(errno));
}

static struct file *
find(const struct watch *w, struct span path)
{
	for (struct link *l = w->files.next; l != &w->files; l = l->next) {
		struct file *f = container_of(l, struct file, link);

		if (strlen(f->path) == path.n &&
		    memcmp(f->path, path.p, path.n) == 0)
			return f;
	}
	return NULL;
}

void
watch_add(struct watch *w, struct span path, uint64_t stamp)
{
	struct file *f;
	char *target;

	if (find(w, path) || path.n == 0 || path.n >= PATH_MAX ||
	    *path.p != '/' || memchr(path.p, '\0', path.n) ||
	    w->n == WATCH_FILES_MAX)
		return;
	f = zalloc(sizeof(*f) + path.n + 1);
	memcpy(f->path, path.p, path.n);
	f->stamp = stamp;
	list_append(&w->files, &f->link);
	w->n++;
	watch_folder(f->path);
	/* What is a link may change at either end. */
	target = realpath(f->path, NULL);
	if (target && strcmp(target, f->path) != 0)
		watch_folder(target);
	free(target);
}

const char *
watch_changed(struct watch *w)
{
	const char *changed = NULL;

	for (struct link *l = w->files.next; l != &w->files; l = l->next) {
		struct file *f = container_of(l, struct file, link);
		struct stat st;
		uint64_t stamp;

		if (stat(f->path, &st) < 0)
			continue;
		stamp = watch_stamp(&st);
		if (stamp == f->stamp)
			continue;
		f->stamp = stamp;
		if (!changed)
			changed = f->path;
	}
	return changed;
}

/* What happened does not matter: all are looked at. */
static void
drain(void)
{
	char events[1024];

	while (read(inotify, events, sizeof(events)) > 0)
		continue;
}

bool
watch_wait(void)
{
	enum task_wake w;

	if (inotify < 0) {
		inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (inotify < 0)
			log_warning("changed files are seen within a minute "
				    "only: inotify: %s",
			    strerror(errno));
	}
	if (inotify < 0)
		return task_sleep(task_after(LOOK_TIME)) == TASK_TIMEOUT;
	w = task_wait_fd(inotify, TASK_INPUT, task_after(LOOK_TIME));
	if (w == TASK_READY) {
		w = task_sleep(task_after(SETTLE_TIME));
		drain();
	}
	return w == TASK_READY || w == TASK_TIMEOUT;
}
