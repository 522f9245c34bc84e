/*
 * parser.h - what the parsers of commands share; private to imapd/parse.
 *
 * A parser takes from ->in and returns false where the grammar ends; what is to
 * be said of it stands in ->error, the first that was set.
 */
#ifndef IMAPD_PARSE_PARSER_H
#define IMAPD_PARSE_PARSER_H

#include "imapd/parse/command.h"
#include "imapd/parse/token.h"

struct parser {
	struct span in;
	struct arena *arena;
	struct imap_command *command;
	const char *error;
	bool full; /* the arena is */
};

/* Returns false with that text. */
bool parse_fail(struct parser *p, const char *error);

/* From the arena; NULL with ->full. */
void *parse_alloc(struct parser *p, size_t size);

bool parse_space(struct parser *p);
bool parse_astring(struct parser *p, struct span *string_r);
bool parse_set(struct parser *p, struct span *set_r);

/* SP fetch-att: a macro, one item or a list. */
bool parse_fetch(struct parser *p);

/* [SP "CHARSET" SP astring] 1*(SP search-key) */
bool parse_search(struct parser *p);

#endif
