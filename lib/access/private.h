/*
 * private.h - rules, as the compiler makes and the evaluator runs them; private
 * to lib/access.
 */
#ifndef ACCESS_PRIVATE_H
#define ACCESS_PRIVATE_H

#include "access/access.h"

enum access_outcome {
	OUTCOME_DUNNO, /* the next rule */
	OUTCOME_PERMIT, /* the next list */
	OUTCOME_DECIDED, /* ->verdict */
	OUTCOME_ASK, /* ->want; the rule comes again with the answer */
	OUTCOME_CALL, /* another list was put on the stack */
};

enum access_arity {
	ARITY_NONE,
	ARITY_TABLE, /* a table follows */
	ARITY_RULE, /* it is a word before another rule: warn_if_reject */
	ARITY_CLASS, /* not a keyword at all, but the name of a class */
};

/* A keyword. */
struct restriction {
	const char *name;
	enum access_arity arity;
	unsigned lists; /* BIT()s: where it makes sense */
	bool guards; /* keeps strangers from relaying */
	enum access_outcome (
	    *step)(struct access_eval *e, const struct access_rule *r);
};

struct access_rules {
	char *name; /* of the list or class */
	size_t n;
	struct access_rule *v;
};

struct access {
	struct access_rules lists[ACCESS_LISTS];
	struct access_rules *classes;
	size_t classes_n;
	char **tables;
	size_t tables_n;
};

/* The keyword `word`, or NULL. */
const struct restriction *restriction_find(struct span word);

/* Names of all that may stand in `list`, with blanks between. */
void restriction_list(enum access_list list, struct buf *out);

/* The rule of a keyword without argument, or of a class: for values. */
MUST_USE bool access_word_rule(const struct access *a, struct span word,
    struct access_rule *rule_r);

/* Takes the next element of a list; braces keep one together. */
MUST_USE bool take_element(struct span *rest, struct span *element_r);

/* Sets a verdict of refusal; returns OUTCOME_DECIDED. */
enum access_outcome access_refuse(struct access_eval *e, unsigned code,
    const char *dsn, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Takes the verdict back and keeps it for the end; the first one stands. */
enum access_outcome access_keep(struct access_eval *e,
    struct access_verdict *where);

/* What a table said of `subject`: access(5). */
enum access_outcome access_apply(struct access_eval *e, struct span value,
    const char *name, const char *subject);

#endif
