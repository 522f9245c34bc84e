#include "dict/rules.h"

#include "base/log.h"
#include "base/scan.h"
#include "dict/source.h"

#include <stdlib.h>

enum {
	NONE = -1, /* as size_t: no if is open */
};

static void
append(struct rules *r, const struct rule *rule)
{
	if (r->n == r->max) {
		size_t max = r->max ? r->max * 2 : 64;
		struct rule *more = zalloc(max * sizeof(*more));

		if (r->n > 0)
			memcpy(more, r->v, r->n * sizeof(*more));
		free(r->v);
		r->v = more;
		r->max = max;
	}
	r->v[r->n++] = *rule;
}

/* A word in front, behind which `what` may follow at once. */
static bool
take_keyword(struct span *line, struct span word)
{
	struct span at = *line;

	if (!take_text(&at, word) ||
	    (at.n > 0 && !is_white(*at.p) && *at.p != '/' && *at.p != '!'))
		return false;
	*line = at;
	return true;
}

static void
close_if(struct rules *r)
{
	r->v[r->open].end = r->n;
	r->open = r->v[r->open].outer;
}

/* False with `why`: the line is skipped. */
static bool
add_line(struct rules *r, struct span line, rules_parse_fn *parse, void *arg,
    struct why *why)
{
	struct rule rule = { .outer = r->open };

	line = trim_white(line);
	if (take_keyword(&line, SPAN("endif"))) {
		if (r->open == (size_t)NONE) {
			(void)why_set(why, 0, NULL, 0,
			    "ignoring ENDIF without matching IF");
			return false;
		}
		close_if(r);
		return true;
	}
	rule.is_if = take_keyword(&line, SPAN("if"));
	skip_white(&line);
	while (take_char(&line, '!')) {
		rule.negated = !rule.negated;
		skip_white(&line);
	}
	if (!parse(r, line, &rule, arg, why))
		return false;
	append(r, &rule);
	if (rule.is_if)
		r->open = r->n - 1;
	return true;
}

int
rules_open(struct rules *r, struct dict *d, const char *type, const char *name,
    rules_parse_fn *parse, void *arg, struct why *why)
{
	struct source source;
	struct span line;
	unsigned number;
	int error = source_read(name, &source, why);

	*r = (struct rules){ .open = (size_t)NONE };
	if (error)
		return error;
	if (source.is_file)
		dict_watch(d, name, &source.st);
	r->arena = arena_new(RULES_MEMORY_MAX);
	while (lines_next(&source.lines, &line, &number)) {
		struct why what;

		if (!add_line(r, line, parse, arg, &what))
			log_warning("%s map %s, line %u: %s: skipping this "
				    "rule",
			    type, name, number, what.text);
	}
	for (; r->open != (size_t)NONE; close_if(r))
		log_warning("%s map %s: IF without matching ENDIF", type, name);
	free(source.text);
	return 0;
}

void
rules_fini(struct rules *r)
{
	arena_free(r->arena);
	free(r->v);
}
