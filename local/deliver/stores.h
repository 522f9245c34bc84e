/*
 * stores.h - the stores of a worker, one for each root below which mail is
 * delivered. Those that were used last stay open.
 */
#ifndef LOCAL_DELIVER_STORES_H
#define LOCAL_DELIVER_STORES_H

#include "local/deliver/job.h"

/* Runs the job with the store of its root, or has it fail. May sleep. */
void stores_deliver(struct job *j);

/* Closes all, when there is no job left. Blocks. */
void stores_close(void);

#endif
