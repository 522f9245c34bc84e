/*
 * mbox.h - the parts of store.h's handles. Private to lib/store.
 */
#ifndef STORE_MBOX_H
#define STORE_MBOX_H

#include "store/change.h"
#include "store/store.h"
#include "store/watch.h"

enum {
	MBOX_TRIES = 4, /* with files that are renamed under our hands */
};

struct store_user {
	struct store *s;
	struct box *inbox; /* held, for the index stays open with it */
	char *special; /* the folders that have a purpose: "Sent=\\Sent ..." */
};

/* The view, and how much of the index it has seen. */
struct mbox {
	struct store_user *u;
	struct box *b;
	bool read_only;
	bool behind; /* messages are gone that the view still has */
	uint32_t uidvalidity;
	uint32_t uidnext;
	uint32_t id;
	uint64_t modseq;
	struct mbox_message *rows;
	size_t n;
	struct uidset recent;
	uint32_t recent_n;
	struct keywords
	    *keywords; /* NULL: it has none, as most; mbox_words() */
	bool keywords_changed;
	uint32_t *numbers; /* of struct mbox_changes */
	struct watcher watcher;
};

/* What an errno of the lower parts means. */
enum store_result store_result_of(int err);

/* The path of a mailbox's folder below the root. False: no such name. */
MUST_USE bool store_path(const struct store_user *u, struct span name,
    char path[BOX_PATH_MAX], struct span *path_r);

/* INBOX, in any case of its letters. */
bool store_is_inbox(struct span name);

/* Whether the folder `name` below `root` is one of a mailbox. */
bool store_is_mailbox(int root, const char *name);

/* Opens a mailbox's folder, which has to be there. */
MUST_USE enum store_result store_box(struct store_user *u, struct span name,
    struct box **box_r);

/* Reads the names of the keywords again; what they are now. */
void mbox_load_keywords(struct mbox *m);
const struct keywords *mbox_words(const struct mbox *m);

/* Removes messages, with \Deleted or not. */
MUST_USE enum store_result mbox_remove(struct mbox *m,
    const struct uidset *uids);

#endif
