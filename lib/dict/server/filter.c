#include "dict/server/filter.h"

#include "dict/private.h"
#include "dict/server/format.h"

#include <errno.h>
#include <stdlib.h>

int
filter_open(struct filter *f, const struct config *c, struct why *why)
{
	const char *domains = config_text(c, "domain", "");
	struct why inner;

	/* Its name before Postfix 2.2. */
	f->result_format = config_text(c, "result_format",
	    config_text(c, "result_filter", "%s"));
	if (format_check(f->result_format, &inner) < 0)
		return config_complain(c, "result_format", inner.text, why);
	if (config_number(c, "expansion_limit", 0, INT32_MAX,
		&f->expansion_limit, why) < 0)
		return -EINVAL;
	if (!*domains)
		return 0;
	f->domains = lists_open(domains, LISTS_NAMES, &inner);
	return f->domains ? 0 : config_complain(c, "domain", inner.text, why);
}

void
filter_close(struct filter *f)
{
	f->domains = lists_close(f->domains);
}

enum dict_result
filter_takes(const struct filter *f, struct span key, struct why *why)
{
	struct span domain = { 0 };
	const char *at;

	if (key.n == 0 || memchr(key.p, '\0', key.n))
		return DICT_ABSENT;
	if (!f->domains)
		return DICT_FOUND;
	at = memrchr(key.p, '@', key.n);
	if (at)
		domain = (struct span){ at + 1,
			key.n - (size_t)(at + 1 - key.p) };
	if (domain.n == 0 || at == key.p)
		return DICT_ABSENT;
	return lists_has_name(f->domains, domain, why);
}

void
values_init(struct values *v, const struct filter *f, const char *table,
    struct span key)
{
	*v = (struct values){ .filter = f, .table = table, .key = key };
	buf_init(&v->out, zalloc(FILTER_VALUE_MAX), FILTER_VALUE_MAX);
}

void
values_fini(struct values *v)
{
	free(v->out.storage);
}

void
values_reset(struct values *v)
{
	buf_init(&v->out, v->out.storage, FILTER_VALUE_MAX);
	v->n = 0;
	v->failed = false;
}

static bool
fail(struct values *v, const char *what, long long limit)
{
	why_set(&v->why, EMSGSIZE, NULL, 0,
	    "%s: \"%.*s\" has more than %lld %s", v->table,
	    (int)(v->key.n < 100 ? v->key.n : 100), v->key.p, limit, what);
	v->failed = true;
	return false;
}

bool
values_add(struct values *v, struct span value)
{
	int64_t limit = v->filter->expansion_limit;

	switch (
	    format_value(v->filter->result_format, value, v->key, &v->out)) {
	case FORMAT_SKIPPED:
		return true;
	case FORMAT_FAILED:
		return fail(v, "bytes of values", FILTER_VALUE_MAX);
	case FORMAT_PUT:
		break;
	}
	if (limit > 0 && ++v->n > limit)
		return fail(v, "values (expansion_limit)", limit);
	return true;
}

enum dict_result
values_give(struct values *v, struct arena *arena, struct span *value_r,
    struct why *why)
{
	if (v->failed) {
		*why = v->why;
		return DICT_TEMPFAIL;
	}
	if (v->out.n == 0)
		return DICT_ABSENT;
	return dict_give(buf_span(&v->out), arena, value_r, why);
}
