#include "dict/server/format.h"

#include <errno.h>

/* An address, or what is none. */
struct parts {
	struct span whole;
	struct span user; /* the whole, where there is no @ */
	struct span domain; /* ->p NULL: there is no @ */
};

struct formatter {
	struct parts value;
	struct parts key;
	format_quote_fn *quote;
	void *arg;
	struct buf *out;
};

static struct parts
take_apart(struct span text)
{
	struct parts p = { .whole = text, .user = text };
	const char *at = text.n ? memrchr(text.p, '@', text.n) : NULL;

	if (!at)
		return p;
	p.user.n = (size_t)(at - text.p);
	p.domain = (struct span){ at + 1, text.n - p.user.n - 1 };
	return p;
}

int
format_check(const char *format, struct why *why)
{
	for (const char *p = format; *p; p++)
		if (*p == '%' &&
		    (*++p == '\0' || !strchr("%sudSUD123456789", *p)))
			return why_set(why, EINVAL, NULL, 0,
			    "bad %% in \"%.100s\"; allowed are %%%% %%s %%u "
			    "%%d %%S %%U %%D %%1 to %%9",
			    format);
	return 0;
}

/* The n-th part of a domain from behind, as parents of a name are counted. */
static bool
find_part(struct span domain, int n, struct span *part_r)
{
	while (domain.n > 0) {
		const char *dot = memrchr(domain.p, '.', domain.n);
		size_t head = dot ? (size_t)(dot - domain.p) + 1 : 0;

		*part_r = (struct span){ domain.p + head, domain.n - head };
		if (--n == 0)
			return part_r->n > 0;
		if (!dot)
			break;
		domain.n = head - 1;
	}
	return false;
}

/* What a letter stands for. False: there is none. */
static bool
find(const struct formatter *f, char letter, struct span *text_r)
{
	switch (letter) {
	case 's':
		*text_r = f->value.whole;
		return true;
	case 'S':
		*text_r = f->key.whole;
		return true;
	case 'u':
		*text_r = f->value.user;
		return text_r->n > 0;
	case 'U':
		*text_r = f->key.user;
		return text_r->n > 0;
	case 'd':
		*text_r = f->value.domain;
		return text_r->n > 0;
	case 'D':
		*text_r = f->key.domain;
		return text_r->n > 0;
	default:
		return find_part(f->key.domain, letter - '0', text_r);
	}
}

static bool
has_all(const struct formatter *f, const char *format)
{
	struct span ignored;

	for (const char *p = format; *p; p++)
		if (*p == '%' && *++p != '%' && !find(f, *p, &ignored))
			return false;
	return true;
}

static enum format_result
put_all(const struct formatter *f, const char *format)
{
	struct span text;

	for (const char *p = format; *p; p++) {
		if (*p != '%' || *++p == '%') {
			buf_put(f->out, (struct span){ p, 1 });
			continue;
		}
		if (!find(f, *p, &text))
			return FORMAT_SKIPPED;
		if (!f->quote)
			buf_put(f->out, text);
		else if (!f->quote(text, f->out, f->arg))
			return FORMAT_FAILED;
	}
	return f->out->overflow ? FORMAT_FAILED : FORMAT_PUT;
}

enum format_result
format_query(const char *format, struct span key, format_quote_fn *quote,
    void *arg, struct buf *out)
{
	struct formatter f = { take_apart(key), take_apart(key), quote, arg,
		out };

	if (key.n == 0 || !has_all(&f, format))
		return FORMAT_SKIPPED;
	return put_all(&f, format);
}

enum format_result
format_value(const char *format, struct span value, struct span key,
    struct buf *out)
{
	struct formatter f = { take_apart(value), take_apart(key), NULL, NULL,
		out };

	if (value.n == 0 || !has_all(&f, format))
		return FORMAT_SKIPPED;
	if (out->n > 0)
		buf_put(out, SPAN(","));
	return put_all(&f, format);
}
