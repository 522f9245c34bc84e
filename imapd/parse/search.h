/*
 * search.h - a program of SEARCH, as a tree (RFC 3501, 6.4.4).
 *
 * SEARCH_AND has ->parts, all of which must match, by ->next; SEARCH_OR has two
 * of them, SEARCH_NOT one. Keys that are only a shorter way to write another
 * come as that: UNSEEN is a SEARCH_NOT of \Seen, NEW an AND of RECENT and that.
 */
#ifndef IMAPD_PARSE_SEARCH_H
#define IMAPD_PARSE_SEARCH_H

#include "base/defs.h"
#include "base/span.h"

enum {
	IMAP_SEARCH_DEPTH_MAX = 32,
	IMAP_SEARCH_MAX = 1024, /* keys of one command */
};

enum imap_search_kind {
	SEARCH_ALL,
	SEARCH_AND,
	SEARCH_OR,
	SEARCH_NOT,
	SEARCH_SET, /* ->text: sequence numbers */
	SEARCH_UID, /* ->text: a set of UIDs */
	SEARCH_FLAG, /* ->flag of enum imap_flag */
	SEARCH_RECENT,
	SEARCH_KEYWORD, /* ->text */
	SEARCH_BEFORE, /* ->days, of INTERNALDATE; the day is not in it */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_SENTBEFORE, /* of the field Date */
	SEARCH_SENTON,
	SEARCH_SENTSINCE,
	SEARCH_LARGER, /* ->size */
	SEARCH_SMALLER,
	SEARCH_HEADER, /* ->field has ->text in it; empty: the field is there */
	SEARCH_BODY, /* ->text */
	SEARCH_TEXT,
};

struct imap_search {
	struct imap_search *next;
	struct imap_search *parts;
	enum imap_search_kind kind;
	unsigned flag;
	int32_t days; /* since 1970 */
	uint32_t size;
	struct span field;
	struct span text;
};

#endif
