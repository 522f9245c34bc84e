/*
 * serve.h - a client of lmtpd, as a task: the session with its input and output.
 */
#ifndef LMTP_SERVE_H
#define LMTP_SERVE_H

#include "lmtp/landing.h"

#include <sys/socket.h>

struct serve_config {
	struct lmtp_config session;
	struct landing_config landing;
	const char *mail_name;
	int64_t timeout; /* for each line, and piece of data */
	bool received; /* lmtpd_add_received_header */
};

/*
 * Speaks with the client on `fd`, which it takes over; `peer` is his address, or
 * that of a Unix socket. May sleep.
 */
void serve_client(const struct serve_config *config, int fd,
    const struct sockaddr_storage *peer);

#endif
