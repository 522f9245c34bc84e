/*
 * imap.h - a session of IMAP whose user is known, as the commands see it.
 *
 * A session is a task. It takes a command, does it in straight-line code that may
 * sleep and offload, and answers; the table in commands.c says which function
 * does what, and when a command is allowed. A function of a command writes its
 * own untagged lines, and returns how the tagged one begins and what it says.
 *
 * ONE COMMAND AT A TIME. So nothing here changes but by the command under way,
 * and the view of the mailbox stays as it is until imap_sync().
 *
 * WHAT AN IDLE SESSION HOLDS is this struct, on the stack of its task, and what
 * the store holds for it. Buffers, the text of the command and the arena are
 * there only from a command's first byte to its last answer.
 *
 * STORE CALLS that block are given to task_offload(TASK_DISK), a whole step at a
 * time. Meanwhile the session is the offloaded function's alone.
 */
#ifndef IMAPD_MAILBOX_IMAP_H
#define IMAPD_MAILBOX_IMAP_H

#include "base/arena.h"
#include "imapd/format/out.h"
#include "imapd/format/section.h"
#include "imapd/parse/command.h"
#include "imapd/parse/frame.h"
#include "login/worker.h"
#include "net/stream.h"
#include "store/store.h"

enum {
	IMAP_TEXT_MAX = 64 << 10, /* a command with its literals */
	IMAP_IN_MAX = 16 << 10, /* of the stream, while a command runs */
	IMAP_OUT_MAX = 16 << 10,
	IMAP_ARENA_MAX = 512 << 10, /* what one command may take */
};

/* From main.cf. */
struct imap_params {
	const char *mail_special_folders;
	int64_t imapd_timeout; /* ms without a command, or in IDLE */
	int64_t imapd_idle_notify_interval; /* ms between "Still here" */
	int64_t imapd_write_timeout; /* ms for a client to take an answer */
	int64_t imapd_error_limit; /* bad commands in a row */
	int64_t virtual_mailbox_limit; /* bytes of a message; 0: any */
};

/* How the tagged answer begins. */
enum imap_done {
	IMAP_DONE_OK,
	IMAP_DONE_NO,
	IMAP_DONE_BAD,
	IMAP_DONE_CLOSE, /* none: "* BYE text", or nobody is there to read it */
};

/* For the line in the log when it ends. */
struct imap_counts {
	uint64_t in, out; /* bytes of the connection */
	uint64_t deleted; /* \Deleted was set */
	uint64_t expunged;
	uint64_t trashed; /* copied to where \Trash is */
	uint64_t hdr_count, hdr_bytes; /* FETCH of headers alone */
	uint64_t body_count, body_bytes; /* FETCH of more than that */
};

struct imap {
	const struct imap_params *params;
	struct session_in *in;
	struct stream *stream;
	struct store_user *user;
	struct mbox *mbox; /* NULL: none is selected */
	struct span mailbox; /* its name, while there is one */
	struct section_mark mark; /* of a message in it */

	/*
	 * Everything that is said goes here: it counts, and waits when the
	 * buffer of the stream is full. May sleep.
	 */
	struct out out;
	bool lost; /* nothing more can be said; what is written is dropped */

	struct arena *arena; /* of the command under way */
	struct imap_counts counts;

	/* The session's own. */
	struct room *room; /* NULL: no command is under way */
	struct span tag; /* of the command */
	unsigned errors; /* bad commands in a row */
	uint32_t recent; /* as the client was told */
	const char *reason; /* why it ended, for the log */
	struct worker_news news; /* of the mailbox, in IDLE */
	char *long_text; /* a *text_r from the heap */
	char text[256]; /* one from imap_textf() */
	char tag_bytes[FRAME_TAG_MAX];
	char mailbox_name[STORE_NAME_MAX];
};

/* Serves a session from its login to its end. May sleep. */
void imap_serve(struct session_in *in, const struct imap_params *params);

/*** What commands share. ***/

/* Returns a text for *text_r that lives until the command ends; it may be cut. */
const char *imap_textf(struct imap *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * What to answer when the store said `r`, which is not OK, about the mailbox or
 * what is in it: "[NONEXISTENT] Mailbox doesn't exist". Returns IMAP_DONE_NO.
 */
enum imap_done imap_refused(enum store_result r, const char **text_r);

/* "FLAGS (\Seen \Recent $Label)" of a message of the view. */
void imap_put_flags(struct imap *s, const struct mbox_message *m);

/* "* N FETCH (UID u FLAGS (...))" and CRLF, the UID only if `uid`. */
void imap_tell_flags(struct imap *s, uint32_t seq, bool uid);

/*
 * Brings the view up to date and tells the client what has changed, FETCH with
 * UIDs if `uid`; `flags` are of enum mbox_sync_flag. The loop does so behind each
 * command: a command only if what it says itself has to be of the new view.
 * False: the mailbox is gone, and so is the session: return IMAP_DONE_CLOSE,
 * with the text that was set. May sleep.
 */
MUST_USE bool imap_sync(struct imap *s, unsigned flags, bool uid,
    const char **text_r);

/*
 * Lets others run, in a loop over many messages that writes little. False: the
 * session was cancelled. May sleep.
 */
MUST_USE bool imap_breathe(struct imap *s);

/* The bits of the store for those of a command's system flags, and back. */
uint32_t imap_store_flags(unsigned system);
unsigned imap_system_flags(uint32_t flags);

#endif
