#include "smtp/content.h"

#include "mail/downgrade.h"
#include "smtp/wire.h"
#include "task/task.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

enum {
	PIECE_MAX = 65536, /* read at a time */
	LINE_LEAST = 64,
	CONVERTED_MAX = 16384, /* converted at a time */
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
	struct downgrade *down; /* NULL: it goes as it is */
	bool down_over; /* and has no more to put */
	struct buf mid; /* converted, and not yet encoded */
	struct buf out;
	bool last;
	bool failed;
	bool damaged; /* and not only unreadable now */
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
	p->damaged = n == 0;
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
		p->failed = p->damaged = true;
		return;
	}
	wire_end(&p->wire, &p->out);
	p->last = true;
}

static bool
is_all_read(const struct piece *p)
{
	return p->rest.n == 0 && p->at == p->job->length;
}

/* Converts, then encodes. False: there is more to convert than was room for. */
static bool
encode_converted(struct piece *p)
{
	struct span in;

	if (p->mid.n == 0) {
		buf_init(&p->mid, p->mid.storage, p->mid.max);
		downgrade_feed(p->down, &p->rest, &p->mid);
		if (is_all_read(p) && buf_room(&p->mid) >= DOWNGRADE_ROOM &&
		    !p->down_over) {
			downgrade_end(p->down, &p->mid);
			p->down_over = true;
		}
	}
	in = buf_span(&p->mid);
	wire_put(&p->wire, &in, &p->out);
	buf_drop(&p->mid, p->mid.n - in.n);
	return p->mid.n == 0 && (p->down_over || !is_all_read(p));
}

static void
fill(void *arg)
{
	struct piece *p = arg;
	bool all = true;

	p->out.n = 0;
	p->out.p = p->out.storage;
	if (p->rest.n == 0 && p->at < p->job->length && !read_more(p)) {
		p->failed = true;
		return;
	}
	if (p->down)
		all = encode_converted(p);
	else
		wire_put(&p->wire, &p->rest, &p->out);
	if (all && is_all_read(p) && buf_room(&p->out) >= WIRE_ROOM)
		finish(p);
}

/* Offloaded: what is to be converted, found by reading all of it. */
struct planning {
	const struct job *job;
	struct arena *arena;
	struct downgrade_plan plan;
	enum downgrade_result result;
	bool failed; /* to be read */
	bool damaged;
};

static void
make_plan(void *arg)
{
	struct planning *g = arg;
	struct mime_parser *m CLEANUP(mime_freep) = mime_new(g->arena);
	size_t max = g->job->length < PIECE_MAX ? (size_t)g->job->length
						: PIECE_MAX;
	struct piece p = {
		.job = g->job,
		.in = zalloc(max + 1),
		.in_max = max,
	};

	while (p.at < g->job->length && !g->failed) {
		g->failed = !read_more(&p);
		if (!g->failed)
			mime_feed(m, p.rest);
	}
	g->damaged = p.damaged;
	if (!g->failed)
		g->result = downgrade_plan(mime_end(m), g->arena, &g->plan);
	free(p.in);
}

static enum stream_result
send_all(struct stream *st, struct job *j, int64_t timeout, size_t line_max,
    struct downgrade *down)
{
	size_t max = j->length < PIECE_MAX ? (size_t)j->length : PIECE_MAX;
	size_t out_max = max + max / 8 + 256;
	size_t mid_max = down ? CONVERTED_MAX : 0;
	char *bytes = zalloc(max + 1 + out_max + mid_max);
	enum stream_result r = STREAM_OK;
	struct piece p = {
		.job = j,
		.in = bytes,
		.in_max = max,
		.rest = { bytes, 0 },
		.down = down,
	};

	p.wire.line_max = line_max && line_max < LINE_LEAST ? LINE_LEAST
							    : line_max;
	buf_init(&p.out, bytes + max + 1, out_max);
	buf_init(&p.mid, bytes + max + 1 + out_max, mid_max);
	while (r == STREAM_OK && !p.last && !p.failed) {
		task_offload(TASK_DISK, fill, &p);
		if (!p.failed)
			r = stream_write(st, buf_span(&p.out),
			    task_after(timeout));
	}
	j->corrupt = p.failed;
	j->damaged = p.damaged;
	free(bytes);
	return r;
}

enum stream_result
content_send(struct stream *st, struct job *j, int64_t timeout, size_t line_max)
{
	return send_all(st, j, timeout, line_max, NULL);
}

enum content_result
content_send_converted(struct stream *st, struct job *j, int64_t timeout,
    size_t line_max, enum stream_result *result_r)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(MIME_ARENA_MAX);
	struct planning g = { .job = j, .arena = a };
	struct downgrade d = { .plan = &g.plan };

	*result_r = STREAM_OK;
	task_offload(TASK_DISK, make_plan, &g);
	j->corrupt = g.failed;
	j->damaged = g.damaged;
	if (g.failed)
		return CONTENT_SENT;
	if (g.result != DOWNGRADE_PLANNED)
		return CONTENT_TOO_DEEP;
	*result_r = send_all(st, j, timeout, line_max, &d);
	return CONTENT_SENT;
}
