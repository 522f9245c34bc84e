#include "store/change.h"

#include "base/clock.h"
#include "store/dovecot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Reading the folders of a mailbox, and making its rows say what is there.
 */
enum {
	READ_TRIES = 4, /* while somebody changes what is being read */
	LIST_MAX = 256 << 20, /* bytes of a dovecot-uidlist */
	FILE_CHUNK = 64 << 10,
};

/* Nanoseconds; coarser than any file system's clock. */
#define YOUNG (INT64_C(2) * 1000000000)

/* A file that is there. */
struct entry {
	size_t name; /* where it is in ->names */
	bool in_new;
	bool old; /* the index has it */
	int64_t time; /* for the order of those without a UID */
	struct mbox_message row;
};

struct scan {
	struct change *c;
	bool valid;
	struct entry *entries;
	size_t n, max;
	char *names;
	size_t names_n, names_max;
	struct mbox_message *rows; /* those of the index before */
	size_t rows_n;
	bool sorted; /* the entries, as compare() has it */
	bool unsure; /* the folders changed all the time while they were read */
	bool again; /* something went away under our hands */
};

static const char *
name_of(const struct scan *s, const struct entry *e)
{
	return s->names + e->name;
}

static void *
grow(void *old, size_t size, size_t n, size_t *max)
{
	size_t more = *max ? *max * 2 : 256;
	char *new;

	while (more < n)
		more *= 2;
	new = zalloc(more * size);
	if (*max)
		memcpy(new, old, *max * size);
	free(old);
	*max = more;
	return new;
}

static void
set_name(struct scan *s, struct entry *e, const char *name)
{
	size_t n = strlen(name) + 1;

	if (s->names_n + n > s->names_max)
		s->names = grow(s->names, 1, s->names_n + n, &s->names_max);
	e->name = s->names_n;
	memcpy(s->names + s->names_n, name, n);
	s->names_n += n;
}

static void
add_entry(struct scan *s, const char *name, bool in_new)
{
	struct maildir_name m;

	if (s->n == s->max)
		s->entries = grow(s->entries, sizeof(*s->entries), s->n + 1,
		    &s->max);
	struct entry *e = &s->entries[s->n++];
	*e = (struct entry){ .in_new = in_new };
	set_name(s, e, name);
	maildir_name_read(span_str(name), &m);
	e->row.flags = m.flags;
	if (m.uidvalidity == s->c->uf.uidvalidity && m.uid < s->c->uf.next)
		e->row.uid = m.uid;
}

static bool
is_message(int folder, const struct dirent *d)
{
	struct stat st;

	if (d->d_name[0] == '.')
		return false;
	if (d->d_type != DT_UNKNOWN)
		return d->d_type == DT_REG;
	return fstatat(folder, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode);
}

static int
read_folder(struct scan *s, int folder, bool in_new)
{
	const struct dirent *d;
	DIR *dir = box_open_dir(folder, ".");

	if (!dir)
		return -errno;
	errno = 0;
	while ((d = readdir(dir))) {
		if (is_message(folder, d))
			add_entry(s, d->d_name, in_new);
		errno = 0;
	}
	int err = -errno;
	closedir(dir);
	return err;
}

/* A time that is young may be that of a later change, too: it gets its own. */
static int64_t
sure_time(struct change *c, int folder)
{
	int64_t old = clock_wall() * 1000 - YOUNG;
	int64_t at = change_time(folder);

	return at > old ? change_set_time(c->s, c->b, folder) : at;
}

/* A rename while a folder is read can hide a file: then it is read again. */
static int
read_folders(struct scan *s)
{
	struct box *b = s->c->b;

	for (unsigned i = 0; i < READ_TRIES; i++) {
		int64_t new = sure_time(s->c, b->new);
		int64_t cur = sure_time(s->c, b->cur);
		s->n = s->names_n = 0;
		int err = read_folder(s, b->new, true);
		if (!err)
			err = read_folder(s, b->cur, false);
		if (err)
			return err;
		s->c->h.new_time = new;
		s->c->h.cur_time = cur;
		if (new == change_time(b->new) && cur == change_time(b->cur))
			return 0;
	}
	s->unsure = s->again = true;
	return 0;
}

static const struct mbox_message *
find_row(const struct scan *s, uint32_t uid)
{
	size_t low = 0, high = s->rows_n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->rows[mid].uid == uid)
			return &s->rows[mid];
		if (s->rows[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* By UID; those without at the end, in the order in which they came. */
static int
compare(const void *a, const void *b, void *arg)
{
	const struct scan *s = arg;
	const struct entry *x = a, *y = b;

	if (x->row.uid != y->row.uid)
		return x->row.uid - 1 < y->row.uid - 1 ? -1 : 1;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return strcmp(name_of(s, x), name_of(s, y));
}

static void
sort_entries(struct scan *s)
{
	if (!s->sorted && s->n)
		qsort_r(s->entries, s->n, sizeof(*s->entries), compare, s);
	s->sorted = true;
}

static void
lose_uid(struct scan *s, struct entry *e)
{
	e->row.uid = 0;
	s->sorted = false;
}

/*
 * What was expunged does not come back, nor what a session may have seen the
 * place of: it gets a new UID.
 */
static bool
may_have(const struct scan *s, uint32_t uid)
{
	return !s->valid || uid >= s->c->h.uidnext || find_row(s, uid);
}

/* Of two with one UID the one that the index knows keeps it. */
static void
settle_twins(struct scan *s, size_t first, size_t end)
{
	char known[NAME_SIZE];
	struct entry *e = s->entries;
	size_t keep = first;

	if (end - first < 2 || e[first].row.uid == 0)
		return;
	if (index_get_name(&s->c->t, s->c->h.id, e[first].row.uid, known))
		for (size_t i = first; i < end; i++)
			if (strcmp(known, name_of(s, &e[i])) == 0)
				keep = i;
	for (size_t i = first; i < end; i++)
		if (i != keep)
			lose_uid(s, &e[i]);
}

static void
settle_uids(struct scan *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->entries[i].row.uid &&
		    !may_have(s, s->entries[i].row.uid))
			s->entries[i].row.uid = 0;
	sort_entries(s);
	for (size_t i = 0, end; i < s->n; i = end) {
		for (end = i + 1; end < s->n &&
		     s->entries[end].row.uid == s->entries[i].row.uid;)
			end++;
		settle_twins(s, i, end);
	}
}

/* An entry without a UID, for the look-up by what is before ':'. */
struct nameless {
	struct span stem;
	struct entry *entry;
};

static int
compare_stems(const void *a, const void *b)
{
	const struct nameless *x = a, *y = b;
	size_t n = x->stem.n < y->stem.n ? x->stem.n : y->stem.n;
	int d = memcmp(x->stem.p, y->stem.p, n);

	if (d)
		return d;
	return x->stem.n < y->stem.n ? -1 : x->stem.n > y->stem.n;
}

static bool
uid_is_taken(const struct scan *s, uint32_t uid)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		uint32_t at = s->entries[mid].row.uid;

		if (at == uid)
			return true;
		if (at - 1 < uid - 1)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static void
look_up(struct scan *s, struct span text, struct nameless *list, size_t n)
{
	struct dovecot_list head;
	struct nameless key = { 0 };
	uint32_t uid;

	if (!dovecot_take_head(&text, &head) ||
	    head.uidvalidity != s->c->uf.uidvalidity)
		return;
	/* Into ->time first: the entries stay in order while they are searched. */
	while (dovecot_take_uid(&text, &head, &uid, &key.stem)) {
		struct nameless *at = bsearch(&key, list, n, sizeof(*list),
		    compare_stems);

		if (at && at->entry->time == 0 && uid < s->c->uf.next &&
		    may_have(s, uid) && !uid_is_taken(s, uid))
			at->entry->time = uid;
	}
	for (size_t i = 0; i < n; i++) {
		list[i].entry->row.uid = (uint32_t)list[i].entry->time;
		list[i].entry->time = 0;
	}
}

/* UIDs that Dovecot gave, for files that have no field of ours yet. */
static void
take_over_uids(struct scan *s)
{
	struct span text;
	size_t n = 0;

	sort_entries(s);
	for (size_t i = 0; i < s->n; i++)
		n += s->entries[i].row.uid == 0;
	if (n == 0 ||
	    box_read_file(s->c->b, "dovecot-uidlist", LIST_MAX, &text) < 0)
		return;
	struct nameless *list = zalloc(n * sizeof(*list));
	n = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[i];
		struct span name = { name_of(s, e), strlen(name_of(s, e)) };

		if (e->row.uid == 0)
			list[n++] = (struct nameless){ span_cut(&name, ':'),
				e };
	}
	qsort(list, n, sizeof(*list), compare_stems);
	look_up(s, text, list, n);
	free(list);
	box_free_text(text);
	/* Two lines with one UID: the second message gets another. */
	s->sorted = false;
	sort_entries(s);
	uint32_t last = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (s->entries[i].row.uid == last && last)
			lose_uid(s, &s->entries[i]);
		else
			last = s->entries[i].row.uid;
	}
}

static int
folder_of(const struct scan *s, const struct entry *e)
{
	return e->in_new ? s->c->b->new : s->c->b->cur;
}

/* The size on the wire, with a CR for each LF that has none. */
static int
count_wire(int folder, const char *name, uint64_t *wire_r)
{
	int fd = openat(folder, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char *chunk;
	char last = 0;
	uint64_t wire = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	chunk = zalloc(FILE_CHUNK);
	while ((n = read(fd, chunk, FILE_CHUNK)) > 0)
		wire += maildir_wire_size((struct span){ chunk, (size_t)n },
		    &last);
	int err = n < 0 ? -errno : 0;
	free(chunk);
	close(fd);
	*wire_r = wire;
	return err;
}

/* What the name does not say: only once, since the name is to say it then. */
static int
learn(struct scan *s, struct entry *e, struct maildir_name *m)
{
	const char *name = name_of(s, e);
	struct stat st;

	if (fstatat(folder_of(s, e), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	e->row.date = st.st_mtim.tv_sec;
	e->time = box_mtime(&st);
	/* Who else names a size may mean another: before it was compressed. */
	m->has_wire = m->has_wire && m->has_size &&
	    m->size == (uint64_t)st.st_size;
	m->size = (uint64_t)st.st_size;
	m->has_size = true;
	if (!m->has_wire) {
		int err = count_wire(folder_of(s, e), name, &m->wire);

		if (err)
			return err;
		m->has_wire = true;
	}
	e->row.size = m->wire;
	return 0;
}

/* A name that says all, in the folder where it is to be. */
static int
rename_entry(struct scan *s, struct entry *e, struct maildir_name *m,
    bool to_cur)
{
	char name[NAME_SIZE], unique[NAME_SIZE];
	bool in_new = e->in_new && !to_cur;

	m->uidvalidity = s->c->uf.uidvalidity;
	m->uid = e->row.uid;
	m->flags = e->row.flags;
	if (!maildir_name_put(name, m, in_new)) {
		box_make_name(s->c->s, unique);
		m->stem = span_str(unique);
		if (!maildir_name_put(name, m, in_new))
			return -ENAMETOOLONG;
	}
	int err = change_rename(s->c, e->in_new, name_of(s, e), in_new, name);
	if (err)
		return err;
	e->in_new = in_new;
	set_name(s, e, name);
	return 0;
}

/* One file: what it is, its name, its row. */
static int
settle_entry(struct scan *s, struct entry *e, bool move_new)
{
	const struct mbox_message *old = find_row(s, e->row.uid);
	const char *name = name_of(s, e);
	struct maildir_name m;
	int err = 0;

	maildir_name_read(span_str(name), &m);
	if (old) {
		e->old = true;
		e->row.size = old->size & ~ROW_IN_NEW;
		e->row.date = old->date;
		e->row.modseq = old->modseq;
	}
	bool named = m.uidvalidity == s->c->uf.uidvalidity &&
	    m.uid == e->row.uid && m.has_size && m.has_wire;
	uint64_t told = m.size;
	if (!old || !named)
		err = learn(s, e, &m);
	named = named && m.size == told;
	if (!err && (!named || (move_new && e->in_new)))
		err = rename_entry(s, e, &m, move_new);
	return err;
}

static void
put_entry(struct scan *s, struct entry *e)
{
	struct change *c = s->c;
	const struct mbox_message *old = find_row(s, e->row.uid);
	char known[NAME_SIZE];

	if (e->in_new)
		e->row.size |= ROW_IN_NEW;
	if (!old || old->flags != e->row.flags)
		e->row.modseq = change_modseq(c);
	if (!old || memcmp(old, &e->row, sizeof(*old)) != 0)
		index_put_row(&c->t, &c->h, &e->row);
	if (!old || !index_get_name(&c->t, c->h.id, e->row.uid, known) ||
	    strcmp(known, name_of(s, e)) != 0)
		index_put_name(&c->t, c->h.id, e->row.uid, name_of(s, e));
}

/* Messages without a UID get one, in the order of their arrival. */
static int
give_uids(struct scan *s)
{
	uint32_t uidvalidity = s->c->uf.uidvalidity;

	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[i];
		struct stat st;

		if (e->row.uid)
			continue;
		s->sorted = false;
		if (fstatat(folder_of(s, e), name_of(s, e), &st,
			AT_SYMLINK_NOFOLLOW) == 0)
			e->time = box_mtime(&st);
	}
	sort_entries(s);
	for (size_t i = 0; i < s->n; i++)
		if (s->entries[i].row.uid == 0)
			s->entries[i].row.uid = change_take_uid(s->c);
	int err = change_save_uid(s->c);
	/* The UIDs were used up: all begins anew with the next call. */
	if (!err && s->c->uf.uidvalidity != uidvalidity)
		err = -ESTALE;
	return err;
}

static void
remove_missing(struct scan *s)
{
	size_t i = 0;

	for (size_t k = 0; k < s->rows_n; k++) {
		while (i < s->n && s->entries[i].row.uid < s->rows[k].uid)
			i++;
		if (i < s->n && s->entries[i].row.uid == s->rows[k].uid &&
		    s->entries[i].old)
			continue;
		change_modseq(s->c);
		index_remove_row(&s->c->t, &s->c->h, s->rows[k].uid);
	}
}

static int
settle(struct scan *s, bool move_new)
{
	settle_uids(s);
	take_over_uids(s);
	int err = give_uids(s);
	if (err)
		return err;
	uint32_t first_new = s->c->uf.next;
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[i];

		if (e->in_new && e->row.uid < first_new)
			first_new = e->row.uid;
		err = settle_entry(s, e, move_new);
		/* It was renamed or removed while we looked: next time. */
		if (err == -ENOENT)
			s->again = true;
		else if (err)
			return err;
		else
			put_entry(s, e);
	}
	/* A session knows what is recent, unless its index was lost. */
	if (!s->valid)
		s->c->h.first_recent = first_new;
	if (!s->unsure)
		remove_missing(s);
	return 0;
}

static int
load_rows(struct scan *s)
{
	struct change *c = s->c;

	if (!s->valid) {
		index_forget(&c->t, box_name(c->b));
		c->h = (struct index_header){
			.id = index_new_id(&c->t),
			.uidvalidity = c->uf.uidvalidity,
		};
		c->h.tomb_floor = change_modseq(c);
		return 0;
	}
	s->rows_n = c->h.messages;
	s->rows = zalloc((s->rows_n + 1) * sizeof(*s->rows));
	return index_rows(&c->t, &c->h, s->rows);
}

int
change_scan(struct change *c, bool valid, bool move_new)
{
	struct scan s = { .c = c, .valid = valid };
	int err = load_rows(&s);

	if (!err)
		err = read_folders(&s);
	if (!err)
		err = settle(&s, move_new);
	if (c->h.uidnext < c->uf.next)
		c->h.uidnext = c->uf.next;
	if (s.again)
		c->h.new_time = c->h.cur_time = 0;
	free(s.entries);
	free(s.names);
	free(s.rows);
	if (!err && c->t.bad)
		err = -EBADMSG;
	return err;
}
