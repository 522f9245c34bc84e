/*
 * out.h - how postexplain prints what came from elsewhere; private to it.
 */
#ifndef SMTPD_EXPLAIN_OUT_H
#define SMTPD_EXPLAIN_OUT_H

#include "base/span.h"

/* As it is, but that no control character reaches the terminal. */
void out_text(struct span s);

/* A string of JSON; null where ->p is NULL. */
void out_json(struct span s);

/* The same as a member, with a comma in front unless it is the first. */
void out_member(bool first, const char *name, struct span value);

/* " TABLE (KEY)", as far as they are there. */
void out_table(const char *table, struct span key);

#endif
