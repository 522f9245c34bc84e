#include "store/mbox.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a read of the index gave. */
struct look {
	struct index_header h;
	struct mbox_message *rows; /* NULL: as the view has them */
	bool work; /* there is something to be done under the lock */
};

static int
read_index(struct mbox *m, struct index *ix, struct look *l, bool anyway)
{
	struct index_txn t;
	int err = index_begin(ix, false, &t);

	if (err)
		return err;
	err = index_get_header(&t, box_name(m->b), &l->h);
	if (!err && !anyway && !change_is_fresh(m->b, &l->h))
		err = -ESTALE;
	if (!err && (l->h.id != m->id || l->h.modseq != m->modseq)) {
		l->rows = zalloc((l->h.messages + 1) * sizeof(*l->rows));
		err = index_rows(&t, &l->h, l->rows);
	}
	for (uint32_t i = 0; l->rows && i < l->h.messages; i++)
		l->rows[i].size &= ~ROW_IN_NEW;
	int end = index_end(&t, false);
	return err ? err : end;
}

/* Under the lock: reads the folders, moves new/, takes what is recent. */
static int
tidy(struct mbox *m)
{
	struct change c;
	int err = change_begin(m->u->s, m->b,
	    m->read_only ? 0 : CHANGE_MOVE_NEW, &c);

	if (err)
		return err;
	if (c.h.first_recent < c.h.uidnext) {
		uidset_add(&m->recent, c.h.first_recent, c.h.uidnext - 1);
		if (!m->read_only)
			c.h.first_recent = c.h.uidnext;
	}
	change_end(&c, true);
	return 0;
}

static bool
has_work(const struct mbox *m, const struct index_header *h)
{
	return !m->read_only && (h->in_new || h->first_recent < h->uidnext);
}

/*
 * A fresh look at the index, whatever has to be done for it. Of a mailbox that
 * changes all the time what was known last is shown, which tidy() has left.
 */
static int
look(struct mbox *m, struct look *l)
{
	int64_t new_time;
	int err = -EIO;

	*l = (struct look){ 0 };
	for (unsigned i = 0; i < MBOX_TRIES; i++) {
		struct index *ix = m->b->index;

		if (!box_is_in_place(m->u->s, m->b, &new_time))
			return -ENOENT;
		free(l->rows);
		l->rows = NULL;
		err = ix ? read_index(m, ix, l, i + 1 == MBOX_TRIES) : -ESTALE;
		if (!err && !(i == 0 && has_work(m, &l->h)))
			return 0;
		int again = tidy(m);
		if (again)
			return again;
	}
	return err;
}

const struct keywords *
mbox_words(const struct mbox *m)
{
	static const struct keywords none;

	return m->keywords ? m->keywords : &none;
}

static bool
has_keywords(const struct keywords *k)
{
	for (size_t i = 0; i < STORE_KEYWORDS; i++)
		if (k->names[i].n)
			return true;
	return false;
}

void
mbox_load_keywords(struct mbox *m)
{
	const struct keywords *old = mbox_words(m);
	struct keywords k;

	if (box_keywords(m->b, &k) < 0)
		return;
	for (size_t i = 0; i < STORE_KEYWORDS; i++)
		if (!span_eq(k.names[i], old->names[i]))
			m->keywords_changed = true;
	if (!m->keywords && has_keywords(&k))
		m->keywords = zalloc(sizeof(*m->keywords));
	if (!m->keywords)
		return;
	memcpy(m->keywords->bytes, k.bytes, sizeof(k.bytes));
	for (size_t i = 0; i < STORE_KEYWORDS; i++)
		m->keywords->names[i] = (struct span){ m->keywords->bytes[i],
			k.names[i].n };
}

/* The old view and the new rows, on their way to one view. */
struct merge {
	struct mbox *m;
	struct mbox_changes *changes;
	struct mbox_message *out;
	size_t n;
	uint32_t *expunged, *uids, *flagged;
	bool keep;
	bool behind;
};

static void
merge_gone(struct merge *g, const struct mbox_message *old)
{
	if (g->keep) {
		g->out[g->n++] = *old;
		g->behind = true;
		return;
	}
	g->uids[g->changes->expunged_n] = old->uid;
	g->expunged[g->changes->expunged_n++] = (uint32_t)g->n + 1;
}

static void
merge_both(struct merge *g, const struct mbox_message *old,
    const struct mbox_message *new)
{
	g->out[g->n++] = *new;
	if (old->flags != new->flags)
		g->flagged[g->changes->flagged_n++] = (uint32_t)g->n;
}

/* What comes below UIDs that the client knows of is for later sessions. */
static void
merge_new(struct merge *g, const struct mbox_message *new)
{
	if (new->uid < g->m->uidnext)
		return;
	g->out[g->n++] = *new;
	g->changes->exists_changed = true;
}

static void
merge(struct merge *g, const struct mbox_message *rows, size_t n)
{
	const struct mbox *m = g->m;
	size_t i = 0, k = 0;

	while (i < m->n || k < n) {
		if (k == n || (i < m->n && m->rows[i].uid < rows[k].uid))
			merge_gone(g, &m->rows[i++]);
		else if (i == m->n || rows[k].uid < m->rows[i].uid)
			merge_new(g, &rows[k++]);
		else
			merge_both(g, &m->rows[i++], &rows[k++]);
	}
}

static void
count_recent(struct mbox *m)
{
	m->recent_n = 0;
	if (m->recent.n == 0)
		return;
	for (size_t i = m->n; i > 0; i--) {
		if (m->rows[i - 1].uid < m->recent.ranges[0].first)
			break;
		m->recent_n += uidset_has(&m->recent, m->rows[i - 1].uid);
	}
}

static void
take_rows(struct mbox *m, struct look *l, bool keep, struct mbox_changes *r)
{
	size_t n = l->h.messages;
	struct merge g = { .m = m, .changes = r, .keep = keep };
	size_t max = m->n + 1; /* each array is about what was there */

	g.out = zalloc((m->n + n + 1) * sizeof(*g.out));
	free(m->numbers);
	m->numbers = zalloc(3 * max * sizeof(*m->numbers));
	g.expunged = m->numbers;
	g.uids = m->numbers + max;
	g.flagged = m->numbers + 2 * max;
	merge(&g, l->rows, n);
	r->expunged = g.expunged;
	r->expunged_uids = g.uids;
	r->flagged = g.flagged;
	free(m->rows);
	m->rows = g.out;
	m->n = g.n;
	m->behind = g.behind;
	if (l->h.uidnext > m->uidnext)
		m->uidnext = l->h.uidnext;
	m->id = l->h.id;
	m->modseq = l->h.modseq;
	count_recent(m);
}

/* What was recent as the mailbox was opened for reading is so for a while. */
static void
look_at_recent(struct mbox *m, const struct index_header *h)
{
	if (m->read_only && h->first_recent < h->uidnext)
		uidset_add(&m->recent, h->first_recent, h->uidnext - 1);
}

enum store_result
mbox_sync(struct mbox *m, unsigned flags, struct mbox_changes *changes_r)
{
	struct look l;
	bool keep = flags & MBOX_KEEP_EXPUNGED;

	*changes_r = (struct mbox_changes){ 0 };
	/* What was left in the view goes by reading it all once more. */
	if (m->behind && !keep)
		m->id = 0;
	int err = look(m, &l);
	if (!err && m->uidvalidity && l.h.uidvalidity != m->uidvalidity)
		err = -ENOENT;
	if (!err) {
		m->uidvalidity = l.h.uidvalidity;
		look_at_recent(m, &l.h);
		if (l.rows) {
			mbox_load_keywords(m);
			take_rows(m, &l, keep, changes_r);
		}
		changes_r->keywords_changed = m->keywords_changed;
		m->keywords_changed = false;
	}
	free(l.rows);
	if (err == -ESTALE)
		err = -ENOENT;
	return store_result_of(err);
}

enum store_result
mbox_open(struct store_user *u, struct span name, unsigned flags,
    struct mbox **mbox_r)
{
	struct mbox *m = zalloc(sizeof(*m));
	struct mbox_changes first;

	*mbox_r = NULL;
	m->u = u;
	m->read_only = flags & MBOX_READ_ONLY;
	m->watcher.new = m->watcher.cur = -1;
	enum store_result r = store_box(u, name, &m->b);
	if (r == STORE_OK)
		r = mbox_sync(m, 0, &first);
	if (r != STORE_OK)
		m = mbox_close(m);
	*mbox_r = m;
	return r;
}

struct mbox *
mbox_close(struct mbox *m)
{
	if (!m)
		return NULL;
	mbox_unwatch(m);
	box_close(m->u->s, m->b);
	uidset_fini(&m->recent);
	free(m->keywords);
	free(m->numbers);
	free(m->rows);
	free(m);
	return NULL;
}

const struct mbox_message *
mbox_messages(const struct mbox *m, size_t *n_r)
{
	*n_r = m->n;
	return m->rows;
}

/* The first of the view with a UID of at least `uid`. */
static size_t
find_place(const struct mbox *m, uint32_t uid)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->rows[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t
mbox_find(const struct mbox *m, uint32_t uid)
{
	size_t at = find_place(m, uid);

	return at < m->n && m->rows[at].uid == uid ? (uint32_t)at + 1 : 0;
}

void
mbox_seqs_of(const struct mbox *m, const struct uidset *uids,
    struct uidset *seqs_r)
{
	*seqs_r = (struct uidset){ 0 };
	for (size_t i = 0; i < uids->n; i++) {
		size_t at = find_place(m, uids->ranges[i].first);
		size_t end = at;

		while (end < m->n && m->rows[end].uid <= uids->ranges[i].last)
			end++;
		if (end > at)
			uidset_add(seqs_r, (uint32_t)at + 1, (uint32_t)end);
	}
}

void
mbox_uids_of(const struct mbox *m, const struct uidset *seqs,
    struct uidset *uids_r)
{
	*uids_r = (struct uidset){ 0 };
	for (size_t i = 0; i < seqs->n; i++) {
		uint32_t last = seqs->ranges[i].last;

		if (last > m->n)
			last = (uint32_t)m->n;
		for (uint32_t n = seqs->ranges[i].first; n <= last; n++)
			uidset_add(uids_r, m->rows[n - 1].uid,
			    m->rows[n - 1].uid);
	}
}

uint32_t
mbox_uidvalidity(const struct mbox *m)
{
	return m->uidvalidity;
}

uint32_t
mbox_uidnext(const struct mbox *m)
{
	return m->uidnext;
}

bool
mbox_is_read_only(const struct mbox *m)
{
	return m->read_only;
}

bool
mbox_is_recent(const struct mbox *m, uint32_t uid)
{
	return uidset_has(&m->recent, uid);
}

uint32_t
mbox_recent_n(const struct mbox *m)
{
	return m->recent_n;
}

const struct span *
mbox_keywords(const struct mbox *m)
{
	return mbox_words(m)->names;
}

/* Where the file is, as far as the index knows. */
static int
find_file(struct mbox *m, uint32_t uid, char name[NAME_SIZE], int *folder_r)
{
	struct index_txn t;
	struct index_header h;
	struct mbox_message row;
	struct index *ix = m->b->index;
	int err = ix ? index_begin(ix, false, &t) : -EIO;

	if (err)
		return err;
	err = index_get_header(&t, box_name(m->b), &h);
	if (!err &&
	    (!index_get_row(&t, &h, uid, &row) ||
		!index_get_name(&t, h.id, uid, name)))
		err = -ENOENT;
	if (!err)
		*folder_r = row.size & ROW_IN_NEW ? m->b->new : m->b->cur;
	int end = index_end(&t, false);
	return end ? end : err;
}

static int
open_file(struct mbox *m, uint32_t uid, uint64_t *size_r)
{
	char name[NAME_SIZE];
	struct stat st;
	int folder;
	int err = find_file(m, uid, name, &folder);

	if (err)
		return err;
	int fd = openat(folder, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	*size_r = (uint64_t)st.st_size;
	return fd;
}

/* The folders are read again, whatever their times say. */
static int
scan_again(struct mbox *m)
{
	struct change c;
	int err = change_begin(m->u->s, m->b, CHANGE_SCAN, &c);

	if (!err)
		change_end(&c, true);
	return err;
}

/* Whether it may be found where the folders are read again. */
static bool
is_elsewhere(int err)
{
	return err == -ENOENT || err == -EBADMSG;
}

enum store_result
mbox_body_at_once(struct mbox *m, uint32_t uid, int *fd_r, uint64_t *size_r)
{
	int fd = open_file(m, uid, size_r);

	*fd_r = fd < 0 ? -1 : fd;
	if (fd < 0)
		return is_elsewhere(fd) ? STORE_BUSY : store_result_of(fd);
	return STORE_OK;
}

enum store_result
mbox_body(struct mbox *m, uint32_t uid, int *fd_r, uint64_t *size_r)
{
	int fd = -ENOENT;

	*fd_r = -1;
	for (unsigned i = 0; i < MBOX_TRIES; i++) {
		fd = open_file(m, uid, size_r);
		if (fd >= 0 || !is_elsewhere(fd))
			break;
		if (scan_again(m) < 0)
			break;
	}
	if (fd < 0)
		return store_result_of(fd);
	*fd_r = fd;
	return STORE_OK;
}

static char
letter_of(enum mbox_cache kind)
{
	return kind == MBOX_CACHE_ENVELOPE ? 'E' : 'S';
}

enum store_result
mbox_cache_get(struct mbox *m, uint32_t uid, enum mbox_cache kind,
    struct arena *arena, struct span *bytes_r)
{
	struct index_txn t;
	struct index *ix = m->b->index;
	int err = ix ? index_begin(ix, false, &t) : -ENOENT;

	if (err)
		return STORE_ABSENT;
	err = index_get_cache(&t, m->id, uid, letter_of(kind), arena, bytes_r);
	int end = index_end(&t, false);
	if (end)
		return STORE_ABSENT;
	return err == -ENOMEM ? STORE_TEMPFAIL : store_result_of(err);
}

void
mbox_cache_put_all(struct mbox *m, const struct mbox_cached *list, size_t n)
{
	struct index_txn t;
	struct index_header h;
	struct mbox_message row;
	struct index *ix = m->b->index;

	if (!ix || index_begin(ix, true, &t) < 0)
		return;
	bool keep = index_get_header(&t, box_name(m->b), &h) == 0 &&
	    h.uidvalidity == m->uidvalidity;
	for (size_t i = 0; keep && i < n; i++)
		if (list[i].bytes.n <= STORE_CACHE_MAX &&
		    index_get_row(&t, &h, list[i].uid, &row))
			index_put_cache(&t, h.id, list[i].uid,
			    letter_of(list[i].kind), list[i].bytes);
	if (index_end(&t, keep) < 0)
		log_debug("what a session keeps of messages is lost");
}

void
mbox_cache_put(struct mbox *m, uint32_t uid, enum mbox_cache kind,
    struct span bytes)
{
	struct mbox_cached one = { uid, kind, bytes };

	mbox_cache_put_all(m, &one, 1);
}
