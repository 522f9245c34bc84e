/*
 * job.h - a leaf on its way to an errand. Private to local.
 */
#ifndef LOCAL_MAIN_JOB_H
#define LOCAL_MAIN_JOB_H

#include "local/main/local.h"
#include "local/main/pool.h"

/* What a recipient came to, and what becomes of it. */
struct job {
	const struct mail *mail;
	struct span addr;
	struct span orig;
	const struct leaf *leaf;

	/* Files of a user that are looked at before; if one says something... */
	const struct forward_paths *first;
	bool
	    was_read; /* ...nothing was delivered, and this is what was read: */
	enum dict_result read;
	struct span items;
};

/* As whom: with a further group, unless it is (gid_t)-1. NULL: nobody's. */
struct pool_who job_as(const struct expand_user *u, gid_t group);

/* Puts the message and its head; `place` is as in prepend_delivered_header. */
void job_put(struct pool_call *c, const struct job *j, const char *place);

/* Has it done, and ends the call. May sleep. */
struct verdict job_ask(struct job *j, struct pool_call *c,
    const struct pool_who *who, int64_t ms);

/* May sleep. */
struct verdict job_run_command(struct job *j, struct span command);

/* "Later", with a copy of the text. */
struct verdict job_defer(const struct mail *m, const char *text);

/* What an errand, or cleanup, has answered. */
struct verdict job_verdict(const struct mail *m, const struct msg_in *in);

/* Logs what became of `to`. */
void job_log(const struct mail *m, struct span to, struct span orig,
    int64_t begun, const struct verdict *v);

#endif
