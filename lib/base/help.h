/*
 * help.h - the answer of a program to --help.
 *
 * What a program is called with is its own business (getopt), and differs from one
 * to the next. That it answers to --help, where, and with what status, does not.
 */
#ifndef BASE_HELP_H
#define BASE_HELP_H

#include "base/defs.h"

/*
 * Whether --help is the only argument: then `text`, which fits a screen and names
 * the manual's page, was printed, and the program ends with status 0. Before any
 * other look at the arguments.
 */
MUST_USE bool help_asked(int argc, char *const *argv, const char *text);

#endif
