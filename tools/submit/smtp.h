/*
 * smtp.h - SMTP as a program speaks it to `sendmail -bs` (RFC 5321): what of it
 * makes a message. Pure; one line at a time, and what is to be done with it. Who
 * may send to whom is not asked: what is submitted here is the caller's own.
 */
#ifndef TOOLS_SUBMIT_SMTP_H
#define TOOLS_SUBMIT_SMTP_H

#include "base/buf.h"

enum {
	SMTP_LINE_MAX = 2048, /* of a command */
	SMTP_REPLY_MAX = 512, /* room that a step needs in `out` */
};

enum smtp_want {
	SMTP_WANT_LINE,
	SMTP_WANT_SENDER, /* a mail begins: ->address, maybe empty */
	SMTP_WANT_RCPT, /* ->address gets it, too */
	SMTP_WANT_DATA, /* its text, up to the dot; smtp_done() */
	SMTP_WANT_CLOSE,
};

struct smtp {
	const char *myhostname;
	size_t rcpts_max;

	/* Its own, but to be read. */
	struct span address; /* canonical; good until the next step */
	bool has_sender;
	size_t rcpts;
	char text[2048];
};

/* Greets. */
void smtp_init(struct smtp *s, const char *myhostname, size_t rcpts_max,
    struct buf *out);

/* Replies to a line; what is wanted follows the reply. */
enum smtp_want smtp_line(struct smtp *s, struct span line, struct buf *out);

enum smtp_done {
	SMTP_DONE_OK,
	SMTP_DONE_TOO_BIG,
	SMTP_DONE_REFUSED, /* this user may not submit */
	SMTP_DONE_FAILED, /* now, at least */
};

/* The mail that was wanted is with postdrop, or not. */
void smtp_done(struct smtp *s, enum smtp_done result, struct buf *out);

#endif
