#include "smtp/content.h"

#include "smtp/wire.h"
#include "task/task.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

enum {
	PIECE_MAX = 65536, /* read at a time */
	LINE_LEAST = 64,
};

/* Offloaded, piece by piece. */
struct piece {
	const struct job *job;
	struct wire wire;
	uint64_t at; /* of the content */
	uint32_t sum;
	char *in;
	size_t in_max;
	struct span rest; /* read, and not yet encoded */
	struct buf out;
	bool last;
	bool failed;
};

static bool
read_more(struct piece *p)
{
	const struct job *j = p->job;
	uint64_t left = j->length - p->at;
	size_t want = left < p->in_max ? (size_t)left : p->in_max;
	ssize_t n;

	do
		n = pread(j->fd, p->in, want, (off_t)(j->offset + p->at));
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	p->sum = (uint32_t)crc32_z(p->sum, (const unsigned char *)p->in,
	    (size_t)n);
	p->at += (uint64_t)n;
	p->rest = (struct span){ p->in, (size_t)n };
	return true;
}

/* The dot says that it is whole: so it is looked at before. */
static void
finish(struct piece *p)
{
	if (p->sum != p->job->checksum) {
		p->failed = true;
		return;
	}
	wire_end(&p->wire, &p->out);
	p->last = true;
}

static void
fill(void *arg)
{
	struct piece *p = arg;

	p->out.n = 0;
	p->out.p = p->out.storage;
	if (p->rest.n == 0 && p->at < p->job->length && !read_more(p)) {
		p->failed = true;
		return;
	}
	wire_put(&p->wire, &p->rest, &p->out);
	if (p->rest.n == 0 && p->at == p->job->length &&
	    buf_room(&p->out) >= WIRE_ROOM)
		finish(p);
}

enum stream_result
content_send(struct stream *st, struct job *j, int64_t timeout, size_t line_max)
{
	size_t max = j->length < PIECE_MAX ? (size_t)j->length : PIECE_MAX;
	size_t out_max = max + max / 8 + 256;
	char *bytes = zalloc(max + 1 + out_max);
	enum stream_result r = STREAM_OK;
	struct piece p = {
		.job = j,
		.in = bytes,
		.in_max = max,
		.rest = { bytes, 0 },
	};

	p.wire.line_max = line_max && line_max < LINE_LEAST ? LINE_LEAST
							    : line_max;
	buf_init(&p.out, bytes + max + 1, out_max);
	while (r == STREAM_OK && !p.last && !p.failed) {
		task_offload(TASK_DISK, fill, &p);
		if (!p.failed)
			r = stream_write(st, buf_span(&p.out),
			    task_after(timeout));
	}
	j->corrupt = p.failed;
	free(bytes);
	return r;
}
