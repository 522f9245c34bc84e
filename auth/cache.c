#include "auth/cache.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	TEXT_MAX = 4096, /* of all that goes into a key */
};

struct entry {
	struct hash_link by_key;
	struct link by_use;
	struct cache_key key;
	bool is_right;
	int64_t until;
};

static struct span
digest_of(struct hash_link *l)
{
	const struct entry *e = container_of(l, struct entry, by_key);

	return (struct span){ e->key.digest, CACHE_DIGEST };
}

void
cache_init(struct cache *c, size_t max)
{
	*c = (struct cache){ .max = max };
	hash_init(&c->entries, digest_of);
	list_init(&c->oldest);
	if (getrandom(c->secret, sizeof(c->secret), 0) != sizeof(c->secret))
		die("no random bytes");
}

static void
forget(struct cache *c, struct entry *e)
{
	hash_remove(&c->entries, &e->by_key);
	link_remove(&e->by_use);
	free(e);
}

void
cache_wipe(struct cache *c)
{
	while (!list_empty(&c->oldest))
		forget(c, container_of(c->oldest.next, struct entry, by_use));
}

void
cache_fini(struct cache *c)
{
	cache_wipe(c);
	hash_fini(&c->entries);
	explicit_bzero(c->secret, sizeof(c->secret));
}

/* With its length, so that parts cannot run into each other. */
static void
put_part(struct buf *b, struct span part)
{
	uint32_t n = (uint32_t)part.n;

	buf_put(b, (struct span){ (const char *)&n, sizeof(n) });
	buf_put(b, part);
}

struct cache_key
cache_key(const struct cache *c, struct span service, struct span user,
    struct span stored, struct span password)
{
	const struct span parts[] = { service, user, stored, password };
	struct cache_key k = { 0 };
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char *text = zalloc(TEXT_MAX);
	struct buf b;

	buf_init(&b, text, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		put_part(&b, parts[i]);
	must(!b.overflow);
	if (!HMAC(EVP_sha256(), c->secret, sizeof(c->secret),
		(const unsigned char *)b.p, b.n, digest, &n) ||
	    n != CACHE_DIGEST)
		die("the cache of passwords has no HMAC");
	memcpy(k.digest, digest, CACHE_DIGEST);
	explicit_bzero(text, TEXT_MAX);
	free(text);
	return k;
}

static struct entry *
find(struct cache *c, const struct cache_key *k)
{
	struct hash_link *l = hash_find(&c->entries,
	    (struct span){ k->digest, CACHE_DIGEST });

	return l ? container_of(l, struct entry, by_key) : NULL;
}

enum cache_result
cache_get(struct cache *c, const struct cache_key *k, int64_t now)
{
	struct entry *e = find(c, k);

	if (!e)
		return CACHE_NONE;
	if (e->until <= now) {
		forget(c, e);
		return CACHE_NONE;
	}
	link_remove(&e->by_use);
	list_append(&c->oldest, &e->by_use);
	return e->is_right ? CACHE_RIGHT : CACHE_WRONG;
}

void
cache_put(struct cache *c, const struct cache_key *k, bool is_right,
    int64_t until)
{
	struct entry *e = find(c, k);

	if (c->max == 0)
		return;
	if (e)
		forget(c, e);
	if (c->entries.n >= c->max)
		forget(c, container_of(c->oldest.next, struct entry, by_use));
	e = zalloc(sizeof(*e));
	*e = (struct entry){
		.key = *k,
		.is_right = is_right,
		.until = until,
	};
	hash_add(&c->entries, &e->by_key);
	list_append(&c->oldest, &e->by_use);
}
