#include "master/broker-core.h"

#include <errno.h>
#include <inttypes.h>

static struct span
key_of(struct hash_link *l)
{
	const struct broker_worker *w = container_of(l, struct broker_worker,
	    link);

	return (struct span){ (const char *)&w->key, sizeof(w->key) };
}

void
broker_init(struct broker *b, uid_t own_uid, uid_t first_valid_uid,
    const uint64_t secret[2])
{
	*b = (struct broker){
		.is_root = own_uid == 0,
		.own_uid = own_uid,
		.first_valid_uid = first_valid_uid,
		.secret = { secret[0], secret[1] },
	};
	hash_init(&b->workers, key_of);
}

static const char *const programs[BROKER_PROGRAMS] = {
	[BROKER_DELIVER] = "deliver",
	[BROKER_IMAP] = "imap",
	[BROKER_POP3] = "pop3",
};

const char *
broker_program_name(enum broker_program p)
{
	return programs[p];
}

/* Nobody logs in to get a deliver. */
bool
broker_program(struct span service, enum broker_program *p_r)
{
	for (unsigned i = BROKER_IMAP; i < BROKER_PROGRAMS; i++)
		if (span_eq(service, span_str(programs[i]))) {
			*p_r = (enum broker_program)i;
			return true;
		}
	return false;
}

uint64_t
broker_slot(const struct broker *b, struct span user, size_t workers)
{
	uint64_t h = hash_of(b->secret, user);

	return workers ? h % workers : h;
}

uint64_t
broker_root(const struct broker *b, struct span root)
{
	return hash_of(b->secret, root);
}

/* (uid_t)-1 means "leave as it is" to the system. */
static bool
is_id(uint64_t id)
{
	return id < UINT32_MAX;
}

bool
broker_may(const struct broker *b, const struct broker_key *key,
    struct why *why)
{
	if (!is_id(key->uid) || !is_id(key->gid) ||
	    key->program >= BROKER_PROGRAMS ||
	    (key->program == BROKER_DELIVER && key->slot >= BROKER_SLOTS_MAX))
		why_set(why, EINVAL, NULL, 0, "no such worker can be");
	else if (key->uid == 0 && b->is_root)
		why_set(why, EPERM, NULL, 0, "nobody's mail is root's");
	else if (key->uid < b->first_valid_uid)
		why_set(why, EPERM, NULL, 0,
		    "uid %" PRIu64 " is below first_valid_uid = %u", key->uid,
		    (unsigned)b->first_valid_uid);
	else if (key->gid == 0 && b->is_root)
		why_set(why, EPERM, NULL, 0, "nobody's mail is group root's");
	else if (!b->is_root && key->uid != b->own_uid)
		why_set(why, EPERM, NULL, 0,
		    "cannot become uid %" PRIu64
		    ": the suite was started by uid %u, not by root",
		    key->uid, (unsigned)b->own_uid);
	else if (b->workers.n >= BROKER_WORKERS_MAX && !broker_pick(b, key))
		why_set(why, EAGAIN, NULL, 0, "too many workers");
	else
		return true;
	return false;
}

struct broker_worker *
broker_pick(const struct broker *b, const struct broker_key *key)
{
	struct span bytes = { (const char *)key, sizeof(*key) };
	struct hash_link *l = hash_find(&b->workers, bytes);

	return l ? container_of(l, struct broker_worker, link) : NULL;
}

void
broker_add(struct broker *b, struct broker_worker *w)
{
	hash_add(&b->workers, &w->link);
}

void
broker_remove(struct broker *b, struct broker_worker *w)
{
	hash_remove(&b->workers, &w->link);
}

struct broker_worker *
broker_next(const struct broker *b, const struct broker_worker *w)
{
	struct hash_link *l = hash_next(&b->workers, w ? &w->link : NULL);

	return l ? container_of(l, struct broker_worker, link) : NULL;
}
