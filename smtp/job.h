/*
 * job.h - one delivery: from qmgr's request to what came of it. Plain.
 */
#ifndef SMTP_JOB_H
#define SMTP_JOB_H

#include "service/agent.h"
#include "smtp/session.h"

enum {
	JOB_RCPTS_MAX = 1024,
	JOB_MEMORY_MAX = 8 << 20,
};

struct job {
	struct agent_work work;
	struct arena *arena;
	struct span id;
	struct span nexthop;
	bool reuse; /* more waits for it */
	bool corrupt; /* the queue file is, or cannot be read now */
	bool damaged; /* it is, for good: qmgr sets it aside */
	bool interrupted; /* we are to end: there is no answer */
	struct smtp_mail mail;
	const uint64_t *numbers; /* of the recipients, in their message */
	const struct span *origs;

	/* The content in the queue file, which is the job's. */
	int fd;
	uint64_t offset;
	uint64_t length;
	uint32_t checksum;

	char relay[512]; /* "none", "mail.example.org[192.0.2.1]:25" */
	unsigned uses; /* mails that its connection has carried */
	const char *dead; /* the whole next hop is at fault, and why; or NULL */

	/* Wall clock, microseconds. */
	int64_t arrived;
	int64_t active;
	int64_t begun;
	int64_t connected; /* 0: never */
	int64_t ended;
};

/*
 * Makes a job of a DELIVER; takes over `fd`. NULL, with `fd` closed: there is
 * none, no recipients or too many.
 */
struct job *job_new(const struct msg_in *in, int fd, int64_t now);
struct job *job_free(struct job *j);

/* Logs the lines of all recipients. */
void job_log(const struct job *j, const char *service);

/* The RESULT into `b`, which has MSG_MAX bytes. */
void job_put_result(const struct job *j, struct buf *b);

#endif
