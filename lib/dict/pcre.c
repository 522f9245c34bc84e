/*
 * pcre: Perl's patterns. They match in any case, and a dot matches a newline;
 * the flags i m s x A E U X each turn a habit over, as in Perl and Postfix.
 */
#include "dict/pattern.h"

#include <errno.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
	MATCH_LIMIT = 1000000, /* steps: a pattern cannot hang a process */
};

struct perl {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

static bool
turn_flag(char c, uint32_t *bits)
{
	static const struct {
		char c;
		uint32_t bit;
	} known[] = {
		{ 'i', PCRE2_CASELESS },
		{ 'm', PCRE2_MULTILINE },
		{ 's', PCRE2_DOTALL },
		{ 'x', PCRE2_EXTENDED },
		{ 'A', PCRE2_ANCHORED },
		{ 'E', PCRE2_DOLLAR_ENDONLY },
		{ 'U', PCRE2_UNGREEDY },
		{ 'X', 0 },
	};

	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (known[i].c == c) {
			*bits ^= known[i].bit;
			return true;
		}
	return false;
}

static void *
compile(struct span pattern, struct span flags, size_t *groups_r,
    struct why *why)
{
	uint32_t bits = PCRE2_CASELESS | PCRE2_DOTALL;
	uint32_t groups = 0;
	pcre2_code *code;
	struct perl *p;
	PCRE2_SIZE at;
	int error;

	for (size_t i = 0; i < flags.n; i++)
		if (!turn_flag(flags.p[i], &bits)) {
			(void)why_set(why, EINVAL, NULL, 0,
			    "unknown flag '%c'; allowed is i m s x A E U X",
			    flags.p[i]);
			return NULL;
		}
	code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, bits, &error,
	    &at, NULL);
	if (!code) {
		PCRE2_UCHAR text[128] = "";

		pcre2_get_error_message(error, text, sizeof(text));
		(void)why_set(why, EINVAL, NULL, 0, "\"%.*s\": %s at %zu",
		    (int)(pattern.n < 80 ? pattern.n : 80), pattern.p,
		    (const char *)text, (size_t)at);
		return NULL;
	}
	pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
	*groups_r = groups;
	p = zalloc(sizeof(*p));
	p->code = code;
	p->data = pcre2_match_data_create_from_pattern(code, NULL);
	p->context = pcre2_match_context_create(NULL);
	if (!p->data || !p->context)
		die("pcre: no memory");
	pcre2_set_match_limit(p->context, MATCH_LIMIT);
	return p;
}

static enum pattern_match
match(const void *compiled, struct span key, struct pattern_groups *groups_r,
    struct why *why)
{
	const struct perl *p = compiled;
	int n = pcre2_match(p->code, (PCRE2_SPTR)key.p, key.n, 0, 0, p->data,
	    p->context);
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->data);

	if (n == PCRE2_ERROR_NOMATCH)
		return PATTERN_NO;
	if (n < 0) {
		(void)why_set(why, EIO, NULL, 0, "pcre: error %d", n);
		return PATTERN_ERROR;
	}
	for (size_t i = 0; i < (size_t)n && i < PATTERN_GROUPS_MAX; i++) {
		groups_r->group[i] = at[2 * i] == PCRE2_UNSET
		    ? (struct span){ NULL, 0 }
		    : (struct span){ key.p + at[2 * i],
			      at[2 * i + 1] - at[2 * i] };
		groups_r->n = i + 1;
	}
	return PATTERN_YES;
}

static void
release(void *compiled)
{
	struct perl *p = compiled;

	pcre2_match_context_free(p->context);
	pcre2_match_data_free(p->data);
	pcre2_code_free(p->code);
	free(p);
}

static const struct pattern_kind kind = {
	.type = "pcre",
	.compile = compile,
	.match = match,
	.release = release,
};

struct dict *
pcre_open(const char *name, unsigned flags, struct why *why)
{
	return pattern_open(&kind, name, flags, why);
}
