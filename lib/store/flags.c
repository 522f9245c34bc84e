#include "store/mbox.h"

#include <errno.h>
#include <unistd.h>

/*
 * Flags, keywords, expunges. A file that is not where the index has it was
 * renamed by somebody else; then the folders are read, and it is tried again.
 */

/* What is to be done with each of some messages. */
typedef int each_fn(struct change *c, struct mbox_message *row, void *arg);

static int
each_in_change(struct mbox *m, struct change *c, const struct uidset *uids,
    each_fn *fn, void *arg)
{
	int missing = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct mbox_message row;

		if (!uidset_has(uids, m->rows[i].uid) ||
		    !index_get_row(&c->t, &c->h, m->rows[i].uid, &row))
			continue;
		int err = fn(c, &row, arg);
		if (err == -ENOENT)
			missing = err;
		else if (err)
			return err;
	}
	return missing;
}

static enum store_result
each(struct mbox *m, const struct uidset *uids, each_fn *fn, void *arg)
{
	int err = 0;

	if (m->read_only)
		return STORE_INVALID;
	for (unsigned i = 0; i < MBOX_TRIES; i++) {
		struct change c;

		err = change_begin(m->u->s, m->b, i ? CHANGE_SCAN : 0, &c);
		if (err)
			break;
		if (c.h.uidvalidity == m->uidvalidity)
			err = each_in_change(m, &c, uids, fn, arg);
		else
			err = -ESTALE;
		bool damaged = c.t.bad;
		change_end(&c, true);
		if (err != -ENOENT && !damaged)
			break;
	}
	if (err == -ENOENT)
		err = 0; /* gone for good, or it never stands still */
	return err == -ESTALE ? STORE_ABSENT : store_result_of(err);
}

struct flagging {
	enum mbox_flag_op op;
	uint32_t flags;
	uint64_t unchanged_since;
	struct uidset *modified;
	struct uidset done; /* by this command: their MODSEQ is its own */
};

static int
flag_one(struct change *c, struct mbox_message *row, void *arg)
{
	struct flagging *f = arg;
	uint32_t flags = f->flags;

	if (uidset_has(&f->done, row->uid))
		return 0;
	if (f->unchanged_since && row->modseq > f->unchanged_since) {
		if (f->modified)
			uidset_add(f->modified, row->uid, row->uid);
		return 0;
	}
	if (f->op == MBOX_FLAGS_ADD)
		flags = row->flags | f->flags;
	else if (f->op == MBOX_FLAGS_REMOVE)
		flags = row->flags & ~f->flags;
	int err = flags == row->flags ? 0 : change_flags(c, row, flags);
	if (!err && f->unchanged_since)
		uidset_add(&f->done, row->uid, row->uid);
	return err;
}

enum store_result
mbox_store_flags(struct mbox *m, const struct uidset *uids,
    enum mbox_flag_op op, uint32_t flags, uint64_t unchanged_since,
    struct uidset *modified_r)
{
	struct flagging f = { op, flags, unchanged_since, modified_r, { 0 } };

	if (modified_r)
		*modified_r = (struct uidset){ 0 };
	enum store_result r = each(m, uids, flag_one, &f);
	uidset_fini(&f.done);
	return r;
}

/* The file first: what is still in a folder comes back by reading it. */
static int
expunge_one(struct change *c, struct mbox_message *row, void *arg)
{
	char name[NAME_SIZE];
	const bool *all = arg;
	bool in_new = row->size & ROW_IN_NEW;

	if (!*all && !(row->flags & STORE_DELETED))
		return 0;
	if (!index_get_name(&c->t, c->h.id, row->uid, name))
		return -ENOENT;
	change_before(c, in_new);
	if (unlinkat(in_new ? c->b->new : c->b->cur, name, 0) < 0)
		return -errno;
	change_after(c, in_new);
	change_modseq(c);
	index_remove_row(&c->t, &c->h, row->uid);
	return 0;
}

enum store_result
mbox_expunge(struct mbox *m, const struct uidset *uids)
{
	struct uidset every = { 0 };
	bool all = false;

	uidset_add(&every, 1, UINT32_MAX);
	enum store_result r = each(m, uids ? uids : &every, expunge_one, &all);
	uidset_fini(&every);
	return r;
}

enum store_result
mbox_remove(struct mbox *m, const struct uidset *uids)
{
	bool all = true;

	return each(m, uids, expunge_one, &all);
}

static int
add_keyword(struct mbox *m, struct span name, int *n_r)
{
	struct keywords k;
	int err = box_lock(m->u->s, m->b);

	if (err)
		return err;
	err = box_keywords(m->b, &k);
	*n_r = err ? -1 : keywords_find(&k, name);
	if (!err && *n_r < 0) {
		*n_r = keywords_add(&k, name);
		err = *n_r < 0 ? -ENOBUFS
			       : box_add_keyword(m->b, &k, (unsigned)*n_r);
	}
	box_unlock(m->b);
	return err;
}

enum store_result
mbox_keyword(struct mbox *m, struct span name, bool make, uint32_t *bit_r)
{
	*bit_r = STORE_FORWARDED;
	if (span_ieq(name, SPAN("$Forwarded")))
		return STORE_OK;
	if (!keyword_is_valid(name))
		return STORE_INVALID;
	int n = keywords_find(mbox_words(m), name);
	if (n < 0) {
		mbox_load_keywords(m);
		n = keywords_find(mbox_words(m), name);
	}
	if (n < 0 && !make)
		return STORE_ABSENT;
	if (n < 0) {
		int err = m->read_only ? -EINVAL : add_keyword(m, name, &n);

		if (err == -ENOBUFS)
			return STORE_LIMIT;
		if (err)
			return store_result_of(err);
		mbox_load_keywords(m);
	}
	*bit_r = (uint32_t)STORE_KEYWORD << n;
	return STORE_OK;
}
