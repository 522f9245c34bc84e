/*
 * content.h - a message from its queue file to a server.
 */
#ifndef SMTP_CONTENT_H
#define SMTP_CONTENT_H

#include "net/stream.h"
#include "smtp/job.h"

/*
 * Sends all of it and the dot, with `timeout` milliseconds for each piece; lines
 * have at most `line_max` bytes (0: any). The dot goes only if the checksum is
 * right: else j->corrupt, and the connection is to be given up. May sleep.
 */
MUST_USE enum stream_result content_send(struct stream *st, struct job *j,
    int64_t timeout, size_t line_max);

enum content_result {
	CONTENT_SENT, /* or as far as *result_r says */
	CONTENT_TOO_DEEP, /* nothing was sent: it cannot be converted */
};

/*
 * The same for a server that takes 7 bits (mail/downgrade.h): what is labelled
 * 8bit is converted. May sleep.
 */
MUST_USE enum content_result content_send_converted(struct stream *st,
    struct job *j, int64_t timeout, size_t line_max,
    enum stream_result *result_r);

#endif
