/*
 * backend.h - what SMTP sessions ask of the rest of the suite.
 *
 * The daemon links backend.c and incoming.c, which ask tables and make queue
 * files; a test links its own.
 */
#ifndef SMTPD_BACKEND_H
#define SMTPD_BACKEND_H

#include "net/addr.h"
#include "net/tls.h"
#include "smtpd/answers.h"
#include "smtpd/session.h"

enum {
	BACKEND_NAME_MAX = 256,
	BACKEND_ID_MAX = 64,
	BACKEND_RULES_MAX = 512,
};

/* Times and limits of the driver; milliseconds. */
struct backend_times {
	int64_t timeout; /* smtpd_timeout */
	int64_t error_sleep; /* smtpd_error_sleep_time */
	int64_t line_max; /* line_length_limit, bytes */
};

/* How a bare LF is taken from a client. */
enum backend_bare_lf {
	BACKEND_LF_ENDS_LINE,
	BACKEND_LF_ENDS_DATA, /* also that: smtpd_forbid_bare_newline = no */
	BACKEND_LF_NOTED, /* the same, and logged */
	BACKEND_LF_REFUSED,
};

/* A client, as long as it is connected. */
struct backend_client {
	char name[BACKEND_NAME_MAX]; /* "unknown" */
	char addr[ADDR_TEXT_MAX];
	uint64_t connection; /* its name in events */
	struct addr peer;
	bool is_ours; /* in mynetworks */
	bool counted;
	unsigned discard; /* SMTPD_EHLO_... that it is not offered */
	enum backend_bare_lf bare_lf;
	const struct tls_facts *tls; /* NULL: in the clear */
};

/* How TLS is done here; milliseconds. */
struct backend_tls {
	struct tls *context; /* NULL: not at all */
	bool from_start; /* smtpd_tls_wrappermode */
	int64_t log_level; /* smtpd_tls_loglevel */
	int64_t timeout; /* smtpd_starttls_timeout */
};

const struct smtpd_config *backend_config(void);
struct backend_times backend_times(void);
const struct backend_tls *backend_tls(void);

/*
 * Says who the client is, and counts it. False: there are too many connections
 * of it. Either way backend_left() is due. May sleep, while DNS is asked.
 */
MUST_USE bool backend_came(const struct addr *peer, struct backend_client *c_r);
void backend_left(struct backend_client *c);

/*
 * Evaluates the lists. `permits`, of BACKEND_RULES_MAX, gets the rule by which
 * each list permitted: "LIST: RULE; LIST: RULE". May sleep.
 */
void backend_access(const struct access_facts *facts, unsigned lists,
    struct access_verdict *verdict_r, struct buf *permits,
    answers_note_fn *note, void *arg);

/* What a client has to do with authd; NULL: nothing yet. */
struct sasl_exchange;

/*
 * Finds out what the response of `s` is worth. The answer is good until the
 * next. May sleep.
 */
void backend_auth(struct sasl_exchange **x, const struct smtpd_session *s,
    const struct backend_client *c, struct smtpd_auth_answer *answer_r);
void backend_auth_free(struct sasl_exchange *x);

/* Whether the queue has room for a mail of that size. */
bool backend_has_room(uint64_t size);

/* A mail that is being taken in. */
struct backend_mail;

/* Begins one of `s`, which outlives it. Never NULL. */
struct backend_mail *backend_mail_new(const struct smtpd_session *s,
    const struct backend_client *c);

/*
 * Takes a piece of it, lines ending in LF. What is not OK is final, and the rest
 * may be put all the same. May sleep.
 */
enum smtpd_data backend_mail_put(struct backend_mail *m, struct span piece);

/* Makes it durable, logs it, and tells the queue manager. May sleep. */
enum smtpd_data backend_mail_commit(struct backend_mail *m,
    char id_r[BACKEND_ID_MAX]);

/* Forgets it, if it was not committed. NULL is fine. May sleep. */
struct backend_mail *backend_mail_free(struct backend_mail *m);

/* A refusal was logged: counts it for `postrider status`. */
void backend_refused(void);

/* Counts a handshake of TLS that was done, or failed. */
void backend_shook_hands(bool done);

#endif
