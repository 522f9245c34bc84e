/*
 * private.h - what the files of the session share; private to smtp.
 *
 * session.c takes lines and passes them on; hello.c speaks up to the mail,
 * transfer.c carries it; reply.c reads what a server says, verdict.c decides what
 * that means for recipients; command.c writes commands.
 */
#ifndef SMTP_PRIVATE_H
#define SMTP_PRIVATE_H

#include "smtp/session.h"

/* command.c: they put a whole line, with what the server offers. */
void command_mail(struct buf *out, const struct smtp_mail *m,
    unsigned features);
void command_rcpt(struct buf *out, const struct smtp_rcpt *r,
    unsigned features);

/* XFORWARD with these attributes; what is not known says so. */
void command_xforward(struct buf *out, const struct smtp_mail *m,
    unsigned attributes);

/* AUTH PLAIN with its initial response (RFC 4616). */
void command_plain(struct buf *out, struct span user, struct span password);

/* reply.c: RFC 5321, section 4.2.1. False: this is no line of a reply. */
MUST_USE bool reply_code(struct span line, unsigned *code_r, bool *last_r);

/* Keeps a line in ->reply, as far as there is room; only what can be shown. */
void reply_keep(struct smtp_session *s, struct span line);

/* The reply as it is told: printable, and not too long. */
struct span reply_text(const struct smtp_session *s);

/* "5.1.1" of "550 5.1.1 no" (RFC 3463), with `class` in front. */
void reply_dsn(const struct smtp_session *s, char class,
    char dsn_r[SMTP_DSN_MAX]);

/* For good is only what begins with a 5. */
enum smtp_fate reply_fate(const struct smtp_session *s);

/* verdict.c: what is done at this stage: "sending RCPT TO". */
const char *session_doing(const struct smtp_session *s);

/* One recipient's verdict; mail_decide() is for all. */
void decide_rcpt(struct smtp_mail *m, struct smtp_rcpt *r, enum smtp_fate fate,
    const char *dsn, const char *text);

/* The mail goes no further over this session. */
void end_mail(struct smtp_session *s, bool reusable);

/* The whole session failed, and so all that is undecided. */
void fail_session(struct smtp_session *s, enum smtp_fate fate, const char *dsn,
    const char *text);

/* Of one recipient, or with NULL of all: the server refuses. */
void refuse_mail(struct smtp_session *s, struct smtp_rcpt *r);

/* "`before` PEER `behind`: REPLY", of the session as a whole. */
void refuse_session(struct smtp_session *s, const char *before,
    const char *behind, enum smtp_fate fate);

/* hello.c */
void say_hello(struct smtp_session *s, enum smtp_stage stage);
void take_offer(struct smtp_session *s, struct span line);
void on_greeting(struct smtp_session *s);
void on_hello(struct smtp_session *s);
void on_starttls(struct smtp_session *s);
void on_auth(struct smtp_session *s);

/* transfer.c */
void begin_mail(struct smtp_session *s);
void on_step(struct smtp_session *s);
void on_dot(struct smtp_session *s);

#endif
