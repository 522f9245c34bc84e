#include "imapd/mailbox/batch.h"

#include "imapd/mailbox/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	HEAD_PIECE = 16 << 10, /* nearly all heads are shorter */
};

/* How much of a file has to be read. */
enum need {
	NEED_NOTHING,
	NEED_HEAD,
	NEED_ALL,
};

/* What came of a message. */
enum filled {
	FILLED,
	FILLED_LAST, /* there is no room for another */
	FILLED_NOT, /* nor for this one */
};

struct batch *
batch_new(struct mbox *mbox, uint64_t messages, unsigned wants,
    const struct imap_fetch *sections, size_t n,
    const struct section_mark *mark)
{
	struct batch *b = zalloc(sizeof(*b));
	size_t rows = messages < BATCH_ROWS ? (size_t)messages + 1 : BATCH_ROWS;

	*b = (struct batch){
		.mbox = mbox,
		.wants = wants,
		.sections = sections,
		.sections_n = n,
		.mark = mark,
		.rows = zalloc(rows * sizeof(*b->rows)),
		.rows_max = rows,
		.texts = arena_new(BATCH_TEXTS),
		.tree = arena_new(MIME_ARENA_MAX),
		.kept = zalloc(2 * rows * sizeof(*b->kept)),
		/* Who looks at one message needs no more than that. */
		.content_max = messages > 1 ? BATCH_CONTENT : BATCH_PIECE,
		.fd = -1,
	};
	b->content = zalloc(b->content_max);
	return b;
}

static void
close_file(struct batch *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

struct batch *
batch_free(struct batch *b)
{
	if (!b)
		return NULL;
	close_file(b);
	arena_free(b->texts);
	arena_free(b->tree);
	free(b->rows);
	free(b->scratch);
	free(b->kept);
	free(b->content);
	free(b->text.storage);
	free(b);
	return NULL;
}

bool
batch_is_open(const struct batch *b)
{
	return b->fd >= 0;
}

static enum need
more_of(enum need a, enum need b)
{
	return a > b ? a : b;
}

static enum need
need_of_sections(const struct batch *b)
{
	enum need need = NEED_NOTHING;

	for (size_t i = 0; i < b->sections_n; i++) {
		const struct imap_fetch *item = &b->sections[i];
		bool head = item->numbers_n == 0 &&
		    (item->section == SECTION_HEADER ||
			item->section == SECTION_FIELDS ||
			item->section == SECTION_FIELDS_NOT);

		need = more_of(need, head ? NEED_HEAD : NEED_ALL);
	}
	return need;
}

static bool
is_whole(const struct imap_fetch *item)
{
	return item->section == SECTION_ALL && item->numbers_n == 0;
}

/* Whether a section is a part of the file, and not known where. */
static bool
needs_parts(const struct batch *b, uint32_t uid)
{
	for (size_t i = 0; i < b->sections_n; i++)
		if (!is_whole(&b->sections[i]) &&
		    !section_has_mark(b->mark, uid, &b->sections[i]))
			return true;
	return false;
}

/*** What is kept. ***/

/* Looks for what the store has. False: there is no room for it now. */
static bool
take_kept(struct batch *b, struct batch_row *row, enum need *need_r)
{
	enum store_result e = STORE_OK, s = STORE_OK;
	struct span kept;

	if (b->wants & BATCH_ENVELOPE) {
		e = mbox_cache_get(b->mbox, row->uid, MBOX_CACHE_ENVELOPE,
		    b->texts, &kept);
		if (e != STORE_OK ||
		    !cache_take_envelope(kept, &row->envelope)) {
			row->envelope = SPAN("");
			*need_r = more_of(*need_r, NEED_HEAD);
		}
	}
	if (b->wants & BATCH_STRUCTURE) {
		s = mbox_cache_get(b->mbox, row->uid, MBOX_CACHE_STRUCTURE,
		    b->texts, &kept);
		if (s != STORE_OK ||
		    !cache_take_structure(kept, &row->body, &row->structure)) {
			row->structure = SPAN("");
			*need_r = NEED_ALL;
		}
	}
	return e != STORE_TEMPFAIL && s != STORE_TEMPFAIL;
}

/* A text that was made is kept. False: too long for that, or for the arena. */
static bool
keep_text(struct batch *b, uint32_t uid, enum mbox_cache kind,
    struct span *kept_r)
{
	char *copy = b->text.overflow ? NULL
				      : arena_dup(b->texts, buf_span(&b->text));

	if (!copy)
		return false;
	*kept_r = (struct span){ copy, b->text.n };
	b->kept[b->kept_n++] = (struct mbox_cached){ uid, kind, *kept_r };
	return true;
}

static void
begin_text(struct batch *b)
{
	if (!b->scratch) {
		b->scratch = zalloc(STRUCTURE_SCRATCH);
		b->text.storage = zalloc(STORE_CACHE_MAX);
	}
	buf_init(&b->text, b->text.storage, STORE_CACHE_MAX);
}

/* Makes what is asked for and not kept. False: it is too long. */
static bool
make_texts(struct batch *b, struct batch_row *row, const struct mime_part *root)
{
	struct span kept;

	if ((b->wants & BATCH_ENVELOPE) && row->envelope.n == 0) {
		begin_text(b);
		cache_put_envelope(&b->text, root, b->scratch);
		if (!keep_text(b, row->uid, MBOX_CACHE_ENVELOPE, &kept) ||
		    !cache_take_envelope(kept, &row->envelope))
			return false;
	}
	if ((b->wants & BATCH_STRUCTURE) && row->structure.n == 0) {
		begin_text(b);
		cache_put_structure(&b->text, root, b->scratch);
		if (!keep_text(b, row->uid, MBOX_CACHE_STRUCTURE, &kept) ||
		    !cache_take_structure(kept, &row->body, &row->structure))
			return false;
	}
	return true;
}

/*** Files. ***/

/* As much as there is, up to `n`; a failure is an end. */
static size_t
read_at(int fd, char *to, size_t n, uint64_t at)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = pread(fd, to + got, n - got, (off_t)(at + got));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		got += (size_t)r;
	}
	return got;
}

struct span
batch_piece(struct batch *b, const struct batch_row *row, uint64_t at)
{
	if (row->is_open)
		return (struct span){ b->content,
			read_at(b->fd, b->content, BATCH_PIECE, at) };
	if (at >= row->content.n)
		return SPAN("");
	return (
	    struct span){ row->content.p + at, row->content.n - (size_t)at };
}

/* Up to and with the empty line. False: that is not in it. */
static bool
find_end_of_head(struct span text, size_t *n_r)
{
	struct span rest = text;

	while (rest.n > 0) {
		struct span all = rest;
		struct span line = span_cut(&rest, '\n');

		if (line.n == all.n)
			return false;
		if (line.n == 0 || (line.n == 1 && line.p[0] == '\r')) {
			*n_r = (size_t)(rest.p - text.p);
			return true;
		}
	}
	return false;
}

/* Reads the head to the end of ->content, if it is a short one. */
static bool
read_head(struct batch *b, struct batch_row *row, uint64_t size)
{
	size_t room = b->content_max - b->content_n;
	char *to = b->content + b->content_n;
	size_t n = read_at(b->fd, to, room < HEAD_PIECE ? room : HEAD_PIECE, 0);

	row->content = (struct span){ to, n };
	return find_end_of_head(row->content, &row->content.n) ||
	    (n == size && n < room);
}

/* Holds the file, or leaves it open. False: there is no room now. */
static bool
read_all(struct batch *b, struct batch_row *row, uint64_t size)
{
	size_t room = b->content_max - b->content_n;
	char *to = b->content + b->content_n;

	if (room < BATCH_PIECE || (size > BATCH_PIECE && b->content_n > 0))
		return false;
	if (size > BATCH_PIECE) {
		row->is_open = true;
		return true;
	}
	row->content = (struct span){ to, read_at(b->fd, to, (size_t)size, 0) };
	return true;
}

static struct mime_part *
parse(struct batch *b, const struct batch_row *row)
{
	struct mime_parser *m CLEANUP(mime_freep) = NULL;
	struct span piece;
	uint64_t at = 0;

	arena_reset(b->tree);
	m = mime_new(b->tree);
	for (;;) {
		piece = batch_piece(b, row, at);
		if (piece.n == 0)
			return mime_end(m);
		mime_feed(m, piece);
		at += piece.n;
	}
}

/*** Sections. ***/

/* Counts what a section has on the wire, and notes where the file ended. */
static uint64_t
count_size(struct batch *b, const struct batch_row *row,
    const struct imap_fetch *item, struct batch_part *part)
{
	uint64_t at = part->from;
	struct wire w;

	wire_resume(&w, NULL, item, &part->mark);
	while (at < part->to && !(item->partial && w.sent == item->count)) {
		struct span piece = batch_piece(b, row, at);

		if (piece.n == 0)
			break;
		if (piece.n > part->to - at)
			piece.n = (size_t)(part->to - at);
		wire_feed(&w, piece);
		at += piece.n;
	}
	wire_end(&w);
	part->to = at;
	return w.sent;
}

/*
 * Where the section lies, and how far a fetch before this one has come in it. False:
 * there is none.
 */
static bool
find_range(struct batch *b, uint32_t uid, const struct imap_fetch *item,
    struct mime_part *root, struct section_mark *mark)
{
	struct section_range range = { .to.at = UINT64_MAX };

	if (section_has_mark(b->mark, uid, item)) {
		*mark = *b->mark;
		if (mark->size <= item->first)
			return true;
		section_begin_mark(mark, uid, item, mark->from, mark->to,
		    mark->wire);
		return true;
	}
	if (!is_whole(item) && !(root && section_find(root, item, &range)))
		return false;
	section_begin_mark(mark, uid, item, range.from.at, range.to.at,
	    range.to.wire - range.from.wire);
	return true;
}

static void
find_part(struct batch *b, const struct batch_row *row,
    const struct imap_fetch *item, struct mime_part *root,
    struct batch_part *part)
{
	part->absent = !find_range(b, row->uid, item, root, &part->mark);
	if (part->absent)
		return;
	part->from = part->mark.at;
	part->to = part->mark.to;
	if (is_whole(item) || item->section == SECTION_FIELDS ||
	    item->section == SECTION_FIELDS_NOT)
		part->size = count_size(b, row, item, part);
	else
		part->size = section_size(item, part->mark.wire);
}

/*** A message. ***/

/* The file is open. */
static enum filled
fill_from_file(struct batch *b, struct batch_row *row, enum need need,
    uint64_t size)
{
	struct mime_part *root = NULL;
	bool parts = needs_parts(b, row->uid) ||
	    ((b->wants & BATCH_ENVELOPE) && row->envelope.n == 0) ||
	    ((b->wants & BATCH_STRUCTURE) && row->structure.n == 0);

	if (need == NEED_HEAD && !read_head(b, row, size))
		need = NEED_ALL;
	if (need == NEED_ALL && !read_all(b, row, size))
		return FILLED_NOT;
	if (parts)
		root = parse(b, row);
	if (root && !make_texts(b, row, root)) {
		/* Alone it may fit; if it is alone it is sent as it is made. */
		if (b->n > 0 && !b->text.overflow)
			return FILLED_NOT;
		row->root = root;
	}
	for (size_t i = 0; i < b->sections_n; i++)
		find_part(b, row, &b->sections[i], root, &row->parts[i]);
	if (b->sections_n > 0 && !row->is_open)
		b->content_n += row->content.n;
	return row->root || row->is_open ? FILLED_LAST : FILLED;
}

static enum filled
fill_row(struct batch *b, struct batch_row *row, enum need need)
{
	enum store_result r;
	enum filled filled;
	uint64_t size;

	row->parts = arena_alloc(b->texts,
	    (b->sections_n + 1) * sizeof(*row->parts));
	if (!row->parts || !take_kept(b, row, &need)) {
		if (b->n > 0)
			return FILLED_NOT;
		must(row->parts);
	}
	if (need == NEED_NOTHING)
		return FILLED;
	r = mbox_body(b->mbox, row->uid, &b->fd, &size);
	if (r == STORE_ABSENT) {
		row->gone = true;
		return FILLED;
	}
	if (r != STORE_OK) {
		b->result = r;
		return FILLED_NOT;
	}
	filled = fill_from_file(b, row, need, size);
	if (filled == FILLED_NOT || !row->is_open)
		close_file(b);
	return filled;
}

/* Sets \Seen where it was not. */
static void
set_seen(struct batch *b, const struct mbox_message *messages)
{
	struct uidset uids CLEANUP(uidset_finip) = { 0 };

	for (size_t i = 0; i < b->n; i++) {
		struct batch_row *row = &b->rows[i];

		row->seen = !row->gone &&
		    !(messages[row->seq - 1].flags & STORE_SEEN);
		if (row->seen)
			uidset_add(&uids, row->uid, row->uid);
	}
	if (uids.n == 0)
		return;
	/* That it cannot be noted is no reason not to show the message. */
	b->synced = mbox_store_flags(b->mbox, &uids, MBOX_FLAGS_ADD, STORE_SEEN,
			0, NULL) == STORE_OK &&
	    mbox_sync(b->mbox, MBOX_KEEP_EXPUNGED, &b->changes) == STORE_OK;
	for (size_t i = 0; i < b->n && !b->synced; i++)
		b->rows[i].seen = false;
}

static void
begin(struct batch *b)
{
	close_file(b);
	arena_reset(b->texts);
	b->n = b->kept_n = b->content_n = 0;
	b->result = STORE_OK;
	b->synced = false;
}

uint32_t
batch_fill(struct batch *b, const struct uidset *seqs, uint32_t seq)
{
	enum need need = need_of_sections(b);
	enum filled filled = FILLED;
	const struct mbox_message *messages;
	size_t n;

	begin(b);
	messages = mbox_messages(b->mbox, &n);
	for (seq = uidset_next(seqs, seq);
	     seq > 0 && seq <= n && b->n < b->rows_max && filled == FILLED;
	     seq = filled == FILLED_NOT ? seq : uidset_next(seqs, seq + 1)) {
		struct batch_row *row = &b->rows[b->n];

		*row = (struct batch_row){
			.seq = seq,
			.uid = messages[seq - 1].uid,
		};
		filled = fill_row(b, row, need);
		b->n += filled == FILLED_NOT ? 0 : 1;
	}
	if (b->kept_n > 0)
		mbox_cache_put_all(b->mbox, b->kept, b->kept_n);
	if (b->wants & BATCH_SEEN)
		set_seen(b, messages);
	return seq <= n ? seq : 0;
}
