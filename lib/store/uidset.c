#include "store/uidset.h"

#include "base/scan.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	FIRST_ROOM = 8,
};

void
uidset_fini(struct uidset *s)
{
	free(s->ranges);
	*s = (struct uidset){ 0 };
}

void
uidset_reset(struct uidset *s)
{
	s->n = 0;
}

/* The first range that ends at `n` or behind it; ->n if there is none. */
static size_t
find(const struct uidset *s, uint32_t n)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->ranges[mid].last < n)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void
insert(struct uidset *s, size_t at, struct uid_range r)
{
	if (s->n == s->max) {
		size_t max = s->max ? 2 * s->max : FIRST_ROOM;
		struct uid_range *more = zalloc(max * sizeof(*more));

		if (s->n)
			memcpy(more, s->ranges, s->n * sizeof(*more));
		free(s->ranges);
		s->ranges = more;
		s->max = max;
	}
	memmove(s->ranges + at + 1, s->ranges + at,
	    (s->n - at) * sizeof(*s->ranges));
	s->ranges[at] = r;
	s->n++;
}

void
uidset_add(struct uidset *s, uint32_t first, uint32_t last)
{
	struct uid_range r = { first < last ? first : last,
		first < last ? last : first };

	if (r.first == 0)
		r.first = 1;
	if (r.last == 0)
		return;
	/* Those that overlap or touch it become one with it. */
	size_t at = find(s, r.first > 1 ? r.first - 1 : 1);
	size_t end = at;
	while (end < s->n && s->ranges[end].first - 1 <= r.last) {
		if (s->ranges[end].first < r.first)
			r.first = s->ranges[end].first;
		if (s->ranges[end].last > r.last)
			r.last = s->ranges[end].last;
		end++;
	}
	if (end == at) {
		insert(s, at, r);
		return;
	}
	s->ranges[at] = r;
	memmove(s->ranges + at + 1, s->ranges + end,
	    (s->n - end) * sizeof(*s->ranges));
	s->n -= end - at - 1;
}

void
uidset_remove(struct uidset *s, uint32_t n)
{
	size_t at = find(s, n);

	if (n == 0 || at == s->n || s->ranges[at].first > n)
		return;
	struct uid_range *r = &s->ranges[at];
	struct uid_range behind = { n + 1, r->last };
	if (r->first == n && r->last == n) {
		memmove(r, r + 1, (s->n - at - 1) * sizeof(*r));
		s->n--;
	} else if (r->first == n) {
		r->first++;
	} else if (r->last == n) {
		r->last--;
	} else {
		r->last = n - 1;
		insert(s, at + 1, behind);
	}
}

bool
uidset_has(const struct uidset *s, uint32_t n)
{
	size_t at = find(s, n);

	return n && at < s->n && s->ranges[at].first <= n;
}

uint64_t
uidset_count(const struct uidset *s)
{
	uint64_t count = 0;

	for (size_t i = 0; i < s->n; i++)
		count += (uint64_t)s->ranges[i].last - s->ranges[i].first + 1;
	return count;
}

uint32_t
uidset_next(const struct uidset *s, uint32_t n)
{
	if (n == 0)
		return 0;
	size_t at = find(s, n);
	if (at == s->n)
		return 0;
	return s->ranges[at].first > n ? s->ranges[at].first : n;
}

/* seq-number = nz-number / "*" */
static bool
take_seq(struct span *in, uint32_t star, uint32_t *n_r)
{
	struct span s = *in;
	uint64_t n;

	if (take_char(in, '*')) {
		*n_r = star;
		return true;
	}
	if (!take_number(&s, UINT32_MAX, &n) || n == 0)
		return false;
	*n_r = (uint32_t)n;
	*in = s;
	return true;
}

bool
uidset_take(struct span *in, uint32_t star, struct uidset *set_r)
{
	struct span s = *in;

	*set_r = (struct uidset){ 0 };
	do {
		uint32_t first, last;

		if (set_r->n >= UIDSET_RANGES_MAX ||
		    !take_seq(&s, star, &first))
			goto bad;
		last = first;
		if (take_char(&s, ':') && !take_seq(&s, star, &last))
			goto bad;
		if (first && last)
			uidset_add(set_r, first, last);
	} while (take_char(&s, ','));
	*in = s;
	return true;
bad:
	uidset_fini(set_r);
	return false;
}

void
uidset_put(struct buf *b, const struct uidset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct uid_range *r = &s->ranges[i];

		buf_putf(b, "%s%" PRIu32, i ? "," : "", r->first);
		if (r->last != r->first)
			buf_putf(b, ":%" PRIu32, r->last);
	}
}
