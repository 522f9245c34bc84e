/*
 * regexp: POSIX extended patterns. They match in any case; the flags i, m and x
 * each turn a habit over: case, lines within the key, extended syntax.
 */
#include "dict/pattern.h"

#include "base/scan.h"

#include <errno.h>
#include <stdlib.h>

#include <regex.h>

enum {
	DEPTH_MAX = 60,
	COST_MAX = 100000, /* copies of characters that repeats make */
};

/* A pattern on its way to be looked through. */
struct reading {
	struct span rest;
	bool extended;
	size_t depth;
	/* Of each open parenthesis: all that is in it, and the last atom. */
	uint64_t all[DEPTH_MAX + 1];
	uint64_t last[DEPTH_MAX + 1];
};

static void
add_atom(struct reading *r, uint64_t cost)
{
	r->last[r->depth] = cost;
	r->all[r->depth] += cost;
}

static void
repeat(struct reading *r, uint64_t times)
{
	uint64_t more = r->last[r->depth] * (times > 0 ? times - 1 : 0);

	r->last[r->depth] += more;
	r->all[r->depth] += more;
}

/* [...], where a ] in front is one of the set. */
static void
skip_set(struct reading *r)
{
	(void)!take_char(&r->rest, '^');
	(void)!take_char(&r->rest, ']');
	while (r->rest.n > 0 && !take_char(&r->rest, ']')) {
		r->rest.p++;
		r->rest.n--;
	}
}

static uint64_t
take_times(struct reading *r)
{
	uint64_t least = 0;
	uint64_t most = 0;

	(void)!take_number(&r->rest, RE_DUP_MAX, &least);
	if (take_char(&r->rest, ','))
		(void)!take_number(&r->rest, RE_DUP_MAX, &most);
	(void)!take_char(&r->rest, '\\');
	(void)!take_char(&r->rest, '}');
	return least > most ? least : most;
}

static bool
take_one(struct reading *r)
{
	bool escaped = take_char(&r->rest, '\\');
	char c = r->rest.n > 0 ? *r->rest.p : '\0';

	if (r->rest.n > 0) {
		r->rest.p++;
		r->rest.n--;
	}
	if (c == '[' && !escaped)
		skip_set(r);
	/* Without the extended syntax it is the \ that makes an operator. */
	if (escaped == r->extended || !strchr("(){+", c) || c == '\0') {
		add_atom(r, 1);
	} else if (c == '(') {
		if (r->depth == DEPTH_MAX)
			return false;
		r->depth++;
		r->all[r->depth] = 1;
		r->last[r->depth] = 0;
	} else if (c == ')') {
		if (r->depth > 0) {
			r->depth--;
			add_atom(r, r->all[r->depth + 1]);
		}
	} else {
		repeat(r, c == '+' ? 2 : take_times(r));
	}
	return r->all[r->depth] <= COST_MAX;
}

/*
 * The C library makes a copy of what is repeated for each time, and a few
 * characters as a++++++ or (a{255}){255} would take all memory.
 */
static bool
is_affordable(struct span pattern, bool extended)
{
	struct reading r = { .rest = pattern, .extended = extended };

	while (r.rest.n > 0)
		if (!take_one(&r))
			return false;
	return true;
}

static void *
compile(struct span pattern, struct span flags, size_t *groups_r,
    struct why *why)
{
	int bits = REG_EXTENDED | REG_ICASE;
	regex_t *r;
	char text[128];
	int error;

	for (size_t i = 0; i < flags.n; i++)
		switch (flags.p[i]) {
		case 'i':
			bits ^= REG_ICASE;
			break;
		case 'm':
			bits ^= REG_NEWLINE;
			break;
		case 'x':
			bits ^= REG_EXTENDED;
			break;
		default:
			(void)why_set(why, EINVAL, NULL, 0,
			    "unknown flag '%c'; allowed is i, m, x",
			    flags.p[i]);
			return NULL;
		}
	if (!is_affordable(pattern, bits & REG_EXTENDED)) {
		(void)why_set(why, EINVAL, NULL, 0,
		    "repeats within repeats make it too large");
		return NULL;
	}
	r = zalloc(sizeof(*r));
	error = regcomp(r, pattern.p, bits);
	if (error) {
		regerror(error, r, text, sizeof(text));
		(void)why_set(why, EINVAL, NULL, 0, "\"%.*s\": %s",
		    (int)(pattern.n < 80 ? pattern.n : 80), pattern.p, text);
		free(r);
		return NULL;
	}
	*groups_r = r->re_nsub;
	return r;
}

static enum pattern_match
match(const void *compiled, struct span key, struct pattern_groups *groups_r,
    struct why *why)
{
	const regex_t *r = compiled;
	regmatch_t at[PATTERN_GROUPS_MAX];
	size_t n = r->re_nsub + 1;
	int error;

	n = n < PATTERN_GROUPS_MAX ? n : PATTERN_GROUPS_MAX;
	at[0].rm_so = 0;
	at[0].rm_eo = (regoff_t)key.n;
	error = regexec(r, key.p, n, at, REG_STARTEND);
	if (error == REG_NOMATCH)
		return PATTERN_NO;
	if (error) {
		(void)why_set(why, EIO, NULL, 0, "regexp: error %d", error);
		return PATTERN_ERROR;
	}
	for (size_t i = 0; i < n; i++)
		groups_r->group[i] = at[i].rm_so < 0
		    ? (struct span){ NULL, 0 }
		    : (struct span){ key.p + at[i].rm_so,
			      (size_t)(at[i].rm_eo - at[i].rm_so) };
	groups_r->n = n;
	return PATTERN_YES;
}

static void
release(void *compiled)
{
	regfree(compiled);
	free(compiled);
}

static const struct pattern_kind kind = {
	.type = "regexp",
	.compile = compile,
	.match = match,
	.release = release,
};

struct dict *
regexp_open(const char *name, unsigned flags, struct why *why)
{
	return pattern_open(&kind, name, flags, why);
}
