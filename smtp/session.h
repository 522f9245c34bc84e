/*
 * session.h - what a client says in SMTP and LMTP, and what it makes of replies.
 *
 * Pure: lines in, commands out, and what it wants next. A session is a
 * connection; a mail is what it carries at a time. What became of each recipient
 * stands in the mail: all that a server refuses for good is decided here, what it
 * refuses for now is SMTP_SOFT, and another server may be asked.
 *
 * Commands go out together where the server has PIPELINING (RFC 2920), up to what
 * ->out has room for. A server that says something it was not asked for is not
 * believed: its replies could be taken for those to later commands. Of a reply
 * the first SMTP_REPLY_MAX bytes are kept, however long it is.
 *
 * RFC 5321, 2033 (LMTP), 3207 (STARTTLS), 4954 (AUTH), 1870 (SIZE), 6152
 * (8BITMIME), 3461 (DSN), 6531 (SMTPUTF8). Texts and codes are Postfix's.
 */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	SMTP_REPLY_MAX = 4096, /* bytes of a reply that are kept */
	SMTP_TEXT_MAX = 1024, /* of what is told of a recipient */
	SMTP_DSN_MAX = 12,
	SMTP_COMMAND_MAX = 4096, /* room that any command finds in ->out */
	SMTP_OUT_MAX = 32768,
};

enum smtp_level {
	SMTP_TLS_NONE,
	SMTP_TLS_MAY,
	SMTP_TLS_ENCRYPT,
};

/* What is the same for all of a session. */
struct smtp_config {
	bool lmtp;
	struct span helo; /* our name */
	struct span peer; /* "mail.example.org[192.0.2.1]" */
	enum smtp_level level;
	unsigned discard; /* SMTP_HAS_...: what is not to be seen */
	bool skip_5xx_greeting;
	bool
	    xforward; /* it is told who brought the mail, if it wants to know */
	bool auth_soft; /* a refused login is tried again */
	bool with_auth; /* the server shall know us, if it offers that */
	bool no_plaintext; /* PLAIN and LOGIN are not allowed, */
	bool no_plaintext_tls; /* or not even with TLS */
	struct span user;
	struct span password;
};

/* What a server offers. */
enum {
	SMTP_HAS_PIPELINING = BIT(0),
	SMTP_HAS_SIZE = BIT(1),
	SMTP_HAS_8BITMIME = BIT(2),
	SMTP_HAS_STARTTLS = BIT(3),
	SMTP_HAS_AUTH = BIT(4),
	SMTP_HAS_DSN = BIT(5),
	SMTP_HAS_SMTPUTF8 = BIT(6),
	SMTP_HAS_PLAIN = BIT(7), /* AUTH's */
	SMTP_HAS_LOGIN = BIT(8),
};

/* What of a client a server wants to know by XFORWARD. */
enum {
	SMTP_FORWARD_NAME = BIT(0),
	SMTP_FORWARD_ADDR = BIT(1),
	SMTP_FORWARD_PROTO = BIT(2),
	SMTP_FORWARD_HELO = BIT(3),
	SMTP_FORWARD_SOURCE = BIT(4),
};

/* The bit of an EHLO keyword, or 0. */
unsigned session_feature(struct span keyword);

enum smtp_fate {
	SMTP_OPEN, /* nothing is known */
	SMTP_ACCEPTED, /* the server takes it, but has not got the mail yet */
	SMTP_SENT,
	SMTP_BOUNCED,
	SMTP_SOFT, /* not here and now */
};

struct smtp_rcpt {
	struct span addr;
	struct span orcpt;
	unsigned notify; /* QUEUE_NOTIFY_...; 0: not said */
	enum smtp_fate fate;
	bool passed_on; /* the server tells the sender of success (RFC 3461) */
	char dsn[SMTP_DSN_MAX];
	const char *text; /* in the mail's arena */
};

struct smtp_mail {
	struct arena *arena; /* for texts */
	struct span sender;
	struct span envid;
	unsigned ret; /* 1: FULL, 2: HDRS */
	struct span client_name; /* who brought it; empty: nobody knows */
	struct span client_addr; /* empty: a program of this machine */
	struct span proto;
	struct span helo;
	bool is_8bit;
	bool is_utf8;
	uint64_t size;
	struct smtp_rcpt *rcpts;
	size_t n;
};

/* Where a session stands: for deadlines, and what is told when it breaks. */
enum smtp_stage {
	SMTP_AT_GREETING,
	SMTP_AT_EHLO,
	SMTP_AT_HELO,
	SMTP_AT_STARTTLS,
	SMTP_AT_AUTH,
	SMTP_AT_RSET,
	SMTP_AT_XFORWARD,
	SMTP_AT_MAIL,
	SMTP_AT_RCPT,
	SMTP_AT_DATA,
	SMTP_AT_CONTENT,
	SMTP_AT_DOT,
	SMTP_AT_END, /* the mail is decided */
	SMTP_STAGES,
};

enum smtp_want {
	SMTP_WANT_LINE, /* send ->out, and session_line() */
	SMTP_WANT_TLS, /* and session_tls() */
	SMTP_WANT_CONTENT, /* send the message and its dot; session_content() */
	SMTP_WANT_NOTHING, /* the mail is decided, as far as this server goes */
};

enum smtp_break {
	SMTP_LOST,
	SMTP_TIMED_OUT,
	SMTP_LINE_TOO_LONG,
	SMTP_TALKS_EARLY,
};

struct smtp_session {
	enum smtp_want want;
	enum smtp_stage stage;
	unsigned features;
	uint64_t size_limit; /* of SIZE; 0: none */
	bool tls;
	bool reusable; /* with SMTP_WANT_NOTHING: for another mail */
	bool
	    stale; /* a kept connection was of no use; the mail knows nothing */
	bool site; /* the whole server failed, not this mail */

	/* Its own. */
	const struct smtp_config *config;
	struct smtp_mail *mail;
	struct buf *out;
	bool kept; /* carried a mail before */
	bool was_said; /* EHLO was understood */
	unsigned auth_step;
	unsigned forward; /* SMTP_FORWARD_...: what the server takes */
	bool forwards; /* this mail goes with an XFORWARD */
	bool mail_ok;
	size_t accepted;
	size_t next; /* step to be sent: RSET, MAIL, RCPTs, DATA */
	size_t got; /* step whose reply comes next */
	size_t owed; /* replies after the dot */
	size_t at; /* recipient whose reply comes next, of LMTP */
	unsigned code; /* of the reply that is being read */
	struct buf reply; /* its lines, blanks between them */
	char reply_bytes[SMTP_REPLY_MAX];
};

/*
 * A connection was made. `config` and `out`, of SMTP_OUT_MAX bytes, live as long
 * as the session, `mail` until SMTP_WANT_NOTHING.
 */
void session_init(struct smtp_session *s, const struct smtp_config *config,
    struct smtp_mail *mail, struct buf *out);

/* Another mail over a session that is ->reusable. */
void session_again(struct smtp_session *s, struct smtp_mail *mail);

/* A line without its end. `more`: the server has sent more behind it. */
void session_line(struct smtp_session *s, struct span line, bool more);

/* TLS has begun. */
void session_tls(struct smtp_session *s);

/* The handshake failed, and TLS is required; or somebody spoke before it. */
void session_no_tls(struct smtp_session *s, const char *reason);

/* The content and its dot were sent. */
void session_content(struct smtp_session *s);

/* The connection is of no use any more; what has no answer is SMTP_SOFT. */
void session_broken(struct smtp_session *s, enum smtp_break how);

/* Puts QUIT, which nobody waits an answer to. */
void session_quit(struct smtp_session *s);

/* All without a verdict get this one; `site`: it holds for the whole server. */
void mail_decide(struct smtp_mail *m, enum smtp_fate fate, const char *dsn,
    const char *text);

/* How many have no verdict: OPEN, ACCEPTED or SOFT. */
size_t mail_undecided(const struct smtp_mail *m);

/* Another server will be asked. */
void mail_reopen(struct smtp_mail *m);

#endif
