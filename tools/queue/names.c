#include "tools/queue/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_ROOM = 1024,
};

void
names_add(struct names *l, const struct named *row)
{
	if (l->n == l->max) {
		l->max = l->max ? 2 * l->max : FIRST_ROOM;
		l->rows = reallocarray(l->rows, l->max, sizeof(*l->rows));
		if (!l->rows)
			die("out of memory: %zu messages", l->max);
	}
	l->rows[l->n++] = *row;
}

struct reading {
	struct names *names;
	enum queue_place place;
};

static bool
add_file(const char *name, int64_t due, void *arg)
{
	const struct reading *r = arg;
	struct named row = { .place = r->place };

	(void)due;
	if (queue_name_id(name, &row.id)) {
		snprintf(row.name.text, sizeof(row.name.text), "%s", name);
		names_add(r->names, &row);
	}
	return true;
}

int
names_read(struct names *l, struct queue *q, enum queue_place place)
{
	struct reading r = { l, place };

	return queue_scan(q, place, add_file, &r);
}

void
names_free(struct names *l)
{
	free(l->rows);
	*l = (struct names){ 0 };
}

static int
compare(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return strcmp(x->id.text, y->id.text);
}

void
names_sort(struct names *l)
{
	if (l->n > 0)
		qsort(l->rows, l->n, sizeof(*l->rows), compare);
}

struct named *
names_find(const struct names *l, const char *id)
{
	struct named key;

	if (strlen(id) >= sizeof(key.id.text) || l->n == 0)
		return NULL;
	snprintf(key.id.text, sizeof(key.id.text), "%s", id);
	return bsearch(&key, l->rows, l->n, sizeof(*l->rows), compare);
}
