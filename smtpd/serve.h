/*
 * serve.h - one SMTP client: a session (session.h) on a stream, as a task.
 *
 * All the input and output of SMTP: it reads lines and data, does what the
 * session wants by backend.h, and logs. An idle client costs its stack's first
 * pages and small buffers; what a mail needs is there only while one comes in.
 */
#ifndef SMTPD_SERVE_H
#define SMTPD_SERVE_H

#include "net/addr.h"

/* Converses with the client at `peer` on `fd`, and closes it. May sleep. */
void serve_client(int fd, const struct addr *peer);

#endif
