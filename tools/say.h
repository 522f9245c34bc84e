/*
 * say.h - what a command tells who called it, on standard error and in the form of
 * all of them: "NAME: TEXT", "NAME: warning: TEXT", "NAME: fatal: TEXT".
 */
#ifndef TOOLS_SAY_H
#define TOOLS_SAY_H

#include "base/defs.h"

/*
 * Takes the name from the path in `argv`, which becomes that name alone: what
 * getopt() says of wrong options has it, too. Before anything is said.
 */
void say_as(char **argv);

void say(const char *fmt, ...) PRINTF_LIKE(1, 2);
void say_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Ends the program with `status`. */
_Noreturn void say_fatal(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
