#include "dict/source.h"

#include <errno.h>
#include <stdlib.h>

static bool
is_gap(char c)
{
	return c == ' ' || c == ',' || (c >= '\t' && c <= '\r');
}

static void
skip_gap(struct span *in)
{
	while (in->n > 0 && is_gap(*in->p)) {
		in->p++;
		in->n--;
	}
}

/* What stands between a { and its }, without them. */
static bool
take_braces(struct span *in, struct span *inner_r)
{
	size_t level = 0;

	if (in->n == 0 || *in->p != '{')
		return false;
	for (size_t i = 0; i < in->n; i++) {
		if (in->p[i] == '{')
			level++;
		else if (in->p[i] == '}')
			level--;
		if (level > 0)
			continue;
		*inner_r = (struct span){ in->p + 1, i - 1 };
		in->p += i + 1;
		in->n -= i + 1;
		return true;
	}
	return false;
}

static int
refuse(struct span at, struct why *why)
{
	return why_set(why, EINVAL, NULL, 0,
	    "bad rules at \"%.*s\"; allowed is {{rule}, {rule} ...}",
	    (int)(at.n < 80 ? at.n : 80), at.p);
}

/* Makes a line of each rule. */
static int
read_inline(struct span in, struct source *s, struct why *why)
{
	char *text = zalloc(in.n + 1);
	struct span rules;
	struct span rule;
	size_t n = 0;

	s->text = text;
	if (!take_braces(&in, &rules) || in.n > 0)
		return refuse(in, why);
	for (skip_gap(&rules); rules.n > 0; skip_gap(&rules)) {
		if (!take_braces(&rules, &rule) ||
		    (rules.n > 0 && !is_gap(*rules.p)))
			return refuse(rules, why);
		while (rule.n > 0 && is_gap(*rule.p) && *rule.p != ',') {
			rule.p++;
			rule.n--;
		}
		memcpy(text + n, rule.p, rule.n);
		n += rule.n;
		text[n++] = '\n';
	}
	s->lines = (struct lines){ .p = text, .n = n };
	return 0;
}

int
source_read(const char *name, struct source *s_r, struct why *why)
{
	int error;

	*s_r = (struct source){ .is_file = *name != '{' };
	if (!s_r->is_file) {
		error = read_inline(span_str(name), s_r, why);
		if (error) {
			free(s_r->text);
			s_r->text = NULL;
		}
		return error;
	}
	if (stat(name, &s_r->st) < 0)
		return why_set(why, errno, name, 0, "%s", strerror(errno));
	return lines_read(name, &s_r->lines, &s_r->text, why);
}
