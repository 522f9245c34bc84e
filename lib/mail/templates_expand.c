/* What stands for the names in a template. */
#include "mail/templates.h"

#include "base/buf.h"
#include "base/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	EXCESSIVE = 1000, /* nobody wants to read so many of a unit */
	NUMBER_SIZE = 24,
};

/* Times, which a text may have in any unit. */
static const char *const times[] = { "delay_warning_time",
	"maximal_queue_lifetime" };

static const struct {
	struct span name;
	int64_t ms;
} units[] = {
	{ SPAN_INIT("seconds"), 1000 },
	{ SPAN_INIT("minutes"), 60 * 1000 },
	{ SPAN_INIT("hours"), 3600 * 1000 },
	{ SPAN_INIT("days"), 24 * 3600 * 1000 },
	{ SPAN_INIT("weeks"), 7 * 24 * 3600 * 1000 },
};

struct expanding {
	const struct template *t;
	const struct conf *conf;
	struct arena *arena;
	const struct templates_to *to;
	struct why why; /* of a name that only looks like one of ours */
	bool failed;
};

static void
say(const struct expanding *x, const char *text)
{
	x->to->remark(text, x->to->arg);
}

/* A number that is of no use to who reads it; of the built-in it is no matter. */
static void
remark(const struct expanding *x, const char *what, int64_t value,
    const char *name, const char *change, size_t unit)
{
	char number[NUMBER_SIZE + 4] = "", text[512];
	const char *of = units[unit].name.p;

	if (!x->t->file)
		return;
	if (value)
		snprintf(number, sizeof(number), " \"%" PRId64 "\"", value);
	snprintf(text, sizeof(text),
	    "%s: %s result%s in %s template conversion of parameter "
	    "\"%s_%s\"",
	    x->t->file, what, number, x->t->name, name, of);
	say(x, text);
	snprintf(text, sizeof(text),
	    "please %s time unit \"%s\" of \"%s_%s\" in %s template", change,
	    of, name, of, x->t->name);
	say(x, text);
	say(x, "for instructions see the bounce(5) manual");
}

static const char *
time_in(struct expanding *x, const char *name, size_t unit)
{
	char text[NUMBER_SIZE];
	int64_t ms, value;

	if (conf_get_number(x->conf, name, CONF_TIME, &ms, &x->why) < 0) {
		x->failed = true;
		return "";
	}
	value = ms / units[unit].ms;
	if (ms > 0 && value == 0)
		remark(x, "zero", 0, name, "reduce", unit);
	if (value >= EXCESSIVE)
		remark(x, "excessive", value, name, "increase", unit);
	snprintf(text, sizeof(text), "%" PRId64, value);
	return arena_dup(x->arena, span_str(text));
}

static const char *
look_up(void *arg, struct span name)
{
	struct expanding *x = arg;

	for (size_t i = 0; i < COUNT_OF(times); i++) {
		struct span rest = name;

		if (!take_text(&rest, span_str(times[i])) ||
		    !take_char(&rest, '_'))
			continue;
		for (size_t u = 0; u < COUNT_OF(units); u++)
			if (span_eq(rest, units[u].name))
				return time_in(x, times[i], u);
		x->failed = true;
		(void)why_set(&x->why, EINVAL, NULL, 0,
		    "unrecognized suffix \"%.*s\" in parameter \"%.*s\"",
		    (int)(rest.n < 60 ? rest.n : 60), rest.p,
		    (int)(name.n < 90 ? name.n : 90), name.p);
	}
	return NULL;
}

int
template_expand(const struct template *t, const struct conf *c, struct arena *a,
    const struct templates_to *to, struct span *text_r, struct why *why)
{
	struct expanding x = { .t = t, .conf = c, .arena = a, .to = to };
	char *text = conf_expand_known(c, t->text, look_up, &x, a, why);

	if (text && !x.failed) {
		*text_r = span_str(text);
		return 0;
	}
	if (x.failed)
		*why = x.why;
	x.why = *why;
	return why_set(why, EINVAL, NULL, 0, "%s: %s template: %s",
	    t->file ? t->file : "built in", t->name, x.why.text);
}

/* Expanded in its place; if that cannot be, the built-in one is. */
static int
settle(struct template *t, const struct template *own, const struct conf *c,
    struct arena *a, const struct templates_to *to, struct why *why)
{
	if (template_expand(t, c, a, to, &t->text, why) == 0)
		return 0;
	if (!t->file)
		return -EINVAL;
	to->remark(why->text, to->arg);
	*t = *own;
	return template_expand(t, c, a, to, &t->text, why);
}

int
templates_open(struct templates *t, const struct conf *c, struct arena *a,
    const struct templates_to *to, struct why *why)
{
	const char *file = conf_get(c, "bounce_template_file", why);
	struct templates own;
	int error = 0;

	templates_init(t);
	templates_init(&own);
	if (!file)
		return -EINVAL;
	if (*file && templates_load(t, file, a, to, why) < 0)
		to->remark(why->text, to->arg);
	for (size_t i = 0; !error && i < TEMPLATE_KINDS; i++)
		error = settle(&t->of[i], &own.of[i], c, a, to, why);
	return error;
}
