/*
 * serve.h - drives a session of POP3 before its login (pop3d/login.h).
 */
#ifndef POP3D_FRONT_SERVE_H
#define POP3D_FRONT_SERVE_H

#include "login/front.h"
#include "pop3d/login.h"

enum {
	POP3_FRONT_IN = POP3_LINE_MAX,
	POP3_FRONT_OUT = 2 * POP3_LOGIN_OUT,
};

/* A task: greets, and converses until the client has logged in or is gone. */
void pop3_front_serve(struct front_client *c);

#endif
