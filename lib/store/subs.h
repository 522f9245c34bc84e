/*
 * subs.h - the file "subscriptions", as Dovecot writes it. Private to lib/store.
 *
 * Version 1 has a name on each line. Version 2 begins with "V<TAB>2" and an
 * empty line; its names have a TAB between their levels, and \001 quotes. What
 * is read may be either; what is written is version 2, sorted. Foreign bytes.
 * Plain, all of it.
 */
#ifndef STORE_SUBS_H
#define STORE_SUBS_H

#include "base/buf.h"
#include "base/defs.h"
#include "base/span.h"
#include "store/store.h"

enum {
	SUBS_MAX = 4 << 20, /* bytes of the file */
};

struct subs {
	struct span rest;
	unsigned version;
	char name[STORE_NAME_MAX];
};

void subs_begin(struct subs *s, struct span text);

/* The next name, with '.' between its levels; good until the next call. What
 * could be no mailbox is left out. False: no more. */
MUST_USE bool subs_next(struct subs *s, struct span *name_r);

void subs_put_head(struct buf *b);
void subs_put(struct buf *b, struct span name);

/* Whether a mailbox can have this name. */
bool store_name_is_valid(struct span name);

#endif
