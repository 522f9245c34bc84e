#include "conf/expand.h"

#include "base/scan.h"

#include <errno.h>
#include <stdlib.h>

/* The names whose values are being expanded, the innermost first. */
struct frame {
	struct span name;
	const struct frame *up;
	unsigned depth;
};

struct expansion {
	expand_lookup_fn *lookup;
	void *arg;
	struct buf *out;
	struct why *why;
	unsigned steps; /* values that grow to nothing cost time all the same */
	bool strict; /* what has no value at all is an error */
};

static int expand_text(struct expansion *x, struct span text,
    const struct frame *f);

static bool
is_name_char(char c)
{
	char l = ascii_lower(c);

	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Maybe nothing. */
static struct span
take_name(struct span *in)
{
	struct span name = { in->p, 0 };

	while (in->n > 0 && is_name_char(*in->p)) {
		in->p++;
		in->n--;
		name.n++;
	}
	return name;
}

static int
fail(struct expansion *x, const char *what, struct span at)
{
	return why_set(x->why, EINVAL, NULL, 0, "%s at \"%.*s\"", what,
	    (int)(at.n < 40 ? at.n : 40), at.p ? at.p : "");
}

/* What stands between the bracket in front and the one that closes it. */
static bool
take_bracketed(struct span *in, char open, char close, struct span *inner_r)
{
	unsigned level = 0;

	for (size_t i = 0; i < in->n; i++) {
		if (in->p[i] == open)
			level++;
		if (in->p[i] == close && --level == 0) {
			*inner_r = (struct span){ in->p + 1, i - 1 };
			in->p += i + 1;
			in->n -= i + 1;
			return true;
		}
	}
	return false;
}

/* How a chain of names is told: "a -> b -> a". */
static void
put_chain(struct buf *out, const struct frame *f, struct span until)
{
	if (!span_eq(f->name, until) && f->up)
		put_chain(out, f->up, until);
	buf_putf(out, "%.*s -> ", (int)f->name.n, f->name.p);
}

static int
refuse_loop(struct expansion *x, struct span name, const struct frame *f)
{
	char storage[256];
	struct buf chain;

	buf_init(&chain, storage, sizeof(storage));
	put_chain(&chain, f, name);
	return why_set(x->why, EINVAL, NULL, 0, "refers to itself: %.*s%.*s",
	    (int)chain.n, chain.p, (int)name.n, name.p);
}

static int
expand_value(struct expansion *x, struct span name, const char *value,
    const struct frame *f)
{
	struct frame inner = { name, f, f->depth + 1 };

	if (!value)
		return x->strict ? fail(x, "nothing has this name:", name) : 0;
	for (const struct frame *up = f; up; up = up->up)
		if (name.n > 0 && span_eq(up->name, name))
			return refuse_loop(x, name, f);
	return expand_text(x, span_str(value), &inner);
}

/* The rest of ${...?...}: what to put if it is so, and if it is not. */
static int
take_choice(struct expansion *x, struct span in, struct span *yes_r,
    struct span *no_r)
{
	struct span at;

	*yes_r = *no_r = (struct span){ NULL, 0 };
	if (take_char(&in, '?')) {
		at = in;
		skip_white(&at);
		if (at.n == 0 || *at.p != '{') {
			*yes_r = in;
			return 0;
		}
		if (!take_bracketed(&at, '{', '}', yes_r))
			return fail(x, "\"}\" is missing", at);
		in = at;
		skip_white(&in);
		if (in.n == 0)
			return 0;
		if (*in.p != ':')
			return fail(x, "\":\" is expected", in);
	}
	if (!take_char(&in, ':'))
		return fail(x, "\"?\" or \":\" is expected", in);
	at = in;
	skip_white(&at);
	if (at.n == 0 || *at.p != '{') {
		*no_r = in;
		return 0;
	}
	if (!take_bracketed(&at, '{', '}', no_r))
		return fail(x, "\"}\" is missing", at);
	skip_white(&at);
	return at.n == 0 ? 0 : fail(x, "nothing more is expected", at);
}

enum relation {
	LESS = 1,
	EQUAL = 2,
	MORE = 4,
};

static const struct {
	struct span text;
	unsigned holds;
	bool level;
} relations[] = {
	{ SPAN_INIT("==level"), EQUAL, true },
	{ SPAN_INIT("!=level"), LESS | MORE, true },
	{ SPAN_INIT("<=level"), LESS | EQUAL, true },
	{ SPAN_INIT(">=level"), MORE | EQUAL, true },
	{ SPAN_INIT("<level"), LESS, true },
	{ SPAN_INIT(">level"), MORE, true },
	{ SPAN_INIT("=="), EQUAL, false },
	{ SPAN_INIT("!="), LESS | MORE, false },
	{ SPAN_INIT("<="), LESS | EQUAL, false },
	{ SPAN_INIT(">="), MORE | EQUAL, false },
	{ SPAN_INIT("<"), LESS, false },
	{ SPAN_INIT(">"), MORE, false },
};

static bool
take_relation(struct span *in, size_t *relation_r)
{
	for (size_t i = 0; i < COUNT_OF(relations); i++)
		if (take_text(in, relations[i].text)) {
			*relation_r = i;
			return true;
		}
	return false;
}

static unsigned
sign_of(bool less, bool more)
{
	return less ? LESS : more ? MORE : EQUAL;
}

/* A version, "3.6.1", a number for each of its up to four parts. */
static bool
take_level(struct span in, uint64_t part[4])
{
	for (size_t i = 0; i < 4; i++) {
		if (!take_number(&in, UINT32_MAX, &part[i]))
			return false;
		if (in.n == 0)
			return true;
		if (!take_char(&in, '.'))
			return false;
	}
	return false;
}

static unsigned
compare_levels(const uint64_t a[4], const uint64_t b[4])
{
	for (size_t i = 0; i < 4; i++)
		if (a[i] != b[i])
			return sign_of(a[i] < b[i], true);
	return EQUAL;
}

static bool
all_digits(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

static unsigned
compare_texts(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n ? memcmp(a.p, b.p, n) : 0;

	return d ? sign_of(d < 0, true) : sign_of(a.n<b.n, a.n> b.n);
}

/* Digits of any length: without zeros in front the longer is the larger. */
static unsigned
compare_numbers(struct span a, struct span b)
{
	while (a.n > 1 && take_char(&a, '0'))
		continue;
	while (b.n > 1 && take_char(&b, '0'))
		continue;
	if (a.n != b.n)
		return sign_of(a.n < b.n, true);
	return compare_texts(a, b);
}

static int
compare(struct expansion *x, struct span a, struct span b, bool level,
    unsigned *sign_r)
{
	uint64_t left[4] = { 0 };
	uint64_t right[4] = { 0 };

	if (!level) {
		*sign_r = all_digits(a) && all_digits(b) ? compare_numbers(a, b)
							 : compare_texts(a, b);
		return 0;
	}
	if (!take_level(a, left))
		return fail(x, "a version like 3.6 is expected", a);
	if (!take_level(b, right))
		return fail(x, "a version like 3.6 is expected", b);
	*sign_r = compare_levels(left, right);
	return 0;
}

/* Both sides are expanded behind what is there, compared and taken back. */
static int
compare_expanded(struct expansion *x, struct span a, struct span b, bool level,
    const struct frame *f, unsigned *sign_r)
{
	struct buf *out = x->out;
	size_t start = out->n;
	size_t middle;
	int error = expand_text(x, a, f);

	middle = out->n;
	if (!error)
		error = expand_text(x, b, f);
	if (!error)
		error = compare(x,
		    (struct span){ out->p + start, middle - start },
		    (struct span){ out->p + middle, out->n - middle }, level,
		    sign_r);
	out->n = start;
	return error;
}

/* {a} == {b}, to which a choice may follow. */
static int
take_comparison(struct expansion *x, struct span *in, const struct frame *f,
    bool *is_so_r)
{
	struct span a;
	struct span b;
	unsigned sign = 0;
	size_t relation;

	if (!take_bracketed(in, '{', '}', &a))
		return fail(x, "\"}\" is missing", *in);
	skip_white(in);
	if (!take_relation(in, &relation))
		return fail(x,
		    "\"==\", \"!=\", \"<\", \"<=\", \">\" or \">=\" is "
		    "expected",
		    *in);
	skip_white(in);
	if (in->n == 0 || *in->p != '{')
		return fail(x, "\"{\" is expected", *in);
	if (!take_bracketed(in, '{', '}', &b))
		return fail(x, "\"}\" is missing", *in);
	skip_white(in);

	int error = compare_expanded(x, a, b, relations[relation].level, f,
	    &sign);

	*is_so_r = (sign & relations[relation].holds) != 0;
	return error;
}

/* What stands in ${...} or $(...). */
static int
expand_braced(struct expansion *x, struct span in, const struct frame *f)
{
	struct frame inner = { f->name, f->up, f->depth + 1 };
	struct span name = { NULL, 0 };
	struct span yes;
	struct span no;
	const char *value = NULL;
	bool is_so = false;

	skip_white(&in);
	if (in.n > 0 && *in.p == '{') {
		int error = take_comparison(x, &in, &inner, &is_so);

		if (error)
			return error;
		value = is_so ? "true" : "";
	} else {
		name = take_name(&in);
		skip_white(&in);
		if (name.n == 0 && in.n == 0)
			return fail(x, "a name is expected", name);
		if (in.n > 0 && *in.p != '?' && *in.p != ':')
			return fail(x, "no part of a name", in);
		value = name.n ? x->lookup(x->arg, name) : NULL;
		is_so = value && *value;
	}
	if (in.n == 0)
		return expand_value(x, name, value, f);

	int error = take_choice(x, in, &yes, &no);

	return error ? error : expand_text(x, is_so ? yes : no, &inner);
}

/* What follows a dollar. */
static int
expand_dollar(struct expansion *x, struct span *in, const struct frame *f)
{
	struct span inner;
	struct span at = { in->p - 1, in->n + 1 };

	if (take_char(in, '$')) {
		buf_put(x->out, SPAN("$"));
		return 0;
	}
	if (in->n > 0 && (*in->p == '{' || *in->p == '(')) {
		char close = *in->p == '{' ? '}' : ')';

		if (!take_bracketed(in, *in->p, close, &inner))
			return fail(x, "the closing bracket is missing", at);
		return expand_braced(x, inner, f);
	}
	inner = take_name(in);
	if (inner.n == 0)
		return fail(x, "a name is expected (a dollar is $$)", at);
	return expand_value(x, inner, x->lookup(x->arg, inner), f);
}

static int
expand_text(struct expansion *x, struct span text, const struct frame *f)
{
	if (f->depth > EXPAND_DEPTH_MAX || ++x->steps > EXPAND_STEPS_MAX)
		return fail(x, "nested too deeply", text);
	while (text.n > 0) {
		const char *at = memchr(text.p, '$', text.n);
		size_t n = at ? (size_t)(at - text.p) : text.n;

		buf_put(x->out, (struct span){ text.p, n });
		text.p += n;
		text.n -= n;
		if (x->out->overflow)
			return why_set(x->why, EINVAL, NULL, 0,
			    "longer than %zu bytes when expanded", x->out->max);
		if (take_char(&text, '$')) {
			int error = expand_dollar(x, &text, f);

			if (error)
				return error;
		}
	}
	return 0;
}

int
expand(struct span text, struct span name, expand_lookup_fn *fn, void *arg,
    struct buf *out, struct why *why)
{
	struct expansion x = { fn, arg, out, why, 0, false };
	struct frame first = { name, NULL, 0 };

	return expand_text(&x, text, &first);
}

int
expand_strictly(struct span text, expand_lookup_fn *fn, void *arg,
    struct buf *out, struct why *why)
{
	struct expansion x = { fn, arg, out, why, 0, true };
	struct frame first = { { "", 0 }, NULL, 0 };

	return expand_text(&x, text, &first);
}

void
expand_names(struct span text, expand_lookup_fn *fn, void *arg)
{
	while (text.n > 0) {
		span_cut(&text, '$');
		if (take_char(&text, '$'))
			continue;
		if (text.n > 0 && (*text.p == '{' || *text.p == '(')) {
			text.p++;
			text.n--;
			skip_white(&text);
		}

		struct span name = take_name(&text);

		if (name.n > 0)
			fn(arg, name);
	}
}
