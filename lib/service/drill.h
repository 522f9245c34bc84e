/*
 * drill.h - has a running daemon try what somebody would who got hold of it;
 * with -Dtest_hooks only, and private to lib/service.
 *
 * Orders are lines of the file `drill` in the configuration's folder, each with
 * a program, what it tries and on what: "smtpd tcp 127.0.0.1 25". They are read
 * before privileges go. On SIGUSR2 the daemon tries those with its name, in a task
 * and once more in a thread, as all that is offloaded, and logs each with what
 * came of it: "done", or the name of an error.
 */
#ifndef SERVICE_DRILL_H
#define SERVICE_DRILL_H

#ifdef TEST_HOOKS

/* Reads the orders of `program`; without the file there are none. */
void drill_read(const char *dir, const char *program);

/* Tries them all. Blocks. */
void drill_run(void *unused);

#endif

#endif
