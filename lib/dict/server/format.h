/*
 * format.h - what stands for % in queries, search bases, keys and results; private
 * to lib/dict. Pure.
 *
 *	%%	a %
 *	%s	the whole	%u	before the last @	%d	behind it
 *	%S %U %D		the same of the key, where it is a result that is
 *				formatted
 *	%1..%9			parts of the key's domain, %1 the last
 *
 * Where something has not what its format asks for, nothing comes of it: a %d of
 * what is no address, a %u of "@domain", a %3 of a domain with two parts.
 */
#ifndef DICT_SERVER_FORMAT_H
#define DICT_SERVER_FORMAT_H

#include "base/buf.h"
#include "base/why.h"

/* Whether all that follows a % is known. Returns 0, or -EINVAL with `why`. */
MUST_USE int format_check(const char *format, struct why *why);

enum format_result {
	FORMAT_PUT,
	FORMAT_SKIPPED, /* it has not what is asked for: nothing was put */
	FORMAT_FAILED, /* it cannot be quoted, or there is no room */
};

/* Appends `text` as what is formatted wants it. False: it cannot. */
typedef bool format_quote_fn(struct span text, struct buf *out, void *arg);

/* A question about `key`; `quote` NULL: as it is. */
MUST_USE enum format_result format_query(const char *format, struct span key,
    format_quote_fn *quote, void *arg, struct buf *out);

/*
 * A value that was found for `key`, with a comma before it if it is not the
 * first. One that is empty is skipped.
 */
MUST_USE enum format_result format_value(const char *format, struct span value,
    struct span key, struct buf *out);

#endif
