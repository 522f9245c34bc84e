#include "store/rows.h"

_Static_assert(sizeof(struct mbox_message) == 32, "rows have no holes");
_Static_assert(CHUNK_HEAD == 16, "chunks neither");

static uint64_t
mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ (h >> 29);
}

/* Four lanes, since a multiplication takes its time. */
uint64_t
row_sum(uint64_t seed, const void *p, size_t n)
{
	const char *at = p;
	uint64_t h[4] = { seed, ~seed, seed + 1, n };
	uint64_t w[4];

	for (; n >= sizeof(w); n -= sizeof(w), at += sizeof(w)) {
		memcpy(w, at, sizeof(w));
		for (size_t i = 0; i < 4; i++)
			h[i] = mix(h[i], w[i]);
	}
	memset(w, 0, sizeof(w));
	if (n)
		memcpy(w, at, n);
	for (size_t i = 0; i < 4; i++)
		h[i] = mix(h[i], w[i]);
	return mix(mix(mix(h[0], h[1]), h[2]), h[3]);
}

static uint64_t
sum_of(struct span value, uint32_t id)
{
	return row_sum(id, value.p + sizeof(uint64_t),
	    value.n - sizeof(uint64_t));
}

uint64_t
chunk_sum(const struct chunk *c, uint32_t id)
{
	return sum_of((struct span){ (const char *)c, chunk_size(c) }, id);
}

bool
chunk_look(struct span value, uint32_t id, uint32_t number, struct span *rows_r,
    uint64_t *sum_r)
{
	struct chunk head;
	const char *rows = value.p + CHUNK_HEAD;
	uint32_t last = 0;

	if (value.n < CHUNK_HEAD)
		return false;
	memcpy(&head, value.p, CHUNK_HEAD);
	if (head.number != number || head.n == 0 || head.n > CHUNK_ROWS ||
	    value.n != chunk_size(&head) || head.sum != sum_of(value, id))
		return false;
	for (uint32_t i = 0; i < head.n; i++) {
		uint32_t uid;

		memcpy(&uid, rows + i * sizeof(struct mbox_message),
		    sizeof(uid));
		if (uid <= last || chunk_of(uid) != number)
			return false;
		last = uid;
	}
	*rows_r = (struct span){ rows, value.n - CHUNK_HEAD };
	*sum_r = head.sum;
	return true;
}

bool
chunk_read(struct span value, uint32_t id, uint32_t number, struct chunk *c_r)
{
	struct span rows;
	uint64_t sum;

	if (!chunk_look(value, id, number, &rows, &sum))
		return false;
	memcpy(c_r, value.p, value.n);
	return true;
}

/* Where the row of this UID is, or would be. */
static uint32_t
place_of(const struct chunk *c, uint32_t uid)
{
	uint32_t at = c->n;

	while (at > 0 && c->rows[at - 1].uid >= uid)
		at--;
	return at;
}

struct mbox_message *
chunk_find(struct chunk *c, uint32_t uid)
{
	uint32_t at = place_of(c, uid);

	return at < c->n && c->rows[at].uid == uid ? &c->rows[at] : NULL;
}

void
chunk_put(struct chunk *c, const struct mbox_message *row)
{
	uint32_t at = place_of(c, row->uid);

	must(chunk_of(row->uid) == c->number);
	if (at == c->n || c->rows[at].uid != row->uid) {
		must(c->n < CHUNK_ROWS);
		memmove(&c->rows[at + 1], &c->rows[at],
		    (c->n - at) * sizeof(*row));
		c->n++;
	}
	c->rows[at] = *row;
}

void
chunk_remove(struct chunk *c, uint32_t uid)
{
	struct mbox_message *r = chunk_find(c, uid);

	if (!r)
		return;
	c->n--;
	memmove(r, r + 1, (size_t)(&c->rows[c->n] - r) * sizeof(*r));
}
