/*
 * cache.h - passwords that were verified a while ago, without the passwords.
 *
 * What is kept is a keyed hash (HMAC-SHA-256, with a secret that this process
 * made and no other has) over service, user, what the table has of the user, and
 * the password; and whether it was right. So nothing can be read out of the
 * memory of authd, an entry is good for nobody else, and what is changed in the
 * table finds no entry.
 */
#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/list.h"

enum {
	CACHE_DIGEST = 32,
};

struct cache {
	struct hash entries;
	struct link oldest; /* the one used longest ago first */
	size_t max;
	unsigned char secret[32];
};

struct cache_key {
	char digest[CACHE_DIGEST];
};

enum cache_result {
	CACHE_NONE,
	CACHE_RIGHT,
	CACHE_WRONG,
};

/* Keeps at most `max` entries; 0: none. */
void cache_init(struct cache *c, size_t max);
void cache_fini(struct cache *c);

/* Forgets all. */
void cache_wipe(struct cache *c);

struct cache_key cache_key(const struct cache *c, struct span service,
    struct span user, struct span stored, struct span password);

enum cache_result cache_get(struct cache *c, const struct cache_key *k,
    int64_t now);

/* Keeps it until `until`, in place of what was used longest ago. */
void cache_put(struct cache *c, const struct cache_key *k, bool is_right,
    int64_t until);

#endif
