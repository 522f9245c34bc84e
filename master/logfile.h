/*
 * logfile.h - where lines of the log go: a file, standard output, or syslog.
 *
 * Lines are collected and written many at a time. All of it blocks, and is
 * called by one thread at a time.
 */
#ifndef MASTER_LOGFILE_H
#define MASTER_LOGFILE_H

#include "base/log.h"
#include "base/why.h"
#include "conf/conf.h"

struct logfile_params {
	const char *maillog_file; /* "": syslog */
	const char *maillog_file_prefixes;
	int maillog_file_permissions;
	int log_format;
	const char *mail_owner;
};

enum {
	LOGFILE_TEXT, /* of log_format */
	LOGFILE_JSON,
};

/*
 * Reads the parameters of `c` into *p_r, opens what they name, and closes what was
 * open before, unless that fails: returns 0, or -errno with `why`. The file will be
 * mail_owner's. Blocks.
 */
MUST_USE int logfile_open(const struct conf *c, struct logfile_params *p_r,
    struct why *why);

/* Adds a line. Blocks. */
void logfile_put(const struct log_record *r);

/* Writes all that was added. Blocks. */
void logfile_flush(void);

#endif
