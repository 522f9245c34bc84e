/*
 * front.h - the network's side of a login, which imapd and pop3d share.
 *
 * It accepts, speaks TLS, asks authd who somebody is, and hands the connection
 * over to the process that has his mailbox. A connection in the clear goes there
 * whole; with TLS the front stays between as a relay (relay.h). The protocol's own
 * part is a driver of its pure session, a task for each client, which ends when
 * that wants no more; what it has allocated is gone before the relay begins.
 *
 * All that comes before the login has one deadline and one bounded buffer, and a
 * client's connections are counted until it has logged in. The front opens no
 * file and no socket but those to authd and the broker.
 */
#ifndef LOGIN_FRONT_H
#define LOGIN_FRONT_H

#include "conf/conf.h"
#include "net/stream.h"
#include "service/service.h"

struct front_client;

struct front_spec {
	const char *program; /* "imapd": begins the names of its parameters */
	const char *service; /* "imap": for authd, the broker, ALPN, the log */
	size_t in_max, out_max; /* of the streams */
	struct span goodbye; /* if it may be said unasked; or empty */

	/* A task for each client. */
	void (*serve)(struct front_client *c);
};

/* What the protocol's session has to know; good after front_open(). */
struct front_settings {
	const char *banner;
	bool has_tls; /* for those in the clear */
	unsigned errors_max;
};

struct front_client {
	struct stream *stream;
	bool tls;
	bool clear_too; /* may send a password without TLS */
	bool told_clear; /* and may not, and did: set by the driver */
	int64_t by; /* when it has to have logged in */
	const char *reason; /* why it ends: set by the driver */
	struct span challenge; /* with FRONT_CONTINUE */
	struct front_private *own;
};

/* In warm_up(). Returns 0, or -errno with `why`. Blocks. */
MUST_USE int front_open(const struct conf *c, const struct front_spec *spec,
    struct why *why);
const struct front_settings *front_settings(void);

/* The first task of the process. May sleep. */
void front_serve(void);

/* Notes how a wait for the client has ended. */
void front_lost(struct front_client *c, enum stream_result r);

/*
 * Goes over to TLS. False: the client is of no further use. May sleep.
 */
MUST_USE bool front_starttls(struct front_client *c);

enum front_answer {
	FRONT_OK, /* front_hand_over() is due */
	FRONT_CONTINUE, /* ->challenge is for the client */
	FRONT_DENIED,
	FRONT_UNKNOWN, /* it could not be found out */
};

/* Begins an exchange; goes on with it. Who is denied may have waited. May sleep. */
struct front_question {
	struct span mech;
	bool has_initial;
	struct span initial;
};
MUST_USE enum front_answer front_auth(struct front_client *c,
    const struct front_question *q);
MUST_USE enum front_answer front_respond(struct front_client *c,
    struct span response);

/*
 * Hands the connection over, with what the client has said in advance; `tag` is of
 * the command that logged in, or empty. False: it could not be, and the client is
 * to be told. Else the driver is to return. May sleep.
 */
MUST_USE bool front_hand_over(struct front_client *c, struct span tag);

#endif
