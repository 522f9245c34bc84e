#include "conf/private.h"
#include "conf/value.h"

#include <errno.h>

static int
get_number(const struct conf *c, const struct param *p, const char *name,
    enum conf_type type, int64_t *value_r, struct why *why)
{
	const char *text = conf_get(c, name, why);
	struct param row = *p;
	struct why inner;

	if (!text)
		return -EINVAL;
	row.name = name; /* NAME_... is told as it was asked for */
	if (value_parse(&row, type, span_str(text), value_r, &inner) < 0)
		return conf_blame(c, name, &inner, why);
	return 0;
}

static const struct param *
find_row(const char *name)
{
	struct span s = { name, strlen(name) };
	const struct param *p = param_find(s);

	return p ? p : param_find_inherited(s);
}

/* Any parameter can be had as text, and a size is a number. */
static bool
fits(enum conf_type type, enum conf_type asked)
{
	if (asked == CONF_STR || asked == CONF_LIST || asked == CONF_RAW)
		return true;
	if (asked == CONF_INT || asked == CONF_SIZE)
		return type == CONF_INT || type == CONF_SIZE;
	return type == asked;
}

int
conf_get_number(const struct conf *c, const char *name, enum conf_type type,
    int64_t *value_r, struct why *why)
{
	const struct param *p = find_row(name);

	if (!p)
		return why_set(why, EINVAL, NULL, 0, "%s: no such parameter",
		    name);
	must(fits(p->type, type) && type != CONF_STR);
	return get_number(c, p, name, type, value_r, why);
}

static int
get_text(const struct conf *c, const struct param *p, const char *name,
    const char **text_r, struct why *why)
{
	const char *text = conf_get(c, name, why);
	bool is_text = p->type == CONF_STR || p->type == CONF_LIST;
	struct why inner;

	if (!text)
		return -EINVAL;
	if (is_text && p->min > 0 && !*text) {
		(void)why_set(&inner, EINVAL, NULL, 0,
		    "%s: is empty; allowed is any text", name);
		return conf_blame(c, name, &inner, why);
	}
	*text_r = text;
	return 0;
}

static int
get_field(const struct conf *c, const struct conf_field *f, void *out,
    struct why *why)
{
	const struct param *p = find_row(f->name);
	char *at = (char *)out + f->offset;
	const char *text = NULL;
	int64_t number = 0;
	bool yes;
	int word;
	int error;

	if (!p || !fits(p->type, f->type))
		die("%s is no parameter of the type that is asked for",
		    f->name);
	switch (f->type) {
	case CONF_RAW:
		text = conf_raw(c, f->name);
		memcpy(at, &text, sizeof(text));
		return 0;
	case CONF_STR:
	case CONF_LIST:
		error = get_text(c, p, f->name, &text, why);
		memcpy(at, &text, sizeof(text));
		return error;
	case CONF_BOOL:
		error = get_number(c, p, f->name, f->type, &number, why);
		yes = number != 0;
		memcpy(at, &yes, sizeof(yes));
		return error;
	case CONF_ENUM:
		error = get_number(c, p, f->name, f->type, &number, why);
		word = (int)number;
		memcpy(at, &word, sizeof(word));
		return error;
	case CONF_INT:
	case CONF_TIME:
	case CONF_SIZE:
		error = get_number(c, p, f->name, f->type, &number, why);
		memcpy(at, &number, sizeof(number));
		return error;
	}
	return 0;
}

int
conf_get_struct(const struct conf *c, const struct conf_field *fields, size_t n,
    void *out, struct why *why)
{
	for (size_t i = 0; i < n; i++) {
		int error = get_field(c, &fields[i], out, why);

		if (error)
			return error;
	}
	return 0;
}

int
conf_check_name(const struct conf *c, const char *name, struct why *why)
{
	const struct param *p = find_row(name);
	const char *text;
	int64_t number;

	if (!p)
		return conf_get(c, name, why) ? 0 : -EINVAL;
	switch (p->type) {
	case CONF_RAW:
		return 0;
	case CONF_STR:
	case CONF_LIST:
		return get_text(c, p, name, &text, why);
	case CONF_BOOL:
	case CONF_ENUM:
	case CONF_INT:
	case CONF_TIME:
	case CONF_SIZE:
		return get_number(c, p, name, p->type, &number, why);
	}
	return 0;
}

struct checking {
	const struct conf *conf;
	struct why *why;
	int error; /* of the first that is wrong */
};

static void
check_one(const char *name, const char *raw, void *arg)
{
	struct checking *k = arg;

	(void)raw;
	if (!k->error && find_row(name))
		k->error = conf_check_name(k->conf, name, k->why);
}

int
conf_check(const struct conf *c, struct why *why)
{
	struct checking k = { c, why, 0 };

	conf_each(c, check_one, &k);
	return k.error;
}

int
conf_complain(const struct conf *c, const char *name, int error,
    const char *text, struct why *why)
{
	const char *file = NULL;
	unsigned line = 0;

	(void)!conf_source(c, name, &file, &line);
	return why_set(why, error, file, line, "%s: %s", name, text);
}
