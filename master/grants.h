/*
 * grants.h - who may have a session: what authd has told the broker, until a
 * front comes for it. It only thinks.
 *
 * A token is 128 random bits, and good for one try, for GRANTS_MS, in the hands
 * of the one process that asked authd and for the service it asked for. Whoever
 * comes with it and is not that process has spent it, too. Tokens are compared
 * in a time that tells nothing of them.
 */
#ifndef MASTER_GRANTS_H
#define MASTER_GRANTS_H

#include "base/hash.h"
#include "base/list.h"
#include "base/why.h"
#include "master/broker-core.h"

enum {
	GRANTS_TOKEN = 16, /* bytes */
	GRANTS_MS = 10 * 1000,
	GRANTS_MAX = 16384,
	GRANTS_BYTES = 8192, /* of a user's texts */
};

/* What was granted; spans point into it. */
struct grant {
	struct broker_key key;
	pid_t front;
	struct span user;
	struct span root;
	struct span mailbox;
	struct span fields;

	/* Private. */
	struct hash_link by_digest;
	struct link by_age;
	uint64_t digest;
	int64_t until;
	size_t size;
	char token[GRANTS_TOKEN];
	char bytes[];
};

struct grants {
	uint64_t secret[2];
	struct hash by_digest;
	struct link by_age; /* the oldest first */
};

void grants_init(struct grants *g, const uint64_t secret[2]);
void grants_fini(struct grants *g);

/*
 * Keeps a copy of `what` for who brings `token`; `now` is in milliseconds. False
 * with `why`: it cannot be.
 */
MUST_USE bool grants_add(struct grants *g, struct span token,
    const struct grant *what, int64_t now, struct why *why);

/*
 * Spends a token. Returns what it is good for, to be given to grant_free(), or
 * NULL with `why`.
 */
struct grant *grants_take(struct grants *g, struct span token,
    enum broker_program program, pid_t front, int64_t now, struct why *why);

/* Wipes. NULL is fine. Returns NULL. */
struct grant *grant_free(struct grant *g);

/* For CLEANUP. */
static inline void
grant_freep(struct grant **g)
{
	grant_free(*g);
}

#endif
