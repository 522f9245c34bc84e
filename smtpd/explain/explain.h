/*
 * explain.h - what postexplain is asked, and its two answers; private to it.
 */
#ifndef SMTPD_EXPLAIN_EXPLAIN_H
#define SMTPD_EXPLAIN_EXPLAIN_H

#include "conf/conf.h"

enum {
	EXPLAIN_RCPTS_MAX = 100,
	EXPLAIN_MEMORY = 16 << 20, /* bytes that one question may take */
};

/* The exit status. */
enum explain_status {
	EXPLAIN_ACCEPTED = 0,
	EXPLAIN_REFUSED = 1,
	EXPLAIN_UNKNOWN = 75, /* EX_TEMPFAIL: could not be found out */
};

struct explain_options {
	const char *dir; /* -c */
	bool json; /* -j */
	const char *service;
	const char *client;
	const char *client_name;
	const char *helo;
	const char *from;
	const char *user; /* that has authenticated */
	bool tls;
	size_t rcpts_n;
	const char *rcpts[EXPLAIN_RCPTS_MAX];
};

_Noreturn void explain_fail(int status, const char *text, const char *detail);

/* Each reads the tables that `c` names, and prints its answer. Blocks. */
enum explain_status explain_address(const struct conf *c,
    const struct explain_options *o);
enum explain_status explain_session(const struct conf *c,
    const struct explain_options *o);

#endif
