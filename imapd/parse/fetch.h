/*
 * fetch.h - what a FETCH asks for (RFC 3501, 6.4.5).
 */
#ifndef IMAPD_PARSE_FETCH_H
#define IMAPD_PARSE_FETCH_H

#include "base/defs.h"
#include "base/span.h"

enum {
	IMAP_FETCH_MAX = 256, /* items of one command */
	IMAP_SECTION_MAX = 64, /* numbers of a section: as deep as parts go */
	IMAP_FIELDS_MAX = 128, /* names in HEADER.FIELDS */
};

enum imap_fetch_kind {
	FETCH_BODY, /* the structure without extensions */
	FETCH_BODYSTRUCTURE,
	FETCH_ENVELOPE,
	FETCH_FLAGS,
	FETCH_INTERNALDATE,
	FETCH_RFC822_SIZE,
	FETCH_UID,
	FETCH_SECTION, /* BODY[...] and BODY.PEEK[...] */
	FETCH_RFC822, /* BODY[] under another name, and so on */
	FETCH_RFC822_HEADER, /* a look that sets no \Seen */
	FETCH_RFC822_TEXT,
};

enum imap_section {
	SECTION_ALL, /* nothing behind the numbers */
	SECTION_HEADER,
	SECTION_FIELDS, /* HEADER.FIELDS (...) */
	SECTION_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME,
};

struct imap_fetch {
	struct imap_fetch *next;
	enum imap_fetch_kind kind;

	/* Of FETCH_SECTION. */
	bool peek;
	enum imap_section section;
	uint32_t *numbers;
	size_t numbers_n;
	struct span *fields;
	size_t fields_n;
	bool partial; /* <first.count> */
	uint32_t first;
	uint32_t count; /* not 0 */
};

#endif
