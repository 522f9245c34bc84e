#include "imapd/mailbox/search_file.h"

#include <errno.h>
#include <unistd.h>

struct file {
	int fd;
	struct match *m;
	char *piece;
	uint64_t at; /* where in the file ->piece begins */
	size_t n;
	bool failed;
};

static void
close_file(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
}

/* What is there from `at` on: a piece, and nothing at the end. */
static struct span
read_piece(struct file *f, uint64_t at)
{
	ssize_t n;

	if (at >= f->at && at < f->at + f->n)
		return (struct span){ f->piece + (at - f->at),
			(size_t)(f->at + f->n - at) };
	do
		n = pread(f->fd, f->piece, SEARCH_PIECE, (off_t)at);
	while (n < 0 && errno == EINTR);
	f->failed |= n < 0;
	f->at = at;
	f->n = n > 0 ? (size_t)n : 0;
	return (struct span){ f->piece, f->n };
}

static enum match_answer
look_at_head(struct file *f)
{
	struct span piece = read_piece(f, 0);
	uint64_t at = 0;

	while (piece.n > 0 && match_feed_head(f->m, piece)) {
		at += piece.n;
		piece = read_piece(f, at);
	}
	return match_end_head(f->m);
}

static enum match_answer
feed_range(struct file *f, struct mime_place from, struct mime_place to)
{
	uint64_t at = from.at;

	while (at < to.at) {
		struct span piece = read_piece(f, at);

		if (piece.n == 0)
			break;
		if (piece.n > to.at - at)
			piece.n = (size_t)(to.at - at);
		match_feed(f->m, piece);
		at += piece.n;
	}
	return match_end_part(f->m);
}

/* A part and those in it: at most MIME_DEPTH_MAX deep. */
static enum match_answer
look_at_part(struct file *f, const struct mime_part *part)
{
	enum match_answer a = MATCH_UNKNOWN;

	if (part->parent && match_begin_part_head(f->m))
		a = feed_range(f, part->head, part->body);
	for (const struct mime_part *p = part->parts; p && a == MATCH_UNKNOWN;
	     p = p->next)
		a = look_at_part(f, p);
	if (a == MATCH_UNKNOWN && !part->parts && match_begin_body(f->m, part))
		a = feed_range(f, part->body, part->end);
	return a;
}

static enum match_answer
look_at_parts(struct file *f)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(MIME_ARENA_MAX);
	struct mime_parser *parser CLEANUP(mime_freep) = mime_new(a);
	struct span piece = read_piece(f, 0);
	const struct mime_part *root;

	for (uint64_t at = 0; piece.n > 0; piece = read_piece(f, at)) {
		mime_feed(parser, piece);
		at += piece.n;
	}
	root = mime_end(parser);
	if (root && !f->failed) {
		enum match_answer answer = look_at_part(f, root);

		if (answer != MATCH_UNKNOWN)
			return answer;
	}
	return match_end(f->m);
}

enum store_result
search_file(struct mbox *mbox, struct match *m, uint32_t uid, bool may_wait,
    char *piece, enum match_answer *answer_r)
{
	struct file f CLEANUP(close_file) = {
		.fd = -1,
		.m = m,
		.piece = piece,
	};
	uint64_t size;
	enum store_result r = may_wait
	    ? mbox_body(mbox, uid, &f.fd, &size)
	    : mbox_body_at_once(mbox, uid, &f.fd, &size);

	if (r != STORE_OK)
		return r;
	*answer_r = look_at_head(&f);
	if (*answer_r == MATCH_UNKNOWN)
		*answer_r = look_at_parts(&f);
	return f.failed ? STORE_TEMPFAIL : STORE_OK;
}
