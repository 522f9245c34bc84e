/*
 * broker-core.h - who may become whom, and which workers there are: the part of
 * the broker that only thinks.
 */
#ifndef MASTER_BROKER_CORE_H
#define MASTER_BROKER_CORE_H

#include "base/hash.h"
#include "base/why.h"

#include <sys/types.h>

enum {
	BROKER_SLOTS_MAX = 64, /* workers of a uid */
	BROKER_WORKERS_MAX = 4096,
};

/* What a worker runs. */
enum broker_program {
	BROKER_DELIVER,
	BROKER_IMAP,
	BROKER_POP3,
	BROKER_PROGRAMS,
};

/* Packed: its bytes are the key. */
struct broker_key {
	uint64_t uid;
	uint64_t gid;
	uint64_t slot;
	uint64_t program; /* enum broker_program */
	uint64_t root; /* of a mailbox process: broker_root() */
};

/* Embedded in what the broker knows of a process. */
struct broker_worker {
	struct broker_key key;
	struct hash_link link;
};

struct broker {
	bool is_root;
	uid_t own_uid;
	uid_t first_valid_uid;
	uint64_t secret[2];
	struct hash workers;
};

/* The secret keeps users from choosing who shares a process with them. */
void broker_init(struct broker *b, uid_t own_uid, uid_t first_valid_uid,
    const uint64_t secret[2]);

/* The program behind the name of a service, "imap". False: there is none. */
MUST_USE bool broker_program(struct span service, enum broker_program *p_r);

/* "imap". */
const char *broker_program_name(enum broker_program p);

/*
 * The slot of a user, always the same: one of `workers`, or with 0 one that no
 * other user has.
 */
uint64_t broker_slot(const struct broker *b, struct span user, size_t workers);

/* What stands for the folder below which a worker may work. */
uint64_t broker_root(const struct broker *b, struct span root);

/* Whether there may be a worker of this key. False: `why` says why not. */
MUST_USE bool broker_may(const struct broker *b, const struct broker_key *key,
    struct why *why);

/* The living worker of this key, or NULL. */
struct broker_worker *broker_pick(const struct broker *b,
    const struct broker_key *key);

/* Now it lives, and there is no other of its key; now it does not. */
void broker_add(struct broker *b, struct broker_worker *w);
void broker_remove(struct broker *b, struct broker_worker *w);

/* The next one, the first after NULL, NULL after the last; in no order. */
struct broker_worker *broker_next(const struct broker *b,
    const struct broker_worker *w);

#endif
