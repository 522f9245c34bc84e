/* The message of an errand: its head of ours, its bytes, and where it has been. */
#include "local/errand/errand.h"

#include "mail/delivered.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum {
	PIECE = 64 << 10,
};

void
errand_fail(struct errand_result *r, enum delivery_status status,
    const char *dsn, const char *fmt, ...)
{
	va_list ap;

	r->status = status;
	r->dsn = dsn;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

static void
put_line(struct buf *b, struct span name, struct span value)
{
	size_t at;

	buf_put(b, name);
	at = b->n;
	buf_put(b, value);
	for (size_t i = at; i < b->n; i++)
		if (b->p[i] == '\r' || b->p[i] == '\n' || b->p[i] == '\0')
			b->p[i] = '?';
}

struct span
errand_head(const struct errand *e)
{
	struct span sender = msg_str(&e->in, MSG_FIELD_SENDER);
	struct span addr = msg_str(&e->in, MSG_FIELD_ADDR);
	struct span orig = msg_str(&e->in, MSG_FIELD_ORIG);
	size_t max = sender.n + addr.n + orig.n + 128;
	char *storage = arena_alloc(e->arena, max);
	struct buf b;

	must(storage); /* a packet is far smaller */
	buf_init(&b, storage, max);
	put_line(&b, SPAN("Return-Path: <"), sender);
	put_line(&b, SPAN(">\nX-Original-To: "), orig);
	buf_put(&b, SPAN("\n"));
	if (msg_u64(&e->in, MSG_FIELD_FLAGS) & ERRAND_DELIVERED) {
		put_line(&b, SPAN("Delivered-To: "), addr);
		buf_put(&b, SPAN("\n"));
	}
	must(!b.overflow);
	return buf_span(&b);
}

void
errand_put_from(const struct errand *e, struct buf *b)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct span sender = msg_str(&e->in, MSG_FIELD_SENDER);
	time_t now = time(NULL);
	struct tm tm = { 0 };

	(void)localtime_r(&now, &tm);
	put_line(b, SPAN("From "), sender.n ? sender : SPAN("MAILER-DAEMON"));
	buf_putf(b, "  %.3s %.3s %2d %02d:%02d:%02d %d\n",
	    days + 3 * tm.tm_wday, months + 3 * tm.tm_mon, tm.tm_mday,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, 1900 + tm.tm_year);
}

ssize_t
errand_content(const struct errand *e, uint64_t *done_r, uint32_t *sum_r,
    char *piece, size_t max)
{
	uint64_t offset = msg_u64(&e->in, MSG_FIELD_OFFSET);
	uint64_t left = msg_u64(&e->in, MSG_FIELD_LENGTH) - *done_r;
	ssize_t n;

	if (left == 0)
		return 0;
	if (left < max)
		max = (size_t)left;
	do
		n = pread(e->fd, piece, max, (off_t)(offset + *done_r));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EBADMSG;
	*sum_r = (uint32_t)crc32_z(*sum_r, (const unsigned char *)piece,
	    (size_t)n);
	*done_r += (uint64_t)n;
	return n;
}

bool
errand_is_whole(const struct errand *e, uint32_t sum)
{
	return sum == (uint32_t)msg_u64(&e->in, MSG_FIELD_CHECKSUM);
}

/* What is written out, in pieces. */
struct out {
	int fd;
	bool at_start; /* of a line */
	bool mbox;
	int error;
	struct buf b;
};

static void
flush(struct out *o)
{
	while (o->b.n > 0 && !o->error) {
		ssize_t n = write(o->fd, o->b.p, o->b.n);

		if (n > 0)
			buf_drop(&o->b, (size_t)n);
		else if (errno != EINTR)
			o->error = -errno;
	}
}

static void
put(struct out *o, struct span s)
{
	while (s.n > 0 && !o->error) {
		struct span part = s;

		if (buf_room(&o->b) == 0)
			flush(o);
		if (part.n > buf_room(&o->b))
			part.n = buf_room(&o->b);
		buf_put(&o->b, part);
		s.p += part.n;
		s.n -= part.n;
	}
}

/* `s` begins where a line does, or goes on with one. */
static void
put_quoted(struct out *o, struct span s)
{
	while (s.n > 0) {
		const char *end = memchr(s.p, '\n', s.n);
		struct span line = { s.p, end ? (size_t)(end - s.p) + 1 : s.n };

		if (o->mbox && o->at_start && line.n >= 5 &&
		    memcmp(line.p, "From ", 5) == 0)
			put(o, SPAN(">"));
		put(o, line);
		o->at_start = end != NULL;
		s.p += line.n;
		s.n -= line.n;
	}
}

/*
 * Content comes in pieces that end in the middle of a line; what may be the
 * beginning of "From " is kept for the next one.
 */
static int
copy_content(const struct errand *e, struct out *o, char *piece)
{
	uint64_t done = 0;
	uint32_t sum = 0;
	size_t kept = 0;
	ssize_t n;

	while ((n = errand_content(e, &done, &sum, piece + kept,
		    PIECE - kept)) > 0 &&
	    !o->error) {
		size_t all = kept + (size_t)n, tail = 0;
		bool last = done == msg_u64(&e->in, MSG_FIELD_LENGTH);

		while (!last && tail < 5 && tail < all &&
		    piece[all - 1 - tail] != '\n')
			tail++;
		if (tail == all && all >= 5)
			tail = 0;
		put_quoted(o, (struct span){ piece, all - tail });
		memmove(piece, piece + all - tail, tail);
		kept = tail;
	}
	if (n < 0)
		return (int)n;
	if (o->error)
		return o->error;
	return errand_is_whole(e, sum) ? 0 : -EBADMSG;
}

int
errand_copy(const struct errand *e, int to, struct span head, bool mbox)
{
	static char storage[2 * PIECE];
	struct out o = { .fd = to, .at_start = true, .mbox = mbox };
	int err;

	buf_init(&o.b, storage, PIECE);
	put(&o, head);
	err = copy_content(e, &o, storage + PIECE);
	if (!err && mbox)
		put(&o, o.at_start ? SPAN("\n") : SPAN("\n\n"));
	if (!err) {
		flush(&o);
		err = o.error;
	}
	return err;
}

int
errand_has_looped(const struct errand *e)
{
	static char head[DELIVERED_HEAD_MAX]; /* one request at a time */

	return delivered_find(e->fd, msg_u64(&e->in, MSG_FIELD_OFFSET),
	    msg_u64(&e->in, MSG_FIELD_LENGTH), msg_str(&e->in, MSG_FIELD_ADDR),
	    head);
}
