/*
 * landing.h - a mail that has come in is given to those who deliver.
 *
 * What is for mailboxes of one owner below one root goes in one request, up to a
 * number of them. A recipient of whom nobody said what came of it has an empty
 * outcome, which is "not now": so a mail can come twice, and is never lost.
 */
#ifndef LMTP_LANDING_H
#define LMTP_LANDING_H

#include "lmtp/body.h"

/* What main.cf says of deliveries. */
struct landing_config {
	uint64_t mailbox_limit; /* virtual_mailbox_limit; 0: none */
};

/* Gives each recipient of the session his outcome. May sleep. */
void landing_run(struct lmtp_session *s, const struct body *b,
    const struct landing_config *config, int64_t arrived);

#endif
