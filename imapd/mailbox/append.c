/*
 * APPEND: the message goes to the store as it comes.
 *
 * The store knows it only once the command is whole, and OK is said once it is
 * durable. What is refused is taken too, if it comes without being waited for, so
 * that the client gets its answer and keeps its connection.
 */
#include "imapd/mailbox/private.h"

enum {
	PIECE_MS = 5 * 60 * 1000, /* for each so many bytes */
	PIECE = 64 << 10,
	SKIP_MAX = 64 << 20, /* of a message that is refused */
};

struct append {
	struct imap *s;
	struct imap_command command;
	uint64_t size;
	bool sync; /* the client waits for "+ " */
	struct mbox_append *to; /* NULL: it is taken, and dropped */
	struct span piece;
	enum store_result result;
	uint32_t uidvalidity;
	uint32_t uid;
};

static void
begin(void *arg)
{
	struct append *a = arg;

	a->result = mbox_append_begin(a->s->user, a->command.mailbox, &a->to);
}

static void
write_piece(void *arg)
{
	struct append *a = arg;

	mbox_append_write(a->to, a->piece);
}

static void
commit(void *arg)
{
	struct append *a = arg;
	const struct imap_flags *flags = &a->command.flags;
	struct mbox_append_facts facts = {
		.flags = imap_store_flags(flags->system),
		.keywords = flags->keywords.list,
		.keywords_n = flags->keywords.n,
		.date = a->command.has_date ? a->command.date : 0,
	};

	a->result = mbox_append_commit(a->to, &facts, &a->uidvalidity, &a->uid);
	a->to = NULL;
}

static void
drop(void *arg)
{
	struct append *a = arg;

	a->to = mbox_append_free(a->to);
}

static enum imap_done
refused(enum store_result r, const char **text_r)
{
	imap_refused(r, text_r);
	if (r == STORE_ABSENT)
		*text_r = "[TRYCREATE] Mailbox doesn't exist";
	return IMAP_DONE_NO;
}

/* Whether the message may come, before a byte of it does. */
static enum imap_done
check(struct append *a, const char **text_r)
{
	struct imap *s = a->s;
	uint64_t max = (uint64_t)s->params->virtual_mailbox_limit;
	struct span text = buf_span(&s->room->frame.text);
	const char *error = NULL;
	enum imap_parsed parsed;

	/* The end of the command will come to lie where this text is. */
	text.p = arena_dup(s->arena, text);
	must(text.p); /* it is empty, and larger than any command */
	parsed = imap_parse(text, s->arena, &a->command, &error);
	if (!imap_keep_tag(s, a->command.tag)) {
		*text_r = "Tag is too long";
		return IMAP_DONE_BAD;
	}
	if (parsed == IMAP_BAD) {
		*text_r = error;
		return IMAP_DONE_BAD;
	}
	if (parsed == IMAP_LIMIT) {
		*text_r = "[LIMIT] Command is too large";
		return IMAP_DONE_NO;
	}
	if (max > 0 && a->size > max) {
		*text_r = "[TOOBIG] Message is too large";
		return IMAP_DONE_NO;
	}
	if (a->size == 0) {
		*text_r = "Can't save a zero byte message";
		return IMAP_DONE_NO;
	}
	if (!imap_name_is_good(a->command.mailbox, text_r))
		return IMAP_DONE_NO;
	task_offload(TASK_DISK, begin, a);
	return a->result == STORE_OK ? IMAP_DONE_OK
				     : refused(a->result, text_r);
}

/* The bytes of the message, to the store or to nowhere. */
static enum stream_result
take_message(struct append *a)
{
	int64_t deadline = task_after(PIECE_MS);
	uint64_t left = a->size, mark = left;

	while (left > 0) {
		size_t max = left < PIECE ? (size_t)left : PIECE;
		enum stream_result r = room_bytes(a->s, max, deadline,
		    &a->piece);

		if (r != STREAM_OK)
			return r;
		if (a->to)
			task_offload(TASK_DISK, write_piece, a);
		left -= a->piece.n;
		if (mark - left >= PIECE) {
			mark = left;
			deadline = task_after(PIECE_MS);
		}
	}
	return STREAM_OK;
}

/* What follows the message: the end of the line, and nothing else. */
static enum stream_result
take_end(struct append *a, bool *end_r)
{
	struct frame *f = &a->s->room->frame;
	enum frame_result outcome;
	enum stream_result r;

	frame_resume(f);
	f->literals = false;
	r = room_next(a->s, task_after(PIECE_MS), &outcome);
	f->literals = true;
	*end_r = r == STREAM_OK && outcome == FRAME_COMMAND && f->text.n == 0;
	return r;
}

static enum imap_done
answer_for(struct append *a, bool whole, const char **text_r)
{
	if (!whole) {
		*text_r = "Expected the end of the command";
		return IMAP_DONE_BAD;
	}
	task_offload(TASK_DISK, commit, a);
	if (a->result != STORE_OK)
		return refused(a->result, text_r);
	*text_r = imap_textf(a->s, "[APPENDUID %lu %lu] Append completed.",
	    (unsigned long)a->uidvalidity, (unsigned long)a->uid);
	return IMAP_DONE_OK;
}

/* The message and the rest of the line. OK: `done` says what came of it. */
static enum stream_result
take_all(struct append *a, enum imap_done *done, const char **text_r)
{
	bool whole = false;
	enum stream_result r;

	if (a->sync)
		imap_say(a->s, "+ OK\r\n");
	r = take_message(a);
	if (r == STREAM_OK)
		r = take_end(a, &whole);
	if (r == STREAM_OK && *done == IMAP_DONE_OK)
		*done = answer_for(a, whole, text_r);
	return r;
}

bool
imap_append(struct imap *s)
{
	struct frame *f = &s->room->frame;
	struct append a = { .s = s,
		.size = f->literal_n,
		.sync = f->literal_sync };
	const char *text = NULL;
	enum imap_done done = check(&a, &text);
	enum stream_result r = STREAM_OK;

	if (done != IMAP_DONE_OK && !a.sync && a.size > SKIP_MAX)
		done = imap_end(s, text = "Message is too large");
	else if (done != IMAP_DONE_OK && a.sync)
		frame_reset(f); /* the next command comes */
	else
		r = take_all(&a, &done, &text);
	if (a.to)
		task_offload(TASK_DISK, drop, &a);
	if (r != STREAM_OK) {
		text = NULL;
		done = imap_end_for(s, r);
	}
	return imap_finish(s, done, text,
	    &(struct imap_news){ .wanted = true });
}
