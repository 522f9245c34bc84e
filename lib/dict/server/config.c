#include "dict/server/config.h"

#include "base/scan.h"
#include "conf/conf.h"
#include "conf/lines.h"
#include "dict/private.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	CONFIG_VALUES_MAX = 128,
	CONFIG_MEMORY_MAX = 1 << 20, /* bytes of all names and values */
	CONFIG_NAME_MAX = 256,
};

struct value {
	const char *name;
	const char *text;
};

struct config {
	_Atomic size_t holders;
	char *table;
	const char *name; /* in ->table, behind the type */
	bool is_file;
	struct stat st;
	struct arena *arena;
	const struct conf *main; /* while it is read */
	size_t n;
	struct value values[CONFIG_VALUES_MAX];
};

static int
add_line(struct config *c, struct span line, unsigned number, struct why *why)
{
	struct span name;
	struct value *v = &c->values[c->n];

	if (!take_until(&line, '=', &name) || trim_white(name).n == 0)
		return why_set(why, EINVAL, c->name, number,
		    "no name = value; a line that goes on begins with a blank");
	if (c->n == CONFIG_VALUES_MAX)
		return why_set(why, EINVAL, c->name, number,
		    "more than %d lines", CONFIG_VALUES_MAX);
	v->name = arena_dup(c->arena, trim_white(name));
	v->text = arena_dup(c->arena, trim_white(line));
	if (!v->name || !v->text)
		return why_set(why, EINVAL, c->name, number,
		    "the file is too long; allowed are %d bytes",
		    CONFIG_MEMORY_MAX);
	c->n++;
	return 0;
}

static int
read_file(struct config *c, struct why *why)
{
	struct lines lines;
	char *text = NULL;
	struct span line;
	unsigned number;
	int err;

	if (stat(c->name, &c->st) < 0)
		return why_set(why, errno, c->name, 0, "%s", strerror(errno));
	err = lines_read(c->name, &lines, &text, why);
	while (!err && lines_next(&lines, &line, &number))
		err = add_line(c, line, number, why);
	if (text)
		explicit_bzero(text, strlen(text)); /* a password */
	free(text);
	return err;
}

/* What main.cf says is `NAME`_what; expanded here, as it may go away. */
static void
take_from_main(const char *name, const char *raw, void *arg)
{
	struct config *c = arg;
	size_t n = strlen(c->name);
	struct why ignored;
	const char *text;

	(void)raw;
	if (strncmp(name, c->name, n) != 0 || name[n] != '_' ||
	    c->n == CONFIG_VALUES_MAX ||
	    !(text = conf_get(c->main, name, &ignored)))
		return;
	c->values[c->n] = (struct value){
		.name = arena_dup(c->arena, span_str(name + n + 1)),
		.text = arena_dup(c->arena, span_str(text)),
	};
	if (c->values[c->n].name && c->values[c->n].text)
		c->n++;
}

static int
read_main(struct config *c, struct why *why)
{
	c->main = dict_conf_take();
	if (c->main)
		conf_each(c->main, take_from_main, c);
	c->main = NULL;
	dict_conf_give();
	if (c->n == 0)
		return why_set(why, EINVAL, NULL, 0,
		    "%s: main.cf has no %s_... parameter; allowed is also the "
		    "path of a file",
		    c->table, c->name);
	return 0;
}

struct config *
config_open(const char *type, const char *name, struct why *why)
{
	size_t size = strlen(type) + strlen(name) + 2;
	struct config *c = zalloc(sizeof(*c));

	c->holders = 1;
	c->table = zalloc(size);
	snprintf(c->table, size, "%s:%s", type, name);
	c->name = c->table + strlen(type) + 1;
	c->is_file = *name == '/' || *name == '.';
	c->arena = arena_new(CONFIG_MEMORY_MAX);
	if ((c->is_file ? read_file(c, why) : read_main(c, why)) < 0)
		return config_drop(c);
	return c;
}

struct config *
config_hold(struct config *c)
{
	atomic_fetch_add(&c->holders, 1);
	return c;
}

struct config *
config_drop(struct config *c)
{
	if (!c || atomic_fetch_sub(&c->holders, 1) > 1)
		return NULL;
	arena_free(c->arena);
	free(c->table);
	free(c);
	return NULL;
}

const char *
config_get(const struct config *c, const char *name)
{
	for (size_t i = c->n; i-- > 0;)
		if (strcmp(c->values[i].name, name) == 0)
			return c->values[i].text;
	return NULL;
}

const char *
config_text(const struct config *c, const char *name, const char *fallback)
{
	const char *text = config_get(c, name);

	return text ? text : fallback;
}

int
config_complain(const struct config *c, const char *name, const char *text,
    struct why *why)
{
	return why_set(why, EINVAL, NULL, 0, "%s: %s: %s", c->table, name,
	    text);
}

int
config_number(const struct config *c, const char *name, int64_t fallback,
    int64_t max, int64_t *value_r, struct why *why)
{
	const char *text = config_get(c, name);
	struct span in = span_str(text ? text : "");
	uint64_t value;

	*value_r = fallback;
	if (!text)
		return 0;
	if (!take_number(&in, (uint64_t)max, &value) || in.n > 0)
		return why_set(why, EINVAL, NULL, 0,
		    "%s: %s: \"%.60s\"; allowed is a number up to %lld",
		    c->table, name, text, (long long)max);
	*value_r = (int64_t)value;
	return 0;
}

int
config_bool(const struct config *c, const char *name, bool fallback,
    bool *value_r, struct why *why)
{
	const char *text = config_get(c, name);

	*value_r = fallback;
	if (!text)
		return 0;
	*value_r = span_ieq(span_str(text), SPAN("yes"));
	if (*value_r || span_ieq(span_str(text), SPAN("no")))
		return 0;
	return config_complain(c, name, "allowed is yes or no", why);
}

const char *
config_table(const struct config *c)
{
	return c->table;
}

const char *
config_file(const struct config *c, const struct stat **st_r)
{
	*st_r = &c->st;
	return c->is_file ? c->name : NULL;
}
