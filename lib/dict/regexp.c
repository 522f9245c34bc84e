/*
 * regexp: POSIX extended patterns. They match in any case; the flags i, m and x
 * each turn a habit over: case, lines within the key, extended syntax.
 */
#include "dict/pattern.h"

#include <errno.h>
#include <stdlib.h>

#include <regex.h>

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
