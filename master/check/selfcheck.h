/*
 * selfcheck.h - what each daemon thinks of its configuration, without running it.
 *
 * A daemon that is started with -k reads its parameters and warms up, as it does
 * at its real start: restrictions are compiled, tables are opened. It says what
 * is wrong in one line on stderr, and ends. So `postrider check` finds what a
 * start would find, by the same code.
 */
#ifndef MASTER_CHECK_SELFCHECK_H
#define MASTER_CHECK_SELFCHECK_H

#include "master/plan.h"

typedef void selfcheck_fn(const char *text, void *arg);

/* Has all daemons of the plan, but the log, look; `fn` gets a line each. */
void selfcheck_services(const struct plan *p, const char *dir, selfcheck_fn *fn,
    void *arg);

#endif
