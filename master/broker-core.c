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
broker_init(struct broker *b, uid_t own_uid, uid_t first_valid_uid)
{
	*b = (struct broker){
		.is_root = own_uid == 0,
		.own_uid = own_uid,
		.first_valid_uid = first_valid_uid,
	};
	hash_init(&b->workers, key_of);
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
	    key->slot >= BROKER_SLOTS_MAX)
		why_set(why, EINVAL, NULL, 0, "no such worker can be");
	else if (key->uid == 0 && b->is_root)
		why_set(why, EPERM, NULL, 0, "mail is not delivered as root");
	else if (key->uid < b->first_valid_uid)
		why_set(why, EPERM, NULL, 0,
		    "uid %" PRIu64 " is below first_valid_uid = %u", key->uid,
		    (unsigned)b->first_valid_uid);
	else if (key->gid == 0 && b->is_root)
		why_set(why, EPERM, NULL, 0,
		    "mail is not delivered as group root");
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
