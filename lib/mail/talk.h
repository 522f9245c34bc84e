/*
 * talk.h - what servers of SMTP and LMTP share of a client's conversation: what the
 * log says if it breaks off, and how it ends.
 *
 * What is said is the affair of each protocol's session, which has no input or
 * output; who drives it embeds a struct talk.
 */
#ifndef MAIL_TALK_H
#define MAIL_TALK_H

#include "mail/maillog.h"
#include "net/stream.h"

struct talk {
	struct stream *stream;
	struct log_client client; /* its spans outlive the talk */
	int64_t timeout; /* of a wait for the client, in ms */
	uint64_t data_bytes; /* of the mail that comes in */
};

/* How far the client has come, for the log. */
struct talk_at {
	struct span verb; /* of the last command */
	bool in_data; /* after DATA */
};

/* How a wait for the client ended, other than well. */
enum talk_end {
	TALK_GOES_ON,
	TALK_TOO_LONG, /* a line; it is gone */
	TALK_TIMEOUT,
	TALK_SHUTDOWN, /* we are to end */
	TALK_IS_OVER, /* there is nobody any more */
};

/* A name for a connection in traces, unlike any other within seven weeks. */
uint64_t talk_name(void);

/* By when the client has to have done what is waited for now. */
int64_t talk_deadline(const struct talk *t);

/* Logs "lost connection after DATA (5 bytes) from ..." */
void talk_broken(const struct talk *t, struct talk_at at, const char *what);

/* What a result means; what is worth a line is logged. */
enum talk_end talk_ended(const struct talk *t, struct talk_at at,
    enum stream_result r);

/* Sends until there is room for `n` bytes. False: nobody takes it. May sleep. */
MUST_USE bool talk_make_room(const struct talk *t, struct talk_at at, size_t n);

/*
 * Sends what there is to be sent, and ends. Who has said QUIT (`is_polite`), and
 * nothing behind it, is gone: there is nothing on its way that could make the
 * kernel discard the last reply. `broken` is why it ends early, or NULL. May sleep.
 */
void talk_goodbye(const struct talk *t, struct talk_at at, const char *broken,
    bool is_polite);

#endif
