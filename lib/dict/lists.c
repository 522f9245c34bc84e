#include "dict/lists.h"

#include "base/scan.h"
#include "conf/conf.h"
#include "conf/lines.h"
#include "dict/keys.h"
#include "dict/private.h"
#include "net/cidr.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
	LISTS_MEMORY_MAX = 64 << 20,
	LISTS_DEPTH_MAX = 8, /* files that name files */
	LOOKUP_MEMORY_MAX = 64 << 10,
};

enum element_kind {
	ELEMENT_NAME,
	ELEMENT_NET,
	ELEMENT_TABLE,
	ELEMENT_FILE, /* was read: here to be watched */
};

struct element {
	enum element_kind kind;
	bool negated;
	struct span name;
	struct cidr net;
	struct dict *dict;
	bool nested; /* it stands in a file */
	size_t place; /* among the elements that do not */
	struct stat st;
	struct element *next;
};

struct lists {
	struct arena *arena;
	unsigned flags;
	struct element *first;
	struct element **end;
	bool quick;
	size_t places; /* elements so far, of none of a file's */
};

static int add_all(struct lists *l, struct span text, unsigned depth,
    bool negated, struct why *why);

static struct element *
add(struct lists *l, enum element_kind kind, bool negated)
{
	struct element *e = ARENA_NEW(l->arena, struct element);

	if (!e)
		die("a list in main.cf is longer than %d bytes",
		    LISTS_MEMORY_MAX);
	e->kind = kind;
	e->negated = negated;
	*l->end = e;
	l->end = &e->next;
	return e;
}

static char *
dup_in(struct lists *l, struct span s)
{
	char *z = arena_dup(l->arena, s);

	if (!z)
		die("a list in main.cf is longer than %d bytes",
		    LISTS_MEMORY_MAX);
	return z;
}

/* What stands in a file, a # beginning what is not for us. */
static int
add_file(struct lists *l, struct span path, unsigned depth, bool negated,
    struct why *why)
{
	const char *z = dup_in(l, path);
	struct lines lines;
	char *text = NULL;
	struct span line;
	unsigned number;
	struct stat st;
	int error;

	if (depth == LISTS_DEPTH_MAX)
		return why_set(why, EINVAL, z, 0,
		    "files name files too deeply; allowed are %d",
		    LISTS_DEPTH_MAX);
	if (stat(z, &st) == 0)
		dict_tell_file(z, &st);
	else
		return why_set(why, errno, z, 0, "%s", strerror(errno));
	error = lines_read(z, &lines, &text, why);
	if (!error) {
		struct element *e = add(l, ELEMENT_FILE, negated);

		e->name = (struct span){ z, path.n };
		e->st = st;
	}
	while (!error && lines_next(&lines, &line, &number))
		error = add_all(l, line, depth + 1, negated, why);
	free(text);
	return error;
}

static int
add_table(struct lists *l, struct span name, unsigned depth, bool negated,
    struct why *why)
{
	struct dict *d = dict_open(dup_in(l, name), 0, why);
	struct element *e;

	if (!d)
		return -EINVAL;
	e = add(l, ELEMENT_TABLE, negated);
	e->dict = d;
	e->nested = depth > 0;
	e->place = l->places - 1;
	l->quick &= dict_is_quick(d);
	return 0;
}

/* "type:name": letters up to a colon. An IPv6 address is none. */
static bool
is_table(struct span s)
{
	struct addr a;
	struct span type = span_cut(&s, ':');

	if (s.p == type.p + type.n || type.n == 0 || addr_parse(type, &a))
		return false;
	for (size_t i = 0; i < type.n; i++)
		if (ascii_lower(type.p[i]) < 'a' ||
		    ascii_lower(type.p[i]) > 'z')
			return false;
	return true;
}

/* Whether it can only be meant as an address or network. */
static bool
looks_like_net(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '/' || s.p[i] == ':' || s.p[i] == '[')
			return true;
	return false;
}

static int
add_plain(struct lists *l, struct span s, bool negated, struct why *why)
{
	struct cidr net;
	struct why inner;

	if ((l->flags & LISTS_ADDRS) && cidr_parse(s, &net, &inner) == 0) {
		add(l, ELEMENT_NET, negated)->net = net;
		return 0;
	}
	if ((l->flags & LISTS_ADDRS) &&
	    (!(l->flags & LISTS_NAMES) || looks_like_net(s)))
		return why_set(why, EINVAL, NULL, 0,
		    "%s; allowed is address, network/bits, type:table, /file",
		    inner.text);
	add(l, ELEMENT_NAME, negated)->name = (struct span){ dup_in(l, s),
		s.n };
	return 0;
}

static int
add_all(struct lists *l, struct span text, unsigned depth, bool outer,
    struct why *why)
{
	struct span e;
	int error = 0;

	while (!error && conf_list_next(&text, &e)) {
		bool negated = outer;

		l->places += depth == 0;
		while (take_char(&e, '!'))
			negated = !negated;
		if (e.n == 0)
			error = why_set(why, EINVAL, NULL, 0,
			    "\"!\" with nothing behind it");
		else if (*e.p == '/')
			error = add_file(l, e, depth, negated, why);
		else if (is_table(e))
			error = add_table(l, e, depth, negated, why);
		else
			error = add_plain(l, e, negated, why);
	}
	return error;
}

struct lists *
lists_open(const char *text, unsigned flags, struct why *why)
{
	struct lists *l = zalloc(sizeof(*l));

	l->arena = arena_new(LISTS_MEMORY_MAX);
	l->flags = flags;
	l->end = &l->first;
	l->quick = true;
	if (add_all(l, span_str(text), 0, false, why) < 0)
		return lists_close(l);
	return l;
}

struct lists *
lists_close(struct lists *l)
{
	if (!l)
		return NULL;
	for (struct element *e = l->first; e; e = e->next)
		dict_close(e->dict);
	arena_free(l->arena);
	free(l);
	return NULL;
}

static bool
ends_in(struct span name, struct span tail)
{
	return name.n > tail.n &&
	    span_ieq((struct span){ name.p + name.n - tail.n, tail.n }, tail);
}

static bool
matches_name(const struct lists *l, struct span pattern, struct span name)
{
	if (name.n == 0)
		return false;
	if (span_ieq(name, pattern))
		return true;
	if (pattern.n > 0 && pattern.p[0] == '.')
		return !(l->flags & LISTS_PARENTS) && ends_in(name, pattern);
	return (l->flags & LISTS_PARENTS) && ends_in(name, pattern) &&
	    name.p[name.n - pattern.n - 1] == '.';
}

/* The value does not matter. */
static enum dict_result
ask(struct dict *d, struct span key, struct why *why)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(LOOKUP_MEMORY_MAX);
	struct span value;

	return dict_get(d, key, a, &value, why);
}

static enum dict_result
ask_name(const struct lists *l, struct dict *d, struct span name,
    struct why *why)
{
	struct keys k;
	enum dict_result result = DICT_ABSENT;

	keys_host(&k, name, l->flags & LISTS_PARENTS);
	while (result == DICT_ABSENT && keys_next(&k))
		if (!k.partial || !dict_is_pattern(d))
			result = ask(d, k.key, why);
	return result;
}

static enum dict_result
ask_addr(struct dict *d, const struct addr *addr, struct why *why)
{
	char storage[ADDR_TEXT_MAX];
	struct buf text;

	buf_init(&text, storage, sizeof(storage));
	addr_put(&text, addr);
	return ask(d, buf_span(&text), why);
}

static enum dict_result
matches(const struct lists *l, const struct element *e, struct span name,
    const struct addr *addr, struct why *why)
{
	enum dict_result result = DICT_ABSENT;

	switch (e->kind) {
	case ELEMENT_NAME:
		return matches_name(l, e->name, name) ? DICT_FOUND
						      : DICT_ABSENT;
	case ELEMENT_NET:
		return addr && cidr_has(&e->net, addr) ? DICT_FOUND
						       : DICT_ABSENT;
	case ELEMENT_TABLE:
		if (name.n > 0)
			result = ask_name(l, e->dict, name, why);
		if (result == DICT_ABSENT && addr)
			result = ask_addr(e->dict, addr, why);
		return result;
	case ELEMENT_FILE:
		break;
	}
	return DICT_ABSENT;
}

enum dict_result
lists_has_client(const struct lists *l, struct span name,
    const struct addr *addr, struct why *why)
{
	for (const struct element *e = l->first; e; e = e->next)
		switch (matches(l, e, name, addr, why)) {
		case DICT_FOUND:
			return e->negated ? DICT_ABSENT : DICT_FOUND;
		case DICT_TEMPFAIL:
			return DICT_TEMPFAIL;
		case DICT_ABSENT:
			break;
		}
	return DICT_ABSENT;
}

enum dict_result
lists_has_name(const struct lists *l, struct span name, struct why *why)
{
	return lists_has_client(l, name, NULL, why);
}

enum dict_result
lists_has_addr(const struct lists *l, const struct addr *addr, struct why *why)
{
	return lists_has_client(l, (struct span){ NULL, 0 }, addr, why);
}

bool
lists_is_quick(const struct lists *l)
{
	return l->quick;
}

bool
lists_may_wait(const struct lists *l)
{
	for (const struct element *e = l->first; e; e = e->next)
		if (e->dict && !dict_may_wait(e->dict))
			return false;
	return true;
}

bool
lists_set_origin(struct lists *l, size_t parameter)
{
	for (struct element *e = l->first; e; e = e->next) {
		if (!e->dict || !dict_is_remote(e->dict))
			continue;
		if (e->nested)
			return false;
		dict_set_origin(e->dict, parameter, e->place);
	}
	return true;
}

static bool
file_changed(const struct element *e)
{
	struct stat st;

	return stat(e->name.p, &st) == 0 &&
	    (st.st_ino != e->st.st_ino || st.st_size != e->st.st_size ||
		st.st_mtim.tv_sec != e->st.st_mtim.tv_sec ||
		st.st_mtim.tv_nsec != e->st.st_mtim.tv_nsec);
}

bool
lists_changed(const struct lists *l)
{
	for (const struct element *e = l->first; e; e = e->next)
		if (e->kind == ELEMENT_FILE
			? file_changed(e)
			: e->dict != NULL && dict_changed(e->dict))
			return true;
	return false;
}

bool
lists_is_empty(const struct lists *l)
{
	return l->first == NULL;
}
