/*
 * private.h - what the files of the session share; private to smtpd.
 */
#ifndef SMTPD_PRIVATE_H
#define SMTPD_PRIVATE_H

#include "smtpd/session.h"

/* Whether a command counts as done. */
enum outcome {
	OUTCOME_OK,
	OUTCOME_ERROR,
	OUTCOME_WAITS, /* an answer is wanted first */
};

typedef enum outcome command_fn(struct smtpd_session *s, struct span arg);

/* Appends a line; an OUTCOME_... for what it means. */
enum outcome reply_ok(struct smtpd_session *s, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
enum outcome reply_error(struct smtpd_session *s, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
/* The same as an error, which is logged as a refusal. */
enum outcome reply_reject(struct smtpd_session *s, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/* The only place that changes ->state. */
void enter(struct smtpd_session *s, enum smtpd_state state);

/* The one end of a transaction. */
void txn_reset(struct smtpd_session *s);

enum outcome want(struct smtpd_session *s, enum smtpd_want want);

/* Asks for the lists, of which some exist. False: there are none. */
bool wants_access(struct smtpd_session *s, unsigned lists);

/* A refusal's reply. */
enum outcome reply_verdict(struct smtpd_session *s,
    const struct access_verdict *v);

/* What each step begins with, and what it ends with. */
void begin_step(struct smtpd_session *s, enum smtpd_want w);
enum smtpd_want conclude(struct smtpd_session *s, enum outcome o);

/* Whether the command has to wait for STARTTLS. */
bool lacks_tls(const struct smtpd_session *s);

enum {
	AUTH_KEYWORD_MAX = 100,
};

/* What EHLO says of AUTH: "AUTH PLAIN LOGIN". False: it is not offered. */
MUST_USE bool auth_keyword(const struct smtpd_session *s,
    char text[AUTH_KEYWORD_MAX]);

/* A line of an exchange. */
enum outcome auth_response(struct smtpd_session *s, struct span line);

/* Forgets who it was. */
void auth_forget(struct smtpd_session *s);

/*
 * dsn.c: what a sender wants to be told (RFC 3461). `word` is a parameter of MAIL
 * or RCPT. False: it is none of these, and nothing was done.
 */
MUST_USE bool dsn_mail_param(struct smtpd_session *s, struct span word,
    enum outcome *outcome_r);
MUST_USE bool dsn_rcpt_param(struct smtpd_session *s, struct span word,
    enum outcome *outcome_r);

command_fn cmd_starttls, cmd_auth;
command_fn cmd_helo, cmd_ehlo, cmd_mail, cmd_rcpt, cmd_vrfy, cmd_data;

/* What follows the answers, by command. */
enum outcome helo_checked(struct smtpd_session *s,
    const struct access_verdict *v);
enum outcome mail_checked(struct smtpd_session *s,
    const struct access_verdict *v);
enum outcome mail_has_room(struct smtpd_session *s, bool is_room);
enum outcome rcpt_checked(struct smtpd_session *s,
    const struct access_verdict *v);
enum outcome vrfy_checked(struct smtpd_session *s,
    const struct access_verdict *v);
enum outcome data_checked(struct smtpd_session *s,
    const struct access_verdict *v);

#endif
