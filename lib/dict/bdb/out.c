#include "dict/bdb/out.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	UID_SIZE = 20,
	OVERFLOW_ROOM = BDB_PAGE - BDB_HEADER,
};

struct out *
out_new(int fd, uint32_t next)
{
	struct out *o = zalloc(sizeof(*o));

	o->fd = fd;
	o->next = next;
	return o;
}

static void
write_all(struct out *o, const unsigned char *p, size_t n, off_t at)
{
	while (n > 0 && !o->error) {
		ssize_t did = pwrite(o->fd, p, n, at);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0) {
			o->error = did < 0 ? errno : EIO;
			return;
		}
		p += did;
		n -= (size_t)did;
		at += did;
	}
}

static void
flush(struct out *o)
{
	write_all(o, o->waiting, o->n * BDB_PAGE, (off_t)o->first * BDB_PAGE);
	o->n = 0;
}

void
out_page(struct out *o, const unsigned char page[BDB_PAGE])
{
	uint32_t n = bdb_get32(page, BDB_AT_PGNO);

	if (o->n == OUT_WAITING || n != o->first + o->n)
		flush(o);
	if (o->n == 0)
		o->first = n;
	memcpy(o->waiting + o->n * BDB_PAGE, page, BDB_PAGE);
	o->n++;
}

void
out_clear(unsigned char page[BDB_PAGE], uint32_t n, unsigned char type)
{
	memset(page, 0, BDB_PAGE);
	bdb_put32(page, BDB_AT_PGNO, n);
	bdb_put16(page, BDB_AT_DATA, BDB_PAGE);
	page[BDB_AT_TYPE] = type;
}

size_t
out_entry(unsigned char page[BDB_PAGE], size_t size)
{
	size_t n = bdb_get16(page, BDB_AT_ENTRIES);
	size_t at = bdb_get16(page, BDB_AT_DATA);

	if (at < BDB_HEADER + 2 * (n + 1) + size)
		return SIZE_MAX;
	at -= size;
	bdb_put16(page, BDB_HEADER + 2 * n, at);
	bdb_put16(page, BDB_AT_ENTRIES, n + 1);
	bdb_put16(page, BDB_AT_DATA, at);
	return at;
}

void
out_large(struct out *o, unsigned char *at, struct span s, bool nul)
{
	unsigned char *page = o->large;
	size_t size = s.n + nul;
	uint32_t first = o->next;
	uint32_t n = (uint32_t)((size + OVERFLOW_ROOM - 1) / OVERFLOW_ROOM);

	bdb_put32(at, 0, first);
	bdb_put32(at, 4, size);
	o->next += n;
	for (uint32_t i = 0; i < n; i++) {
		size_t room = size < OVERFLOW_ROOM ? size : OVERFLOW_ROOM;
		size_t ours = s.n < room ? s.n : room;

		out_clear(page, first + i, BDB_OVERFLOW);
		bdb_put32(page, BDB_AT_PREV, i > 0 ? first + i - 1 : 0);
		bdb_put32(page, BDB_AT_NEXT, i + 1 < n ? first + i + 1 : 0);
		bdb_put16(page, BDB_AT_ENTRIES, 1); /* who points to it */
		bdb_put16(page, BDB_AT_DATA, room);
		if (ours > 0)
			memcpy(page + BDB_HEADER, s.p, ours);
		s.p += ours;
		s.n -= ours;
		size -= room;
		out_page(o, page);
	}
}

int
out_end(struct out *o, uint32_t magic, uint32_t version, unsigned char type)
{
	int error;

	bdb_put32(o->meta, BDB_AT_MAGIC, magic);
	bdb_put32(o->meta, BDB_AT_VERSION, version);
	bdb_put32(o->meta, BDB_AT_PAGE_SIZE, BDB_PAGE);
	o->meta[BDB_AT_TYPE] = type;
	bdb_put32(o->meta, BDB_AT_LAST, o->next - 1);
	/* The library knows files by it; it need not be a secret. */
	if (getrandom(o->meta + BDB_AT_UID, UID_SIZE, 0) != UID_SIZE)
		o->error = o->error ? o->error : EIO;
	flush(o);
	write_all(o, o->meta, BDB_PAGE, 0);
	error = o->error;
	free(o);
	return error;
}
