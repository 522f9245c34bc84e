/*
 * received.h - the header field that says by which way a message came (RFC 5321,
 * section 4.4), in Postfix's form:
 *
 *	Received: from HELO (NAME [ADDR])
 *		by HOST (MAIL_NAME) with ESMTP id ID
 *		for <RCPT>; DATE
 *
 * It comes in two parts, as the ID between them is known later. Without a single
 * recipient the date stands behind the ID.
 */
#ifndef MAIL_RECEIVED_H
#define MAIL_RECEIVED_H

#include "base/buf.h"

struct received {
	struct span helo; /* empty: the client's name */
	struct span client_name;
	struct span client_addr;
	struct span host;
	struct span mail_name;
	struct span proto; /* "ESMTP" */
	struct span rcpt; /* empty: there are several */
	int64_t time; /* wall clock, microseconds */
};

enum {
	RECEIVED_MAX = 3072, /* room that either part needs */
};

void received_put_head(struct buf *out, const struct received *r);
void received_put_tail(struct buf *out, const struct received *r);

#endif
