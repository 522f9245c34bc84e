/*
 * settings.h - what main.cf says to the queue manager, and the routing it uses.
 *
 * A struct settings never changes. Reload, or a table that was replaced, makes a
 * new one beside it, and the queue manager swaps: tasks read the current one
 * between two waits only, or hold it.
 */
#ifndef QMGR_SETTINGS_H
#define QMGR_SETTINGS_H

#include "conf/conf.h"
#include "conf/master_cf.h"
#include "mail/routing.h"
#include "qmgr/scheduler.h"

struct settings {
	const struct conf *conf; /* borrowed */
	const char *queue_directory;
	int64_t minimal_backoff; /* times are milliseconds */
	int64_t maximal_backoff;
	int64_t lifetime;
	int64_t bounce_lifetime;
	int64_t delay_warning; /* 0: none */
	int64_t run_delay;
	int64_t sync_interval;
	int64_t transport_retry;
	int64_t active_limit;
	int64_t rcpt_limit;
	int64_t virtual_limit; /* bytes a message; 0: none */
	int64_t workers; /* of a uid; 0: a processor each */
	int64_t process_limit; /* deliveries of a transport at a time */
	const char *defer_transports;
	const char *mail_owner;
	const char *user_maps; /* auth_user_maps: whether there are any */
	bool has_authd; /* to ask for users in them */
	bool long_ids;
	struct routing *routing;
	struct master_cf *services;
	size_t holders;
};

/* Reads all that `c` says. Returns NULL with `why`. Blocks. */
struct settings *settings_new(const struct conf *c, struct why *why);
/* Ends one hold; the last frees. NULL is fine. Returns NULL. */
struct settings *settings_free(struct settings *s);

/* For who waits for an answer of its tables. Returns `s`. */
struct settings *settings_hold(struct settings *s);

/* The name of the i-th service that delivers; NULL: there are no more. */
const char *settings_agent(const struct settings *s, size_t i);

/* Whether `name` is one; then the path of its socket goes to `path`, if max. */
bool settings_is_agent(const struct settings *s, const char *name, char *path,
    size_t max);

/* What holds for the deliveries of one transport. Returns 0, or with `why`. */
MUST_USE int settings_limits(const struct settings *s, const char *transport,
    struct transport_limits *limits_r, struct why *why);

#endif
