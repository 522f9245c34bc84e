#include "service/entries.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	WAYS = 4, /* places of a name */
};

/* A name, and its line behind it. */
struct entry {
	int64_t until;
	size_t name_n, line_n;
	char bytes[];
};

static struct {
	struct entry *v[ENTRIES_MAX];
	uint64_t secret[2];
	bool has_secret;
} known;

/* Strangers choose names, but not which of them share their places. */
static struct entry **
places_of(struct span name)
{
	if (!known.has_secret) {
		must(getrandom(known.secret, sizeof(known.secret), 0) ==
		    (ssize_t)sizeof(known.secret));
		known.has_secret = true;
	}
	return &known.v[hash_of(known.secret, name) % (ENTRIES_MAX / WAYS) *
	    WAYS];
}

static bool
is_of(const struct entry *e, struct span name)
{
	return e && span_eq((struct span){ e->bytes, e->name_n }, name);
}

bool
entries_find(struct span name, int64_t now, struct span *line_r)
{
	struct entry **places = places_of(name);

	for (size_t i = 0; i < WAYS; i++) {
		const struct entry *e = places[i];

		if (!is_of(e, name) || now >= e->until)
			continue;
		*line_r = (struct span){ e->bytes + e->name_n, e->line_n };
		return true;
	}
	return false;
}

/* Its own, an empty one, or the oldest. */
static struct entry **
choose_place(struct span name)
{
	struct entry **places = places_of(name), **best = places;

	for (size_t i = 0; i < WAYS; i++)
		if (is_of(places[i], name))
			return &places[i];
	for (size_t i = 0; i < WAYS; i++)
		if (!places[i] || (*best && places[i]->until < (*best)->until))
			best = &places[i];
	return best;
}

void
entries_put(struct span name, struct span line, int64_t now)
{
	struct entry **place = choose_place(name), *e;

	if (name.n > ENTRIES_LINE_MAX || line.n > ENTRIES_LINE_MAX)
		return;
	e = zalloc(sizeof(*e) + name.n + line.n);
	e->until = now + ENTRIES_MS;
	e->name_n = name.n;
	e->line_n = line.n;
	if (name.n)
		memcpy(e->bytes, name.p, name.n);
	if (line.n)
		memcpy(e->bytes + name.n, line.p, line.n);
	free(*place);
	*place = e;
}
