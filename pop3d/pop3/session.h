/*
 * session.h - a session of POP3 over a user's INBOX: drives ../mailbox.h.
 */
#ifndef POP3D_POP3_SESSION_H
#define POP3D_POP3_SESSION_H

#include "base/defs.h"

struct session_in;

enum {
	/* Of the streams of sessions: a line, and a good part of a message. */
	POP3_IN_MAX = 2048,
	POP3_STREAM_OUT_MAX = 16384,
};

struct pop3_settings {
	int64_t timeout; /* ms that a client may say nothing */
	const char *uidl_format;
	const char *special_folders; /* of mail_special_folders */
};

extern struct pop3_settings pop3_settings;

/* Serves it to its end. May sleep. */
void pop3_serve(struct session_in *in);

#endif
