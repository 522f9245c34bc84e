#include "store/mbox.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	ROOM = 32 << 10,
};

struct mbox_append {
	struct store_user *u;
	struct box *b;
	int fd;
	int err; /* the first that was met */
	bool cr; /* a CR that waits for what comes behind it */
	char last; /* the byte before */
	uint64_t size;
	uint64_t wire;
	char name[NAME_SIZE]; /* in tmp/ */
	size_t n;
	char room[ROOM];
};

enum store_result
mbox_append_begin(struct store_user *u, struct span name,
    struct mbox_append **append_r)
{
	struct mbox_append *a = zalloc(sizeof(*a));

	a->u = u;
	a->fd = -1;
	*append_r = NULL;
	enum store_result r = store_box(u, name, &a->b);
	if (r == STORE_OK) {
		box_make_name(u->s, a->name);
		a->fd = openat(a->b->tmp, a->name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (a->fd < 0)
			r = store_result_of(-errno);
	}
	if (r != STORE_OK)
		a = mbox_append_free(a);
	*append_r = a;
	return r;
}

static void
flush(struct mbox_append *a)
{
	a->wire += maildir_wire_size((struct span){ a->room, a->n }, &a->last);
	a->size += a->n;
	for (size_t done = 0; !a->err && done < a->n;) {
		ssize_t n = write(a->fd, a->room + done, a->n - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			a->err = n < 0 ? -errno : -EIO;
	}
	a->n = 0;
}

static void
put(struct mbox_append *a, const char *p, size_t n)
{
	while (n) {
		size_t part = ROOM - a->n < n ? ROOM - a->n : n;

		memcpy(a->room + a->n, p, part);
		a->n += part;
		p += part;
		n -= part;
		if (a->n == ROOM)
			flush(a);
	}
}

void
mbox_append_write(struct mbox_append *a, struct span bytes)
{
	while (bytes.n) {
		if (a->cr && bytes.p[0] != '\n')
			put(a, "\r", 1);
		a->cr = false;
		const char *cr = memchr(bytes.p, '\r', bytes.n);
		size_t n = cr ? (size_t)(cr - bytes.p) : bytes.n;
		put(a, bytes.p, n);
		bytes.p += n;
		bytes.n -= n;
		if (cr) {
			a->cr = true;
			bytes.p++;
			bytes.n--;
		}
	}
}

/* Under the lock, from the UID to the name in cur/. */
static int
land(struct mbox_append *a, const struct mbox_append_facts *f, int64_t date,
    uint32_t *uidvalidity_r, uint32_t *uid_r)
{
	char name[NAME_SIZE];
	struct change c;
	uint32_t keywords;
	int err = change_begin(a->u->s, a->b, 0, &c);

	if (err)
		return err;
	err = change_keywords(&c, f->keywords, f->keywords_n, &keywords);
	struct mbox_message row = {
		.uid = change_take_uid(&c),
		.flags = (f->flags & (STORE_KEYWORD - 1)) | keywords,
		.size = a->wire,
		.date = date,
	};
	if (!err)
		err = change_save_uid(&c);
	if (!err)
		err = change_land(&c, a->name, &row, a->size, name);
	*uidvalidity_r = c.uf.uidvalidity;
	*uid_r = row.uid;
	change_end(&c, !err);
	if (err)
		return err;
	/* One sync for content and name: see deliver.h. */
	if (fsync(a->fd) < 0 || (a->b->sync_folder && fsync(a->b->cur) < 0))
		err = -errno;
	if (err)
		unlinkat(a->b->cur, name, 0);
	else
		a->name[0] = '\0';
	return err;
}

enum store_result
mbox_append_commit(struct mbox_append *a, const struct mbox_append_facts *facts,
    uint32_t *uidvalidity_r, uint32_t *uid_r)
{
	int64_t now = clock_wall();
	struct timespec t[2] = {
		{ .tv_sec = facts->date ? facts->date : now / 1000000,
		    .tv_nsec = facts->date ? 0 : now % 1000000 * 1000 },
	};

	t[1] = t[0];
	if (a->cr)
		put(a, "\r", 1);
	flush(a);
	if (!a->err && futimens(a->fd, t) < 0)
		a->err = -errno;
	if (!a->err)
		a->err = land(a, facts, t[0].tv_sec, uidvalidity_r, uid_r);
	enum store_result r = store_result_of(
	    a->err == -ESTALE ? -ENOENT : a->err);
	mbox_append_free(a);
	return r;
}

struct mbox_append *
mbox_append_free(struct mbox_append *a)
{
	if (!a)
		return NULL;
	if (a->fd >= 0) {
		if (a->name[0])
			unlinkat(a->b->tmp, a->name, 0);
		close(a->fd);
	}
	box_close(a->u->s, a->b);
	free(a);
	return NULL;
}
