#include "conf/lines.h"

#include "base/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

bool
lines_is_void(struct span line)
{
	size_t n = 0;

	while (n < line.n && is_blank(line.p[n]))
		n++;
	return n == line.n || line.p[n] == '#';
}

/* The physical line in front, and how long it is with its newline. */
static struct span
peek(const struct lines *l, size_t *whole_r)
{
	const char *lf = memchr(l->p, '\n', l->n);
	size_t n = lf ? (size_t)(lf - l->p) : l->n;

	*whole_r = lf ? n + 1 : n;
	return (struct span){ l->p, n };
}

bool
lines_next(struct lines *l, struct span *line_r, unsigned *number_r)
{
	char *start = NULL;
	size_t n = 0;

	while (l->n > 0) {
		size_t whole;
		struct span part = peek(l, &whole);
		bool says = !lines_is_void(part);

		if (says && start && !is_blank(*part.p))
			break;
		l->at++;
		if (says && !start) {
			start = l->p;
			*number_r = l->at;
		}
		if (says) {
			memmove(start + n, part.p, part.n);
			n += part.n;
		}
		l->p += whole;
		l->n -= whole;
	}
	*line_r = (struct span){ start, n };
	return start != NULL;
}

static int
read_all(int fd, char *p, size_t size, size_t *n_r)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, p + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*n_r = n;
	return 0;
}

static int
read_open(int fd, const char *path, struct lines *lines_r, char **text_r,
    struct why *why)
{
	struct stat st;
	size_t n = 0;
	int error;

	if (fstat(fd, &st) < 0)
		return why_set(why, errno, path, 0, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return why_set(why, EINVAL, path, 0, "not a regular file");
	if (st.st_size > LINES_FILE_MAX)
		return why_set(why, EFBIG, path, 0,
		    "too large; allowed are %d bytes", LINES_FILE_MAX);

	char *text = zalloc((size_t)st.st_size + 1);

	error = read_all(fd, text, (size_t)st.st_size, &n);
	if (error) {
		free(text);
		return why_set(why, -error, path, 0, "%s", strerror(-error));
	}
	*lines_r = (struct lines){ .p = text, .n = n };
	*text_r = text;
	return 0;
}

int
lines_read(const char *path, struct lines *lines_r, char **text_r,
    struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int error;

	if (fd < 0)
		return why_set(why, errno, NULL, 0, "open %s: %s", path,
		    strerror(errno));
	error = read_open(fd, path, lines_r, text_r, why);
	close(fd);
	return error;
}

int
lines_split(struct span text, const char *file, unsigned line,
    struct span *name_r, struct span *value_r, struct why *why)
{
	struct span all = trim_white(text);
	struct span rest = all;
	bool assigns = rest.n > 0 && memchr(rest.p, '=', rest.n);
	struct span name = trim_white(span_cut(&rest, '='));
	int shown = (int)(all.n < 60 ? all.n : 60);

	for (size_t i = 0; i < name.n; i++)
		assigns &= !is_white(name.p[i]);
	if (!assigns)
		return why_set(why, EINVAL, file, line,
		    "\"%.*s\": \"=\" is missing; allowed is name = value",
		    shown, all.p ? all.p : "");
	if (name.n == 0)
		return why_set(why, EINVAL, file, line,
		    "\"%.*s\": the name is missing; allowed is name = value",
		    shown, all.p);
	if (memchr(all.p, '\0', all.n))
		return why_set(why, EINVAL, file, line, "%.*s: holds a NUL",
		    (int)name.n, name.p);
	*name_r = name;
	*value_r = trim_white(rest);
	return 0;
}
