/*
 * command.h - a command of IMAP, read from its text (RFC 3501 and others).
 *
 * imap_parse() takes a whole command as the frame has it and gives a struct, whose
 * spans point into the text or the arena. It is strict: one blank where the
 * grammar has one, nothing behind the end. What is wrong gets a text for BAD.
 *
 * Besides RFC 3501: UIDPLUS (4315), MOVE (6851), IDLE (2177), ID (2971), ENABLE
 * (5161), NAMESPACE (2342), UNSELECT (3691), SASL-IR (4959). Names of mailboxes
 * come as they are, in modified UTF-7 (mutf7.h); sequence sets as text, read again
 * when it is known what "*" is. Whether a command is allowed in a state is
 * not known here.
 */
#ifndef IMAPD_PARSE_COMMAND_H
#define IMAPD_PARSE_COMMAND_H

#include "base/arena.h"
#include "imapd/parse/fetch.h"
#include "imapd/parse/search.h"

enum {
	IMAP_RANGES_MAX = 16384, /* of a sequence set */
	IMAP_FLAGS_MAX = 64, /* keywords of one command */
	IMAP_WORDS_MAX = 64, /* of ENABLE, and fields of ID (RFC 2971: 30) */
};

enum imap_verb {
	IMAP_APPEND,
	IMAP_AUTHENTICATE,
	IMAP_CAPABILITY,
	IMAP_CHECK,
	IMAP_CLOSE,
	IMAP_COPY,
	IMAP_CREATE,
	IMAP_DELETE,
	IMAP_ENABLE,
	IMAP_EXAMINE,
	IMAP_EXPUNGE,
	IMAP_FETCH,
	IMAP_ID,
	IMAP_IDLE,
	IMAP_LIST,
	IMAP_LOGIN,
	IMAP_LOGOUT,
	IMAP_LSUB,
	IMAP_MOVE,
	IMAP_NAMESPACE,
	IMAP_NOOP,
	IMAP_RENAME,
	IMAP_SEARCH,
	IMAP_SELECT,
	IMAP_STARTTLS,
	IMAP_STATUS,
	IMAP_STORE,
	IMAP_SUBSCRIBE,
	IMAP_UNSELECT,
	IMAP_UNSUBSCRIBE,
};

/* System flags; \Recent is none that a client may set. */
enum imap_flag {
	IMAP_ANSWERED = 1 << 0,
	IMAP_DELETED = 1 << 1,
	IMAP_DRAFT = 1 << 2,
	IMAP_FLAGGED = 1 << 3,
	IMAP_SEEN = 1 << 4,
};

struct imap_words {
	struct span *list; /* ->p NULL: NIL */
	size_t n;
};

struct imap_flags {
	unsigned system; /* of enum imap_flag */
	struct imap_words keywords;
};

enum imap_store_op {
	IMAP_STORE_SET,
	IMAP_STORE_ADD,
	IMAP_STORE_REMOVE,
};

enum imap_status_item {
	IMAP_STATUS_MESSAGES = 1 << 0,
	IMAP_STATUS_RECENT = 1 << 1,
	IMAP_STATUS_UIDNEXT = 1 << 2,
	IMAP_STATUS_UIDVALIDITY = 1 << 3,
	IMAP_STATUS_UNSEEN = 1 << 4,
};

/* The members that a verb has are named behind it. */
struct imap_command {
	struct span tag;
	enum imap_verb verb;
	bool uid; /* UID before COPY EXPUNGE FETCH MOVE SEARCH STORE */

	/* APPEND COPY CREATE DELETE EXAMINE LIST LSUB MOVE RENAME SELECT STATUS
	 * SUBSCRIBE UNSUBSCRIBE; for LIST and LSUB the reference */
	struct span mailbox;
	struct span to; /* RENAME; for LIST and LSUB the pattern */
	struct span set; /* COPY FETCH MOVE STORE, UID EXPUNGE */
	struct imap_flags flags; /* APPEND STORE */
	enum imap_store_op op; /* STORE */
	bool silent; /* STORE */
	bool has_date; /* APPEND */
	int64_t date;
	uint64_t size; /* APPEND: of the message that comes */
	unsigned status; /* STATUS: of enum imap_status_item */
	struct imap_fetch *fetch; /* FETCH: a list */
	struct imap_search *search; /* SEARCH: a tree */
	struct span charset; /* SEARCH: ->p NULL if not told */
	struct span user; /* LOGIN */
	struct span password;
	struct span mechanism; /* AUTHENTICATE */
	struct span initial; /* base64; "=" is none; ->p NULL if not told */
	struct imap_words words; /* ENABLE; ID: names and values by turns */
};

enum imap_parsed {
	IMAP_OK,
	IMAP_BAD, /* the tag is read if there is one, else ->tag is "*" */
	IMAP_LIMIT, /* the arena is full: NO [LIMIT] */
};

/*
 * `text` is a command without its last CRLF. *error_r is set unless it is
 * IMAP_OK.
 */
MUST_USE enum imap_parsed imap_parse(struct span text, struct arena *arena,
    struct imap_command *command_r, const char **error_r);

/* "FETCH", as it stands in "OK FETCH completed." */
struct span imap_verb_name(enum imap_verb verb);

/* The flag that a name like "\Seen" stands for, or 0. */
unsigned imap_system_flag(struct span name);

#endif
