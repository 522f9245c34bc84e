/*
 * queue.h - the queue on disk: one file a message, written once, then appended.
 *
 * The format and what each crash leaves is told in docs/QUEUE.md. In short: a
 * file is a head, the message's content as it will lie in a mailbox (lines end
 * in LF), the envelope, and a trailer with checksums. It is made in incoming/
 * and is mail when its trailer is valid, which one fdatasync() makes durable
 * together with its name. From then on nobody changes what lies before the end
 * of the trailer; behind it qmgr alone appends state records, each with its own
 * checksum; a torn one at the end never was.
 *
 * THE ID is what people see: five hex digits of microseconds and the inode in
 * hex (or the long form, `enable_long_queue_ids`). The name of the file in
 * incoming/ has a random suffix behind it, "ID-RANDOM", as that folder can be
 * written, but not listed, by who speaks to the network. In deferred/ it is
 * "ID-SECONDS", when it is due (a file's own time could only be set by its owner,
 * who made it); in the other folders it is the ID. Who has a name has the file;
 * queue_find() looks for one by its ID.
 *
 * Everything here blocks unless it says otherwise, and knows nothing of tasks.
 * Many threads may share a struct queue; one writer or one message is for one
 * thread at a time. Files are made with mode 0660, whatever the umask: their
 * owner is who took the mail in, and qmgr appends to them by their group.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "base/arena.h"
#include "base/span.h"
#include "base/why.h"
#include "queue/notify.h"

enum {
	QUEUE_ID_MAX = 32, /* with the NUL */
	QUEUE_NAME_MAX = 64,
	QUEUE_RCPTS_MAX = 1000000, /* more than that is damage */
	QUEUE_ENVELOPE_MAX = 256 << 20,
};

/* The folders a message can lie in. */
enum queue_place {
	QUEUE_INCOMING,
	QUEUE_DEFERRED,
	QUEUE_HOLD,
	QUEUE_CORRUPT,
	QUEUE_PLACES,
};

struct queue_id {
	char text[QUEUE_ID_MAX];
};

struct queue_name {
	char text[QUEUE_NAME_MAX];
};

struct queue;

/* For queue_open(): what the caller will do. */
enum queue_use {
	QUEUE_CREATE, /* only make files in incoming/: smtpd */
	QUEUE_OWN, /* all: qmgr, and tools that became mail_owner */
};

/* Opens the queue below `dir`. Returns NULL with `why`. */
struct queue *queue_open(const char *dir, enum queue_use use, bool long_ids,
    struct why *why);
struct queue *queue_close(struct queue *q);

/* "incoming", "deferred" ... */
const char *queue_place_name(enum queue_place place);

/* The ID that a file's name begins with. Plain. False: it is no such name. */
MUST_USE bool queue_name_id(const char *name, struct queue_id *id_r);

/* Who gets it. */
struct queue_rcpt {
	struct span addr; /* where it goes: after virtual aliases */
	struct span orig; /* as it was given; empty: the same */
	struct span orcpt; /* RFC 3461, decoded: "rfc822;a@b" */
	unsigned notify; /* QUEUE_NOTIFY_...; 0: not said */
};

enum {
	QUEUE_8BIT = 1 << 0, /* BODY=8BITMIME */
	QUEUE_SMTPUTF8 = 1 << 1,
	QUEUE_TO_HOLD = 1 << 2, /* from incoming/ it goes to hold/ */
	QUEUE_TRACE = 1 << 3, /* the sender is told of the first attempt */
	QUEUE_VERIFY =
	    1 << 4, /* he is told what would be done, and it is not */
};

/* All about a message but its content and recipients. */
struct queue_envelope {
	int64_t arrived; /* wall clock, microseconds */
	struct span sender;
	struct span envid; /* RFC 3461, decoded */
	unsigned ret; /* QUEUE_RET_...; 0: not said */
	unsigned flags; /* QUEUE_8BIT ... */
	struct span client_name; /* "unknown" if not known */
	struct span client_addr;
	struct span client_port;
	struct span proto; /* "ESMTP" */
	struct span helo;
	struct span sasl_method;
	struct span sasl_user;
	struct span
	    filter; /* "transport:nexthop", for all recipients; or empty */
};

/*
 * Writing. What is put is kept in memory until it is more than `memory_max`
 * bytes; then queue_flush() has to make the file and take it. A message that
 * fits in memory costs one open, one write and one fdatasync.
 */
struct queue_writer;

/* Never NULL. Plain. */
struct queue_writer *queue_writer_new(struct queue *q, size_t memory_max);

/* Removes the file, if it was not committed. NULL is fine. Returns NULL. */
struct queue_writer *queue_writer_free(struct queue_writer *w);

/*
 * Appends content: first the head lines of our own, then what came; at most
 * `memory_max` bytes at once. Plain. False: there is no room: queue_flush(),
 * then put it again.
 */
MUST_USE bool queue_put(struct queue_writer *w, struct span content);

/*
 * Appends the ID, which is known only once there is a file: until then its place
 * is kept, for a few of them. Plain; as above.
 */
MUST_USE bool queue_put_id(struct queue_writer *w);

/* Writes out what is in memory. Returns 0 or -errno, which is final for `w`. */
MUST_USE int queue_flush(struct queue_writer *w);

/* Whether queue_writer_free() has a file to remove: also after a failed write. */
bool queue_has_file(const struct queue_writer *w);

/*
 * Writes the rest, envelope and trailer, and makes it all durable: the one
 * fdatasync(). Returns 0: from now on it is mail, under *id_r and *name_r; or
 * -errno: it is not, and never will be (a failed sync is not tried again).
 * -EINVAL: an address has a NUL, CR or LF in it or a field over 64 KiB; in what
 * a client said of itself those are made '?'.
 */
MUST_USE int queue_commit(struct queue_writer *w,
    const struct queue_envelope *e, const struct queue_rcpt *rcpts, size_t n,
    struct queue_id *id_r, struct queue_name *name_r);

/* What became of a recipient, and what is to be told of it. */
enum queue_verdict {
	QUEUE_PENDING, /* nothing yet */
	QUEUE_SENT,
	QUEUE_BOUNCED, /* for good: to be told to the sender */
	QUEUE_DELAYED, /* to be tried again */
	QUEUE_EXPIRED, /* tried for too long: as bounced */
};

/* The last state record of a recipient. */
struct queue_state {
	uint32_t rcpt; /* its number in the message */
	enum queue_verdict verdict;
	bool told; /* the sender was told of it, or is not to be */
	struct span dsn; /* "4.4.1" */
	struct span relay;
	struct span text;
	int64_t time; /* wall clock, microseconds */
};

/* Whether it is still to be delivered, or its sender still to be told. */
static inline bool
queue_is_open(const struct queue_state *s)
{
	return s->verdict != QUEUE_SENT &&
	    (!s->told || s->verdict == QUEUE_DELAYED);
}

/* A message as it lies on disk; all of it in the arena it was read into. */
struct queue_message {
	struct queue_id id;
	struct queue_envelope envelope;
	uint64_t content_offset;
	uint64_t content_length;
	uint32_t content_checksum; /* CRC-32 */
	uint32_t attempts; /* DELAYED rounds so far */
	size_t n;
	const struct queue_rcpt *rcpts;
	struct queue_state *states; /* one for each recipient */
};

/*
 * Whether somebody had it expire before its time: of some recipient the sender is
 * to be told that. (For a moment it is so, too, when the time is over.)
 */
bool queue_is_forced(const struct queue_message *m);

/*
 * Reads the envelope and states of a file; with `fd_r`, also gives out the
 * descriptor, read only, for agents. Returns 0 or -errno: -ENODATA if it is not
 * complete: it is being written, or never was committed, and is to be left alone
 * (queue_scan() removes it when it is old); -EBADMSG if it is damaged: it belongs
 * into corrupt/; -ENOENT; -ENOMEM if `a` is too small; or of the system. The
 * content is not read: who does checks it against its checksum.
 */
MUST_USE int queue_load(struct queue *q, enum queue_place place,
    const char *name, struct arena *a, struct queue_message *message_r,
    int *fd_r);

/* The same from a descriptor; for postcat and the fault tests. */
MUST_USE int queue_read(int fd, struct arena *a,
    struct queue_message *message_r);

/* Opens a file read only, for an agent. Returns it or -errno. */
MUST_USE int queue_file(struct queue *q, enum queue_place place,
    const char *name);

/*
 * Appends state records; long texts are cut. Returns 0 or -errno: then none of
 * them counts. -EINVAL: the message has no such recipient. Not synced: queue_sync(). One thread at a time for a message.
 */
MUST_USE int queue_append_states(struct queue *q, enum queue_place place,
    const char *name, const struct queue_state *states, size_t n);

/*
 * Makes all that was appended, moved or removed before durable: by one sync a
 * file and folder, or one for the file system if it is much. Returns 0 or
 * -errno, after which a crash of the machine may undo some of it: mail is then
 * delivered twice, never lost.
 */
MUST_USE int queue_sync(struct queue *q);

/*
 * Moves a file to another folder (or in deferred/ to another time): one rename.
 * `due_seconds` counts for QUEUE_DEFERRED only. Nothing moves to incoming/.
 * Returns 0 or -errno; -EEXIST: another message has this ID there. The name
 * changes with it: *name_r.
 */
MUST_USE int queue_move(struct queue *q, enum queue_place from,
    const char *name, enum queue_place to, int64_t due_seconds,
    struct queue_name *name_r);

/* Returns 0 or -errno; -ENOENT: it was gone already. */
MUST_USE int queue_remove(struct queue *q, enum queue_place place,
    const char *name);

/*
 * Finds where the file of an ID lies, by listing the folders: for tools. Returns
 * 0 or -ENOENT or -errno.
 */
MUST_USE int queue_find(struct queue *q, const char *id,
    enum queue_place *place_r, struct queue_name *name_r);

/*
 * Calls `fn` for each file of a folder that looks like a message's until it
 * returns false. `due`, in seconds, is when it is to be tried (deferred), or 0.
 * What was begun in incoming/ and never committed, and is older than an hour, is
 * removed on the way. `fn` may move or remove the file. Returns 0 or -errno.
 */
typedef bool queue_scan_fn(const char *name, int64_t due, void *arg);
MUST_USE int queue_scan(struct queue *q, enum queue_place place,
    queue_scan_fn *fn, void *arg);

/* Bytes and inodes free below the queue. Returns 0 or -errno. */
MUST_USE int queue_space(struct queue *q, uint64_t *bytes_r,
    uint64_t *inodes_r);

/* For CLEANUP. */
static inline void
queue_writer_freep(struct queue_writer **w)
{
	queue_writer_free(*w);
}

#endif
