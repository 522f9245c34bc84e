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
	const char *mail_owner;
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
	const char *allow_commands;
	const char *allow_files;
	const char *export_environment;
	const char *mailbox_lock;
	const char *prepend_delivered;
	bool owner_request_special;
	bool expand_owner_alias;
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

/* Quick. TEMPFAIL with `why`. */
MUST_USE enum dict_result tables_alias(struct span name, struct arena *a,
    struct span *value_r, struct why *why);
MUST_USE enum dict_result tables_domain(struct span domain, struct why *why);

const struct expand_config *tables_expansion(void);

/* The folder of mailboxes: the group that may write to it, or (gid_t)-1. */
gid_t tables_spool_group(void);
const struct privs *tables_nobody(void);
const struct privs *tables_owner(void);

/* Who a user is, as proxymap knows; in the arena. May sleep. */
MUST_USE enum dict_result users_find(struct span name, struct arena *a,
    const struct expand_user **user_r, struct why *why);

/* Tasks that keep the connections to proxymap and to qmgr. */
void users_keep(void *path);
void news_keep(void *path);

/* Tells qmgr of a file that came into the queue. Plain. */
void news_tell(struct span file);

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
	int64_t arrived, active, begun;
};

/* What became of a recipient. */
struct verdict {
	enum delivery_status status;
	const char *dsn;
	const char *text;
};

/* Delivers to a recipient, and logs it. May sleep. */
struct verdict recipient_deliver(struct mail *m, struct span addr,
    struct span orig);

/* Has a leaf done. May sleep. */
struct verdict leaf_deliver(struct mail *m, struct span addr, struct span orig,
    const struct leaf *leaf);

/* Sends the message on to `n` addresses of leaves with one sender. May sleep. */
struct verdict leaf_forward(struct mail *m, struct span addr, struct span orig,
    const struct leaf *const *leaves, size_t n);

/* Reads a .forward or an :include: as `user`; items on lines. May sleep. */
MUST_USE enum dict_result leaf_read(struct mail *m,
    const struct expand_user *user, const char *path, bool forward,
    struct span *items_r, struct why *why);

/* The service's first task. */
void local_serve(void *arg);

#endif
