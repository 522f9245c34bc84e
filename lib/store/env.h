/*
 * env.h - the files of an index, and who has them open. Private to index.
 *
 * "postrider-index/" holds LMDB's data.mdb and lock.mdb, what was set aside last
 * (damaged.mdb), and "open": a byte for each process that has the index open,
 * 'U' while it has, which it keeps locked; at OPEN_STAMP the version and the
 * boot. A 'U' that nobody locks is of a process that died over the index.
 */
#ifndef STORE_ENV_H
#define STORE_ENV_H

#include "store/index.h"

enum {
	ENV_DBI = 1, /* the only one, LMDB's main */
};

/*
 * LMDB has answered `err`: nothing of `t` will be kept. Where there was no room, or
 * no memory, the index is as it was; else it is damaged.
 */
void index_fail(struct index_txn *t, int err);

#endif
