/*
 * login.h - a session of POP3 before its user is known, as a pure machine.
 *
 * It is given the client's lines and appends replies to ->out; what it cannot do
 * itself stands in ->want, and the caller answers with the function named there.
 * It knows no mailbox: who has logged in is greeted by the mailbox's side, since
 * that side may have a reason to refuse.
 *
 * USER says nothing of whether there is such a user (RFC 1939, section 13). A
 * password is never taken in the clear unless the configuration says so, and
 * lives no longer than the question to which it belongs.
 */
#ifndef POP3D_LOGIN_H
#define POP3D_LOGIN_H

#include "base/buf.h"
#include "pop3d/command.h"

enum {
	POP3_LOGIN_OUT = 512, /* room that a step needs */
};

enum pop3_login_want {
	POP3_LOGIN_LINE, /* pop3_login_line() */
	POP3_LOGIN_TLS, /* a handshake, then pop3_login_tls() */
	POP3_LOGIN_AUTH, /* ->response is PLAIN's; pop3_login_auth() */
	POP3_LOGIN_HAND_OVER, /* the user is known: it is over */
	POP3_LOGIN_CLOSE,
};

struct pop3_login_config {
	const char *greeting; /* "mail.demo.test POP3 ready" */
	bool has_tls; /* there is a certificate */
	bool clear_too; /* passwords may come without TLS */
	unsigned errors_max; /* so many refusals end it; at least 1 */
};

enum pop3_login_answer {
	POP3_LOGIN_OK,
	POP3_LOGIN_DENIED,
	POP3_LOGIN_UNKNOWN, /* it could not be found out */
};

struct pop3_login {
	const struct pop3_login_config *config;
	struct buf *out;
	enum pop3_login_want want;
	bool tls;
	bool asked; /* the next line is AUTH's */
	bool told_clear; /* a password was refused for want of TLS */
	bool logged_out; /* by QUIT */
	unsigned errors;
	struct span method; /* "PLAIN", for the log */
	size_t user_n; /* 0: USER did not come */
	char user[POP3_USER_MAX];
	struct span response; /* points into ->bytes */
	char bytes[POP3_RESPONSE_MAX];
};

/* Greets. `tls`: it is there from the first byte. */
void pop3_login_init(struct pop3_login *s, const struct pop3_login_config *c,
    bool tls, struct buf *out);

/* Wipes. */
void pop3_login_fini(struct pop3_login *s);

/* Each returns the new ->want. */
enum pop3_login_want pop3_login_line(struct pop3_login *s, struct span line);
enum pop3_login_want pop3_login_tls(struct pop3_login *s, bool is_on);
enum pop3_login_want pop3_login_auth(struct pop3_login *s,
    enum pop3_login_answer a);

/* With HAND_OVER: nobody took the connection. */
enum pop3_login_want pop3_login_refuse(struct pop3_login *s);

#endif
