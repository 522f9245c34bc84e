/*
 * connection.h - a connection to a server, and one mail over it at a time.
 */
#ifndef SMTP_CONNECTION_H
#define SMTP_CONNECTION_H

#include "net/stream.h"
#include "smtp/hosts.h"
#include "smtp/job.h"
#include "smtp/policy.h"

struct connection {
	struct link in_idle;
	struct bell *taken; /* of the task that keeps it while it is idle */
	struct stream *stream;
	struct arena *arena; /* for what follows */
	struct smtp_config config;
	struct smtp_session session;
	struct span nexthop;
	const char *host; /* its name */
	const char *relay; /* "mail.example.org[192.0.2.1]:25" */
	struct tls *tls; /* the context of its policy, or NULL */
	struct span sender; /* whose login it has; of no interest otherwise */
	unsigned uses;
	int64_t made; /* task_now() */
	bool tls_failed; /* it is to be tried without TLS */
};

/* Connects. NULL: see *fault_r, or j->interrupted. May sleep. */
struct connection *connection_open(struct job *j, const struct host *h,
    const struct policy *policy, struct fault *fault_r);

/* Closes at once, without a word. NULL is fine. Returns NULL. */
struct connection *connection_free(struct connection *c);

/* Says QUIT and closes. Returns NULL. May sleep. */
struct connection *connection_quit(struct connection *c);

/*
 * Carries the mail of `j`, as far as that goes: then the session wants nothing
 * more, and says what came of it. May sleep.
 */
void connection_carry(struct connection *c, struct job *j);

#endif
