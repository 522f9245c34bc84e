/*
 * authd.h - what the files of authd share; private to auth.
 *
 * A request is a task: it looks the user up, asks
 * the cache, waits for its turn to hash, and for its penalty. Meanwhile the
 * connection, which a whole daemon shares, goes on with others.
 */
#ifndef AUTH_AUTHD_H
#define AUTH_AUTHD_H

#include "auth/cache.h"
#include "auth/fair.h"
#include "auth/grant.h"
#include "auth/penalty.h"
#include "auth/places.h"
#include "auth/users.h"
#include "net/channel.h"
#include "sasl/mech.h"
#include "service/msg.h"

enum {
	AUTHD_PACKET_MAX = 8192,
	AUTHD_SERVICE_MAX = 32,
};

struct authd_settings {
	const char *user_maps;
	int64_t address_limit;
	int64_t cache_negative_ttl;
	int64_t cache_size;
	int64_t cache_ttl;
	int64_t failure_delay;
	int64_t failure_delay_max;
	int64_t failure_forget;
	int64_t login_limit;
	int64_t table_connections;
	int64_t table_retry;
};

/* All there is; one of the process. */
struct authd {
	struct authd_settings settings;
	struct users *users;
	struct cache cache;
	struct fair fair;
	struct penalty penalty;

	/* What is hashed for users that do not exist: the last real one's. */
	size_t dummy_n;
	char dummy[SCHEME_STORED_MAX];
};
extern struct authd authd;

/* Makes what is in it, once settings and users are there. `places` to hash. */
void authd_init(size_t places);

/* Puts other settings and tables in place, from now on. Takes them over. */
void authd_change(const struct authd_settings *s, struct users *u,
    struct places *p);

/* A client of ours: a daemon. It lives until its last request has ended. */
struct peer {
	struct channel *channel; /* NULL: it is gone */
	struct hash exchanges; /* by id: those that wait for a response */
	size_t holders;
	pid_t pid; /* of the daemon */
};

/* An exchange, and then a login that is under way. */
struct login {
	struct hash_link by_id;
	struct peer *peer;
	uint32_t id;
	struct mech mech;
	size_t service_n;
	size_t key_n;
	char service[AUTHD_SERVICE_MAX];
	char key[ADDR_TEXT_MAX]; /* of the client: penalty_key() */
};

struct login *login_new(struct peer *p, uint32_t id);

/* Wipes. NULL is fine. Returns NULL. */
struct login *login_free(struct login *l);

/* A task: decides, answers, and frees `arg`, a login. */
void login_serve(void *arg);

/* The same for a question about ->mech.user, without a password. */
void login_find_user(void *arg);

/* The same for the mailbox of an address, which the broker is told of. */
void login_find_inbox(void *arg);

/* Answers with a reason; what cannot be sent is nobody's loss. */
void answer_text(struct peer *p, uint32_t id, enum msg_type type,
    const char *text, struct span user);

/* Speaks with the daemon on `fd`, and closes it. May sleep. */
void peer_serve(int fd);

#endif
