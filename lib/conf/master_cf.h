/*
 * master_cf.h - the services of master.cf, line by line.
 *
 * The grammar is Postfix's: service type private unpriv chroot wakeup maxproc
 * command + args; lines that begin with blanks continue; { braces } keep an
 * argument together.
 */
#ifndef CONF_MASTER_CF_H
#define CONF_MASTER_CF_H

#include "conf/conf.h"

enum service_type {
	SERVICE_INET,
	SERVICE_UNIX,
	SERVICE_FIFO,
	SERVICE_PASS,
	SERVICE_UNIX_DGRAM,
};

enum {
	SERVICE_FIELDS_N = 8,
};

struct service_line {
	const char *name; /* as written: "smtp", "127.0.0.1:10025", "cleanup" */
	enum service_type type;
	bool private;
	bool unpriv;
	bool chroot;
	int64_t wakeup; /* milliseconds; 0 never */
	bool wakeup_if_used; /* "60?" */
	int64_t maxproc; /* 0: no limit; -1: default_process_limit ("-") */
	const char *command; /* the program: "smtpd" */
	const char *const *args; /* NULL-ended, without the program */
	size_t args_n;
	unsigned line;
	const char *field[SERVICE_FIELDS_N]; /* as written, command included */
};

/*
 * Takes a logical line apart; what is in `s_r` lives in `a`. Returns 0 or -EINVAL
 * with `why`, which names the file and `line`.
 */
MUST_USE int service_line_parse(struct span text, unsigned line,
    struct arena *a, struct service_line *s_r, struct why *why);

struct master_cf;

/* Reads DIR/master.cf. Returns NULL with `why`. Blocks. */
struct master_cf *master_cf_load(const struct conf *c, struct why *why);
struct master_cf *master_cf_free(struct master_cf *m);

/* The services in the order of the file; a later line replaces an earlier. */
size_t master_cf_count(const struct master_cf *m);
const struct service_line *master_cf_at(const struct master_cf *m, size_t i);
const struct service_line *master_cf_find(const struct master_cf *m,
    const char *name, enum service_type type);

/* "inet", "unix" ... */
const char *service_type_name(enum service_type t);

#endif
