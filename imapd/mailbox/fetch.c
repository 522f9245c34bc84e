#include "imapd/mailbox/fetch.h"

#include "imapd/format/structure.h"
#include "imapd/mailbox/batch.h"
#include "imapd/mailbox/private.h"
#include "task/task.h"

#include <stdlib.h>

enum {
	LINE = 512, /* the view's part of an answer, without the flags */
	ROWS_A_BREATH = 512,
};

/* Items but sections, as they were asked for: each once. */
struct fetch {
	struct imap *s;
	const struct uidset *seqs;
	enum imap_fetch_kind order[FETCH_SECTION];
	size_t order_n;
	const struct imap_fetch *asked[IMAP_FETCH_MAX]; /* with a section */
	struct imap_fetch *sections; /* the same, as FETCH_SECTION */
	size_t sections_n;
	unsigned wants; /* of enum batch_want */
	struct batch *batch;
	uint32_t next; /* the number with which to go on */
	bool uid; /* was asked by UID */
	bool gone; /* messages that were asked for are */

	/* Of the section that is sent. */
	const struct batch_row *row;
	uint64_t at;
	uint64_t left; /* of the literal */
	struct span piece;
};

static void
fini(struct fetch **f)
{
	free((*f)->sections);
	free(*f);
}

/* What is the same under two names becomes one. */
static struct imap_fetch
section_of(const struct imap_fetch *item)
{
	struct imap_fetch r = *item;

	r.kind = FETCH_SECTION;
	if (item->kind == FETCH_SECTION)
		return r;
	r.section = item->kind == FETCH_RFC822_HEADER ? SECTION_HEADER
	    : item->kind == FETCH_RFC822_TEXT         ? SECTION_TEXT
						      : SECTION_ALL;
	r.peek = item->kind == FETCH_RFC822_HEADER;
	return r;
}

static void
add_section(struct fetch *f, const struct imap_fetch *item)
{
	struct imap_fetch *to = &f->sections[f->sections_n];

	f->asked[f->sections_n++] = item;
	*to = section_of(item);
	if (!to->peek && !mbox_is_read_only(f->s->mbox))
		f->wants |= BATCH_SEEN;
}

static void
add_kind(struct fetch *f, enum imap_fetch_kind kind)
{
	for (size_t i = 0; i < f->order_n; i++)
		if (f->order[i] == kind)
			return;
	f->order[f->order_n++] = kind;
	if (kind == FETCH_ENVELOPE)
		f->wants |= BATCH_ENVELOPE;
	if (kind == FETCH_BODY || kind == FETCH_BODYSTRUCTURE)
		f->wants |= BATCH_STRUCTURE;
}

static void
take_items(struct fetch *f, const struct imap_command *c)
{
	f->sections = zalloc(IMAP_FETCH_MAX * sizeof(*f->sections));
	if (c->uid)
		add_kind(f, FETCH_UID);
	for (const struct imap_fetch *i = c->fetch; i; i = i->next)
		if (i->kind < FETCH_SECTION)
			add_kind(f, i->kind);
		else
			add_section(f, i);
}

/*** What the view tells. ***/

static void
flush(struct imap *s, struct buf *line)
{
	out_put(&s->out, buf_span(line));
	buf_drop(line, line->n);
}

static void
put_text(struct fetch *f, enum imap_fetch_kind kind,
    const struct batch_row *row)
{
	struct span text = kind == FETCH_ENVELOPE ? row->envelope
	    : kind == FETCH_BODY                  ? row->body
						  : row->structure;

	if (text.n > 0)
		out_put(&f->s->out, text);
	else if (kind == FETCH_ENVELOPE)
		out_envelope(&f->s->out, row->root->envelope,
		    f->batch->scratch);
	else
		out_structure(&f->s->out, row->root,
		    kind == FETCH_BODYSTRUCTURE, f->batch->scratch);
}

static void
put_item(struct fetch *f, enum imap_fetch_kind kind,
    const struct mbox_message *m, const struct batch_row *row, struct buf *line)
{
	struct out o = { out_to_buf, line };
	struct imap_fetch item = { .kind = kind };

	if (kind == FETCH_FLAGS) {
		flush(f->s, line);
		imap_put_flags(f->s, m);
		return;
	}
	out_fetch_name(&o, &item);
	buf_put(line, SPAN(" "));
	if (kind == FETCH_UID) {
		out_number(&o, m->uid);
	} else if (kind == FETCH_RFC822_SIZE) {
		out_number(&o, m->size);
	} else if (kind == FETCH_INTERNALDATE) {
		out_date_time(&o, m->date);
	} else {
		flush(f->s, line);
		put_text(f, kind, row);
	}
}

static bool
has_kind(const struct fetch *f, enum imap_fetch_kind kind)
{
	for (size_t i = 0; i < f->order_n; i++)
		if (f->order[i] == kind)
			return true;
	return false;
}

/* "* 1 FETCH (UID 7 FLAGS (\Seen)", and true if something is in it. */
static bool
put_view(struct fetch *f, uint32_t seq, const struct mbox_message *m,
    const struct batch_row *row)
{
	char storage[LINE];
	struct buf line;
	struct out o = { out_to_buf, &line };
	bool flags = row && row->seen && !has_kind(f, FETCH_FLAGS);

	buf_init(&line, storage, sizeof(storage));
	buf_put(&line, SPAN("* "));
	out_number(&o, seq);
	buf_put(&line, SPAN(" FETCH ("));
	for (size_t i = 0; i < f->order_n; i++) {
		if (i > 0)
			buf_put(&line, SPAN(" "));
		put_item(f, f->order[i], m, row, &line);
	}
	if (flags) {
		if (f->order_n > 0)
			buf_put(&line, SPAN(" "));
		put_item(f, FETCH_FLAGS, m, row, &line);
	}
	if (f->sections_n == 0)
		buf_put(&line, SPAN(")\r\n"));
	must(!line.overflow);
	flush(f->s, &line);
	return flags || f->order_n > 0;
}

/*** Sections. ***/

/* Offloaded. */
static void
read_piece(void *arg)
{
	struct fetch *f = arg;

	f->piece = batch_piece(f->batch, f->row, f->at);
}

static void
count(struct imap *s, const struct imap_fetch *item, uint64_t size)
{
	bool head = item->section != SECTION_ALL &&
	    item->section != SECTION_TEXT;

	if (head) {
		s->counts.hdr_count++;
		s->counts.hdr_bytes += size;
	} else {
		s->counts.body_count++;
		s->counts.body_bytes += size;
	}
}

/* No more than was told, whatever the file has become. */
static void
put_within(struct span piece, void *arg)
{
	struct fetch *f = arg;

	if (piece.n > f->left)
		piece.n = (size_t)f->left;
	f->left -= piece.n;
	out_put(&f->s->out, piece);
}

/* Up to here the section is counted: the next piece may begin there. */
static void
set_mark(struct fetch *f, const struct batch_part *part, const struct wire *w)
{
	struct section_mark *mark = &f->s->mark;

	*mark = part->mark;
	mark->at = f->at;
	mark->size = w->size;
	mark->cr = w->cr;
}

/* The bytes of a section. False: there were not as many as was told. */
static bool
send_section(struct fetch *f, const struct imap_fetch *item,
    const struct batch_part *part)
{
	struct out out = { put_within, f };
	struct wire w;

	wire_resume(&w, &out, item, &part->mark);
	f->at = part->from;
	f->left = part->size;
	while (f->at < part->to && w.sent < part->size && !f->s->lost) {
		if (f->row->is_open)
			task_offload(TASK_DISK, read_piece, f);
		else
			read_piece(f);
		if (f->piece.n == 0)
			break;
		if (f->piece.n > part->to - f->at)
			f->piece.n = (size_t)(part->to - f->at);
		if (section_is_marked(item))
			set_mark(f, part, &w);
		wire_feed(&w, f->piece);
		f->at += f->piece.n;
	}
	wire_end(&w);
	count(f->s, item, w.sent);
	return w.sent == part->size;
}

static bool
put_section(struct fetch *f, size_t i)
{
	const struct batch_part *part = &f->row->parts[i];
	struct out *o = &f->s->out;

	out_fetch_name(o, f->asked[i]);
	if (part->absent) {
		out_put(o, SPAN(" NIL"));
		return true;
	}
	out_put(o, SPAN(" {"));
	out_number(o, part->size);
	out_put(o, SPAN("}\r\n"));
	return send_section(f, &f->sections[i], part);
}

/* False: the connection is of no further use. */
static bool
put_row(struct fetch *f, const struct batch_row *row)
{
	size_t n;
	const struct mbox_message *m = mbox_messages(f->s->mbox, &n);
	bool any = put_view(f, row->seq, &m[row->seq - 1], row);

	f->row = row;
	if (f->sections_n == 0)
		return true;
	for (size_t i = 0; i < f->sections_n; i++) {
		if (any)
			out_put(&f->s->out, SPAN(" "));
		any = true;
		if (!put_section(f, i))
			return false;
	}
	out_put(&f->s->out, SPAN(")\r\n"));
	return true;
}

/*** The command. ***/

/* Nothing has to be read. */
static enum imap_done
fetch_view(struct fetch *f)
{
	size_t n, rows = 0;
	const struct mbox_message *m = mbox_messages(f->s->mbox, &n);

	for (uint32_t seq = uidset_next(f->seqs, 1); seq > 0 && seq <= n;
	     seq = uidset_next(f->seqs, seq + 1)) {
		(void)put_view(f, seq, &m[seq - 1], NULL);
		if (++rows % ROWS_A_BREATH == 0 &&
		    (!imap_breathe(f->s) || f->s->lost))
			return IMAP_DONE_CLOSE;
	}
	return IMAP_DONE_OK;
}

/* Offloaded. */
static void
fill(void *arg)
{
	struct fetch *f = arg;

	f->next = batch_fill(f->batch, f->seqs, f->next);
}

/* Offloaded, or not. */
static void
free_batch(void *arg)
{
	struct fetch *f = arg;

	f->batch = batch_free(f->batch);
}

/* Whether a row's FLAGS are told with it anyway. */
static bool
is_told(const struct fetch *f, uint32_t seq)
{
	const struct batch *b = f->batch;
	size_t low = 0, high = b->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (b->rows[mid].seq < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low < b->n && b->rows[low].seq == seq && b->rows[low].seen;
}

/* What came with the new view, but for what the batch tells itself. */
static void
tell_changes(struct fetch *f, bool uid)
{
	const struct mbox_changes *c = &f->batch->changes;

	imap_tell_changes(f->s, c);
	for (size_t i = 0; i < c->flagged_n; i++) {
		if (!is_told(f, c->flagged[i]))
			imap_tell_flags(f->s, c->flagged[i], uid);
		if (i % ROWS_A_BREATH == ROWS_A_BREATH - 1 &&
		    !imap_breathe(f->s))
			return;
	}
}

/* A batch. IMAP_DONE_OK: there may be another. */
static enum imap_done
fetch_batch(struct fetch *f, const char **text_r)
{
	struct batch *b = f->batch;

	task_offload(TASK_DISK, fill, f);
	if (b->synced)
		tell_changes(f, f->uid);
	for (size_t i = 0; i < b->n; i++) {
		f->gone |= b->rows[i].gone;
		if (b->rows[i].gone)
			continue;
		if (!put_row(f, &b->rows[i])) {
			imap_end(f->s,
			    "A message was changed while it was sent");
			f->s->lost = true;
		}
		if (f->s->lost)
			return IMAP_DONE_CLOSE;
	}
	if (b->result != STORE_OK)
		return imap_refused(b->result, text_r);
	/* The next offload lets others run. */
	return f->s->lost ? IMAP_DONE_CLOSE : IMAP_DONE_OK;
}

enum imap_done
imap_fetch(struct imap *s, const struct imap_command *c,
    const struct uidset *seqs, const char **text_r)
{
	struct fetch *f CLEANUP(fini) = zalloc(sizeof(*f));
	enum imap_done done = IMAP_DONE_OK;

	*f = (struct fetch){ .s = s, .seqs = seqs, .next = 1, .uid = c->uid };
	*text_r = "Fetch completed.";
	take_items(f, c);
	if (f->sections_n == 0 && f->wants == 0)
		return fetch_view(f);
	f->batch = batch_new(s->mbox, uidset_count(seqs), f->wants, f->sections,
	    f->sections_n, &s->mark);
	while (f->next > 0 && done == IMAP_DONE_OK)
		done = fetch_batch(f, text_r);
	if (batch_is_open(f->batch))
		task_offload(TASK_DISK, free_batch, f);
	else
		free_batch(f);
	if (done == IMAP_DONE_OK && f->gone) {
		*text_r = "[EXPUNGEISSUED] Some of the requested messages no "
			  "longer exist.";
		return IMAP_DONE_NO;
	}
	return done;
}
