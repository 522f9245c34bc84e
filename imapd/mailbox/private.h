/*
 * private.h - what the files of a session share; private to imapd/mailbox.
 */
#ifndef IMAPD_MAILBOX_PRIVATE_H
#define IMAPD_MAILBOX_PRIVATE_H

#include "imapd/mailbox/imap.h"
#include "task/task.h"

/*** Reading, room.c. ***/

/* What a command needs while it is read and answered. */
struct room {
	struct frame frame;
	char text[IMAP_TEXT_MAX];
};

/*
 * Makes the room, the arena and the buffers, if they are not there; and gives them
 * back, unless there is something left to read. Plain.
 */
void room_take(struct imap *s);
void room_give(struct imap *s);

/* Gives the room back whatever is left; the buffers are the stream's. Plain. */
void room_free(struct imap *s);

/*
 * What came of the client's next bytes, other than FRAME_MORE; "+ OK" is said for
 * FRAME_LITERAL, which is none either. May sleep.
 */
MUST_USE enum stream_result room_next(struct imap *s, int64_t deadline,
    enum frame_result *outcome_r);

/* What the client sends past the frame, up to `max` bytes. May sleep. */
MUST_USE enum stream_result room_bytes(struct imap *s, size_t max,
    int64_t deadline, struct span *bytes_r);

/* Sends what was said. False: the session is ->lost. May sleep. */
bool imap_flush(struct imap *s);

/*
 * Waits without a room until there is something to read, or *rung_r: we are told
 * to end, or with `news` other than NULL there are some. May sleep.
 */
MUST_USE enum stream_result room_wait(struct imap *s, struct worker_news *news,
    int64_t deadline, bool *rung_r);

/* Ends the session with that reason, unless it has one. IMAP_DONE_CLOSE. */
enum imap_done imap_end(struct imap *s, const char *reason);
enum imap_done imap_end_for(struct imap *s, enum stream_result r);

/*** Words, say.c. ***/

extern const struct span imap_capabilities;

void imap_say(struct imap *s, const char *text);

/* "* FLAGS (...)", and if told so "* OK [PERMANENTFLAGS (...)] ...". */
void imap_tell_names(struct imap *s, bool permanent);

/* "OK", "NO" or "BAD" with the tag of the command. */
void imap_answer(struct imap *s, enum imap_done done, const char *text);

/* Whether a mailbox can have this name; else *text_r says why not. */
MUST_USE bool imap_name_is_good(struct span name, const char **text_r);

/* A set as text: the caller frees it. */
char *imap_set_text(const struct uidset *set);

/*** Changes, changes.c. ***/

/* What was changed, but for FETCH: EXPUNGE, EXISTS, RECENT, FLAGS. May sleep. */
void imap_tell_changes(struct imap *s, const struct mbox_changes *c);

/*** Commands. ***/

typedef enum imap_done imap_command_fn(struct imap *s,
    const struct imap_command *c, const char **text_r);

/* Keeps the tag to answer with. False: it is too long. Plain. */
MUST_USE bool imap_keep_tag(struct imap *s, struct span tag);

/* What a client may be told before the answer to a command. */
struct imap_news {
	bool wanted;
	bool uid; /* with UIDs */
	unsigned flags; /* for mbox_sync() */
};

/* Tells news and answers. False: the end. May sleep. */
MUST_USE bool imap_finish(struct imap *s, enum imap_done done, const char *text,
    const struct imap_news *news);

/* Does what the table says for the verb, and answers. False: the end. */
MUST_USE bool imap_run(struct imap *s, const struct imap_command *c);

/* After FRAME_APPEND: takes the message, and the rest. False: the end. */
MUST_USE bool imap_append(struct imap *s);

imap_command_fn imap_close;
imap_command_fn imap_copy;
imap_command_fn imap_create;
imap_command_fn imap_delete;
imap_command_fn imap_expunge;
imap_command_fn imap_idle;
imap_command_fn imap_list;
imap_command_fn imap_move;
imap_command_fn imap_rename;
imap_command_fn imap_select;
imap_command_fn imap_status;
imap_command_fn imap_store;
imap_command_fn imap_subscribe;
imap_command_fn imap_unselect;

/*
 * The messages that a command is about, as sequence numbers. False: BAD with
 * *text_r, and the set is empty.
 */
MUST_USE bool imap_take_seqs(struct imap *s, const struct imap_command *c,
    struct uidset *seqs_r, const char **text_r);

/* Closes the mailbox that is selected, if one is. May sleep. */
void imap_leave(struct imap *s);

#endif
