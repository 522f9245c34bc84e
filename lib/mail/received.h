/*
 * received.h - the header field that says by which way a message came (RFC 5321,
 * section 4.4), in Postfix's form:
 *
 *	Received: from HELO (NAME [ADDR])
 *		(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
 *		 key-exchange X25519 server-signature RSA-PSS (2048 bits))
 *		(No client certificate requested)
 *		by HOST (MAIL_NAME) with ESMTP id ID
 *		for <RCPT>; DATE
 *
 *		(Authenticated sender: USER)
 * where what stands between is there if TLS is to be told of.
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
	struct span user; /* who has authenticated; empty: not to be told */
	struct span tls; /* "TLSv1.3 with cipher ..."; empty: not to be told */
	struct span key_exchange; /* these may be empty */
	struct span signature;
	struct span rcpt; /* empty: there are several */
	int64_t time; /* wall clock, microseconds */
};

enum {
	RECEIVED_MAX = 3072, /* room that either part needs */
};

void received_put_head(struct buf *out, const struct received *r);
void received_put_tail(struct buf *out, const struct received *r);

#endif
