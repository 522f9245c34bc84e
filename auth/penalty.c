#include "auth/penalty.h"

#include <stdlib.h>

enum {
	IPV6_PREFIX = 8, /* bytes: /64 */
};

struct penalty_row {
	struct hash_link by_key;
	struct link quiet;
	unsigned failures;
	int64_t failed; /* when, for the last time */
	size_t attempts;
	size_t key_n;
	char key[ADDR_TEXT_MAX];
};

static struct span
key_of(struct hash_link *l)
{
	const struct penalty_row *r = container_of(l, struct penalty_row,
	    by_key);

	return (struct span){ r->key, r->key_n };
}

void
penalty_init(struct penalty *p, const struct penalty_limits *l, size_t max)
{
	*p = (struct penalty){ .limits = *l, .max = max };
	hash_init(&p->rows, key_of);
	list_init(&p->quiet);
}

static void
forget(struct penalty *p, struct penalty_row *r)
{
	hash_remove(&p->rows, &r->by_key);
	link_remove(&r->quiet);
	free(r);
}

static void
forget_oldest(struct penalty *p)
{
	forget(p, container_of(p->quiet.next, struct penalty_row, quiet));
}

void
penalty_fini(struct penalty *p)
{
	while (!list_empty(&p->quiet))
		forget_oldest(p);
	must(p->rows.n == 0);
	hash_fini(&p->rows);
}

void
penalty_key(struct span address, struct buf *key)
{
	struct addr a;

	if (!addr_parse(address, &a)) {
		if (address.n > key->max)
			address.n = key->max;
		buf_put(key, address);
		return;
	}
	if (a.family == AF_INET6)
		memset(a.bytes + IPV6_PREFIX, 0, sizeof(a.bytes) - IPV6_PREFIX);
	addr_put(key, &a);
}

static struct penalty_row *
find(struct penalty *p, struct span key)
{
	struct hash_link *l = hash_find(&p->rows, key);

	return l ? container_of(l, struct penalty_row, by_key) : NULL;
}

static struct penalty_row *
add(struct penalty *p, struct span key)
{
	struct penalty_row *r = zalloc(sizeof(*r));

	if (p->rows.n >= p->max && !list_empty(&p->quiet))
		forget_oldest(p);
	memcpy(r->key, key.p, key.n);
	r->key_n = key.n;
	hash_add(&p->rows, &r->by_key);
	return r;
}

struct penalty_row *
penalty_enter(struct penalty *p, struct span key, int64_t now)
{
	struct penalty_row *r;

	if (key.n > ADDR_TEXT_MAX)
		key.n = ADDR_TEXT_MAX;
	r = find(p, key);
	if (p->attempts >= p->limits.all ||
	    (r && r->attempts >= p->limits.attempts))
		return NULL;
	if (!r)
		r = add(p, key);
	if (r->failures > 0 && now - r->failed >= p->limits.forget)
		r->failures = 0;
	link_remove(&r->quiet);
	r->attempts++;
	p->attempts++;
	return r;
}

void
penalty_leave(struct penalty *p, struct penalty_row *r)
{
	must(r->attempts > 0 && p->attempts > 0);
	p->attempts--;
	if (--r->attempts > 0)
		return;
	list_append(&p->quiet, &r->quiet);
	if (r->failures == 0)
		forget(p, r);
}

int64_t
penalty_again(const struct penalty *p, const struct penalty_row *r)
{
	int64_t wait = p->limits.first;

	for (unsigned i = 1; i < r->failures && wait < p->limits.most; i++)
		wait *= 2;
	return wait < p->limits.most ? wait : p->limits.most;
}

int64_t
penalty_failed(struct penalty *p, struct penalty_row *r, int64_t now)
{
	if (r->failures < 64)
		r->failures++;
	r->failed = now;
	return penalty_again(p, r);
}
