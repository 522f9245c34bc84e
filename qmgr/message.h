/*
 * message.h - a message as the queue manager knows it, in each of its phases.
 *
 * One struct from the first word of it to "removed"; what was read from its file
 * is there only while it is active. All that are known stand in one table by ID,
 * so that no message is ever twice in memory, whoever tells of it.
 *
 *	ARRIVED   its file is to be read; it stands in a line
 *	LOADING   it is being read
 *	ACTIVE    entries of it wait or are under way; ->refs of them
 *	ENDING    all is decided, goes on record, and its sender may be told
 *	DEFERRED  it waits for ->due, or for a flush
 *	STUCK     what became of it could not be put on record: no more deliveries
 *	LENT      its file is postsuper's, until that gives it back
 */
#ifndef QMGR_MESSAGE_H
#define QMGR_MESSAGE_H

#include "base/hash.h"
#include "base/list.h"
#include "queue/queue.h"

#include <sys/types.h>

enum message_phase {
	MESSAGE_ARRIVED,
	MESSAGE_LOADING,
	MESSAGE_ACTIVE,
	MESSAGE_ENDING,
	MESSAGE_DEFERRED,
	MESSAGE_STUCK,
	MESSAGE_LENT,
};

/* A recipient of an active message, beside what its file says. */
struct recipient {
	const char *rcpt; /* as its transport gets it */
	const char *transport;
	const char *nexthop;
	const char *root; /* of a virtual mailbox */
	const char *path;
	uid_t uid;
	gid_t gid;
	bool changed; /* its state is not on record yet */
	bool open; /* no verdict in this round */
	bool passed; /* an agent named the transport it has now */
};

/* What is in memory only while it is active; all in ->arena. */
struct message_body {
	struct queue_message m;
	struct recipient *rcpts; /* m.n of them */
	int fd; /* the file, read only, or -1 */
	int64_t activated; /* wall clock, microseconds */
	bool corrupt; /* an agent has read it, and its checksum does not hold */
};

struct message {
	struct hash_link by_id;
	struct link in_line; /* of arrivals */
	enum message_phase phase;
	enum queue_place place;
	struct queue_id id;
	struct queue_name name;
	bool told; /* that it is complete, since its reading began */
	bool waits_for_agent; /* one has it still, of a former life */
	unsigned refs;
	int64_t due; /* seconds */
	size_t heap_index; /* among the deferred, while it is */
	struct arena *arena;
	struct message_body *body;
};

/* A message that was just heard of. */
struct message *message_new(enum queue_place place, const char *name,
    const struct queue_id *id);

/* With all that was read; it is in no line, heap or table. Returns NULL. */
struct message *message_free(struct message *m);

/* Gives back what was read, before it waits. */
void message_unload(struct message *m);

/* Sets a recipient's verdict of this round; texts are copied. */
void message_decide(struct message *m, size_t n, enum queue_verdict v,
    struct span dsn, struct span relay, struct span text, int64_t now);

/* How many have this verdict. */
size_t message_count(const struct message *m, enum queue_verdict v);

#endif
