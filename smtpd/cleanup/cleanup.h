/*
 * cleanup.h - mail that does not come by SMTP: what programs of the machine leave
 * in maildrop/, what local sends on, and reports to senders.
 */
#ifndef SMTPD_CLEANUP_CLEANUP_H
#define SMTPD_CLEANUP_CLEANUP_H

#include "conf/conf.h"
#include "mail/templates.h"
#include "queue/intake.h"
#include "service/msg.h"

struct cleanup_params {
	const char *myhostname;
	const char *myorigin;
	const char *mail_name;
	const char *notify_classes;
	const char *content_filter;
	const char *bounce_recipient;
	const char *double_recipient;
	const char *delay_recipient;
	const char *double_sender;
	const char *template_file;
	int64_t bounce_size;
	int64_t size_limit;
	int64_t hopcount_limit;
	int64_t lifetime; /* milliseconds */
	bool long_ids;
};

extern struct cleanup_params params;

/* Made once, in warm_up(), and only read after. */
extern struct intake_conf intake_conf;
extern struct templates cleanup_templates;

/* Answers qmgr, or local, on a connection, a struct service_conn: a task. */
void bounce_client(void *conn);

/*
 * Takes a mail that goes on into the queue, from its file and the list of addresses
 * that came with it; `answer` says what came of it. May sleep.
 */
void forward_message(const struct msg_in *asked, const int fds[2],
    struct buf *answer);

/* Takes what is in maildrop/, and waits for more, until it is cancelled. */
void pickup_serve(void *arg);

/* Somebody left something there. Plain. */
void pickup_poke(void);

/* Writes out an intake where that may block, in a task. May sleep. */
void cleanup_flush(struct intake *in);

/* "Received: by HOST (NAME)" with what `by` adds, the ID and the time. */
void cleanup_received(struct intake *in, const char *by);

#endif
