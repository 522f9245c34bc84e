/*
 * qmgr.h - the queue manager: the only owner of queue state.
 *
 * One thread, one struct qmgr, and a handful of tasks that share it:
 *
 *	intake      a task a client: smtpd tells of new files, tools ask
 *	scan        reads the folders: at start, when told, now and then
 *	load        reads the files of messages in line, in batches (offloaded)
 *	dispatch    takes what the scheduler gives and hands it to agents
 *	agent       a task a worker: takes its results
 *	record      puts verdicts on disk, removes, moves: in batches (offloaded)
 *	bounce      has cleanup tell senders what became of their mail
 *	tend        each second: what is due, sync, tables that were replaced
 *
 * Nothing here touches the disk but what is offloaded, and message content is
 * never read. The life of a message stands in message.h; these functions move
 * it on, and are in the files named after the tasks.
 */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H

#include "net/channel.h"
#include "qmgr/deferred.h"
#include "qmgr/message.h"
#include "qmgr/scheduler.h"
#include "qmgr/settings.h"
#include "task/task.h"

enum {
	LOAD_BATCH = 32, /* files read by one offload */
	LOADERS = 4, /* of those at a time */
	RECORD_BATCH = 64,
	RECORDING_MAX = 2 * RECORD_BATCH, /* beyond that nothing is begun */
	FDS_HELD_MAX = 1000, /* files kept open for their first delivery */
	TELLERS = 4, /* senders that are told at a time */
	AGENT_TRIES = 3, /* a delivery that ends without an answer */
};

struct qmgr {
	struct settings *settings;
	struct queue *queue;
	struct scheduler scheduler;
	struct hash messages; /* all, by ID */
	struct deferred deferred;

	struct link incoming; /* in line to be read: from incoming/ */
	struct link due; /* and from deferred/: they take turns */
	bool due_has_turn;
	size_t active; /* messages that are loaded */
	size_t loaded; /* since memory was given back */
	size_t rcpts; /* their recipients */
	size_t fds; /* held open */
	bool room_wanted; /* a loader stopped at a limit */

	struct bell arrivals; /* something stands in line, or there is room */
	struct bell dispatch; /* the scheduler may have something */
	struct link untold; /* messages whose sender is to be told something */
	struct bell tell; /* there is one */
	struct bell record; /* something is to be put on record */
	struct bell scan; /* somebody wants the folders read */
	struct bell released; /* a message left memory */
	bool scan_wanted;
	bool scanned; /* what there was at the start is known */
	bool ready; /* former deliveries are known: we may begin */
	size_t under_way; /* deliveries that agents have */
	size_t recording; /* results on their way to disk */
	struct bell idle; /* rung when one of these two shrinks */
	bool dirty; /* changes are not synced yet */
	struct slots looking; /* one looks at the tables at a time */
};

extern struct qmgr qmgr;

/* ... by queue ID; or NULL. */
struct message *qmgr_find(const char *id);

/* Somebody says that this file is there. `told`: that it is complete. */
void arrive(enum queue_place place, const char *name, int64_t due, bool told);

/* A deferred message is to be tried now. */
void make_due(struct message *m);

/* Takes a message out of everything, and frees it. */
void forget(struct message *m);

/* A message that was deferred waits until `due`, in seconds; `name` is its file's. */
void put_off(struct message *m, const struct queue_name *name, int64_t due);

/* A message was read: routes its recipients and gives them to the scheduler. */
void activate(struct message *m);

/* Gives each recipient that is open to the scheduler, or decides it. */
void route_open(struct message *m);

/*
 * An agent says that recipient `n` is for another transport, "name:nexthop", as
 * `rcpt`. It has no verdict yet, or gets one here.
 */
void route_anew(struct message *m, size_t n, struct span transport,
    struct span rcpt);

/* One of its entries has ended, or was never made. */
void message_unref(struct message *m);

/* The verdict of this round on one recipient, logged under `service`. */
void decide_here(struct message *m, size_t n, enum queue_verdict v,
    const char *dsn, const char *text);

/* The sender wants to know only that it would go there. */
void decide_verified(struct message *m, size_t n, const char *transport,
    const char *nexthop);

/* Hands an entry to an agent. */
struct entry;
void agent_deliver(struct entry *e);

/* What a recipient takes of a request to an agent. */
size_t delivery_rcpt_bytes(const struct message *m, uint32_t n);

/* Counts a recipient's verdict, for `postrider status`. */
void count_verdict(enum queue_verdict v);

/* The destination died: defers all that waits for it. */
void defer_waiting(struct destination *d);

/* Puts on record what changed; then tells the agent, if there is one. */
struct worker;
void record_states(struct message *m, struct worker *w, uint32_t request);

/* All is decided: removes or defers the message, or has its sender told first. */
void record_end(struct message *m, struct worker *w, uint32_t request);

/* The sender cannot be told now: defers the message, whatever its verdicts. */
void record_wait(struct message *m);

/* Tries what could not be recorded, when it is time to; to be called often. */
void record_again(void);

/* Whether the sender is to be told of a recipient; it is on record: tells him. */
bool bounce_is_due(const struct message *m);
void bounce_begin(struct message *m);

/* What a worker of a former queue manager's life did, message not loaded. */
struct msg_in;
void record_orphan(const struct msg_in *result, struct worker *w);

/*
 * Whether a worker has had this message since before our time: then it waits,
 * until agent_has_ended() reads it again, with what is on record by then.
 */
bool agent_has(const char *id);
void agent_has_ended(const char *id, const struct worker *w);

/* The request's outcome is on disk: the worker may forget it, once told. */
void worker_ack(struct worker *w, uint32_t request);
void workers_send_acks(void);
struct worker *worker_ref(struct worker *w);
void worker_unref(struct worker *w);

/*
 * The mailbox of a user of auth_user_maps, who has an extension or not. ABSENT:
 * authd knows no such user, or there are no such tables. May sleep.
 */
struct mailbox_place;
MUST_USE enum dict_result authd_place(struct span rcpt, struct arena *a,
    struct mailbox_place *place_r, struct why *why);

/* The tasks. */
void task_scan(void *arg);
void task_load(void *arg);
void task_dispatch(void *arg);
void task_record(void *arg);
void task_bounce(void *arg);
void task_cleanup(void *arg); /* the connection to it */
void task_tend(void *arg);
void task_broker(void *arg);
void intake_client(void *conn);

/*
 * Reads tables that were replaced, and takes over what a reload has read. Returns
 * whether the settings are others now. May sleep.
 */
bool tables_refresh(void);

/* Hears of all that was accepted by now. May sleep. */
void scan_arrivals(void);

/* Has all that waits for this domain tried now; how many. May sleep. */
uint64_t flush_site(struct span site);

/* Messages that postsuper has in hand. */
struct loan {
	struct message **rows;
	size_t n, max;
	bool used;
};

/*
 * Takes back what it had, and lends what `in` names, but what is still being
 * delivered; answers. False: nobody hears it. May sleep.
 */
MUST_USE bool lend(struct channel *ch, const struct msg_in *in, struct loan *l);

/* Takes all back. Returns whether there was any: its file may be elsewhere now. */
bool loan_end(struct loan *l);

/* For mailq: sends what there is. May sleep. */
void showq_send(struct channel *ch, uint32_t request);

/* Reload: reads all anew, offloaded; and takes it over. The latter may sleep. */
int qmgr_reload(struct conf *c, struct why *why);
void qmgr_reloaded(void);

#endif
