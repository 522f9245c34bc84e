/*
 * rows.h - the lines of a table's source: "key value", as postmap takes them.
 */
#ifndef DICT_ROWS_H
#define DICT_ROWS_H

#include "base/defs.h"
#include "base/span.h"

enum row_result {
	ROW_TAKEN,
	ROW_NO_VALUE, /* there is a key and nothing behind it */
	ROW_UNBALANCED, /* a quote that does not end */
};

/*
 * Takes a logical line (conf/lines.h) apart. A key ends at a blank that is not
 * within "quotes"; a backslash takes the meaning from what follows it. Quotes
 * and backslashes stay in the key, as Postfix has it.
 */
MUST_USE enum row_result row_parse(struct span line, struct span *key_r,
    struct span *value_r);

/* Whether it looks like a line of an alias file: "key: value". */
bool row_is_alias(struct span key);

#endif
