/*
 * Mailboxes are made, renamed and deleted, and subscribed to.
 */
#include "store/mbox.h"

#include "store/subs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Under the lock of the INBOX: what is there, but for one name. */
static int
write_subscriptions(struct store_user *u, struct span text, struct span name,
    bool on)
{
	size_t max = 2 * text.n + name.n + 64;
	char *bytes = zalloc(max);
	char tmp[NAME_SIZE];
	struct subs s;
	struct span at;
	struct buf b;

	buf_init(&b, bytes, max);
	subs_put_head(&b);
	subs_begin(&s, text);
	while (subs_next(&s, &at))
		if (!span_eq(at, name))
			subs_put(&b, at);
	if (on)
		subs_put(&b, name);
	box_make_name(u->s, tmp);
	int err = -EIO;
	int fd = openat(u->inbox->tmp, tmp,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && write(fd, b.p, b.n) == (ssize_t)b.n && fsync(fd) == 0 &&
	    renameat(u->inbox->tmp, tmp, u->inbox->folder, "subscriptions") ==
		0)
		err = 0;
	else
		err = errno ? -errno : -EIO;
	if (err)
		unlinkat(u->inbox->tmp, tmp, 0);
	if (fd >= 0)
		close(fd);
	free(bytes);
	return err;
}

enum store_result
store_subscribe(struct store_user *u, struct span name, bool on)
{
	struct span text;

	if (store_is_inbox(name))
		name = SPAN("INBOX");
	if (!store_name_is_valid(name))
		return STORE_INVALID;
	int err = box_lock(u->s, u->inbox);
	if (err)
		return store_result_of(err);
	err = box_read_file(u->inbox, "subscriptions", SUBS_MAX, &text);
	if (!err)
		err = write_subscriptions(u, text, name, on);
	box_unlock(u->inbox);
	box_free_text(text);
	return store_result_of(err);
}

/* The name as it is on disk; INBOX and what is no name are refused. */
static bool
folder_name(struct span name, char out[NAME_SIZE])
{
	if (store_is_inbox(name) || !store_name_is_valid(name))
		return false;
	snprintf(out, NAME_SIZE, ".%.*s", (int)name.n, name.p);
	return true;
}

enum store_result
store_create(struct store_user *u, struct span name)
{
	char folder[NAME_SIZE], bytes[BOX_PATH_MAX];
	struct span path;
	struct box *b;
	struct why why;
	struct uidfile f;

	if (store_is_inbox(name))
		return STORE_EXISTS;
	if (!folder_name(name, folder) || !store_path(u, name, bytes, &path))
		return STORE_INVALID;
	if (store_is_mailbox(u->inbox->folder, folder))
		return STORE_EXISTS;
	int err = box_open(u->s, path, true, &b, &why);
	if (err)
		return store_result_of(err);
	err = box_lock(u->s, b);
	if (!err) {
		err = box_read_uid(u->s, b, &f);
		box_unlock(b);
	}
	box_close(u->s, b);
	return store_result_of(err);
}

static int
remove_below(int at, const char *name, unsigned depth)
{
	const struct dirent *d;
	DIR *dir = box_open_dir(at, name);

	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), d->d_name, 0) < 0 && depth)
			(void)remove_below(dirfd(dir), d->d_name, depth - 1);
	}
	closedir(dir);
	return unlinkat(at, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* The one just deleted, and those whose removal was cut short. */
static void
remove_gone(struct store_user *u)
{
	const struct dirent *d;
	int root = u->inbox->folder;
	DIR *dir = box_open_dir(root, ".");

	while (dir && (d = readdir(dir)))
		if (strncmp(d->d_name, "postrider-gone.", 15) == 0)
			(void)remove_below(root, d->d_name, 2);
	if (dir)
		closedir(dir);
}

/* The index under the lock of the INBOX's box, where there is one. */
static void
tell_index(struct store_user *u, struct span from, const struct span *to)
{
	struct index_txn t;

	pthread_mutex_lock(&u->inbox->lock);
	struct index *ix = box_index(u->s, u->inbox, false);
	pthread_mutex_unlock(&u->inbox->lock);
	if (!ix || index_begin(ix, true, &t) < 0)
		return;
	if (to)
		index_rename(&t, from, *to);
	else
		index_forget(&t, from);
	(void)!index_end(&t, true);
}

/* Takes the folder's name away while nobody is at work in it. */
static int
rename_folder(struct store_user *u, struct span name, const char *to)
{
	char folder[NAME_SIZE];
	struct box *b;

	if (!folder_name(name, folder))
		return -EINVAL;
	enum store_result r = store_box(u, name, &b);
	if (r != STORE_OK)
		return r == STORE_ABSENT ? -ENOENT : -EIO;
	int err = box_lock(u->s, b);
	if (!err) {
		if (renameat2(u->inbox->folder, folder, u->inbox->folder, to,
			RENAME_NOREPLACE) < 0)
			err = -errno;
		box_unlock(b);
		box_drop(u->s, b);
	}
	box_close(u->s, b);
	return err == -ESTALE ? -ENOENT : err;
}

enum store_result
store_delete(struct store_user *u, struct span name)
{
	char unique[NAME_SIZE], gone[NAME_SIZE + 32];

	box_make_name(u->s, unique);
	snprintf(gone, sizeof(gone), "postrider-gone.%s", unique);
	int err = rename_folder(u, name, gone);
	if (err)
		return store_result_of(err);
	tell_index(u, name, NULL);
	remove_gone(u);
	return STORE_OK;
}

static enum store_result
rename_one(struct store_user *u, struct span from, struct span to)
{
	char folder[NAME_SIZE];

	if (!folder_name(to, folder))
		return STORE_INVALID;
	int err = rename_folder(u, from, folder);
	if (!err)
		tell_index(u, from, &to);
	return store_result_of(err);
}

/* All messages to a new mailbox: RFC 9051, 6.3.6. */
static enum store_result
rename_inbox(struct store_user *u, struct span to)
{
	struct uidset all = { 0 };
	struct mbox_copied copied = { 0 };
	struct mbox *m;
	enum store_result r = store_create(u, to);

	if (r == STORE_OK)
		r = mbox_open(u, SPAN("INBOX"), 0, &m);
	if (r != STORE_OK)
		return r;
	uidset_add(&all, 1, UINT32_MAX);
	r = mbox_move(m, &all, to, &copied);
	uidset_fini(&all);
	uidset_fini(&copied.from);
	uidset_fini(&copied.to);
	mbox_close(m);
	return r;
}

/* Whether it can have that name: asked of all before the first is renamed. */
static enum store_result
check_one(struct store_user *u, struct span from, struct span to)
{
	char folder[NAME_SIZE];

	(void)from;
	if (!folder_name(to, folder))
		return STORE_INVALID;
	return store_is_mailbox(u->inbox->folder, folder) ? STORE_EXISTS
							  : STORE_OK;
}

typedef enum store_result rename_fn(struct store_user *u, struct span from,
    struct span to);

/* "a.b" to "c.b" for each below "a". */
static enum store_result
rename_below(struct store_user *u, struct span from, struct span to,
    const struct store_folder *list, size_t n, rename_fn *fn)
{
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < n && r == STORE_OK; i++) {
		char name[2 * STORE_NAME_MAX + 2];
		struct span old = list[i].name;

		if (old.n <= from.n || old.p[from.n] != '.' ||
		    memcmp(old.p, from.p, from.n) != 0 ||
		    (list[i].attributes & STORE_NOSELECT))
			continue;
		int len = snprintf(name, sizeof(name), "%.*s%.*s", (int)to.n,
		    to.p, (int)(old.n - from.n), old.p + from.n);
		r = fn(u, old, (struct span){ name, (size_t)len });
	}
	return r;
}

static const struct store_folder *
find(const struct store_folder *list, size_t n, struct span name)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(list[i].name, name))
			return &list[i];
	return NULL;
}

enum store_result
store_rename(struct store_user *u, struct span from, struct span to)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(64 << 20);
	char folder[NAME_SIZE];
	struct store_folder *list;
	size_t n;

	if (!folder_name(to, folder))
		return store_is_inbox(to) ? STORE_EXISTS : STORE_INVALID;
	if (store_is_mailbox(u->inbox->folder, folder))
		return STORE_EXISTS;
	if (store_is_inbox(from))
		return rename_inbox(u, to);
	/* Into itself it cannot go. */
	if (!store_name_is_valid(from) ||
	    (to.n > from.n && to.p[from.n] == '.' &&
		memcmp(to.p, from.p, from.n) == 0))
		return STORE_INVALID;
	enum store_result r = store_list(u, a, &list, &n);
	if (r != STORE_OK)
		return r;
	const struct store_folder *f = find(list, n, from);
	if (!f || (f->attributes & STORE_NONEXISTENT))
		return STORE_ABSENT;
	r = rename_below(u, from, to, list, n, check_one);
	if (r == STORE_OK && !(f->attributes & STORE_NOSELECT))
		r = rename_one(u, from, to);
	return r == STORE_OK ? rename_below(u, from, to, list, n, rename_one)
			     : r;
}
