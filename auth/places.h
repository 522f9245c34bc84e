/*
 * places.h - where the mail of who logs in lies, as main.cf and its tables say
 * now; private to auth.
 */
#ifndef AUTH_PLACES_H
#define AUTH_PLACES_H

#include "mail/place.h"

struct places;

/* Opens what `c`, which must outlive it, names. NULL with `why`. Blocks. */
struct places *places_open(const struct conf *c, struct why *why);
struct places *places_close(struct places *p);

/*
 * From now on these are the places; those of before are closed. The first time
 * also outside of tasks. May sleep.
 */
void places_use(struct places *p);

/* Closes them; not while a task is about it. */
void places_fini(void);

/*
 * Finds the mailbox of a user, with the fields of his entry: FOUND; or ABSENT or
 * TEMPFAIL with `why`. Tables that were replaced are opened anew. May sleep.
 */
MUST_USE enum dict_result places_find(struct span user, struct span fields,
    struct arena *a, struct mailbox_place *place_r, struct why *why);

/*
 * Finds the mailbox that mail for `addr` is for by the tables of virtual mailboxes,
 * as places_find() does; ABSENT: they do not know it. Without tables all of the
 * virtual domains are known, unless there are `users` to say who is. May sleep.
 */
MUST_USE enum dict_result places_find_virtual(struct span addr, bool users,
    struct arena *a, struct mailbox_place *place_r, struct why *why);

/* place_drop_extension() by the settings of now. Plain. */
MUST_USE bool places_drop_extension(struct span addr, struct arena *a,
    struct span *addr_r);

#endif
