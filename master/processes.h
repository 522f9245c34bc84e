/*
 * processes.h - the broker's workers: processes of the mailboxes' owners.
 *
 * A worker has a channel to us, over which it gets what it is to serve: channels
 * to qmgr (deliver), or sessions (imap, pop3). If we die it goes on without us.
 */
#ifndef MASTER_PROCESSES_H
#define MASTER_PROCESSES_H

#include "base/list.h"
#include "master/broker-core.h"
#include "net/channel.h"
#include "service/msg.h"
#include "task/task.h"

struct process {
	struct broker_worker worker;
	struct link in_all;
	struct channel *control;
	pid_t pid;
	int pidfd;
	bool told_to_end; /* by a signal */
	bool spare; /* it gets nothing new, and is in no table */
	unsigned generation; /* of the configuration it was started with */
};

struct processes {
	struct broker core;
	struct link all;
	const char *daemon_directory;
	unsigned generation;
};

/* One of the broker. */
extern struct processes processes;

/*
 * Starts a worker that may work below `root` (NULL: wherever its owner may),
 * with a first `channel`, or -1. Returns 0 or -errno.
 */
MUST_USE int process_start(const struct broker_key *key, const char *root,
    int channel, struct process **p_r);

/* It gets nothing new, and goes when it has nothing left to do. */
void process_retire(struct process *p);

/* Sends a message without fields, with a descriptor or without (NULL). */
bool process_tell(struct process *p, enum msg_type type, int *fd);

/* To all that are in the table. */
void processes_tell(enum msg_type type);

/*
 * All ends: sessions now, deliveries when what is under way is done, and what is
 * left after `ms` goes on without us. May sleep.
 */
void processes_end(int64_t ms);

/* The process of an entry of the table. */
static inline struct process *
process_of(struct broker_worker *w)
{
	return container_of(w, struct process, worker);
}

/* What the three kinds of clients say. False: it is not to be heard again. */
bool qmgr_message(struct channel *ch, const struct msg_in *in);
bool authd_message(struct channel *ch, const struct msg_in *in);
bool front_message(struct channel *ch, const struct msg_in *in, int *fd);

/*
 * The process that delivers for `key`, which is started if there is none. Returns
 * 0 or -errno.
 */
MUST_USE int process_deliver(const struct broker_key *key,
    struct process **p_r);

/* For sessions: how many workers share a uid's users; 0: each has his own. */
void sessions_init(const uint64_t secret[2]);
void sessions_set(size_t workers);

#endif
