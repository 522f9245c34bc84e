/*
 * own.h - the queue, as who owns it: root becomes that user before it looks at what
 * strangers had written there.
 */
#ifndef TOOLS_QUEUE_OWN_H
#define TOOLS_QUEUE_OWN_H

#include "queue/queue.h"

/*
 * Opens the queue of the configuration in `dir` (NULL: where it is), which becomes
 * the current directory. Ends the program with `status` if that cannot be.
 * `reserved`: if the caller is neither root nor the owner, too. Blocks.
 */
struct queue *own_queue(const char *dir, int status, bool reserved);

#endif
