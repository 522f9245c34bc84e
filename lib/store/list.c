/*
 * What mailboxes there are, as LIST tells them.
 */
#include "store/mbox.h"

#include "base/scan.h"
#include "store/subs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Names on their way to a list. */
struct names {
	struct store_user *u;
	struct arena *arena;
	struct store_folder *list;
	size_t n, max;
	bool full; /* the arena is */
};

static void
add(struct names *l, struct span name, unsigned attributes)
{
	if (l->n == l->max) {
		size_t max = l->max ? 2 * l->max : 32;
		struct store_folder *more = arena_alloc(l->arena,
		    max * sizeof(*more));

		if (!more) {
			l->full = true;
			return;
		}
		if (l->n)
			memcpy(more, l->list, l->n * sizeof(*more));
		l->list = more;
		l->max = max;
	}
	char *copy = arena_dup(l->arena, name);
	l->full = l->full || !copy;
	if (copy)
		l->list[l->n++] = (struct store_folder){ { copy, name.n },
			attributes, { 0 } };
}

bool
store_is_inbox(struct span name)
{
	return span_ieq(name, SPAN("INBOX"));
}

/* INBOX first; '.' before all else, so that what is below comes next. */
static int
compare(const void *a, const void *b)
{
	struct span x = ((const struct store_folder *)a)->name;
	struct span y = ((const struct store_folder *)b)->name;

	if (store_is_inbox(x) != store_is_inbox(y))
		return store_is_inbox(x) ? -1 : 1;
	for (size_t i = 0; i < x.n && i < y.n; i++) {
		int p = x.p[i] == '.' ? 0 : (unsigned char)x.p[i];
		int q = y.p[i] == '.' ? 0 : (unsigned char)y.p[i];

		if (p != q)
			return p - q;
	}
	return x.n < y.n ? -1 : x.n > y.n;
}

bool
store_is_mailbox(int root, const char *name)
{
	char path[NAME_SIZE + 8];

	snprintf(path, sizeof(path), "%s/cur", name);
	return faccessat(root, path, F_OK, 0) == 0;
}

static int
list_folders(struct names *l)
{
	const struct dirent *d;
	int root = l->u->inbox->folder;
	DIR *dir = box_open_dir(root, ".");

	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		struct span name = { d->d_name + 1, strlen(d->d_name) - 1 };

		if (d->d_name[0] == '.' && store_name_is_valid(name) &&
		    !store_is_inbox(name) && store_is_mailbox(root, d->d_name))
			add(l, name, 0);
	}
	closedir(dir);
	return 0;
}

static struct store_folder *
find(struct names *l, size_t n, struct span name)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(l->list[i].name, name) ||
		    (store_is_inbox(name) && store_is_inbox(l->list[i].name)))
			return &l->list[i];
	return NULL;
}

static struct store_folder *
find_sorted(struct names *l, size_t n, struct span name)
{
	struct store_folder key = { .name = name };

	return n ? bsearch(&key, l->list, n, sizeof(key), compare) : NULL;
}

/* "a" for "a.b", if there is no such mailbox. The list is sorted. */
static void
add_parents(struct names *l)
{
	size_t n = l->n;

	for (size_t i = 0; i < n; i++) {
		struct span name = l->list[i].name;

		for (size_t end = 1; end < name.n; end++) {
			struct span parent = { name.p, end };

			if (name.p[end] != '.' || store_is_inbox(parent))
				continue;
			struct store_folder *f = find_sorted(l, n, parent);
			if (!f)
				f = find(&(struct names){ .list = l->list + n },
				    l->n - n, parent);
			if (!f)
				add(l, parent, STORE_NOSELECT);
		}
	}
}

static void
mark_children(struct names *l)
{
	for (size_t i = 0; i + 1 < l->n; i++) {
		struct span a = l->list[i].name, b = l->list[i + 1].name;

		if (b.n > a.n && b.p[a.n] == '.' &&
		    span_ieq(a, (struct span){ b.p, a.n }) &&
		    (store_is_inbox(a) ||
			span_eq(a, (struct span){ b.p, a.n })))
			l->list[i].attributes |= STORE_CHILDREN;
	}
}

static void
mark_special(struct names *l)
{
	struct span words = span_str(l->u->special);
	struct span word;

	for (;;) {
		take_blanks(&words);
		if (!take_word(&words, &word))
			return;
		struct store_folder *f = find_sorted(l, l->n,
		    span_cut(&word, '='));
		if (f && !(f->attributes & STORE_NOSELECT))
			f->special = word;
	}
}

static int
mark_subscribed(struct names *l)
{
	struct span text, name;
	struct subs s;
	size_t n = l->n;
	int err = box_read_file(l->u->inbox, "subscriptions", SUBS_MAX, &text);

	if (err)
		return err;
	subs_begin(&s, text);
	while (subs_next(&s, &name)) {
		struct store_folder *f = find_sorted(l, n, name);

		if (f)
			f->attributes |= STORE_SUBSCRIBED;
		else
			add(l, name,
			    STORE_NOSELECT | STORE_NONEXISTENT |
				STORE_SUBSCRIBED);
	}
	box_free_text(text);
	return 0;
}

static void
sort(struct names *l)
{
	qsort(l->list, l->n, sizeof(*l->list), compare);
}

enum store_result
store_list(struct store_user *u, struct arena *arena,
    struct store_folder **list_r, size_t *n_r)
{
	struct names l = { .u = u, .arena = arena };

	add(&l, SPAN("INBOX"), 0);
	int err = list_folders(&l);
	if (!err && !l.full) {
		sort(&l);
		add_parents(&l);
		sort(&l);
		mark_children(&l);
		mark_special(&l);
		err = mark_subscribed(&l);
		sort(&l);
	}
	*list_r = l.list;
	*n_r = l.n;
	return l.full ? STORE_TEMPFAIL : store_result_of(err);
}
