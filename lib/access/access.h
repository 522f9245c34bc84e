/*
 * access.h - restriction lists: compiled once, evaluated as a pure machine.
 *
 * The lists of main.cf (smtpd_client_restrictions ...) become rows of rules. An
 * evaluation goes through the lists it is told to, in Postfix's order, and stops
 * for what it cannot know: access_step() says what is wanted, whoever drives it
 * finds out, in whatever way it can, and answers. So smtpd, postexplain and the
 * tests run the same code. At the end there is a verdict and which rule gave it.
 *
 *	access_begin(&e, a, &facts, BIT(ACCESS_RELAY) | BIT(ACCESS_RECIPIENT));
 *	while ((want = access_step(&e)) != ACCESS_WANT_NOTHING)
 *		answer(&e, want);
 *	... e.verdict
 *
 * A permit ends its list only; a reject ends all. What an answer could not find
 * out is a temporary refusal, never a no.
 */
#ifndef ACCESS_ACCESS_H
#define ACCESS_ACCESS_H

#include "base/buf.h"
#include "base/why.h"

enum access_list {
	ACCESS_CLIENT,
	ACCESS_HELO,
	ACCESS_SENDER,
	ACCESS_RELAY,
	ACCESS_RECIPIENT,
	ACCESS_LISTED, /* smtpd_reject_unlisted_...: whatever the others say */
	ACCESS_DATA,
	ACCESS_END_OF_DATA,
	ACCESS_LISTS,
};

enum {
	ACCESS_DEPTH_MAX = 16, /* lists within lists */
	ACCESS_STEPS_MAX = 1000, /* rules of one evaluation */
	ACCESS_TEXT_MAX = 400, /* of a reply */
	ACCESS_KEY_MAX = 256, /* of what the verdict tells */
};

/* A list as it was written, and where: for messages. */
struct access_source {
	const char *name; /* "smtpd_helo_restrictions", or a class */
	const char *text;
	const char *file; /* NULL: a default */
	unsigned line;
};

struct access;

/*
 * Compiles the lists, of which some have no ->text, and the `n` classes they may
 * name. Returns NULL with `why`, also if neither relay nor recipient list keeps
 * strangers from relaying, when there is one of these.
 */
struct access *access_new(const struct access_source lists[ACCESS_LISTS],
    const struct access_source *classes, size_t n, struct why *why);
struct access *access_free(struct access *a);

/* The tables it asks, "type:name", each once; the driver opens them. */
size_t access_tables(const struct access *a);
const char *access_table(const struct access *a, size_t i);

/* What is known of a client and its mail; ->p NULL: not yet. */
struct access_facts {
	struct span client_name;
	struct span client_addr;
	struct span helo;
	struct span sender;
	struct span rcpt;
	bool client_is_ours; /* in mynetworks */
	bool authenticated;
	struct span user; /* that has; ->p NULL: none */
};

enum access_want {
	ACCESS_WANT_NOTHING, /* the verdict stands */
	ACCESS_WANT_TABLE, /* ->subject in ->table: access_answer_table() */
	ACCESS_WANT_ROUTE, /* is mail to ->subject taken: access_answer_yes() */
	ACCESS_WANT_LISTED, /* is ->subject known: access_answer_listed() */
	ACCESS_WANT_OWNERS, /* whose ->subject is: access_answer_owners() */
	ACCESS_WANT_NOTE, /* log ->what and ->note: access_answer_note() */
};

/* In which forms a subject is looked up: see dict/keys.h. */
enum access_form {
	ACCESS_FORM_CLIENT, /* the name, its parents, the address, networks */
	ACCESS_FORM_HOST,
	ACCESS_FORM_ADDRESS,
};

enum access_answer {
	ACCESS_YES,
	ACCESS_NO,
	ACCESS_TEMPFAIL,
};

enum access_action {
	ACCESS_PERMIT,
	ACCESS_REJECT, /* also for a while: see ->code */
	ACCESS_DISCARD, /* take the message, and lose it */
};

/* What a table says is to be done with a message, whatever the verdict. */
enum access_effect {
	ACCESS_EFFECT_NONE,
	ACCESS_EFFECT_HOLD,
	ACCESS_EFFECT_FILTER, /* ->effect_arg is "transport:nexthop" */
	ACCESS_EFFECT_PREPEND, /* ... a field of the head; nothing is logged */
	ACCESS_EFFECT_REDIRECT, /* ... who gets it in place of all */
	ACCESS_EFFECT_BCC, /* ... who gets it, too */
};

struct access_verdict {
	enum access_action action;
	unsigned code; /* 554, 450 ...; 421 and 521 also end the session */
	char dsn[12]; /* "5.7.1" */
	char text[ACCESS_TEXT_MAX]; /* of the reply, behind code and dsn */

	/* Who says so: for traces. */
	const char *list; /* NULL: no list did */
	const char *rule;
	const char *table; /* NULL: no table was asked */
	char key[ACCESS_KEY_MAX];
};

/* What the last answer meant, for a trace: called after each rule. */
struct access_trace {
	const char *list;
	const char *rule;
	const char *table; /* or NULL */
	struct span key; /* that was found; ->p NULL: none */
	struct span said; /* as ->outcome, or a value */
	const char *outcome; /* "permit", "reject", "dunno", "class" */
};
typedef void access_trace_fn(const struct access_trace *t, void *arg);

struct access_frame {
	const struct access_rules *rules; /* or NULL: */
	struct span text; /* what is left of a table's value */
	size_t at;
	bool warn_only; /* all that is in it */
};

/* An evaluation; all but what is named here is lib/access's own. */
struct access_eval {
	struct access_verdict verdict;

	/* The question, by ->want. */
	enum access_want want;
	size_t table;
	enum access_form form;
	struct span subject;
	const char *what; /* "reject_warning", "warn", "info", "hold" ... */
	char note[ACCESS_TEXT_MAX + 20];
	enum access_effect effect; /* with ACCESS_WANT_NOTE */
	struct span effect_arg; /* good until the answer */

	access_trace_fn *trace; /* may be NULL; set after access_begin() */
	void *trace_arg;

	const struct access *access;
	const struct access_facts *facts;
	unsigned lists; /* still to go through */
	enum access_list list; /* now */
	size_t depth;
	unsigned steps;
	struct access_frame frames[ACCESS_DEPTH_MAX];
	bool waiting; /* ->current, which is tried, does for an answer */
	struct access_rule {
		const struct restriction *what;
		bool
		    warn_only; /* warn_if_reject stood before it, or what it is in */
		size_t target; /* a table, or a class */
	} current;
	bool answered;
	bool noted; /* what ->current had to be told is told */
	enum access_answer answer;
	struct span value;
	struct access_verdict if_permit; /* ->code 0: none */
	struct access_verdict if_reject;
};

/* `lists` are BIT()s. Everything given must outlive the evaluation. */
void access_begin(struct access_eval *e, const struct access *a,
    const struct access_facts *facts, unsigned lists);

/* Goes on. Returns ->want. */
enum access_want access_step(struct access_eval *e);

/* `key` is what was found, and `value`, which must outlive the evaluation. */
void access_answer_table(struct access_eval *e, enum access_answer answer,
    struct span key, struct span value);
void access_answer_yes(struct access_eval *e, enum access_answer answer);

/* `text` says in which table it is not: "User unknown in ..." */
void access_answer_listed(struct access_eval *e, enum access_answer answer,
    struct span text);

/* `owners` are users, with commas or blanks between them. */
void access_answer_owners(struct access_eval *e, enum access_answer answer,
    struct span owners);
void access_answer_note(struct access_eval *e);

#endif
