/*
 * write.h - making a file of Berkeley DB of all that is to be in it; private to
 * lib/dict.
 *
 * Each page is written once, in the order of the file: it is made for as many keys
 * as there are, so that no bucket and no page is ever split. What comes out is what
 * db_verify wants and Postfix's postmap goes on to change.
 */
#ifndef DICT_BDB_WRITE_H
#define DICT_BDB_WRITE_H

#include "dict/pairs.h"

/*
 * Writes all of `p` to an empty file. With `nul` a NUL stands behind each key and
 * value, as Postfix has it. Returns 0 or an errno. Blocks.
 */
MUST_USE int bdb_write_hash(int fd, struct pairs *p, bool nul);
MUST_USE int bdb_write_tree(int fd, struct pairs *p, bool nul);

#endif
