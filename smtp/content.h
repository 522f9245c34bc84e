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

#endif
