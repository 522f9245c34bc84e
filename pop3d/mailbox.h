/*
 * mailbox.h - a session of POP3 whose user is known, as a pure machine.
 *
 * The messages are those that were there when it began, and keep their numbers:
 * what comes or goes meanwhile changes nothing of that (RFC 1939, section 4).
 * It is given the client's lines and appends replies to ->out; what it cannot do
 * itself stands in ->want, and the caller answers with the function named there.
 *
 * A message's unique-id is made of its UIDVALIDITY and UID (uidl.h), and never
 * changes as long as IMAP's UIDs do not. Messages are deleted by a QUIT, all in one go, and by
 * nothing else: a connection that is lost deletes none (section 6).
 */
#ifndef POP3D_MAILBOX_H
#define POP3D_MAILBOX_H

#include "base/buf.h"
#include "pop3d/command.h"

enum {
	POP3_MAILBOX_OUT = 512, /* room that a step needs */
};

enum pop3_want {
	POP3_WANT_LINE, /* pop3_line() */
	POP3_WANT_ROOM, /* ->out is to be sent: pop3_go_on() */
	POP3_WANT_OPEN, /* messages[->at], for pop3_opened() */
	POP3_WANT_BODY, /* it is to be sent as stuff.h says: pop3_sent() */
	POP3_WANT_DELETE, /* all with ->deleted: pop3_deleted() */
	POP3_WANT_CLOSE,
};

enum pop3_opened {
	POP3_OPENED,
	POP3_GONE, /* somebody else has deleted it */
	POP3_UNREADABLE,
};

struct pop3_message {
	uint32_t uid;
	bool deleted; /* in this session */
	uint64_t size; /* on the wire */
};

struct pop3_mailbox {
	struct pop3_message *messages; /* the caller's */
	size_t n;
	uint32_t uidvalidity;
	const char *uidl_format; /* one that was checked */
	struct buf *out;
	enum pop3_want want;
	size_t at;
	bool is_top; /* of ->at: ->lines of its body */
	bool is_uidl; /* the list under way is UIDL's */
	uint64_t lines;
	unsigned errors;
	unsigned errors_max; /* so many refusals end it; at least 1 */
	size_t deleted_n;
};

/* Says that the user is in. The caller has set what *s is about, from
 * ->messages to ->out and ->errors_max, and the rest to zero. */
void pop3_begin(struct pop3_mailbox *s);

/* Each returns the new ->want. */
enum pop3_want pop3_line(struct pop3_mailbox *s, struct span line);
enum pop3_want pop3_go_on(struct pop3_mailbox *s);
enum pop3_want pop3_opened(struct pop3_mailbox *s, enum pop3_opened how);
enum pop3_want pop3_sent(struct pop3_mailbox *s);
enum pop3_want pop3_deleted(struct pop3_mailbox *s, bool all);

#endif
