/*
 * Making a table of a source: lines with keys and values, or aliases.
 */
#include "base/base64.h"
#include "base/clock.h"
#include "base/scan.h"
#include "dict/build.h"
#include "dict/rows.h"
#include "mail/aliases.h"
#include "tools/maps/feed.h"
#include "tools/maps/postmap.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PROGRESS_EVERY = 10000, /* lines between two looks at the clock */
	FILES_MAX = 16 << 20, /* bytes of the files of a value */
};

struct maker {
	const struct options *o;
	struct dict_build *build;
	const char *source; /* as warnings name it */
	struct arena *arena; /* of a line */
	int64_t began; /* milliseconds */
	uint64_t size; /* of the source */
	bool told; /* there is progress on the terminal */
};

static void
add(struct maker *m, unsigned number, struct span key, struct span value)
{
	struct why why;

	switch (dict_build_add(m->build, key, value, &why)) {
	case DICT_BUILD_ADDED:
		break;
	case DICT_BUILD_TWICE:
		if (!m->o->no_warning)
			postmap_warn("%s, line %u: duplicate entry: \"%s\"",
			    m->source, number, postmap_show(key));
		break;
	case DICT_BUILD_FAILED:
		dict_build_abort(m->build);
		postmap_fatal("%s", why.text);
	}
}

/* A key as it is stored: lower-case, but for -f. The line is ours to change. */
static void
fold(const struct options *o, struct span key)
{
	char *p = (char *)(uintptr_t)key.p;

	for (size_t i = 0; i < key.n && !o->no_fold; i++)
		p[i] = ascii_lower(p[i]);
}

/* Appends a file; false with a warning. */
static bool
put_file(struct maker *m, unsigned number, struct span name, struct buf *out)
{
	char path[TABLE_NAME_MAX];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%.*s", (int)name.n, name.p);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		postmap_warn("%s, line %u: open %s: %s: skipping this entry",
		    m->source, number, path, strerror(errno));
		return false;
	}
	for (;;) {
		size_t room;
		char *tail = buf_tail(out, &room);

		n = room > 0 ? read(fd, tail, room) : -1;
		if (n <= 0)
			break;
		buf_grow(out, (size_t)n);
	}
	close(fd);
	if (n < 0)
		postmap_warn("%s, line %u: %s: %s: skipping this entry",
		    m->source, number, path,
		    buf_room(out) == 0 ? "too large" : strerror(errno));
	return n == 0;
}

/* With -F: what is in the files that the value names, in base64. */
static bool
read_files(struct maker *m, unsigned number, struct span *value)
{
	static struct buf raw, text;
	struct span rest = *value;
	bool any = false;

	if (!raw.storage) {
		buf_init(&raw, zalloc(FILES_MAX), FILES_MAX);
		buf_init(&text, zalloc(BASE64_LEN(FILES_MAX)),
		    BASE64_LEN(FILES_MAX));
	}
	buf_drop(&raw, raw.n);
	buf_drop(&text, text.n);
	while (rest.n > 0) {
		size_t n = 0;

		while (n < rest.n && !is_white(rest.p[n]) && rest.p[n] != ',')
			n++;
		if (n > 0 && any)
			buf_put(&raw, SPAN("\n"));
		if (n > 0 &&
		    !put_file(m, number, (struct span){ rest.p, n }, &raw))
			return false;
		any = any || n > 0;
		n += n < rest.n;
		rest.p += n;
		rest.n -= n;
	}
	if (!any) {
		postmap_warn("%s, line %u: empty pathname list: >>%s<<': "
			     "skipping this entry",
		    m->source, number, postmap_show(*value));
		return false;
	}
	base64_put(&text, buf_span(&raw));
	*value = buf_span(&text);
	return true;
}

static void
add_row(struct maker *m, unsigned number, struct span line)
{
	struct span key;
	struct span value;

	switch (row_parse(line, &key, &value)) {
	case ROW_TAKEN:
		break;
	case ROW_NO_VALUE:
		postmap_warn("%s, line %u: expected format: key whitespace "
			     "value",
		    m->source, number);
		return;
	case ROW_UNBALANCED:
		postmap_warn("%s, line %u: unbalanced '\"' in '%s' -- "
			     "ignoring this line",
		    m->source, number, postmap_show(line));
		return;
	}
	if (row_is_alias(key))
		postmap_warn("%s, line %u: record is in \"key: value\" format; "
			     "is this an alias file?",
		    m->source, number);
	if (m->o->files && !read_files(m, number, &value))
		return;
	fold(m->o, key);
	add(m, number, key, value);
}

/* What is not understood is told now; mail to it would come back later. */
static void
check_items(const struct maker *m, unsigned number, struct span value)
{
	struct alias_item item;
	struct span raw;

	while (aliases_cut(&value, &raw)) {
		if (!aliases_parse(raw, m->arena, &item))
			postmap_fatal("%s, line %u: a value is too long",
			    m->source, number);
		if (item.kind == ALIAS_BAD)
			postmap_warn("%s, line %u: bad address: \"%s\"",
			    m->source, number, postmap_show(raw));
	}
}

static void
add_alias(struct maker *m, unsigned number, struct span line)
{
	struct span name, value;
	bool quoted;

	line = trim_white(line);
	quoted = line.n > 0 && *line.p == '"';
	arena_reset(m->arena);
	if (!aliases_take_line(line, m->o->no_fold, m->arena, &name, &value)) {
		postmap_warn("%s, line %u: need name:value pair", m->source,
		    number);
		return;
	}
	if (!quoted && memchr(name.p, ',', name.n)) {
		postmap_warn("%s, line %u: need name:value pair", m->source,
		    number);
		return;
	}
	if (!quoted && memchr(name.p, '@', name.n)) {
		postmap_warn("%s, line %u: name must be local", m->source,
		    number);
		return;
	}
	check_items(m, number, value);
	add(m, number, name, value);
}

static void
add_line(struct maker *m, unsigned number, struct span line)
{
	if (line.n > 0 && memchr(line.p, '\0', line.n))
		postmap_warn("%s, line %u: NUL in \"%s\" -- ignoring this "
			     "line",
		    m->source, number, postmap_show(line));
	else if (!postmap_text_is_good(m->o, line))
		postmap_warn("%s, line %u: non-UTF-8 input \"%s\" -- ignoring "
			     "this line",
		    m->source, number, postmap_show(line));
	else if (m->o->aliases)
		add_alias(m, number, line);
	else
		add_row(m, number, line);
}

/* On a terminal, when it takes longer than a second. */
static void
show_progress(struct maker *m, uint64_t taken)
{
	if (!isatty(STDERR_FILENO) || clock_mono() - m->began < 1000)
		return;
	m->told = true;
	fprintf(stderr, "\r%s: %3.0f %%", m->source,
	    m->size > 0 ? 100.0 * (double)taken / (double)m->size : 100.0);
}

static void
read_source(struct maker *m, int fd)
{
	enum feed_result result;
	struct span line;
	unsigned number, n = 0;
	struct feed f;

	feed_init(&f, fd);
	while ((result = feed_next(&f, &line, &number)) == FEED_LINE) {
		add_line(m, number, line);
		if (++n % PROGRESS_EVERY == 0)
			show_progress(m, f.taken);
	}
	if (m->told)
		fprintf(stderr, "\r%*s\r", (int)strlen(m->source) + 8, "");
	if (result == FEED_END) {
		feed_fini(&f);
		return;
	}
	dict_build_abort(m->build);
	if (result == FEED_TOO_LONG)
		postmap_fatal("%s, line %u: a line is longer than %d bytes",
		    m->source, f.at + 1, FEED_LINE_MAX);
	postmap_fatal("read %s: %s", m->source, strerror(errno));
}

/*
 * Root reads the file of another only as that other: who may write to it, or to its
 * directory, must not have root write where he points to. Returns whether the
 * rights are to be taken back.
 */
static bool
become_owner(const struct options *o, const struct stat *st)
{
	if (geteuid() != 0 || st->st_uid == 0 || o->keep_root)
		return false;
	if (setgroups(0, NULL) < 0 || setegid(st->st_gid) < 0 ||
	    seteuid(st->st_uid) < 0)
		postmap_fatal("set user %u: %s", (unsigned)st->st_uid,
		    strerror(errno));
	return true;
}

static void
become_root(void)
{
	if (seteuid(0) < 0 || setegid(0) < 0)
		postmap_fatal("set user root: %s", strerror(errno));
}

/* Where everybody may put a file, a table can be anybody's. */
static void
check_place(const char *file, const struct stat *st)
{
	char dir[TABLE_NAME_MAX];
	struct stat of_dir;
	char *slash;

	if (st->st_mode & S_IWOTH)
		postmap_fatal("%s: everybody can write to it; allowed is, for "
			      "example: chmod o-w %s",
		    file, file);
	snprintf(dir, sizeof(dir), "%s", file);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir ? 1 : 0] = '\0';
	if (stat(slash ? dir : ".", &of_dir) < 0)
		return;
	if ((of_dir.st_mode & S_IWOTH) && !(of_dir.st_mode & S_ISVTX))
		postmap_fatal("%s: everybody can write to its directory; "
			      "allowed is, for example: chmod o-w %s",
		    file, slash ? dir : ".");
}

static unsigned
build_flags(const struct options *o)
{
	return (o->replace ? DICT_BUILD_REPLACE : 0u) |
	    (o->change ? DICT_BUILD_CHANGE : 0u) |
	    (o->nul ? DICT_BUILD_NUL : 0u) |
	    (o->no_nul ? DICT_BUILD_NO_NUL : 0u);
}

static int
open_source(const char *file, struct stat *st)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, st) < 0)
		postmap_fatal("open %s: %s", file, strerror(errno));
	if (S_ISDIR(st->st_mode))
		postmap_fatal("open %s: %s", file, strerror(EISDIR));
	if (!S_ISREG(st->st_mode))
		postmap_fatal("open %s: not a regular file", file);
	check_place(file, st);
	return fd;
}

void
make_table(const struct options *o, const char *table)
{
	const char *file = strchr(table, ':') + 1;
	struct maker m = { .o = o, .source = o->change ? "stdin" : file };
	struct stat st = { .st_mode = 0644, .st_uid = geteuid() };
	int fd = STDIN_FILENO;
	bool became;
	struct why why;

	if (!o->change)
		fd = open_source(file, &st);
	if (!dict_can_build((struct span){ table, (size_t)(file - table - 1) }))
		postmap_fatal("unsupported dictionary type: %.*s does not "
			      "support bulk-mode creation.",
		    (int)(file - table - 1), table);
	became = become_owner(o, &st);
	m.size = (uint64_t)st.st_size;
	m.began = clock_mono();
	m.build = dict_build_begin(table, o->no_mode ? 0644 : st.st_mode & 0666,
	    build_flags(o), &why);
	if (!m.build)
		postmap_fatal("%s", why.text);
	if (o->verbose)
		postmap_warn("making %s", table);
	m.arena = arena_new(VALUE_MAX);
	read_source(&m, fd);
	arena_free(m.arena);
	if (dict_build_commit(m.build, &why) < 0)
		postmap_fatal("%s", why.text);
	if (became)
		become_root();
	if (fd != STDIN_FILENO)
		close(fd);
}
