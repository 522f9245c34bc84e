/*
 * check.h - what `postrider check` looks at, and how it tells of it.
 *
 * A finding is one line: its level, where it is ("main.cf:12", "master.cf:30"),
 * the parameter or service, what is wrong, and what to do. An error is what keeps
 * the suite, or a service, from working; a warning what somebody should look at; a
 * note what is good to know.
 *
 * Each subject has a file and a function here. They look at one checkup, in which
 * what earlier ones found out is kept, and change nothing on the machine.
 */
#ifndef MASTER_CHECK_CHECK_H
#define MASTER_CHECK_CHECK_H

#include "conf/names.h"
#include "master/command/command.h"
#include "master/plan.h"

enum check_level {
	CHECK_ERROR,
	CHECK_WARNING,
	CHECK_NOTE,
};

struct checkup {
	const struct instance *instance;
	const struct conf *conf;
	struct entry_list entries; /* of master.cf; none if it is broken */
	struct conf_names *names; /* NULL until they are known */
	struct plan *plan; /* NULL: it cannot be made, which was told */
	bool asks_dns; /* --dns */
	unsigned errors; /* so far */
};

/* Tells of what has its place in the text, or none. */
void check_say(struct checkup *k, enum check_level level, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* A value of main.cf, or of a -o in master.cf, that means something. */
struct check_value {
	const char *name;
	const char *text; /* expanded */
	const struct conf *conf; /* in which it was */
	const char *file; /* "main.cf", "master.cf" */
	unsigned line;
};

/* Tells of a value, with its place and name. */
void check_tell(struct checkup *k, enum check_level level,
    const struct check_value *v, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* The value of a parameter in main.cf, or its default. */
struct check_value check_value_of(const struct checkup *k, const char *name);

/*
 * Calls `fn` for each value that is set, in main.cf or by a -o, and has an effect.
 * Those that cannot be expanded are left out: they were told. Blocks.
 */
typedef void check_value_fn(struct checkup *k, const struct check_value *v);
void check_each_value(struct checkup *k, check_value_fn *fn);

/*
 * The configuration with all -o of an entry, to be given to conf_free(). NULL: it
 * has none, or they are not understood. Blocks.
 */
struct conf *check_entry_conf(const struct checkup *k,
    const struct entry_text *e);

/* Whether a name ends so. */
bool check_ends(const char *name, const char *end);

/* The subjects, in the order in which they are looked at. All block. */
void check_params(struct checkup *k); /* what values are, and mean */
void check_services(struct checkup *k); /* master.cf; makes the plan */
void check_users(struct checkup *k); /* users and groups that are named */
void check_files(struct checkup *k); /* who owns what, and who may change it */
void check_tables(struct checkup *k);
void check_certs(struct checkup *k); /* certificates and keys */
void check_ports(struct checkup *k); /* listeners */
void check_domains(struct checkup *k); /* domains in more than one class */
void check_dns(struct checkup *k); /* names; asks the network, if told to */

#endif
