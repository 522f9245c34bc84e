#include "conf/lines.h"
#include "conf/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	EDIT_TRIES = 100, /* at a file that others replace */
};

/* One name to edit. */
struct change {
	struct span name;
	struct span value;
	bool done;
};

struct edit {
	enum conf_edit kind;
	struct change *change;
	size_t n;
	FILE *out;
};

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_void(struct span line)
{
	size_t n = 0;

	while (n < line.n && is_blank(line.p[n]))
		n++;
	return n == line.n || line.p[n] == '#';
}

static void
put(FILE *out, struct span s)
{
	fwrite(s.p, 1, s.n, out);
}

static void
put_change(const struct edit *e, const struct change *c)
{
	fprintf(e->out, "%.*s = %.*s\n", (int)c->name.n, c->name.p,
	    (int)c->value.n, c->value.p);
}

static struct change *
find(const struct edit *e, struct span line)
{
	struct span name = span_cut(&line, '=');

	while (name.n > 0 && is_blank(name.p[name.n - 1]))
		name.n--;
	for (size_t i = 0; i < e->n; i++)
		if (span_eq(e->change[i].name, name))
			return &e->change[i];
	return NULL;
}

/* The first line of a name becomes the new one, others of it go. */
static void
begin_line(struct edit *e, struct change *c, struct span line)
{
	switch (e->kind) {
	case CONF_EDIT_SET:
		if (!c->done)
			put_change(e, c);
		break;
	case CONF_EDIT_COMMENT:
		fputc('#', e->out);
		put(e->out, line);
		fputc('\n', e->out);
		break;
	case CONF_EDIT_REMOVE:
		break;
	}
	c->done = true;
}

static void
rewrite(struct edit *e, struct span text)
{
	struct change *c = NULL; /* what is edited by the line we are in */

	while (text.n > 0) {
		struct span line = span_cut(&text, '\n');

		if (is_void(line)) {
			put(e->out, line);
			fputc('\n', e->out);
			continue;
		}
		if (!is_blank(*line.p)) {
			c = find(e, line);
			if (c) {
				begin_line(e, c, line);
				continue;
			}
		} else if (c && e->kind == CONF_EDIT_COMMENT) {
			fputc('#', e->out);
		} else if (c) {
			continue;
		}
		put(e->out, line);
		fputc('\n', e->out);
	}
	for (size_t i = 0; i < e->n && e->kind == CONF_EDIT_SET; i++)
		if (!e->change[i].done)
			put_change(e, &e->change[i]);
}

static int
fail(const char *path, int error, struct why *why)
{
	return why_set(why, error, path, 0, "%s", strerror(error));
}

/* The new file, locked, and still the one that has this name. */
static int
open_locked(const char *temp, int *fd_r, struct why *why)
{
	for (int i = 0; i < EDIT_TRIES; i++) {
		int fd = open(temp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		    0644);
		struct stat ours;
		struct stat named;

		if (fd < 0)
			return fail(temp, errno, why);
		if (flock(fd, LOCK_EX) == 0 && fstat(fd, &ours) == 0 &&
		    stat(temp, &named) == 0 && ours.st_ino == named.st_ino) {
			*fd_r = fd;
			return 0;
		}
		close(fd);
	}
	return fail(temp, EBUSY, why);
}

/* With the owner and mode of the old file, on stable storage. */
static int
finish(FILE *out, const char *path, const char *temp, struct why *why)
{
	struct stat st;
	int error = 0;

	if (stat(path, &st) < 0 || fchmod(fileno(out), st.st_mode & 07777) < 0)
		error = errno;
	if (!error && geteuid() == 0 &&
	    fchown(fileno(out), st.st_uid, st.st_gid) < 0)
		error = errno;
	if (!error && (fflush(out) != 0 || fsync(fileno(out)) < 0))
		error = errno;
	if (!error && rename(temp, path) < 0)
		error = errno;
	return error ? fail(path, error, why) : 0;
}

static int
replace(struct edit *e, const char *dir, struct why *why)
{
	char path[CONF_PATH_MAX];
	char temp[CONF_PATH_MAX];
	struct lines lines;
	char *text = NULL;
	int fd = -1;
	int error;

	snprintf(path, sizeof(path), "%s/main.cf", dir);
	snprintf(temp, sizeof(temp), "%s/main.cf.tmp", dir);
	error = open_locked(temp, &fd, why);
	if (error)
		return error;
	e->out = fdopen(fd, "w");
	if (!e->out || ftruncate(fd, 0) < 0)
		error = fail(temp, errno, why);
	if (!error)
		error = lines_read(path, &lines, &text, why);
	if (!error) {
		rewrite(e, (struct span){ text, lines.n });
		error = finish(e->out, path, temp, why);
	}
	if (error)
		unlink(temp);
	if (e->out)
		fclose(e->out);
	else
		close(fd);
	free(text);
	return error;
}

static int
parse_change(enum conf_edit kind, const char *text, struct change *c,
    struct why *why)
{
	struct span s = { text, strlen(text) };

	if (strchr(text, '\n'))
		return why_set(why, EINVAL, NULL, 0,
		    "%.60s: a newline is not allowed", text);
	if (kind == CONF_EDIT_SET)
		return conf_split(s, NULL, 0, &c->name, &c->value, why);
	if (s.n == 0 || strpbrk(text, "= \t"))
		return why_set(why, EINVAL, NULL, 0,
		    "\"%.60s\": allowed is the name of a parameter", text);
	c->name = s;
	return 0;
}

int
conf_edit(const char *dir, enum conf_edit kind, const char *const *texts,
    size_t n, struct why *why)
{
	struct edit e = { .kind = kind, .n = n };
	int error = 0;

	e.change = zalloc((n + 1) * sizeof(*e.change));
	for (size_t i = 0; !error && i < n; i++)
		error = parse_change(kind, texts[i], &e.change[i], why);
	if (!error)
		error = replace(&e, dir, why);
	free(e.change);
	return error;
}
