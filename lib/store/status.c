/*
 * What STATUS tells of a mailbox.
 */
#include "store/mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static int64_t
time_below(int at, const char *path, const char *folder)
{
	char full[BOX_PATH_MAX + 8];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", path, folder);
	if (fstatat(at, full, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return box_mtime(&st);
}

/* Without opening the mailbox: two system calls and a look-up. */
static bool
quick_header(struct store_user *u, struct span name, const char *path,
    struct index_header *h)
{
	struct index_txn t;
	struct index *ix = u->inbox->index;

	if (!ix || index_begin(ix, false, &t) < 0)
		return false;
	bool found = index_get_header(&t,
			 store_is_inbox(name) ? SPAN("") : name, h) == 0;
	if (index_end(&t, false) < 0)
		return false;
	return found && h->new_time && h->cur_time &&
	    h->new_time == time_below(u->s->root, path, "new") &&
	    h->cur_time == time_below(u->s->root, path, "cur");
}

static enum store_result
slow_header(struct store_user *u, struct span name, struct index_header *h)
{
	struct change c;
	struct box *b;
	enum store_result r = store_box(u, name, &b);

	if (r != STORE_OK)
		return r;
	int err = change_begin(u->s, b, 0, &c);
	if (!err) {
		*h = c.h;
		change_end(&c, true);
	}
	box_close(u->s, b);
	return store_result_of(err == -ESTALE ? -ENOENT : err);
}

/* How many are above the mark: the header does not say how many are left. */
static uint32_t
count_recent(const struct index_header *h)
{
	uint32_t n = h->uidnext - h->first_recent;

	return h->first_recent >= h->uidnext ? 0
	    : n < h->messages                ? n
					     : h->messages;
}

enum store_result
store_status(struct store_user *u, struct span name,
    struct store_status *status_r)
{
	char bytes[BOX_PATH_MAX];
	struct span path;
	struct index_header h;
	enum store_result r = STORE_OK;

	if (!store_path(u, name, bytes, &path))
		return STORE_INVALID;
	if (!quick_header(u, name, bytes, &h)) {
		/* So that the next one is quick. */
		pthread_mutex_lock(&u->inbox->lock);
		(void)box_index(u->s, u->inbox, true);
		pthread_mutex_unlock(&u->inbox->lock);
		r = slow_header(u, name, &h);
	}
	if (r != STORE_OK)
		return r;
	*status_r = (struct store_status){
		.messages = h.messages,
		.recent = count_recent(&h),
		.unseen = h.unseen,
		.deleted = h.deleted,
		.uidnext = h.uidnext,
		.uidvalidity = h.uidvalidity,
		.modseq = h.modseq,
		.size = h.size,
	};
	return STORE_OK;
}
