#include "qmgr/deferred.h"

#include <stdlib.h>

static void
put(struct deferred *d, size_t i, struct message *m)
{
	d->heap[i] = m;
	m->heap_index = i;
}

/* Moves `m` from the hole at `i` towards the front as far as it belongs. */
static void
rise(struct deferred *d, size_t i, struct message *m)
{
	while (i > 0 && d->heap[(i - 1) / 2]->due > m->due) {
		put(d, i, d->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(d, i, m);
}

static void
sink(struct deferred *d, size_t i, struct message *m)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < d->n &&
		    d->heap[child + 1]->due < d->heap[child]->due)
			child++;
		if (child >= d->n || d->heap[child]->due >= m->due)
			break;
		put(d, i, d->heap[child]);
		i = child;
	}
	put(d, i, m);
}

void
deferred_add(struct deferred *d, struct message *m)
{
	if (d->n == d->max) {
		d->max = d->max ? 2 * d->max : 64;
		d->heap = reallocarray(d->heap, d->max, sizeof(*d->heap));
		if (!d->heap)
			die("out of memory: %zu deferred messages", d->max);
	}
	rise(d, d->n++, m);
}

void
deferred_remove(struct deferred *d, struct message *m)
{
	size_t i = m->heap_index;

	must(i < d->n && d->heap[i] == m);

	struct message *last = d->heap[--d->n];

	if (last == m)
		return;
	if (i > 0 && d->heap[(i - 1) / 2]->due > last->due)
		rise(d, i, last);
	else
		sink(d, i, last);
}

struct message *
deferred_first(const struct deferred *d)
{
	return d->n > 0 ? d->heap[0] : NULL;
}
