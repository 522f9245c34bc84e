/*
 * store.h - the mailboxes of a user, as IMAP and POP3 see them.
 *
 * A `struct store` (deliver.h) is a root of the file system below which this
 * process may read and write mail, as its owner. store_user_open() opens the
 * mail of one user below it; sessions of one user in a process share what lies
 * behind the handle. A `struct mbox` is a mailbox that one session has selected:
 * it has a VIEW of the messages, which only mbox_sync() changes, so that
 * sequence numbers stay what the client was told.
 *
 * THREADS. Different handles may be used by different threads at a time. One
 * handle is used by one thread at a time, and there is nothing else to lock.
 * No function leaves a lock or a transaction behind when it returns.
 *
 * NAMES of mailboxes are those of IMAP4rev1: modified UTF-7, with '.' between
 * the levels; INBOX in any case of its letters. They are kept on disk as they
 * are, so a name has printable ASCII without '/', no empty level, and at most
 * STORE_NAME_MAX bytes; others are STORE_INVALID. That the modified UTF-7 is
 * well formed is for the caller to check.
 *
 * FLAGS are one word: the six of IMAP, then the 26 keywords of the mailbox, each
 * a bit from STORE_KEYWORD on, the bit of 'a' first. The letter that a name has
 * is the mailbox's own: see mbox_keywords(). \Recent is no flag here:
 * mbox_is_recent().
 *
 * SIZES are those on the wire: each LF of the file that has no CR before it gets
 * one there. Files have LF, but for those of foreign programs that wrote CRLF:
 * what is read from a descriptor of mbox_body() may have either, and so may what
 * mbox_append_write() takes.
 *
 * The files are described in docs/STORE.md.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/span.h"
#include "base/why.h"
#include "store/deliver.h"
#include "store/result.h"
#include "store/uidset.h"

enum {
	STORE_NAME_MAX = 200, /* bytes of a mailbox's name */
	STORE_KEYWORDS = 26,
	STORE_KEYWORD_MAX = 64, /* bytes of a keyword */
	STORE_CACHE_MAX = 256 << 10, /* bytes of one mbox_cache_put() */
};

enum store_flag {
	STORE_ANSWERED = 1 << 0,
	STORE_DELETED = 1 << 1,
	STORE_DRAFT = 1 << 2,
	STORE_FLAGGED = 1 << 3,
	STORE_FORWARDED = 1 << 4, /* $Forwarded: 'P' of a Maildir */
	STORE_SEEN = 1 << 5,
	STORE_KEYWORD = 1 << 6, /* the keyword 'a'; 'b' is the next */
};

struct store_user;
struct mbox;
struct mbox_append;

/*** A user. ***/

/*
 * Opens the mail below `path`, as that of a store_target: "demo.test/alice/".
 * What is not there is made. `special` names the folders that a new user finds,
 * with their use (RFC 6154): "Drafts=\Drafts Sent=\Sent"; they are made when the
 * user's mail has no folder yet, and store_list() tells of their use whenever
 * they are there. It is copied. Both live no longer than the store. NULL with
 * `why`: a temporary failure. Blocks.
 */
struct store_user *store_user_open(struct store *s, struct span path,
    struct span special, struct why *why);

/*
 * Gives back what the indexes of this process hold that were not asked for `ms`,
 * and as long again for each megabyte that they have: some 40 KiB a user. They are
 * opened again when they are asked. Any thread may be at work meanwhile. Returns
 * of how many. Blocks.
 */
size_t store_rest(int64_t ms);

/* NULL is fine, and is returned. All mailboxes are closed before. Blocks. */
struct store_user *store_user_close(struct store_user *u);

enum store_attribute {
	STORE_NOSELECT = 1 << 0, /* no mailbox: it only has some below it */
	STORE_CHILDREN = 1 << 1,
	STORE_SUBSCRIBED = 1 << 2,
	STORE_NONEXISTENT = 1 << 3, /* with NOSELECT: it is only subscribed */
};

struct store_folder {
	struct span name;
	unsigned attributes;
	struct span special; /* "\Sent", or empty */
};

/*
 * All mailboxes in the order of their names, INBOX first: with parents that are
 * none themselves (NOSELECT) and subscribed names that do not exist. TEMPFAIL
 * too where the arena's limit is reached. Blocks.
 */
MUST_USE enum store_result store_list(struct store_user *u, struct arena *arena,
    struct store_folder **list_r, size_t *n_r);

/* Makes a mailbox, and no others. EXISTS, INVALID. Blocks. */
MUST_USE enum store_result store_create(struct store_user *u, struct span name);

/*
 * Deletes a mailbox and its messages, not those below it (RFC 9051, 6.3.5).
 * INBOX is INVALID. Who has it selected sees all its messages expunged. Blocks.
 */
MUST_USE enum store_result store_delete(struct store_user *u, struct span name);

/*
 * Renames a mailbox and those below it. From INBOX: its messages move to a new
 * mailbox `to`, and INBOX stays (RFC 9051, 6.3.6). Subscriptions stay. Blocks.
 */
MUST_USE enum store_result store_rename(struct store_user *u, struct span from,
    struct span to);

/* Whether the mailbox exists is not looked at. Blocks. */
MUST_USE enum store_result store_subscribe(struct store_user *u,
    struct span name, bool on);

struct store_status {
	uint32_t messages;
	uint32_t recent;
	uint32_t unseen;
	uint32_t deleted;
	uint32_t uidnext;
	uint32_t uidvalidity;
	uint64_t modseq; /* HIGHESTMODSEQ */
	uint64_t size; /* of all messages */
};

/* Of a mailbox that need not be open. Reads one record if it can. Blocks. */
MUST_USE enum store_result store_status(struct store_user *u, struct span name,
    struct store_status *status_r);

/*** A selected mailbox. ***/

enum mbox_open_flag {
	MBOX_READ_ONLY = 1 << 0, /* EXAMINE: nothing is recent afterwards */
};

/* A row of the view. */
struct mbox_message {
	uint32_t uid;
	uint32_t flags;
	uint64_t size; /* RFC822.SIZE */
	int64_t date; /* INTERNALDATE: seconds since 1970 */
	uint64_t modseq;
};

/* Opens it with a first view: there is no need of a mbox_sync(). Blocks. */
MUST_USE enum store_result mbox_open(struct store_user *u, struct span name,
    unsigned flags, struct mbox **mbox_r);

/* NULL is fine, and is returned. Blocks. */
struct mbox *mbox_close(struct mbox *m);

/*
 * The view: message `n` is [n - 1], UIDs ascend. Good until the next
 * mbox_sync() or mbox_close(). Plain.
 */
const struct mbox_message *mbox_messages(const struct mbox *m, size_t *n_r);

/* Sequence number of the message with this UID, or 0. Plain. */
uint32_t mbox_find(const struct mbox *m, uint32_t uid);

/*
 * The numbers in the view of those UIDs of `uids` that are there, and the UIDs of
 * those numbers of `seqs`. Plain.
 */
void mbox_seqs_of(const struct mbox *m, const struct uidset *uids,
    struct uidset *seqs_r);
void mbox_uids_of(const struct mbox *m, const struct uidset *seqs,
    struct uidset *uids_r);

/* As of the view. Plain. */
uint32_t mbox_uidvalidity(const struct mbox *m);
uint32_t mbox_uidnext(const struct mbox *m);
bool mbox_is_read_only(const struct mbox *m);

/*
 * Whether this session is the first to see the message; and how many of the view
 * are recent. Plain.
 */
bool mbox_is_recent(const struct mbox *m, uint32_t uid);
uint32_t mbox_recent_n(const struct mbox *m);

/*
 * The names of the mailbox's keywords by their letters; without a name where a
 * letter has none. Good until the next call with `m`. Plain.
 */
const struct span *mbox_keywords(const struct mbox *m); /* STORE_KEYWORDS */

/*
 * The bit of a keyword, in any case of its letters. Where it has none and `make`
 * is true it gets one, and the view's list of names has changed. "$Forwarded" is
 * STORE_FORWARDED. ABSENT; LIMIT if all letters are taken; INVALID if it is no
 * atom. Blocks.
 */
MUST_USE enum store_result mbox_keyword(struct mbox *m, struct span name,
    bool make, uint32_t *bit_r);

enum mbox_sync_flag {
	/* While a command runs that may not be answered by EXPUNGE: messages
	 * that are gone stay in the view. */
	MBOX_KEEP_EXPUNGED = 1 << 0,
};

/*
 * What a client has to be told, in this order: EXPUNGE for each of ->expunged,
 * numbers that are right if told one after the other; if ->exists_changed,
 * EXISTS and RECENT; FLAGS if ->keywords_changed; FETCH FLAGS for each of
 * ->flagged, numbers of the new view, which are not of new messages.
 *
 * The arrays are good until the next mbox_sync() or mbox_close().
 */
struct mbox_changes {
	const uint32_t *expunged;
	const uint32_t *expunged_uids; /* the same, as UIDs */
	size_t expunged_n;
	bool exists_changed; /* there are new ones */
	bool keywords_changed;
	const uint32_t *flagged;
	size_t flagged_n;
};

/*
 * Brings the view up to date with the disk, with whatever was changed by this
 * session, others, deliveries and foreign programs. ABSENT: the mailbox was
 * deleted, or has another UIDVALIDITY: the session has to end. Costs some
 * microseconds where nothing has changed. Blocks.
 */
MUST_USE enum store_result mbox_sync(struct mbox *m, unsigned flags,
    struct mbox_changes *changes_r);

/*
 * Opens the file of a message of the view, LF-ended lines, to be closed by the
 * caller; *size_r is the file's size. ABSENT: it is gone, the next mbox_sync()
 * tells. Blocks.
 */
MUST_USE enum store_result mbox_body(struct mbox *m, uint32_t uid, int *fd_r,
    uint64_t *size_r);

/*
 * The same, but it waits for no lock. BUSY: somebody has renamed the file; where it
 * is now mbox_body() finds out. Blocks, if only for the disk.
 */
MUST_USE enum store_result mbox_body_at_once(struct mbox *m, uint32_t uid,
    int *fd_r, uint64_t *size_r);

/*
 * Bytes that the caller keeps for a message, which may be lost at any time but
 * never come back changed: ENVELOPE and BODYSTRUCTURE, in a form of the
 * caller's, who puts a version into it. ABSENT if there are none. mbox_cache_put()
 * forgets rather than fails; for many messages at once use
 * mbox_cache_put_all(), a single transaction. Blocks.
 */
enum mbox_cache {
	MBOX_CACHE_ENVELOPE,
	MBOX_CACHE_STRUCTURE,
};

struct mbox_cached {
	uint32_t uid;
	enum mbox_cache kind;
	struct span bytes;
};

MUST_USE enum store_result mbox_cache_get(struct mbox *m, uint32_t uid,
    enum mbox_cache kind, struct arena *arena, struct span *bytes_r);
void mbox_cache_put(struct mbox *m, uint32_t uid, enum mbox_cache kind,
    struct span bytes);
void mbox_cache_put_all(struct mbox *m, const struct mbox_cached *list,
    size_t n);

/*** Changes. The view learns of them by mbox_sync(), like those of others. ***/

enum mbox_flag_op {
	MBOX_FLAGS_ADD,
	MBOX_FLAGS_REMOVE,
	MBOX_FLAGS_SET,
};

/*
 * Changes flags of messages of the view, by UID; those that are gone are left
 * out. With `unchanged_since` other than 0, messages with a higher MODSEQ are
 * left out too and come to *modified_r, which may be NULL. INVALID: the mailbox
 * is open read-only. Blocks.
 */
MUST_USE enum store_result mbox_store_flags(struct mbox *m,
    const struct uidset *uids, enum mbox_flag_op op, uint32_t flags,
    uint64_t unchanged_since, struct uidset *modified_r);

/*
 * Removes the messages of the view that have \Deleted; with `uids` other than
 * NULL only of those. INVALID: read-only. Blocks.
 */
MUST_USE enum store_result mbox_expunge(struct mbox *m,
    const struct uidset *uids);

/*
 * Copies messages of the view to the mailbox `to`, all or none; the n-th of
 * ->from, in ascending order, became the n-th of ->to. Flags, keywords and dates
 * go along. What is gone is left out. ABSENT: no such mailbox. With
 * mbox_move() they are expunged here, each after it is there. uidset_fini() both
 * sets afterwards, whatever the result. Blocks.
 */
struct mbox_copied {
	uint32_t uidvalidity; /* of the mailbox they went to */
	struct uidset from;
	struct uidset to;
};

MUST_USE enum store_result mbox_copy(struct mbox *m, const struct uidset *uids,
    struct span to, struct mbox_copied *copied_r);
MUST_USE enum store_result mbox_move(struct mbox *m, const struct uidset *uids,
    struct span to, struct mbox_copied *copied_r);

/*** A new message, APPEND. ***/

/* For the mailbox `name`: ABSENT if there is none. Blocks. */
MUST_USE enum store_result mbox_append_begin(struct store_user *u,
    struct span name, struct mbox_append **append_r);

/*
 * Appends to the message; CRLF becomes LF, also across two calls, and all else
 * stays. An error is kept, and told by the commit. Blocks.
 */
void mbox_append_write(struct mbox_append *a, struct span bytes);

struct mbox_append_facts {
	uint32_t flags; /* without keywords */
	const struct span *keywords; /* what has no letter left is left out */
	size_t keywords_n;
	int64_t date; /* INTERNALDATE; 0: now */
};

/*
 * Makes it durable and visible; `a` is freed, whatever the result. Blocks.
 */
MUST_USE enum store_result mbox_append_commit(struct mbox_append *a,
    const struct mbox_append_facts *facts, uint32_t *uidvalidity_r,
    uint32_t *uid_r);

/* Forgets it; NULL is fine, and is returned. Blocks. */
struct mbox_append *mbox_append_free(struct mbox_append *a);

/*** News. ***/

/*
 * A descriptor that can be read when a watched mailbox was changed, by whomever:
 * one for a store, so one for a process; -1 with errno if the system has none
 * left. The store closes it. Plain.
 */
int store_watch_fd(struct store *s);

/*
 * From now on store_watch_take() tells of changes in the mailbox with `tag`, at
 * least once after each. Ends with mbox_unwatch(), or mbox_close(). False: it
 * cannot be watched, and has to be looked at now and then. Plain but for a
 * system call or two.
 */
MUST_USE bool mbox_watch(struct mbox *m, void *tag);
void mbox_unwatch(struct mbox *m);

/*
 * Reads what there is and calls `fn` with the tag of each watched mailbox that
 * may have changed. `fn` may not call the store. Does not wait: for the loop's
 * thread. Plain.
 */
typedef void store_watch_fn(void *tag, void *arg);
void store_watch_take(struct store *s, store_watch_fn *fn, void *arg);

#endif
