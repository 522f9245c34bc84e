/*
 * login.h - a session of IMAP before its user is known, as a pure machine.
 *
 * It is given the client's bytes and appends answers to ->out; what it cannot do
 * itself stands in ->want, and the caller answers with the function named there.
 * It knows no mailbox: who has logged in gets the answer to that command from the
 * mailbox's side, since that side may have a reason to refuse.
 *
 * Until then nobody gets more than a few kilobytes: a command and its literals fit
 * IMAP_LOGIN_TEXT bytes. A password is never taken in the clear unless the
 * configuration says so (RFC 3501, section 6.2.3), and lives no longer than the
 * question to which it belongs.
 */
#ifndef IMAPD_FRONT_LOGIN_H
#define IMAPD_FRONT_LOGIN_H

#include "base/buf.h"
#include "imapd/parse/frame.h"

enum {
	IMAP_LOGIN_OUT = 1024, /* room that a step needs */
	IMAP_LOGIN_TEXT = 4096, /* of a command */
	IMAP_LOGIN_RESPONSE = 1024, /* name and password, and what parts them */
	IMAP_LOGIN_MECH = 20, /* bytes of a mechanism's name (RFC 4422) */
};

enum imap_login_want {
	IMAP_LOGIN_INPUT, /* imap_login_feed() */
	IMAP_LOGIN_TLS, /* a handshake, then imap_login_tls() */
	IMAP_LOGIN_AUTH, /* ->mech, ->response: imap_login_auth() */
	IMAP_LOGIN_HAND_OVER, /* the user is known, ->tag waits: it is over */
	IMAP_LOGIN_CLOSE,
};

struct imap_login_config {
	const char *greeting; /* "mail.demo.test IMAP ready." */
	bool has_tls; /* there is a certificate */
	bool clear_too; /* passwords may come without TLS */
	unsigned errors_max; /* so many refusals end it; at least 1 */
};

enum imap_login_answer {
	IMAP_LOGIN_OK,
	IMAP_LOGIN_CONTINUE, /* there is a challenge for the client */
	IMAP_LOGIN_DENIED,
	IMAP_LOGIN_UNKNOWN, /* it could not be found out */
};

struct imap_login {
	const struct imap_login_config *config;
	struct buf *out;
	enum imap_login_want want;
	bool tls;
	bool asked; /* the next line is AUTHENTICATE's */
	bool began; /* with AUTH: an exchange begins; or else it goes on */
	bool has_response; /* with one that begins: ->response is there */
	bool told_clear; /* a password was refused for want of TLS */
	bool logged_out; /* by LOGOUT */
	unsigned errors;
	struct span mech; /* "PLAIN", as the client wrote it */
	struct span response; /* without its base64; points into ->bytes */
	struct span tag; /* of the command that logs in */

	/* Private from here on. */
	struct frame frame;
	char tag_bytes[FRAME_TAG_MAX];
	char mech_bytes[IMAP_LOGIN_MECH];
	char bytes[IMAP_LOGIN_RESPONSE];
	char text[IMAP_LOGIN_TEXT];
};

/* Greets. `tls`: it is there from the first byte. */
void imap_login_init(struct imap_login *s, const struct imap_login_config *c,
    bool tls, struct buf *out);

/* Wipes. */
void imap_login_fini(struct imap_login *s);

/* Takes what belongs to one step from the front of *in. Returns ->want. */
enum imap_login_want imap_login_feed(struct imap_login *s, struct span *in);

/* Each returns the new ->want. The challenge is of CONTINUE only. */
enum imap_login_want imap_login_tls(struct imap_login *s, bool is_on);
enum imap_login_want imap_login_auth(struct imap_login *s,
    enum imap_login_answer a, struct span challenge);

/* With HAND_OVER: nobody took the connection. */
enum imap_login_want imap_login_refuse(struct imap_login *s);

#endif
