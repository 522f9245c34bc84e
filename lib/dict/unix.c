/*
 * unix: the users and groups of the system, by the name service: passwd.byname
 * and group.byname, a value being a line of these files. And proxy: what is asked
 * of another process, whatever the type behind it. Both wait for others, so that a
 * daemon asks proxymap (dict_on_ask()); a command asks by itself.
 */
#include "base/buf.h"
#include "dict/private.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ENTRY_MAX = 256 << 10, /* bytes of an entry; groups can be long */
	ENTRY_FIRST = 4096,
};

struct entry {
	struct span value;
	char *bytes;
	size_t size;
};

static void
entry_fini(struct entry *e)
{
	free(e->bytes);
}

/* What the name service says by its errors. */
static enum dict_result
result_of(int err, bool found)
{
	switch (err) {
	case 0:
		return found ? DICT_FOUND : DICT_ABSENT;
	case ENOENT:
	case ESRCH:
	case EBADF:
	case EPERM:
		return DICT_ABSENT;
	default:
		return DICT_TEMPFAIL;
	}
}

static int
find_user(const char *name, char *bytes, size_t size, struct buf *line,
    bool *found_r)
{
	struct passwd pw, *found;
	int err = getpwnam_r(name, &pw, bytes, size, &found);

	*found_r = err == 0 && found;
	if (*found_r)
		buf_putf(line, "%s:%s:%u:%u:%s:%s:%s", pw.pw_name, "x",
		    (unsigned)pw.pw_uid, (unsigned)pw.pw_gid, pw.pw_gecos,
		    pw.pw_dir, pw.pw_shell);
	return err;
}

static int
find_group(const char *name, char *bytes, size_t size, struct buf *line,
    bool *found_r)
{
	struct group gr, *found;
	int err = getgrnam_r(name, &gr, bytes, size, &found);

	*found_r = err == 0 && found;
	if (!*found_r)
		return err;
	buf_putf(line, "%s:x:%u:", gr.gr_name, (unsigned)gr.gr_gid);
	for (char **m = gr.gr_mem; *m; m++)
		buf_putf(line, "%s%s", m == gr.gr_mem ? "" : ",", *m);
	return err;
}

typedef int find_fn(const char *name, char *bytes, size_t size,
    struct buf *line, bool *found_r);

static enum dict_result
find(find_fn *fn, const char *name, struct entry *e)
{
	bool found = false;
	struct buf line;
	int err = ERANGE;

	for (size_t size = ENTRY_FIRST; err == ERANGE && size <= ENTRY_MAX;
	     size *= 4) {
		free(e->bytes);
		e->bytes = zalloc(3 * size);
		buf_init(&line, e->bytes + size, 2 * size);
		err = fn(name, e->bytes, size, &line, &found);
		e->value = buf_span(&line);
		if (err == 0 && line.overflow)
			err = EIO;
	}
	return result_of(err, found);
}

/* `d` is "unix:passwd.byname". */
static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	bool is_group = strcmp(d->name, "unix:group.byname") == 0;
	struct entry e CLEANUP(entry_fini) = { 0 };
	const char *name = arena_dup(arena, key);
	enum dict_result found;

	if (!name) {
		why_set(why, ENOMEM, NULL, 0, "%s: no memory", d->name);
		return DICT_TEMPFAIL;
	}
	if (memchr(key.p, '\0', key.n) || memchr(key.p, ':', key.n))
		return DICT_ABSENT;
	found = is_group ? find(find_group, name, &e)
			 : find(find_user, name, &e);
	switch (found) {
	case DICT_FOUND:
		return dict_give(e.value, arena, value_r, why);
	case DICT_ABSENT:
		return DICT_ABSENT;
	case DICT_TEMPFAIL:
		break;
	}
	why_set(why, EIO, NULL, 0, "%s: the name service gives no answer",
	    d->name);
	return DICT_TEMPFAIL;
}

static const struct dict_ops ops = { .get = get };

struct dict *
unix_open(const char *name, unsigned flags, struct why *why)
{
	struct dict *d;

	if (strcmp(name, "passwd.byname") != 0 &&
	    strcmp(name, "group.byname") != 0) {
		why_set(why, EINVAL, NULL, 0,
		    "unix:%.100s: there is no such table; allowed is one of: "
		    "passwd.byname, group.byname",
		    name);
		return NULL;
	}
	d = zalloc(sizeof(*d));
	dict_init(d, &ops, "unix", name, flags);
	d->shared = true;
	d->remote = true;
	return d;
}

struct proxied {
	struct dict dict;
	struct dict *behind;
};

static enum dict_result
get_behind(struct dict *d, struct span key, struct arena *arena,
    struct span *value_r, struct why *why)
{
	return dict_get(container_of(d, struct proxied, dict)->behind, key,
	    arena, value_r, why);
}

static void
close_behind(struct dict *d)
{
	dict_close(container_of(d, struct proxied, dict)->behind);
}

static const void *
server_behind(struct dict *d)
{
	return dict_server(container_of(d, struct proxied, dict)->behind);
}

static const struct dict_ops proxy_ops = {
	.get = get_behind,
	.close = close_behind,
	.server = server_behind,
};

struct dict *
proxy_open(const char *name, unsigned flags, struct why *why)
{
	struct dict *behind = dict_open(name, flags, why);
	struct proxied *p;

	if (!behind)
		return NULL;
	p = zalloc(sizeof(*p));
	dict_init(&p->dict, &proxy_ops, "proxy", name, flags);
	p->dict.shared = dict_is_shared(behind);
	p->behind = behind;
	p->dict.remote = true;
	return &p->dict;
}
