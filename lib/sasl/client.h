/*
 * client.h - asks authd whether a client is who it says, from a task.
 *
 * A process has one connection to authd, which one task keeps (sasl_serve());
 * any number of others ask. What an exchange needs beyond a question and an
 * answer, as LOGIN does, is a challenge: SASL_ANSWER_CONTINUE, which the client's
 * response answers.
 *
 *	struct sasl_exchange *x CLEANUP(sasl_freep) = sasl_new();
 *
 *	sasl_start(x, &question, task_after(MINUTE));
 *	while (x->result == SASL_ANSWER_CONTINUE)
 *		sasl_respond(x, response_to(x->challenge), task_after(MINUTE));
 *
 * "Could not find out" is SASL_ANSWER_TEMPFAIL and never a failure: authd away,
 * overloaded, a table that cannot be read. An answer may be long in coming, as
 * who fails again and again waits for it.
 *
 * Responses are bytes, without the base64 that protocols put around them.
 */
#ifndef SASL_CLIENT_H
#define SASL_CLIENT_H

#include "base/span.h"
#include "sasl/user.h"
#include "service/rpc.h"

enum {
	SASL_RESPONSE_MAX = 4096, /* bytes; what is longer is refused */
	SASL_ANSWER_MAX = 8192,
	SASL_USER_MAX = 255, /* bytes of a user's name */
};

enum sasl_result {
	SASL_ANSWER_OK, /* ->user, ->fields */
	SASL_ANSWER_CONTINUE, /* ->challenge is for the client */
	SASL_ANSWER_FAIL, /* ->text says why, ->user who, if that is known */
	SASL_ANSWER_ABSENT, /* to sasl_find_user() only */
	SASL_ANSWER_TEMPFAIL, /* ->text */
};

/* Who wants to be authenticated, and for what. */
struct sasl_question {
	struct span service; /* "smtp", "imap", "pop3" */
	struct span mech; /* "PLAIN", in any case */
	bool has_initial; /* ->initial is there, and may be empty */
	struct span initial;
	struct span remote; /* the client's address */
	bool tls;
};

/* An exchange and its last answer, to which the spans point. */
struct sasl_exchange {
	enum sasl_result result;
	struct span user; /* in the form that tables know */
	struct span fields; /* sasl_field() */
	struct span token; /* for the broker; may be empty */
	struct span challenge;
	struct span text;

	/* lib/sasl's own. */
	struct rpc_call call;
	bool lost; /* the connection was, before it came */
	bool open; /* authd waits for a response */
	char bytes[SASL_ANSWER_MAX];
};

/*
 * A task: keeps the connection to authd's socket `path` until it is cancelled,
 * which is due when no session is left.
 */
void sasl_serve(void *path);

struct sasl_exchange *sasl_new(void);

/* Tells authd if it waits for a response; wipes. NULL is fine. Returns NULL. */
struct sasl_exchange *sasl_free(struct sasl_exchange *x);

/* Asks, and waits for ->result, which it also returns. May sleep. */
enum sasl_result sasl_start(struct sasl_exchange *x,
    const struct sasl_question *q, int64_t deadline);
enum sasl_result sasl_respond(struct sasl_exchange *x, struct span response,
    int64_t deadline);

/* Is there such a user? OK, ABSENT or TEMPFAIL. May sleep. */
enum sasl_result sasl_find_user(struct sasl_exchange *x, struct span user,
    struct span service, int64_t deadline);

/*
 * Has authd tell the broker of the mailbox that mail for `addr` is for: OK with a
 * ->token, ABSENT or TEMPFAIL. May sleep.
 */
enum sasl_result sasl_find_inbox(struct sasl_exchange *x, struct span addr,
    int64_t deadline);

/* For CLEANUP. */
static inline void
sasl_freep(struct sasl_exchange **x)
{
	sasl_free(*x);
}

#endif
