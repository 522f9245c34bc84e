/*
 * keys.h - by what an event of the log can be found, and what it belongs to.
 *
 * NAMES are what makes events one story: queue IDs, also those under which a
 * message went on; a connection's, for what is said before there is an ID; a
 * login's session. KEYS are the names, and what people ask for: addresses,
 * clients, users, message IDs.
 */
#ifndef TRACE_KEYS_H
#define TRACE_KEYS_H

#include "base/log.h"

enum {
	TRACE_NAMES_MAX = 4,
};

/*
 * The names of an event, into the record's bytes. Returns how many; the first is
 * the one that it is about.
 */
size_t trace_names(const struct log_record *r,
    struct span names_r[TRACE_NAMES_MAX]);

/* All by which it is found, names first. Returns how many, of at most `max`. */
size_t trace_keys(const struct log_record *r, struct span *keys_r, size_t max);

/* Whether one of the keys is this, letters in any case. */
bool trace_has_key(const struct log_record *r, struct span key);

/* The connection of an event that has a queue ID, too; or an empty span. */
struct span trace_connection(const struct log_record *r);

#endif
