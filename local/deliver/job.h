/*
 * job.h - one delivery: from qmgr's request to what came of it.
 *
 * A job is made of a DELIVER message, or of lmtpd's PUT, which it copies, with the
 * descriptor of the content, which it owns. It knows nothing of tasks or channels: serve.c
 * makes it, lets a thread run it, and sends what it puts into a RESULT.
 */
#ifndef LOCAL_DELIVER_JOB_H
#define LOCAL_DELIVER_JOB_H

#include "service/msg.h"
#include "store/deliver.h"

enum {
	JOB_RCPTS_MAX = 1024,
	JOB_MEMORY_MAX = 4 << 20, /* of heads and recipients */
};

struct job_rcpt {
	uint64_t n; /* in its message */
	struct span addr;
	struct span orig;
	struct span token; /* lmtpd's word for the mailbox */
};

struct job {
	struct arena *arena;
	uint32_t request;
	const char *service; /* in the log: "virtual" */
	struct span id;
	struct span root;
	uint64_t max_size; /* of a message in a mailbox; 0: any */
	struct store_content content; /* its ->fd is the job's */
	size_t n;
	const struct job_rcpt *rcpts;
	struct store_target *targets; /* one for each recipient */

	/* Wall clock, microseconds. */
	int64_t arrived;
	int64_t active; /* qmgr took it up */
	int64_t begun; /* we got it */
	int64_t ended;
};

/*
 * Makes a job of a DELIVER or PUT; takes over `fd`. NULL, with `fd` closed: there is
 * none, no recipients or too many.
 */
struct job *job_new(const struct msg_in *in, int fd, int64_t now);
struct job *job_free(struct job *j);

/* Delivers to all. The store is that of ->root. Blocks. */
void job_run(struct job *j, struct store *s);

/* Instead of that: none of them, for this reason; they are tried again. */
void job_fail(struct job *j, const char *text);

/* Logs the lines of all recipients. */
void job_log(const struct job *j);

/* The RESULT into `b`, which has MSG_MAX bytes. */
void job_put_result(const struct job *j, struct buf *b);

/* For CLEANUP. */
static inline void
job_freep(struct job **j)
{
	job_free(*j);
}

#endif
