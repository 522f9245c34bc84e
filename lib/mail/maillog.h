/*
 * maillog.h - what happens to mail, as lines that tools have read for decades.
 *
 * One function for each event; what it sends are fields, and postlogd makes of
 * them Postfix's text, to the letter, or a JSON object. The forms stand in one
 * table, maillog.def. Nobody writes such a line by hand.
 */
#ifndef MAIL_MAILLOG_H
#define MAIL_MAILLOG_H

#include "base/buf.h"
#include "base/log.h"

/* The events and their fields, as they go over the log stream. */
enum maillog_event {
#define EVENT(name, number, level, form) MAILLOG_##name = (number),
#include "mail/maillog.def"
#undef EVENT
};

enum maillog_field {
#define LOGFIELD(name, number, text, kind) MAILLOG_FIELD_##name = (number),
#include "mail/maillog.def"
#undef LOGFIELD
};

enum {
	MAILLOG_TIME_MAX = 32, /* "12345678/0.01/0/9.9", with its NUL */
};

enum delivery_status {
	DELIVERY_SENT,
	DELIVERY_BOUNCED,
	DELIVERY_DEFERRED,
	DELIVERY_EXPIRED,
	DELIVERY_DELIVERABLE, /* it was only to be known */
};

/*
 * ID: to=<a>, orig_to=<b>, relay=r, conn_use=n, delay=d, delays=a/b/c/d, dsn=x.y.z,
 * status=s (text); orig_to only if it differs from to, conn_use from 2 on.
 */
struct log_delivery {
	const char *service; /* whose tag: "virtual" */
	struct span id;
	struct span to;
	struct span orig_to;
	struct span relay; /* "virtual", "none" */
	unsigned conn_use; /* mails over this connection; told from 2 on */
	int64_t arrived; /* these are wall clock, microseconds; 0: never */
	int64_t active; /* the queue manager took it up */
	int64_t begun; /* the agent got it */
	int64_t connected;
	int64_t ended;
	struct span dsn;
	enum delivery_status status;
	struct span text;

	/* Where it lies, which no text says; empty, 0: not known. */
	struct span mailbox;
	uint32_t uidvalidity;
	uint32_t uid;
};
void maillog_delivery(const struct log_delivery *d);

/* ID: from=<a>, size=n, nrcpt=n (queue active) */
void maillog_active(struct span id, struct span sender, uint64_t size,
    size_t rcpts);
/* ID: removed */
void maillog_removed(struct span id);
/* ID: from=<a>, status=expired, returned to sender */
void maillog_expired(struct span id, struct span sender);
/* ID: message-id=<x>; under the tag of cleanup */
void maillog_message_id(struct span id, struct span message_id);

/* ID: uid=1000 from=<a>; under the tag of pickup */
void maillog_submitted(struct span id, uint64_t uid, struct span sender);

/* ID: sender non-delivery notification: NEW_ID; under the tag of bounce */
void maillog_notification(struct span id, struct span report,
    struct span new_id);

/*
 * Who is connected: "unknown" and "203.0.113.9"; and a name for the connection,
 * which is in no text: it says which events belong together.
 */
struct log_client {
	struct span name;
	struct span addr;
	uint64_t connection; /* 0: none */
};
/* connect from NAME[ADDR] */
void maillog_connect(const struct log_client *c);
/* disconnect from NAME[ADDR] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4 */
void maillog_disconnect(const struct log_client *c, struct span counts);
/* lost connection|timeout|too many errors after VERB from NAME[ADDR] */
void maillog_broken(const struct log_client *c, struct span what,
    struct span verb);
/*
 * ID: client=NAME[ADDR][, sasl_method=M][, sasl_username=U]; `rules`, by which it
 * came in, are not in the text.
 */
void maillog_client(struct span id, const struct log_client *c,
    struct span sasl_method, struct span sasl_user, struct span rules);
/*
 * NOQUEUE: reject: RCPT from NAME[ADDR]: 550 5.1.1 text; from=<> to=<> proto=
 * helo=<>; `what` is reject, reject_warning, hold, discard, ...
 */
struct log_reject {
	struct span id; /* empty: NOQUEUE */
	struct span what;
	struct span verb;
	struct log_client client;
	struct span reply;
	struct span sender; /* ->p NULL: not known yet */
	struct span rcpt;
	struct span proto;
	struct span helo;
	struct span rule; /* what decided; not in the text; may be empty */
};
void maillog_reject(const struct log_reject *r);

/* warning: non-SMTP command from NAME[ADDR]: TEXT */
void maillog_not_smtp(const struct log_client *c, struct span line);
/* warning: NAME[ADDR]: SASL M authentication failed: TEXT[, sasl_username=U] */
void maillog_auth_failed(const struct log_client *c, struct span method,
    struct span text, struct span user);
/* warning: Illegal address syntax from NAME[ADDR] in VERB command: TEXT */
void maillog_bad_address(const struct log_client *c, struct span verb,
    struct span text);

/*
 * Of those who log in to read mail, in Dovecot's form and under `tag`, "dovecot":
 *
 * imap-login: Login: user=<U>, method=M, rip=R, lip=L, mpid=N, TLS, session=<S>
 * imap-login: Disconnected: REASON (WHAT): user=<U>, method=M, rip=R, lip=L, TLS,
 * session=<S>
 * imap(U)<N><S>: REASON
 */
struct log_login {
	const char *tag;
	const char *process; /* "imap-login", "imap" */
	struct span user;
	struct span method; /* empty: not known */
	struct span remote;
	struct span local;
	struct span secured; /* "TLS", "secured", or empty */
	struct span session;
	struct span reason; /* "Connection closed" */
	struct span what; /* "no auth attempts in 3 secs" */
	uint64_t mailbox_pid;
};
void maillog_login(const struct log_login *g);
void maillog_no_login(const struct log_login *g);
void maillog_session(const struct log_login *g);

/*
 * Writes a time in seconds as these lines have it: two digits that count, none
 * below 0.01, no zeros at the end; what is negative is 0. Adds to `out`.
 */
void maillog_put_delay(struct buf *out, int64_t microseconds);

/* For postlogd: the body of a line, without time, host, tag and pid. */
void maillog_render_text(const struct log_record *r, struct buf *out);
/*
 * The whole object, with time, host, tag, pid and a name for each field. Always
 * valid UTF-8: a byte that is not becomes U+FFFD.
 */
void maillog_render_json(const struct log_record *r, struct span host,
    struct buf *out);

#endif
