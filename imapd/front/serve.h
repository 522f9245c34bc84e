/*
 * serve.h - drives a session of IMAP before its login (imapd/front/login.h).
 */
#ifndef IMAPD_FRONT_SERVE_H
#define IMAPD_FRONT_SERVE_H

#include "imapd/front/login.h"
#include "login/front.h"

enum {
	IMAP_FRONT_IN = 2048,
	IMAP_FRONT_OUT = 2 * IMAP_LOGIN_OUT,
};

/* A task: greets, and converses until the client has logged in or is gone. */
void imap_front_serve(struct front_client *c);

#endif
