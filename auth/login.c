#include "auth/authd.h"

#include "base/log.h"
#include "sasl/scheme.h"
#include "sasl/user.h"

#include <stdlib.h>

enum {
	VALUE_LIMIT = 1 << 16, /* bytes of what a table has of a user */
	TURN_MS = 60 * 1000, /* that a login waits for its turn to hash */
};

struct authd authd;

static const char failed[] = "authentication failure";
static const char unavailable[] = "temporary failure of the user table";
static const char no_session[] = "no session can be had now";

static struct penalty_limits
limits_of(const struct authd_settings *s)
{
	return (struct penalty_limits){
		.first = s->failure_delay,
		.most = s->failure_delay_max,
		.forget = s->failure_forget,
		.attempts = (size_t)s->address_limit,
		.all = (size_t)s->login_limit,
	};
}

void
authd_init(size_t places)
{
	const struct authd_settings *s = &authd.settings;
	struct penalty_limits limits = limits_of(s);
	/* Of nothing: SHA512-CRYPT, as postuser makes by default. */
	static const char nobody[] =
	    "{SHA512-CRYPT}$6$nobodyatall$"
	    "A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A.A."
	    "A.A.A.A.A.A.A.A.A.A.A.";

	memcpy(authd.dummy, nobody, sizeof(nobody) - 1);
	authd.dummy_n = sizeof(nobody) - 1;
	cache_init(&authd.cache, (size_t)s->cache_size);
	fair_init(&authd.fair, places);
	penalty_init(&authd.penalty, &limits, 1 << 16);
}

void
authd_change(const struct authd_settings *s, struct users *u, struct places *p)
{
	authd.settings = *s;
	authd.penalty.limits = limits_of(s);
	users_drop(authd.users);
	authd.users = u;
	cache_wipe(&authd.cache);
	authd.cache.max = (size_t)s->cache_size;
	places_use(p);
}

struct login *
login_new(struct peer *p, uint32_t id)
{
	struct login *l = zalloc(sizeof(*l));

	l->peer = p;
	l->id = id;
	p->holders++;
	return l;
}

struct login *
login_free(struct login *l)
{
	if (!l)
		return NULL;
	if (--l->peer->holders == 0) {
		hash_fini(&l->peer->exchanges);
		free(l->peer);
	}
	explicit_bzero(l, sizeof(*l));
	free(l);
	return NULL;
}

/* What an offloaded look at the tables has found. */
struct look {
	struct users *users;
	struct users *anew; /* NULL: they are as they were, or cannot be had */
	struct why why;
	bool failed;
};

/* Offloaded. */
static void
look(void *arg)
{
	struct look *k = arg;

	if (!users_changed(k->users))
		return;
	k->anew = users_reopen(k->users, &k->why);
	k->failed = !k->anew;
}

/*
 * The tables as they are now, held for the caller. What was put in place last
 * counts at once: who was removed cannot log in.
 */
static struct users *
fresh_users(void)
{
	struct look k = { .users = users_hold(authd.users) };

	task_offload(TASK_DISK, look, &k);
	if (k.failed)
		log_error("%s; the old tables are used", k.why.text);
	if (k.anew && k.users == authd.users) {
		users_drop(authd.users);
		authd.users = k.anew;
		cache_wipe(&authd.cache);
	} else {
		users_drop(k.anew);
	}
	users_drop(k.users);
	return users_hold(authd.users);
}

/* What the tables have of a user. */
struct found {
	struct arena *arena;
	struct user user;
	bool exists; /* and its value is understood */
	bool broken; /* there is a value, and it is not */
};

/* False: it could not be found out. */
static bool
find(struct span name, struct found *f)
{
	struct users *u = fresh_users();
	const char *table = "";
	struct span value;
	struct why why;
	enum dict_result r = users_find(u, name, f->arena, &value, &table,
	    &why);

	if (r == DICT_FOUND) {
		f->exists = user_parse(value, &f->user, &why);
		f->broken = !f->exists;
		if (f->broken)
			log_warning("%s: user %.*s: %s; nobody logs in with it",
			    table, (int)name.n, name.p, why.text);
	} else if (r == DICT_TEMPFAIL) {
		log_warning("%s: %s", table, why.text);
	}
	users_drop(u);
	return r != DICT_TEMPFAIL;
}

/* For offload. */
struct job {
	struct span stored;
	struct span password;
	enum scheme_result result;
	struct why why;
};

static void
hash(void *arg)
{
	struct job *j = arg;

	j->result = scheme_matches(j->stored, j->password, &j->why);
}

/* Hashes when it is this client's turn. */
static enum scheme_result
verify(const struct login *l, struct span stored)
{
	struct job j = {
		.stored = stored,
		.password = { l->mech.password, l->mech.password_n },
	};
	struct span key = { l->key, l->key_n };
	struct fair_lane *lane;

	if (fair_take(&authd.fair, key, task_after(TURN_MS), &lane) !=
	    TASK_READY)
		return SCHEME_TEMPFAIL;
	task_offload(TASK_CPU, hash, &j);
	fair_give(&authd.fair, lane);
	if (j.result == SCHEME_UNUSABLE)
		log_warning("user %.*s: %s", (int)l->mech.user_n, l->mech.user,
		    j.why.text);
	return j.result;
}

/* What is hashed: of who does not exist, something that costs the same. */
static struct span
take_stored(const struct found *f, char copy[SCHEME_STORED_MAX])
{
	if (f->exists) {
		memcpy(authd.dummy, f->user.hash.p, f->user.hash.n);
		authd.dummy_n = f->user.hash.n;
		return f->user.hash;
	}
	memcpy(copy, authd.dummy, authd.dummy_n);
	return (struct span){ copy, authd.dummy_n };
}

enum decision {
	DECIDED_YES,
	DECIDED_NO,
	DECIDED_NO_AGAIN, /* the same wrong password as before */
	DECIDED_UNKNOWN,
};

static enum decision
remember(const struct cache_key *k, bool is_right)
{
	int64_t ttl = is_right ? authd.settings.cache_ttl
			       : authd.settings.cache_negative_ttl;

	if (ttl > 0)
		cache_put(&authd.cache, k, is_right, task_after(ttl));
	return is_right ? DECIDED_YES : DECIDED_NO;
}

static enum decision
decide(const struct login *l, const struct found *f)
{
	struct span service = { l->service, l->service_n };
	struct span name = { l->mech.user, l->mech.user_n };
	struct span password = { l->mech.password, l->mech.password_n };
	char copy[SCHEME_STORED_MAX];
	struct span stored = take_stored(f, copy);
	struct cache_key k = cache_key(&authd.cache, service, name, stored,
	    password);

	switch (cache_get(&authd.cache, &k, task_now())) {
	case CACHE_RIGHT:
		if (f->exists)
			return DECIDED_YES;
		break;
	case CACHE_WRONG:
		return DECIDED_NO_AGAIN;
	case CACHE_NONE:
		break;
	}
	switch (verify(l, stored)) {
	case SCHEME_MATCHES:
		return f->exists ? remember(&k, true) : DECIDED_NO;
	case SCHEME_DIFFERS:
		return remember(&k, false);
	case SCHEME_UNUSABLE:
		return DECIDED_NO;
	case SCHEME_TEMPFAIL:
		break;
	}
	return DECIDED_UNKNOWN;
}

void
answer_text(struct peer *p, uint32_t id, enum msg_type type, const char *text,
    struct span user)
{
	char packet[1024];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, type, id);
	msg_put_str(&b, MSG_FIELD_TEXT, span_str(text));
	msg_put_opt(&b, MSG_FIELD_USER, user);
	must(msg_end(&b, 0));
	if (p->channel && !channel_send(p->channel, buf_span(&b), NULL, 0))
		log_debug("an answer is not taken");
}

static void
answer_absent(struct peer *p, uint32_t id)
{
	char packet[64];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_ABSENT, id);
	must(msg_end(&b, 0));
	if (p->channel)
		(void)!channel_send(p->channel, buf_span(&b), NULL, 0);
}

static void
send_ok(struct peer *p, uint32_t id, struct span user, struct span fields,
    struct span token)
{
	char *packet = zalloc(AUTHD_PACKET_MAX);
	struct buf b;

	buf_init(&b, packet, AUTHD_PACKET_MAX);
	msg_begin(&b, MSG_OK, id);
	msg_put_str(&b, MSG_FIELD_USER, user);
	msg_put_opt(&b, MSG_FIELD_FIELDS, fields);
	msg_put_opt(&b, MSG_FIELD_TOKEN, token);
	if (!msg_end(&b, 0))
		answer_text(p, id, MSG_TEMPFAIL, unavailable, user);
	else if (p->channel)
		(void)!channel_send(p->channel, buf_span(&b), NULL, 0);
	explicit_bzero(packet, AUTHD_PACKET_MAX);
	free(packet);
}

/* Only these have a mailbox to go to. */
static bool
has_session(struct span service)
{
	return span_eq(service, SPAN("imap")) || span_eq(service, SPAN("pop3"));
}

static void
refuse(const struct login *l, const struct why *why)
{
	struct span user = { l->mech.user, l->mech.user_n };

	log_error("no session for user %.*s: %s", (int)user.n, user.p,
	    why->text);
	answer_text(l->peer, l->id, MSG_TEMPFAIL, no_session, user);
}

/* The broker knows of it before the front does. */
static void
grant_place(const struct login *l, const struct found *f,
    const struct mailbox_place *place)
{
	struct span user = { l->mech.user, l->mech.user_n };
	struct grant_facts facts = {
		.service = { l->service, l->service_n },
		.user = user,
		.fields = f->user.fields,
		.place = place,
		.front = l->peer->pid,
	};
	char token[GRANT_TOKEN];
	struct why why;

	if (!grant_token(&facts, token, &why)) {
		refuse(l, &why);
		return;
	}
	send_ok(l->peer, l->id, user, f->user.fields,
	    (struct span){ token, sizeof(token) });
	explicit_bzero(token, sizeof(token));
}

static void
grant(const struct login *l, const struct found *f)
{
	struct span user = { l->mech.user, l->mech.user_n };
	struct mailbox_place place;
	struct why why;

	if (places_find(user, f->user.fields, f->arena, &place, &why) ==
	    DICT_FOUND)
		grant_place(l, f, &place);
	else
		refuse(l, &why);
}

static void
deny(struct login *l, struct penalty_row *row, bool again)
{
	struct span user = { l->mech.user, l->mech.user_n };
	int64_t wait = again ? penalty_again(&authd.penalty, row)
			     : penalty_failed(&authd.penalty, row, task_now());

	if (wait > 0)
		task_sleep(task_after(wait));
	answer_text(l->peer, l->id, MSG_FAIL, failed, user);
}

static void
decide_and_answer(struct login *l, struct penalty_row *row)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(VALUE_LIMIT);
	struct span user = { l->mech.user, l->mech.user_n };
	struct span service = { l->service, l->service_n };
	struct found f = { .arena = arena };
	enum decision d = DECIDED_UNKNOWN;

	if (find(user, &f))
		d = decide(l, &f);
	if (d == DECIDED_YES && !user_may(&f.user, service)) {
		log_info("user %.*s may not use %.*s", (int)user.n, user.p,
		    (int)service.n, service.p);
		d = DECIDED_NO;
	}
	switch (d) {
	case DECIDED_YES:
		if (has_session(service))
			grant(l, &f);
		else
			send_ok(l->peer, l->id, user, f.user.fields, SPAN(""));
		break;
	case DECIDED_NO:
	case DECIDED_NO_AGAIN:
		deny(l, row, d == DECIDED_NO_AGAIN);
		break;
	case DECIDED_UNKNOWN:
		answer_text(l->peer, l->id, MSG_TEMPFAIL, unavailable, user);
		break;
	}
}

void
login_serve(void *arg)
{
	struct login *l = arg;
	struct span key = { l->key, l->key_n };
	struct span user = { l->mech.user, l->mech.user_n };
	struct penalty_row *row = penalty_enter(&authd.penalty, key,
	    task_now());

	if (row) {
		decide_and_answer(l, row);
		penalty_leave(&authd.penalty, row);
	} else {
		answer_text(l->peer, l->id, MSG_TEMPFAIL,
		    "too many logins under way", user);
	}
	login_free(l);
}

void
login_find_user(void *arg)
{
	struct login *l = arg;
	struct arena *arena CLEANUP(arena_freep) = arena_new(VALUE_LIMIT);
	struct span user = { l->mech.user, l->mech.user_n };
	struct found f = { .arena = arena };

	if (!find(user, &f) || f.broken)
		answer_text(l->peer, l->id, MSG_TEMPFAIL, unavailable, user);
	else if (f.exists)
		send_ok(l->peer, l->id, user, f.user.fields, SPAN(""));
	else
		answer_absent(l->peer, l->id);
	login_free(l);
}

/* Without the extension of the address, if he is known by that alone. */
static bool
find_recipient(struct login *l, struct found *f)
{
	struct span user = { l->mech.user, l->mech.user_n };

	if (!find(user, f))
		return false;
	if (f->exists || f->broken ||
	    !places_drop_extension(user, f->arena, &user))
		return true;
	memcpy(l->mech.user, user.p, user.n);
	l->mech.user_n = user.n;
	return find(user, f);
}

static void
grant_user(struct login *l, struct found *f)
{
	if (!find_recipient(l, f) || f->broken)
		answer_text(l->peer, l->id, MSG_TEMPFAIL, unavailable,
		    SPAN(""));
	else if (f->exists)
		grant(l, f);
	else
		answer_absent(l->peer, l->id);
}

void
login_find_inbox(void *arg)
{
	struct login *l = arg;
	struct arena *arena CLEANUP(arena_freep) = arena_new(VALUE_LIMIT);
	struct span addr = { l->mech.user, l->mech.user_n };
	struct found f = { .arena = arena };
	struct mailbox_place place;
	struct why why;

	switch (places_find_virtual(addr, *authd.settings.user_maps, arena,
	    &place, &why)) {
	case DICT_FOUND:
		grant_place(l, &f, &place);
		break;
	case DICT_ABSENT:
		grant_user(l, &f);
		break;
	case DICT_TEMPFAIL:
		refuse(l, &why);
		break;
	}
	login_free(l);
}
