#include "store/change.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int64_t
change_time(int folder)
{
	struct stat st;

	if (fstat(folder, &st) < 0)
		return -1;
	return box_mtime(&st);
}

bool
change_is_fresh(const struct box *b, const struct index_header *h)
{
	return h->new_time && h->cur_time &&
	    h->new_time == change_time(b->new) &&
	    h->cur_time == change_time(b->cur);
}

int64_t
change_set_time(struct store *s, struct box *b, int folder)
{
	int64_t now = clock_wall();
	unsigned n = atomic_fetch_add(&s->counter, 1);
	struct timespec t[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = now / 1000000,
		    .tv_nsec = now % 1000000 * 1000 + 1 + n % 998 },
	};

	int64_t given = (int64_t)t[1].tv_sec * 1000000000 + t[1].tv_nsec;

	if (futimens(folder, t) < 0)
		return 0;
	if (b->keeps_ns)
		return given;

	int64_t kept = change_time(folder); /* some file systems round it */
	b->keeps_ns = kept == given;
	return kept;
}

static int
folder_of(const struct change *c, bool in_new)
{
	return in_new ? c->b->new : c->b->cur;
}

static int64_t *
time_of(struct change *c, bool in_new)
{
	return in_new ? &c->h.new_time : &c->h.cur_time;
}

void
change_before(struct change *c, bool in_new)
{
	int64_t *known = time_of(c, in_new);

	if (*known && *known != change_time(folder_of(c, in_new)))
		*known = 0;
}

void
change_after(struct change *c, bool in_new)
{
	int64_t *known = time_of(c, in_new);

	if (++c->touched > CHANGE_FEW)
		*known = 0;
	if (*known)
		*known = change_set_time(c->s, c->b, folder_of(c, in_new));
}

int
change_rename(struct change *c, bool from_new, const char *old, bool to_new,
    const char *new)
{
	change_before(c, from_new);
	if (to_new != from_new)
		change_before(c, to_new);
	if (renameat(folder_of(c, from_new), old, folder_of(c, to_new), new) <
	    0)
		return -errno;
	change_after(c, from_new);
	if (to_new != from_new)
		change_after(c, to_new);
	return 0;
}

uint64_t
change_modseq(struct change *c)
{
	if (c->modseq == 0)
		c->modseq = index_next_modseq(&c->h);
	return c->modseq;
}

uint32_t
change_take_uid(struct change *c)
{
	bool sync;
	uint32_t uid = uidfile_take(&c->uf, c->s->boot, clock_wall() / 1000000,
	    &sync);

	c->uf_changed = true;
	c->uf_sync = c->uf_sync || sync;
	if (uid >= c->h.uidnext)
		c->h.uidnext = uid + 1;
	return uid;
}

int
change_save_uid(struct change *c)
{
	if (!c->uf_changed)
		return 0;
	int err = box_write_uid(c->b, &c->uf, c->uf_sync);
	c->uf_changed = c->uf_sync = err;
	return err;
}

int
change_flags(struct change *c, struct mbox_message *row, uint32_t flags)
{
	char old[NAME_SIZE], new[NAME_SIZE];
	struct maildir_name n;
	bool in_new = row->size & ROW_IN_NEW;

	if (!index_get_name(&c->t, c->h.id, row->uid, old))
		return -ENOENT;
	maildir_name_read(span_str(old), &n);
	n.flags = flags;
	if (!maildir_name_put(new, &n, false))
		return -ENAMETOOLONG;
	if (in_new || strcmp(old, new) != 0) {
		int err = change_rename(c, in_new, old, false, new);

		if (err)
			return err;
	}
	if (row->flags != flags)
		row->modseq = change_modseq(c);
	row->flags = flags;
	row->size &= ~ROW_IN_NEW;
	index_put_row(&c->t, &c->h, row);
	index_put_name(&c->t, c->h.id, row->uid, new);
	return 0;
}

int
change_keywords(struct change *c, const struct span *names, size_t n,
    uint32_t *bits_r)
{
	struct keywords k;
	int err = n ? box_keywords(c->b, &k) : 0;

	*bits_r = 0;
	for (size_t i = 0; !err && i < n; i++) {
		if (span_ieq(names[i], SPAN("$Forwarded"))) {
			*bits_r |= STORE_FORWARDED;
			continue;
		}
		if (!keyword_is_valid(names[i]))
			continue;
		int at = keywords_find(&k, names[i]);
		if (at < 0) {
			at = keywords_add(&k, names[i]);
			if (at >= 0)
				err = box_add_keyword(c->b, &k, (unsigned)at);
		}
		if (at >= 0)
			*bits_r |= (uint32_t)STORE_KEYWORD << at;
	}
	return err;
}

int
change_land(struct change *c, const char *tmp, const struct mbox_message *row,
    uint64_t size, char name_r[NAME_SIZE])
{
	struct mbox_message put = *row;
	struct maildir_name n = {
		.stem = { tmp, strlen(tmp) },
		.has_size = true,
		.has_wire = true,
		.size = size,
		.wire = row->size,
		.uidvalidity = c->uf.uidvalidity,
		.uid = row->uid,
		.flags = row->flags,
	};

	if (!maildir_name_put(name_r, &n, false))
		return -ENAMETOOLONG;
	change_before(c, false);
	if (renameat(c->b->tmp, tmp, c->b->cur, name_r) < 0)
		return -errno;
	change_after(c, false);
	put.modseq = change_modseq(c);
	index_put_row(&c->t, &c->h, &put);
	index_put_name(&c->t, c->h.id, put.uid, name_r);
	return 0;
}

/* Returns whether all could be moved: if not, the folders are to be read. */
static bool
move_new(struct change *c)
{
	size_t n = c->h.messages;
	struct mbox_message *rows = zalloc((n + 1) * sizeof(*rows));
	bool all = index_rows(&c->t, &c->h, rows) == 0;

	for (size_t i = 0; all && i < n; i++)
		if (rows[i].size & ROW_IN_NEW)
			all = change_flags(c, &rows[i], rows[i].flags) == 0;
	free(rows);
	return all;
}

static int
bring_up_to_date(struct change *c, unsigned flags)
{
	int err = box_read_uid(c->s, c->b, &c->uf);

	if (err)
		return err;
	bool valid = index_get_header(&c->t, box_name(c->b), &c->h) == 0 &&
	    c->h.uidvalidity == c->uf.uidvalidity;
	bool move = flags & CHANGE_MOVE_NEW;
	bool fresh = valid && !(flags & CHANGE_SCAN) &&
	    change_is_fresh(c->b, &c->h);
	if (fresh && move && c->h.in_new)
		fresh = move_new(c);
	return fresh ? 0 : change_scan(c, valid, move);
}

static int
begin_txn(struct change *c, unsigned flags)
{
	struct index *ix = box_index(c->s, c->b, true);
	int err = -EIO;

	/* A second time where the index turned out to be damaged. */
	for (unsigned i = 0; i < 3 && ix; i++) {
		err = index_begin(ix, true, &c->t);
		if (err)
			break;
		c->modseq = 0;
		c->touched = 0;
		err = bring_up_to_date(c, flags);
		if (!err && !c->t.bad)
			return 0;
		bool damaged = c->t.bad && !c->t.failed;
		int end = index_end(&c->t, false);
		err = end ? end : err;
		if (!damaged)
			break;
	}
	return err;
}

int
change_begin(struct store *s, struct box *b, unsigned flags, struct change *c_r)
{
	*c_r = (struct change){ .s = s, .b = b };
	int err = box_lock(s, b);
	if (err)
		return err;
	err = begin_txn(c_r, flags);
	if (err)
		box_unlock(b);
	return err;
}

void
change_end(struct change *c, bool keep)
{
	if (keep)
		index_put_header(&c->t, box_name(c->b), &c->h);
	/* What could not be kept is read again: the times do not fit. */
	if (index_end(&c->t, keep) < 0 || !keep)
		(void)change_set_time(c->s, c->b, c->b->cur);
	box_unlock(c->b);
}
