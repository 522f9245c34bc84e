/*
 * report.h - a report on what became of a mail, as its sender gets it (RFC 3464
 * within RFC 6522): a text for people, the same for programs, and the mail or its
 * head. Knows only memory; pieces of it go to ->put, in this order:
 *
 *	report_head(&r);
 *	report_rcpt(&r, &rcpt) ...          for people, one a recipient
 *	report_status(&r);
 *	report_rcpt_status(&r, &rcpt) ...   for programs, the same ones again
 *	report_original(&r);                then the mail itself, then
 *	report_end(&r);
 *
 * What other servers said, and what senders put into their commands, stands in
 * it: control characters and bytes that are not ASCII become '?', so that nothing
 * begins a line, a field or a part of its own. What the postmaster's templates say
 * is his, and stands as it is.
 */
#ifndef SMTPD_CLEANUP_REPORT_H
#define SMTPD_CLEANUP_REPORT_H

#include "base/span.h"
#include "mail/templates.h"
#include "service/report.h"

#include <stdint.h>

typedef void report_put_fn(struct span piece, void *arg);

struct report {
	report_put_fn *put;
	void *arg;
	enum report_kind kind;
	const struct template *template; /* for its kind; expanded */
	bool for_postmaster; /* a copy, or of a mail that has no sender */
	bool head_only; /* of the mail */
	bool is_8bit; /* the mail is */
	bool verify; /* of REPORT_TRACE: nothing was to be delivered */
	const char *myhostname;
	const char *myorigin;
	const char *boundary;
	struct span to; /* who gets it */
	struct span id; /* of the mail */
	struct span sender;
	struct span envid;
	int64_t arrived; /* wall clock, microseconds */
	int64_t lifetime; /* seconds that it is tried, of REPORT_DELAY */
};

struct report_rcpt {
	struct span addr;
	struct span orig; /* these may be empty */
	struct span orcpt;
	struct span dsn;
	struct span relay;
	struct span text;
};

void report_head(const struct report *r);
void report_rcpt(const struct report *r, const struct report_rcpt *rcpt);
void report_status(const struct report *r);
void report_rcpt_status(const struct report *r, const struct report_rcpt *rcpt);
void report_original(const struct report *r);
void report_end(const struct report *r);

/* "sender non-delivery notification": how the log calls it. */
struct span report_name(const struct report *r);

#endif
