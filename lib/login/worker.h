/*
 * worker.h - the mailbox's side of a login, which imap and pop3 share.
 *
 * The broker has become the owner of the mail before it started this process,
 * and sends it the sessions of the users whom it owns: who it is, where the mail
 * lies, and the connection. A connection in the clear is the client's own; with
 * TLS it is a socket to the front, which stays between. Each session is a task.
 *
 * A process works below one root: the store's, and the sandbox's. All sessions of
 * a user meet in one process. One that has had no session for a
 * minute asks the broker for leave, so that no session is lost on the way.
 */
#ifndef LOGIN_WORKER_H
#define LOGIN_WORKER_H

#include "net/stream.h"
#include "store/deliver.h"
#include "task/task.h"

struct conf;

/* A session. All of it is the worker's and lives until the function returns. */
struct session_in {
	struct span user; /* "alice@demo.test" */
	struct span remote; /* the client's address: "192.0.2.1" */
	struct span local; /* ours, to which it had connected */
	struct span name; /* of the session, for the log */
	struct span tag; /* of the command that logged in: IMAP's */
	struct span fields; /* of the user's entry: sasl_field() */
	bool tls;
	bool too_many; /* of the user's from there: say so, and return */
	struct store
	    *store; /* of the root below which the mail lies; borrowed */
	struct span mailbox; /* for store_user_open() */

	/* What was read ahead is in it. The function may free it and set NULL. */
	struct stream *stream;
};

struct worker_spec {
	size_t in_max, out_max; /* of the streams */

	/* A task for each session. */
	void (*serve)(struct session_in *in);
};

/* In warm_up(): what the sandbox has to let through for the store. Blocks. */
MUST_USE int worker_warm_up(const struct conf *c, struct why *why);

/*
 * The first task of the process: serves until it is told to end and all sessions
 * have ended. May sleep.
 */
void worker_serve(const struct worker_spec *spec);

/*
 * Logs a line about a session: "pop3(alice@demo.test)<123><name>: text", as
 * Dovecot does and tools expect. Plain.
 */
void worker_log(const struct session_in *in, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/*
 * News of a selected mailbox: the bell rings after each change, and since a ring
 * is not remembered, ->pending says that one has come. Who looks clears it first.
 */
struct mbox;
struct worker_news {
	struct bell bell;
	bool pending;
};

/*
 * Watches a selected mailbox of the session. False: look now and then instead.
 * Ends with mbox_unwatch() or mbox_close(). Plain.
 */
MUST_USE bool worker_watch(struct session_in *in, struct mbox *m,
    struct worker_news *news);

#endif
