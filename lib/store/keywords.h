/*
 * keywords.h - the letters of a mailbox's keywords. Private to lib/store.
 *
 * They stand in "postrider-uid", behind its first line, a line for each:
 *
 *	LETTER NAME crc=HEX
 *
 * A line is only ever appended, and one whose checksum is wrong means nothing.
 * Letters that have no name there have that of a dovecot-keywords, if there is
 * one beside. Foreign bytes. Plain, all of it.
 */
#ifndef STORE_KEYWORDS_H
#define STORE_KEYWORDS_H

#include "base/defs.h"
#include "base/span.h"
#include "store/store.h"

enum {
	KEYWORD_LINE = STORE_KEYWORD_MAX + 20,
	KEYWORDS_TEXT = 64 << 10, /* of either file that is read */
};

struct keywords {
	struct span names[STORE_KEYWORDS]; /* of ->bytes */
	char bytes[STORE_KEYWORDS][STORE_KEYWORD_MAX];
};

/* flag-keyword = atom, and not too long. */
bool keyword_is_valid(struct span name);

/* Reads what stands behind the first line, then Dovecot's, either empty. */
void keywords_read(struct keywords *k, struct span own, struct span dovecot);

/* The letter's number of a name in any case, or -1. */
int keywords_find(const struct keywords *k, struct span name);

/* Gives a name the first free letter; -1: there is none. */
int keywords_add(struct keywords *k, struct span name);

/* Writes the line of a letter; returns its length. */
size_t keywords_put(char out[KEYWORD_LINE], const struct keywords *k,
    unsigned n);

#endif
