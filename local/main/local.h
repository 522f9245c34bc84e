/*
 * local.h - what the parts of the program `local` share.
 *
 * It is root and does nothing as root but decide: it reads alias tables that are
 * root's, asks proxymap who users are, and has everything else done by errands.
 */
#ifndef LOCAL_MAIN_LOCAL_H
#define LOCAL_MAIN_LOCAL_H

#include "conf/conf.h"
#include "dict/dict.h"
#include "local/main/expand.h"
#include "mail/maillog.h"
#include "service/privs.h"
#include "service/rpc.h"

struct local_params {
	const char *daemon_directory;
	const char *syslog_name;
	const char *default_privs;
	const char *alias_maps;
	const char *mydestination;
	const char *myorigin;
	const char *myhostname;
	const char *recipient_delimiter;
	const char *inet_interfaces;
	const char *home_mailbox;
	const char *mail_spool_directory;
	const char *mailbox_command;
	const char *mailbox_command_maps;
	const char *mailbox_transport;
	const char *mailbox_transport_maps;
	const char *fallback_transport;
	const char *fallback_transport_maps;
	const char *luser_relay;
	const char *forward_path;
	const char *forward_filter;
	const char *allow_commands;
	const char *allow_files;
	const char *export_environment;
	const char *mailbox_lock;
	const char *prepend_delivered;
	bool owner_request_special;
	bool expand_owner_alias;
	bool reset_owner_alias;
	int64_t lock_attempts;
	int64_t lock_delay; /* ms */
	int64_t stale_lock; /* ms */
	int64_t mailbox_size_limit;
	int64_t command_time_limit; /* ms */
};

extern struct local_params local_params;
extern const struct conf_field local_fields[];
extern const size_t local_fields_n;

/* Opens the tables; says who we need to be. Blocks. */
MUST_USE int tables_open(const struct conf *c, struct why *why);

/* A table that was replaced is read anew; one that cannot be is asked no more. */
void tables_refresh(void);

/* Lists of tables, which are all root's. */
enum tables_list {
	TABLES_ALIAS,
	TABLES_COMMAND,
	TABLES_TRANSPORT,
	TABLES_FALLBACK,
	TABLES_LISTS,
};

/* Quick. TEMPFAIL with `why`. */
MUST_USE enum dict_result tables_find(enum tables_list list, struct span name,
    struct arena *a, struct span *value_r, struct why *why);
MUST_USE enum dict_result tables_domain(struct span domain, struct why *why);

const struct expand_config *tables_expansion(void);

/* The folder of mailboxes: the group that may write to it, or (gid_t)-1. */
gid_t tables_spool_group(void);
const struct privs *tables_nobody(void);

/* Who a user is, as proxymap knows; in the arena. May sleep. */
MUST_USE enum dict_result users_find(struct span name, struct arena *a,
    const struct expand_user **user_r, struct why *why);

/* Tasks that keep the connections to proxymap and to cleanup. */
void users_keep(void *path);
void forward_keep(void *path);

/* One DELIVER's message, for all of its recipients. */
struct mail {
	struct arena *arena;
	uint32_t request;
	int fd;
	struct span id;
	struct span sender;
	uint64_t offset, length, checksum;
	struct span client_name, client_addr, helo, proto;
	struct span sasl_method, sasl_user;
	struct span envid;
	uint64_t flags, ret;
	int64_t arrived, active, begun;
};

/* What became of a recipient; or who is to deliver to ->addr instead of us. */
struct verdict {
	enum delivery_status status;
	const char *dsn;
	const char *text;
	const char *transport; /* NULL: it is done */
	struct span addr;

	/* Where it lies, for the log; uid 0: not known. */
	const char *mailbox;
	uint32_t uidvalidity;
	uint32_t uid;
};

/* Delivers to a recipient, and logs it. May sleep. */
struct verdict recipient_deliver(struct mail *m, struct span addr,
    struct span orig);

/* Files that may say where a user's mail goes, the first that is there. */
struct forward_paths {
	size_t n;
	const char *v[8];
};

/* Has a leaf done that is no address and no transport's. May sleep. */
struct verdict leaf_deliver(struct mail *m, struct span addr, struct span orig,
    const struct leaf *leaf);

/*
 * The same with the mailbox of a user, unless one of `paths` is there: FOUND with
 * its items, and nothing is done. TEMPFAIL: one cannot be read. ABSENT: delivered,
 * with *verdict_r. All in one request. May sleep.
 */
MUST_USE enum dict_result leaf_deliver_unless(struct mail *m, struct span addr,
    struct span orig, const struct leaf *leaf,
    const struct forward_paths *paths, struct span *items_r,
    struct verdict *verdict_r);

/* Sends the message on to `n` addresses of leaves with one sender. May sleep. */
struct verdict leaf_forward(struct mail *m, struct span addr, struct span orig,
    const struct leaf *const *leaves, size_t n);

/* Reads the first of `paths` that is there, as `user`; items on lines. May sleep. */
MUST_USE enum dict_result leaf_read(struct mail *m,
    const struct expand_user *user, const struct forward_paths *paths,
    bool forward, struct span *items_r);

/* The service's first task. */
void local_serve(void *arg);

#endif
