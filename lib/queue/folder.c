#include "queue/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *const place_names[QUEUE_PLACES] = {
	[QUEUE_INCOMING] = "incoming",
	[QUEUE_DEFERRED] = "deferred",
	[QUEUE_HOLD] = "hold",
	[QUEUE_CORRUPT] = "corrupt",
};

const char *
queue_place_name(enum queue_place place)
{
	return place_names[place];
}

void
folder_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Who only makes files cannot list incoming/, and needs no other folder. */
static int
open_folder(const char *dir, enum queue_place place, enum queue_use use)
{
	char path[1024];
	int flags = use == QUEUE_CREATE ? O_PATH : O_RDONLY;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir,
		place_names[place]) >= sizeof(path))
		return -ENAMETOOLONG;

	int fd = open(path, flags | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

struct queue *
queue_open(const char *dir, enum queue_use use, bool long_ids, struct why *why)
{
	struct queue *q = zalloc(sizeof(*q));

	*q = (struct queue){ .use = use, .long_ids = long_ids };
	pthread_mutex_init(&q->lock, NULL);
	for (size_t i = 0; i < QUEUE_PLACES; i++)
		q->fds[i] = -1;
	for (enum queue_place i = 0; i < QUEUE_PLACES; i++) {
		if (use == QUEUE_CREATE && i != QUEUE_INCOMING)
			continue;
		int fd = open_folder(dir, i, use);
		if (fd < 0) {
			why_set(why, -fd, NULL, 0, "%s/%s: %s", dir,
			    place_names[i], strerror(-fd));
			return queue_close(q);
		}
		q->fds[i] = fd;
	}
	return q;
}

struct queue *
queue_close(struct queue *q)
{
	if (!q)
		return NULL;
	for (size_t i = 0; i < QUEUE_PLACES; i++)
		folder_closep(&q->fds[i]);
	for (size_t i = 0; i < q->touched_n; i++)
		close(q->touched[i]);
	pthread_mutex_destroy(&q->lock);
	free(q);
	return NULL;
}

static int
take_random(struct queue *q, unsigned char bytes[FOLDER_RANDOM])
{
	ssize_t n = sizeof(q->random);

	pthread_mutex_lock(&q->lock);
	if (q->random_left == 0) {
		n = getrandom(q->random, sizeof(q->random), 0);
		if (n == (ssize_t)sizeof(q->random))
			q->random_left = sizeof(q->random);
	}
	if (q->random_left) {
		q->random_left -= FOLDER_RANDOM;
		memcpy(bytes, q->random + q->random_left, FOLDER_RANDOM);
		memset(q->random + q->random_left, 0, FOLDER_RANDOM);
	}
	pthread_mutex_unlock(&q->lock);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(q->random) ? 0 : -EIO;
}

int
folder_random(struct queue *q, char text[FOLDER_RANDOM_TEXT + 1])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char bytes[FOLDER_RANDOM];
	unsigned bits = 0;
	unsigned have = 0;
	size_t next = 0;
	int err = take_random(q, bytes);

	if (err)
		return err;
	for (size_t i = 0; i < FOLDER_RANDOM_TEXT; i++) {
		if (have < 5) {
			bits = (bits << 8 | bytes[next++]) & 0xffff;
			have += 8;
		}
		have -= 5;
		text[i] = digits[bits >> have & 31];
	}
	text[FOLDER_RANDOM_TEXT] = '\0';
	return 0;
}

/* Postfix's safe_ultostr(): digits and consonants, which make no words. */
static char *
put_base(char *to, uint64_t value, unsigned base, size_t width)
{
	static const char digits[] =
	    "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
	char text[16];
	size_t n = 0;

	do {
		text[n++] = digits[value % base];
		value /= base;
	} while (value || n < width);
	while (n)
		*to++ = text[--n];
	return to;
}

void
folder_make_id(const struct queue *q, int64_t now, uint64_t inode,
    struct queue_id *id_r)
{
	uint64_t seconds = (uint64_t)now / 1000000;
	uint64_t micros = (uint64_t)now % 1000000;
	char *p = id_r->text;

	if (!q->long_ids) {
		snprintf(id_r->text, sizeof(id_r->text),
		    "%05" PRIX64 "%" PRIX64, micros, inode);
		return;
	}
	p = put_base(p, seconds, 52, 6);
	p = put_base(p, micros, 52, 4);
	*p++ = 'z';
	*put_base(p, inode, 51, 0) = '\0';
}

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') ||
	    (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

bool
queue_name_id(const char *name, struct queue_id *id_r)
{
	size_t n = 0;
	size_t end;

	while (is_alnum(name[n]) && n < QUEUE_ID_MAX)
		n++;
	if (n < 6 || n == QUEUE_ID_MAX)
		return false;
	end = n;
	if (name[end] == '-')
		do
			end++;
		while (is_alnum(name[end]) && end < QUEUE_NAME_MAX);
	if (name[end] != '\0' || end == n + 1)
		return false;
	*id_r = (struct queue_id){ 0 };
	memcpy(id_r->text, name, n);
	return true;
}

void
folder_touched(struct queue *q, int fd)
{
	pthread_mutex_lock(&q->lock);
	if (q->touched_n < FOLDER_TOUCHED_MAX) {
		q->touched[q->touched_n++] = fd;
		fd = -1;
	} else {
		q->touched_more = true;
	}
	pthread_mutex_unlock(&q->lock);
	folder_closep(&fd);
}

void
folder_changed(struct queue *q, enum queue_place place)
{
	pthread_mutex_lock(&q->lock);
	q->changed[place] = true;
	pthread_mutex_unlock(&q->lock);
}

int
folder_read(int fd, char *to, size_t max, uint64_t at, size_t *n_r)
{
	*n_r = 0;
	while (*n_r < max) {
		ssize_t n = pread(fd, to + *n_r, max - *n_r,
		    (off_t)(at + *n_r));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		*n_r += (size_t)n;
		if (*n_r < max) /* a file gives less only at its end */
			break;
	}
	return 0;
}

int
folder_write(int fd, struct span s, uint64_t at)
{
	while (s.n) {
		ssize_t n = pwrite(fd, s.p, s.n, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		s.p += n;
		s.n -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* A few files are synced by themselves; many by one call for all there is. */
static int
sync_files(struct queue *q, const int *fds, size_t n, bool more)
{
	int err = 0;

	if (more)
		return syncfs(q->fds[QUEUE_INCOMING]) < 0 ? -errno : 0;
	for (size_t i = 0; i < n; i++)
		if (fdatasync(fds[i]) < 0)
			err = -errno;
	return err;
}

static int
sync_folders(struct queue *q, const bool changed[QUEUE_PLACES])
{
	int err = 0;

	for (size_t i = 0; i < QUEUE_PLACES; i++)
		if (changed[i] && fsync(q->fds[i]) < 0)
			err = -errno;
	return err;
}

int
queue_sync(struct queue *q)
{
	int touched[FOLDER_TOUCHED_MAX];
	bool changed[QUEUE_PLACES];

	pthread_mutex_lock(&q->lock);
	size_t n = q->touched_n;
	bool more = q->touched_more;
	memcpy(touched, q->touched, sizeof(touched));
	memcpy(changed, q->changed, sizeof(changed));
	memset(q->changed, 0, sizeof(q->changed));
	q->touched_n = 0;
	q->touched_more = false;
	pthread_mutex_unlock(&q->lock);

	int err = sync_files(q, touched, n, more);
	int err_folders = more ? 0 : sync_folders(q, changed);
	for (size_t i = 0; i < n; i++)
		close(touched[i]);
	return err ? err : err_folders;
}

int
queue_space(struct queue *q, uint64_t *bytes_r, uint64_t *inodes_r)
{
	struct statvfs s;

	if (fstatvfs(q->fds[QUEUE_INCOMING], &s) < 0)
		return -errno;
	*bytes_r = (uint64_t)s.f_bavail * s.f_frsize;
	*inodes_r = s.f_favail;
	return 0;
}
