/*
 * caller.h - what a command with rights that its caller has not does about him: it
 * takes nothing that he left it, and asks whether he may.
 */
#ifndef TOOLS_CALLER_H
#define TOOLS_CALLER_H

#include "conf/conf.h"

/*
 * Opens what is closed of the first three descriptors, as our own files and sockets
 * would get those numbers, and closes all others. Before anything is opened.
 */
void caller_reset_fds(void);

/*
 * Removes the environment but the names in `kept`, a list; raises soft limits: what is reached then shows as an error of a call; sets the umask, and
 * goes to the root directory.
 */
void caller_reset(const char *kept);

/*
 * Whether he may, by a list of users in order, of which the first that fits
 * decides: names, !name, static:anything; root may always. Tables and files cannot
 * be asked by such a command: -EINVAL with `why`. Else 1 or 0. Blocks.
 */
MUST_USE int caller_is_in(const struct conf *c, const char *parameter,
    struct why *why);

/* His name, or "unknown". Blocks. */
const char *caller_name(void);

#endif
