/*
 * session.h - the LMTP protocol of a server (RFC 2033), without input or output.
 *
 * A session is fed one line at a time and appends its replies to a buffer. Each
 * step returns what it wants next, which also stands in ->want; only the call
 * that answers it may be made:
 *
 *	LMTP_WANT_LINE	   the next line: lmtp_line(), _overlong(), _timeout()
 *			   or _shutdown()
 *	LMTP_WANT_RCPT	   is there a mailbox for ->checked: lmtp_rcpt()
 *	LMTP_WANT_DATA	   read the mail up to its end: lmtp_data()
 *	LMTP_WANT_DELIVERY deliver, and give each recipient his ->outcome:
 *			   lmtp_delivered()
 *	LMTP_WANT_REPLY	   make room for the next reply: lmtp_reply()
 *	LMTP_WANT_CLOSE	   send what ->out holds, then close
 *
 * The difference to SMTP: there is no queue behind it, so that after the data each
 * recipient who was accepted has a reply of his own, in their order.
 */
#ifndef LMTP_SESSION_H
#define LMTP_SESSION_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	LMTP_REPLY_MAX = 1024, /* the room that one step needs in ->out */
	LMTP_HELO_MAX = 255,
	LMTP_ID_MAX = 32,
};

enum lmtp_state {
	LMTP_START, /* no LHLO yet */
	LMTP_HELLO,
	LMTP_MAIL, /* there is a sender */
	LMTP_RCPT, /* and a recipient */
	LMTP_DATA,
	LMTP_DONE,
};

enum lmtp_want {
	LMTP_WANT_LINE,
	LMTP_WANT_RCPT,
	LMTP_WANT_DATA,
	LMTP_WANT_DELIVERY,
	LMTP_WANT_REPLY,
	LMTP_WANT_CLOSE,
};

/* Whether there is a mailbox of an address. */
enum lmtp_found {
	LMTP_FOUND,
	LMTP_UNKNOWN,
	LMTP_TEMPFAIL, /* it could not be found out */
};

/* What became of a mail's data. */
enum lmtp_data {
	LMTP_DATA_OK,
	LMTP_DATA_TOO_BIG,
	LMTP_DATA_FULL, /* no memory for it */
};

/* In the order in which the log counts them. */
enum lmtp_command {
	LMTP_CMD_LHLO,
	LMTP_CMD_MAIL,
	LMTP_CMD_RCPT,
	LMTP_CMD_DATA,
	LMTP_CMD_RSET,
	LMTP_CMD_NOOP,
	LMTP_CMD_VRFY,
	LMTP_CMD_QUIT,
	LMTP_CMD_UNKNOWN,
	LMTP_COMMANDS,
};

/* What main.cf says; one for all sessions. */
struct lmtp_config {
	const char *myhostname;
	const char *banner;
	uint64_t size_limit; /* message_size_limit; 0: none */
	int64_t rcpt_limit;
	int64_t errors_max;
};

/* What came of a delivery; until it is said, that nobody knows. */
struct lmtp_outcome {
	bool sent;
	struct span dsn; /* "4.2.2"; empty: 4.3.0 */
	struct span text; /* why not */
};

struct lmtp_rcpt {
	struct lmtp_rcpt *next;
	struct span addr; /* canonical */
	struct lmtp_outcome outcome;
};

struct lmtp_session {
	enum lmtp_state state;
	enum lmtp_want want;
	const struct lmtp_config *config;
	struct arena *arena; /* of the transaction */
	struct buf *out;

	struct span sender; /* canonical */
	size_t n;
	struct lmtp_rcpt *rcpts;
	struct lmtp_rcpt **end;
	struct span checked; /* with LMTP_WANT_RCPT */
	struct lmtp_rcpt *next; /* whose reply is next */
	enum lmtp_data data;
	char
	    id[LMTP_ID_MAX]; /* of the mail, for replies: set before the data */

	const char *broken; /* why the session ended early: "too many errors" */
	int64_t errors;
	enum lmtp_command command; /* the last one */
	struct span verb; /* its name, for logs */
	unsigned ok[LMTP_COMMANDS];
	unsigned all[LMTP_COMMANDS];
	char helo[LMTP_HELO_MAX + 1];
};

/* Begins, and greets. `arena` and `out` are borrowed. */
enum lmtp_want lmtp_init(struct lmtp_session *s,
    const struct lmtp_config *config, struct arena *arena, struct buf *out);

/* Each needs LMTP_REPLY_MAX bytes of room in ->out. */
enum lmtp_want lmtp_line(struct lmtp_session *s, struct span line);
enum lmtp_want lmtp_overlong(struct lmtp_session *s);
enum lmtp_want lmtp_timeout(struct lmtp_session *s);
enum lmtp_want lmtp_shutdown(struct lmtp_session *s);
enum lmtp_want lmtp_rcpt(struct lmtp_session *s, enum lmtp_found found);
enum lmtp_want lmtp_data(struct lmtp_session *s, enum lmtp_data result);
enum lmtp_want lmtp_delivered(struct lmtp_session *s);
enum lmtp_want lmtp_reply(struct lmtp_session *s);

/* "lhlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4" */
void lmtp_put_counts(const struct lmtp_session *s, struct buf *out);

#endif
