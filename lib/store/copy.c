#include "store/mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_CHUNK = 64 << 10,
};

/* A message on its way. */
struct item {
	struct mbox_message row; /* ->uid that of the source */
	uint32_t uid; /* that of the copy */
	uint64_t size;
	bool in_tmp;
	bool in_cur;
	char source[NAME_SIZE];
	char name[NAME_SIZE]; /* in tmp/, then in cur/ */
};

struct copy {
	struct mbox *m;
	struct box *to;
	struct item *items;
	size_t n;
};

/* Which messages, and where their files are. */
static int
gather(struct copy *k, const struct uidset *uids)
{
	struct mbox *m = k->m;
	struct index_txn t;
	struct index_header h;
	struct index *ix = m->b->index;
	int err = ix ? index_begin(ix, false, &t) : -EIO;

	if (err)
		return err;
	k->n = 0;
	err = index_get_header(&t, box_name(m->b), &h);
	for (size_t i = 0; !err && i < m->n; i++) {
		struct item *it = &k->items[k->n];
		struct maildir_name n;

		*it = (struct item){ 0 };
		if (!uidset_has(uids, m->rows[i].uid) ||
		    !index_get_row(&t, &h, m->rows[i].uid, &it->row) ||
		    !index_get_name(&t, h.id, m->rows[i].uid, it->source))
			continue;
		maildir_name_read(span_str(it->source), &n);
		it->size = n.size;
		k->n++;
	}
	int end = index_end(&t, false);
	return end ? end : err;
}

static int
copy_bytes(int from, int to)
{
	char *chunk = zalloc(FILE_CHUNK);
	ssize_t n;
	int err = 0;

	while (!err && (n = read(from, chunk, FILE_CHUNK)) != 0) {
		if (n < 0)
			err = errno == EINTR ? 0 : -errno;
		for (ssize_t done = 0; !err && done < n;) {
			ssize_t w = write(to, chunk + done, (size_t)(n - done));

			if (w <= 0)
				err = w < 0 ? -errno : -EIO;
			else
				done += w;
		}
	}
	free(chunk);
	return err;
}

/* Another file system, or too many links: then a file of its own. */
static int
copy_file(int folder, struct box *to, struct item *it)
{
	struct timespec t[2] = { { .tv_sec = it->row.date },
		{ .tv_sec = it->row.date } };
	int err = 0;
	int in = openat(folder, it->source,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (in < 0)
		return -errno;
	int out = openat(to->tmp, it->name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0) {
		err = -errno;
	} else {
		it->in_tmp = true;
		err = copy_bytes(in, out);
		if (!err && (futimens(out, t) < 0 || fsync(out) < 0))
			err = -errno;
		close(out);
	}
	close(in);
	return err;
}

static int
link_one(struct copy *k, struct item *it)
{
	struct box *b = k->m->b;
	int folder = it->row.size & ROW_IN_NEW ? b->new : b->cur;

	box_make_name(k->m->u->s, it->name);
	if (linkat(folder, it->source, k->to->tmp, it->name, 0) == 0) {
		it->in_tmp = true;
		return 0;
	}
	return errno == EXDEV || errno == EMLINK || errno == EPERM
	    ? copy_file(folder, k->to, it)
	    : -errno;
}

static void
undo(struct copy *k)
{
	for (size_t i = 0; i < k->n; i++) {
		struct item *it = &k->items[i];

		if (it->in_tmp)
			unlinkat(k->to->tmp, it->name, 0);
		if (it->in_cur)
			unlinkat(k->to->cur, it->name, 0);
		it->in_tmp = it->in_cur = false;
	}
}

/* Each file gets a name in tmp/ of the other mailbox. */
static int
link_all(struct copy *k, const struct uidset *uids)
{
	int err = 0;

	for (unsigned i = 0; i < MBOX_TRIES; i++) {
		struct change c;

		err = gather(k, uids);
		for (size_t n = 0; !err && n < k->n; n++)
			err = link_one(k, &k->items[n]);
		if (!err)
			return 0;
		undo(k);
		if (err != -ENOENT && err != -EBADMSG)
			return err;
		err = change_begin(k->m->u->s, k->m->b, CHANGE_SCAN, &c);
		if (err)
			return err;
		change_end(&c, true);
	}
	return err;
}

/* Letters there for the letters here: both by the keywords' names. */
static int
translate(struct copy *k, struct change *c)
{
	uint32_t used = 0, map[STORE_KEYWORDS] = { 0 };
	int err = 0;

	for (size_t i = 0; i < k->n; i++)
		used |= k->items[i].row.flags;
	for (size_t i = 0; !err && i < STORE_KEYWORDS; i++)
		if (used & (uint32_t)STORE_KEYWORD << i)
			err = change_keywords(c, &mbox_keywords(k->m)[i], 1,
			    &map[i]);
	for (size_t i = 0; i < k->n; i++) {
		uint32_t old = k->items[i].row.flags;
		uint32_t new = old &(STORE_KEYWORD - 1);

		for (size_t n = 0; n < STORE_KEYWORDS; n++)
			if (old & (uint32_t)STORE_KEYWORD << n)
				new |= map[n];
		k->items[i].row.flags = new;
	}
	return err;
}

static int
land_all(struct copy *k, struct change *c)
{
	uint32_t uidvalidity = c->uf.uidvalidity;
	int err = translate(k, c);

	for (size_t i = 0; i < k->n; i++)
		k->items[i].uid = change_take_uid(c);
	if (!err && c->uf.uidvalidity != uidvalidity)
		err = -EAGAIN; /* the UIDs are used up, in the middle of it */
	if (!err)
		err = change_save_uid(c);
	for (size_t i = 0; !err && i < k->n; i++) {
		struct item *it = &k->items[i];
		struct mbox_message row = it->row;
		char name[NAME_SIZE];

		row.uid = it->uid;
		row.size &= ~ROW_IN_NEW;
		err = change_land(c, it->name, &row, it->size, name);
		if (err)
			break;
		it->in_tmp = false;
		it->in_cur = true;
		memcpy(it->name, name, sizeof(name));
	}
	return err;
}

static int
land(struct copy *k, struct mbox_copied *r)
{
	struct change c;
	int err = change_begin(k->m->u->s, k->to, 0, &c);

	if (err)
		return err;
	err = land_all(k, &c);
	if (err)
		undo(k);
	r->uidvalidity = c.uf.uidvalidity;
	change_end(&c, !err);
	/* One sync of the folder, which has all the names. */
	if (!err && k->n && fsync(k->to->cur) < 0) {
		err = -errno;
		undo(k);
	}
	return err;
}

static enum store_result
copy(struct mbox *m, const struct uidset *uids, struct span to,
    struct mbox_copied *r)
{
	struct copy k = { .m = m };
	enum store_result result = store_box(m->u, to, &k.to);

	*r = (struct mbox_copied){ 0 };
	if (result != STORE_OK)
		return result;
	k.items = zalloc((m->n + 1) * sizeof(*k.items));
	int err = link_all(&k, uids);
	if (!err) {
		err = land(&k, r);
		if (err)
			undo(&k);
	}
	for (size_t i = 0; !err && i < k.n; i++) {
		uidset_add(&r->from, k.items[i].row.uid, k.items[i].row.uid);
		uidset_add(&r->to, k.items[i].uid, k.items[i].uid);
	}
	free(k.items);
	box_close(m->u->s, k.to);
	return store_result_of(err == -ESTALE ? -ENOENT : err);
}

enum store_result
mbox_copy(struct mbox *m, const struct uidset *uids, struct span to,
    struct mbox_copied *copied_r)
{
	return copy(m, uids, to, copied_r);
}

enum store_result
mbox_move(struct mbox *m, const struct uidset *uids, struct span to,
    struct mbox_copied *copied_r)
{
	*copied_r = (struct mbox_copied){ 0 };
	if (m->read_only)
		return STORE_INVALID;
	enum store_result r = copy(m, uids, to, copied_r);
	return r == STORE_OK ? mbox_remove(m, &copied_r->from) : r;
}
