/*
 * session.h - the SMTP protocol of a server (RFC 5321), without input or output.
 *
 * A session is fed one line at a time and appends its replies to a buffer. Each
 * step returns what it wants next, which also stands in ->want; only the call
 * that answers it may be made:
 *
 *	SMTPD_WANT_LINE	  the next line: session_line(), _overlong(), _timeout()
 *			  or _shutdown()
 *	SMTPD_WANT_ACCESS a verdict on ->facts by the lists in ->lists:
 *			  session_access()
 *	SMTPD_WANT_SPACE  is there room for a mail of ->txn.size bytes:
 *			  session_space()
 *	SMTPD_WANT_DATA	  read the mail up to its end: session_data()
 *	SMTPD_WANT_COMMIT make it durable: session_committed()
 *	SMTPD_WANT_TLS	  send ->out and go over to TLS: session_tls()
 *	SMTPD_WANT_AUTH	  what authd says to ->auth.response: session_auth()
 *	SMTPD_WANT_CLOSE  send what ->out holds, then close
 *
 * A step may leave something to log in ->log, and ->slow says that the client
 * has made so many errors that its replies wait.
 *
 * All of a mail is in ->txn, which txn_reset() alone forgets, wherever a
 * transaction ends: after the mail, a RSET, a HELO.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include "access/access.h"
#include "base/arena.h"
#include "base/buf.h"

enum {
	SMTPD_REPLY_MAX = 1024, /* the room that one step needs in ->out */
	SMTPD_HELO_MAX = 255,
	SMTPD_USER_MAX = 255,
};

enum smtpd_state {
	SMTPD_START, /* no HELO yet */
	SMTPD_HELLO,
	SMTPD_MAIL, /* there is a sender */
	SMTPD_RCPT, /* and a recipient */
	SMTPD_DATA,
	SMTPD_DONE,
};

enum smtpd_want {
	SMTPD_WANT_LINE,
	SMTPD_WANT_ACCESS,
	SMTPD_WANT_SPACE,
	SMTPD_WANT_DATA,
	SMTPD_WANT_COMMIT,
	SMTPD_WANT_TLS,
	SMTPD_WANT_AUTH,
	SMTPD_WANT_CLOSE,
};

/* What became of a mail's data. */
enum smtpd_data {
	SMTPD_DATA_OK,
	SMTPD_DATA_TOO_BIG,
	SMTPD_DATA_HOPS,
	SMTPD_DATA_FULL, /* the disk */
	SMTPD_DATA_FAILED,
	SMTPD_DATA_BARE_LF,
};

/* What authd says of a client, which no longer waits for it. */
enum smtpd_auth {
	SMTPD_AUTH_OK, /* it is ->user */
	SMTPD_AUTH_CHALLENGE, /* ->text is for the client to answer */
	SMTPD_AUTH_FAILED, /* ->text says why, ->user who, if that is known */
	SMTPD_AUTH_UNKNOWN, /* it could not be found out: ->text */
};

struct smtpd_auth_answer {
	enum smtpd_auth result;
	struct span user;
	struct span text;
};

/* In the order in which the log counts them. */
enum smtpd_command {
	SMTPD_CMD_HELO,
	SMTPD_CMD_EHLO,
	SMTPD_CMD_STARTTLS,
	SMTPD_CMD_AUTH,
	SMTPD_CMD_MAIL,
	SMTPD_CMD_RCPT,
	SMTPD_CMD_DATA,
	SMTPD_CMD_BDAT,
	SMTPD_CMD_RSET,
	SMTPD_CMD_NOOP,
	SMTPD_CMD_VRFY,
	SMTPD_CMD_ETRN,
	SMTPD_CMD_QUIT,
	SMTPD_CMD_UNKNOWN,
	SMTPD_COMMANDS,
};

/* Keywords of EHLO that smtpd_discard_ehlo_keywords can take away. */
enum {
	SMTPD_EHLO_PIPELINING = BIT(0),
	SMTPD_EHLO_SIZE = BIT(1),
	SMTPD_EHLO_VRFY = BIT(2),
	SMTPD_EHLO_ENHANCED = BIT(3),
	SMTPD_EHLO_8BITMIME = BIT(4),
	SMTPD_EHLO_STARTTLS = BIT(5), /* and so whether it works */
	SMTPD_EHLO_AUTH = BIT(6),
	SMTPD_EHLO_DSN = BIT(7), /* RFC 3461 */
};

typedef bool smtpd_word_fn(struct span word);

/* What main.cf says; one for all sessions. */
struct smtpd_config {
	const char *myhostname;
	const char *banner;
	uint64_t size_limit; /* message_size_limit; 0: none */
	int64_t soft_errors;
	int64_t hard_errors;
	int64_t junk_commands;
	int64_t rcpt_limit;
	int64_t rcpt_overshoot;
	int64_t bare_lf_code;
	bool helo_required;
	bool vrfy_disabled;
	bool strict_envelopes;
	bool delay_reject;
	bool auth; /* smtpd_sasl_auth_enable */
	bool auth_tls_only; /* smtpd_tls_auth_only */
	bool auth_old_form; /* broken_sasl_auth_clients */
	int64_t auth_limit; /* smtpd_sasl_response_limit, bytes */
	const char *auth_mechs; /* in the clear: "PLAIN LOGIN", or none */
	const char *auth_tls_mechs;
	bool tls_required; /* before anything else */
	bool tls_broken; /* it is meant to be offered, and cannot be */
	unsigned ehlo; /* SMTPD_EHLO_... that are offered */
	unsigned lists; /* BIT()s of the lists that are not empty */
	smtpd_word_fn *is_forbidden; /* smtpd_forbidden_commands */
	smtpd_word_fn *is_noop; /* smtpd_noop_commands */
};

struct smtpd_rcpt {
	struct smtpd_rcpt *next;
	struct span addr; /* canonical */
	struct span orcpt; /* decoded: "rfc822;a@b"; ->n 0: not said */
	unsigned notify; /* QUEUE_NOTIFY_...; 0: not said */
};

struct smtpd_text {
	struct smtpd_text *next;
	struct span text;
};

struct smtpd_txn {
	struct span sender; /* canonical */
	uint64_t size; /* that the client announced */
	bool is_8bit;
	struct span envid; /* decoded; ->p NULL: not said */
	unsigned ret; /* QUEUE_RET_...; 0: not said */
	struct span permits; /* rules by which the first recipient came in */
	bool discard; /* take it and lose it */
	bool hold; /* it waits until it is released */
	bool effect_lost; /* there was no room for what a table wanted */
	struct span filter; /* "transport:nexthop"; ->n 0: none */
	struct span redirect; /* who gets it in place of all */
	struct smtpd_text *prepends; /* fields, in their order */
	struct smtpd_text *copies; /* addresses */
	size_t n;
	size_t overshoot;
	struct smtpd_rcpt *rcpts;
	struct smtpd_rcpt **end;
};

enum smtpd_log_kind {
	SMTPD_LOG_NOTHING,
	SMTPD_LOG_REJECT, /* with the reply that was just given */
	SMTPD_LOG_DISCARD, /* with ->text */
	SMTPD_LOG_ADDRESS, /* illegal syntax: ->text */
	SMTPD_LOG_NOT_SMTP,
	SMTPD_LOG_AUTH_FAILED, /* ->text is why, ->user who */
	SMTPD_LOG_AUTH_UNKNOWN,
};

struct smtpd_session {
	enum smtpd_state state;
	enum smtpd_want want;
	const struct smtpd_config *config;
	struct arena *arena; /* of the transaction */
	struct buf *out;
	struct smtpd_txn txn;
	struct access_facts facts;
	unsigned lists; /* with SMTPD_WANT_ACCESS */
	struct smtpd_rcpt checked; /* a recipient that is being checked */

	unsigned
	    ehlo; /* SMTPD_EHLO_..., of ->config; who begins may take some */
	bool esmtp;
	bool tls; /* set by who begins with it, after session_init() */
	bool denied; /* since the connection */
	bool slow;
	const char *broken; /* why the session ended early: "too many errors" */
	int64_t errors;
	int64_t junk;
	enum smtpd_command command; /* the last one */
	struct span verb; /* its name, for logs */
	unsigned ok[SMTPD_COMMANDS];
	unsigned all[SMTPD_COMMANDS];
	struct {
		enum smtpd_log_kind kind;
		struct span text; /* good until the next step */
		struct span user;
	} log;
	struct {
		bool done; /* it is ->user, by ->mech */
		bool asked; /* the next line is a response */
		bool begins; /* with SMTPD_WANT_AUTH: an exchange does */
		struct span mech; /* "PLAIN" */
		struct span response; /* ->p NULL: there is none */
		size_t user_n;
		char user[SMTPD_USER_MAX];
	} auth;
	char helo[SMTPD_HELO_MAX + 1];
	enum smtpd_state hello; /* START or HELLO: where a transaction ends */
};

/*
 * Begins. `facts` say who the client is. `arena` and `out` are borrowed. Greets,
 * or wants a verdict on the client first.
 */
enum smtpd_want session_init(struct smtpd_session *s,
    const struct smtpd_config *config, const struct access_facts *facts,
    struct arena *arena, struct buf *out);

/* Each needs SMTPD_REPLY_MAX bytes of room in ->out. */
enum smtpd_want session_line(struct smtpd_session *s, struct span line);
enum smtpd_want session_overlong(struct smtpd_session *s);
enum smtpd_want session_timeout(struct smtpd_session *s);
enum smtpd_want session_shutdown(struct smtpd_session *s);
enum smtpd_want session_access(struct smtpd_session *s,
    const struct access_verdict *verdict);
/* By which rules it was PERMIT; right after session_access(). Kept for the log. */
void session_permitted(struct smtpd_session *s, struct span rules);
/*
 * While a verdict is wanted: a table wants this done with the mail. Before MAIL
 * there is none, and nothing to be done.
 */
void session_effect(struct smtpd_session *s, enum access_effect effect,
    struct span arg);
enum smtpd_want session_space(struct smtpd_session *s, bool is_room);
enum smtpd_want session_data(struct smtpd_session *s, enum smtpd_data result);
enum smtpd_want session_committed(struct smtpd_session *s,
    enum smtpd_data result, struct span id);

/*
 * The handshake is over. If TLS is on, all that the client said is forgotten; if
 * not, the session is over, and there is nobody to be told.
 */
enum smtpd_want session_tls(struct smtpd_session *s, bool is_on);

/*
 * What authd has said. The response is forgotten; the answer's spans need not
 * outlive the call, but for the log.
 */
enum smtpd_want session_auth(struct smtpd_session *s,
    const struct smtpd_auth_answer *a);

/* Who has authenticated; ->p NULL: nobody. */
struct span session_user(const struct smtpd_session *s);

/* Instead of session_init(): too many connections of this client. */
enum smtpd_want session_crowded(struct smtpd_session *s,
    const struct smtpd_config *config, const struct access_facts *facts,
    struct buf *out);

/* "ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4" */
void session_put_counts(const struct smtpd_session *s, struct buf *out);

/* "SMTP" or "ESMTP", and what HELO said; ->p NULL: nothing. */
struct span session_protocol(const struct smtpd_session *s);
struct span session_helo(const struct smtpd_session *s);

/* The protocol for Received, RFC 3848: "ESMTPS". */
struct span session_with(const struct smtpd_session *s);

#endif
