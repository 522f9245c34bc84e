/*
 * STORE, COPY, MOVE, EXPUNGE and CLOSE: what changes messages.
 */
#include "imapd/mailbox/private.h"

#include "conf/conf.h"

#include <stdlib.h>

bool
imap_take_seqs(struct imap *s, const struct imap_command *c,
    struct uidset *seqs_r, const char **text_r)
{
	struct uidset set CLEANUP(uidset_finip) = { 0 };
	struct span text = c->set;
	size_t n;
	const struct mbox_message *list = mbox_messages(s->mbox, &n);
	uint32_t star = c->uid && n > 0 ? list[n - 1].uid : (uint32_t)n;

	*seqs_r = (struct uidset){ 0 };
	*text_r = "Invalid messageset";
	if (!uidset_take(&text, star, &set) || text.n > 0)
		return false;
	if (c->uid) {
		mbox_seqs_of(s->mbox, &set, seqs_r);
		return true;
	}
	/* A number beyond the last message is no number (RFC 3501, 9). */
	if (set.n == 0 || set.ranges[set.n - 1].last > n)
		return false;
	*seqs_r = set;
	set = (struct uidset){ 0 };
	return true;
}

/* As UIDs. */
static bool
take_uids(struct imap *s, const struct imap_command *c, struct uidset *uids_r,
    const char **text_r)
{
	struct uidset seqs CLEANUP(uidset_finip) = { 0 };

	*uids_r = (struct uidset){ 0 };
	if (!imap_take_seqs(s, c, &seqs, text_r))
		return false;
	mbox_uids_of(s->mbox, &seqs, uids_r);
	return true;
}

/*** STORE ***/

struct store_step {
	struct mbox *m;
	const struct imap_command *c;
	const struct uidset *uids;
	uint32_t flags;
	enum store_result result;
	bool synced;
	struct mbox_changes changes;
};

/* The bits of the keywords. What is not known needs not be taken away. */
static enum store_result
find_keywords(struct store_step *step)
{
	const struct imap_words *words = &step->c->flags.keywords;
	bool make = step->c->op != IMAP_STORE_REMOVE;

	for (size_t i = 0; i < words->n; i++) {
		uint32_t bit = 0;
		enum store_result r = mbox_keyword(step->m, words->list[i],
		    make, &bit);

		if (r != STORE_OK && (make || r != STORE_ABSENT))
			return r;
		if (r == STORE_OK)
			step->flags |= bit;
	}
	return STORE_OK;
}

static void
store_flags(void *arg)
{
	static const enum mbox_flag_op ops[] = {
		[IMAP_STORE_SET] = MBOX_FLAGS_SET,
		[IMAP_STORE_ADD] = MBOX_FLAGS_ADD,
		[IMAP_STORE_REMOVE] = MBOX_FLAGS_REMOVE,
	};
	struct store_step *step = arg;

	step->flags = imap_store_flags(step->c->flags.system);
	step->result = find_keywords(step);
	if (step->result == STORE_OK)
		step->result = mbox_store_flags(step->m, step->uids,
		    ops[step->c->op], step->flags, 0, NULL);
	step->synced = mbox_sync(step->m, MBOX_KEEP_EXPUNGED, &step->changes) ==
	    STORE_OK;
}

/* What the flags of a message are if nobody else changes them. */
static uint32_t
expected(uint32_t before, const struct store_step *step)
{
	switch (step->c->op) {
	case IMAP_STORE_SET:
		break;
	case IMAP_STORE_ADD:
		return before | step->flags;
	case IMAP_STORE_REMOVE:
		return before & ~step->flags;
	}
	return step->flags;
}

/* The flags of all messages of the view. */
static uint32_t *
copy_flags(const struct mbox *m)
{
	size_t n;
	const struct mbox_message *list = mbox_messages(m, &n);
	uint32_t *flags = zalloc((n + 1) * sizeof(*flags));

	for (size_t i = 0; i < n; i++)
		flags[i] = list[i].flags;
	return flags;
}

static void
count_deleted(struct imap *s, const struct uidset *seqs,
    const struct store_step *step, const uint32_t *before)
{
	size_t n = 0;
	const struct mbox_message *list = mbox_messages(s->mbox, &n);

	if (!(step->flags & STORE_DELETED))
		return;
	for (uint32_t i = uidset_next(seqs, 1); i; i = uidset_next(seqs, i + 1))
		if ((list[i - 1].flags & STORE_DELETED) &&
		    !(before[i - 1] & STORE_DELETED))
			s->counts.deleted++;
}

/*
 * All that were asked for, unless they said SILENT: then only those that somebody
 * else has changed too (RFC 3501, 6.4.6). And others that have changed.
 */
static void
tell_stored(struct imap *s, const struct uidset *seqs,
    const struct store_step *step, const uint32_t *before)
{
	const struct mbox_changes *changes = &step->changes;
	bool silent = step->c->silent;
	unsigned told = 0;
	size_t n;

	for (uint32_t i = silent ? 0 : uidset_next(seqs, 1); i;
	     i = uidset_next(seqs, i + 1)) {
		imap_tell_flags(s, i, step->c->uid);
		if (++told % 1024 == 0 && !imap_breathe(s))
			return;
	}
	for (size_t i = 0; i < changes->flagged_n; i++) {
		const struct mbox_message *list = mbox_messages(s->mbox, &n);
		uint32_t seq = changes->flagged[i];

		if (uidset_has(seqs, seq) &&
		    (!silent ||
			list[seq - 1].flags == expected(before[seq - 1], step)))
			continue;
		imap_tell_flags(s, seq, step->c->uid);
		if (++told % 1024 == 0 && !imap_breathe(s))
			return;
	}
}

static enum imap_done
store_refused(enum store_result r, const char **text_r)
{
	imap_refused(r, text_r);
	if (r == STORE_LIMIT)
		*text_r = "[LIMIT] Too many keywords in this mailbox";
	if (r == STORE_INVALID)
		*text_r = "[CANNOT] Invalid keyword";
	return IMAP_DONE_NO;
}

static void
freep(uint32_t **p)
{
	free(*p);
}

enum imap_done
imap_store(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct uidset seqs CLEANUP(uidset_finip) = { 0 };
	struct uidset uids CLEANUP(uidset_finip) = { 0 };
	struct store_step step = { .m = s->mbox, .c = c, .uids = &uids };

	if (!imap_take_seqs(s, c, &seqs, text_r))
		return IMAP_DONE_BAD;
	mbox_uids_of(s->mbox, &seqs, &uids);

	uint32_t *before CLEANUP(freep) = copy_flags(s->mbox);

	task_offload(TASK_DISK, store_flags, &step);
	if (step.synced) {
		count_deleted(s, &seqs, &step, before);
		imap_tell_changes(s, &step.changes);
		tell_stored(s, &seqs, &step, before);
	}
	if (step.result != STORE_OK)
		return store_refused(step.result, text_r);
	*text_r = "Store completed.";
	return IMAP_DONE_OK;
}

/*** COPY and MOVE ***/

struct copy_step {
	struct mbox *m;
	const struct uidset *uids;
	struct span to;
	bool move;
	enum store_result result;
	struct mbox_copied copied;
};

static void
copy_messages(void *arg)
{
	struct copy_step *step = arg;

	step->result = step->move
	    ? mbox_move(step->m, step->uids, step->to, &step->copied)
	    : mbox_copy(step->m, step->uids, step->to, &step->copied);
}

/* "[COPYUID validity from to] text", from the heap. */
static char *
copied_text(const struct mbox_copied *copied, const char *text)
{
	char *from = imap_set_text(&copied->from);
	char *to = imap_set_text(&copied->to);
	size_t max = strlen(from) + strlen(to) + strlen(text) + 64;
	char *all = zalloc(max);
	struct buf b;

	buf_init(&b, all, max - 1);
	buf_putf(&b, "[COPYUID %lu ", (unsigned long)copied->uidvalidity);
	buf_put(&b, span_str(from));
	buf_put(&b, SPAN(" "));
	buf_put(&b, span_str(to));
	buf_put(&b, SPAN("] "));
	buf_put(&b, span_str(text));
	free(from);
	free(to);
	return all;
}

/* Whether main.cf has it as "NAME=\Trash". */
static bool
is_trash(const struct imap *s, struct span name)
{
	struct span rest = span_str(s->params->mail_special_folders);
	struct span folder;

	while (conf_list_next(&rest, &folder)) {
		struct span use = folder;
		struct span of = span_cut(&use, '=');

		if (span_eq(of, name) && span_ieq(use, SPAN("\\Trash")))
			return true;
	}
	return false;
}

static enum imap_done
copy_refused(enum store_result r, const char **text_r)
{
	imap_refused(r, text_r);
	if (r == STORE_ABSENT)
		*text_r = "[TRYCREATE] Mailbox doesn't exist";
	return IMAP_DONE_NO;
}

static enum imap_done
tell_copied(struct imap *s, const struct copy_step *step, const char **text_r)
{
	uint64_t n = uidset_count(&step->copied.from);

	*text_r = "No messages found.";
	if (n == 0)
		return IMAP_DONE_OK;
	if (is_trash(s, step->to))
		s->counts.trashed += n;
	if (!step->move) {
		s->long_text = copied_text(&step->copied, "Copy completed.");
		*text_r = s->long_text;
		return IMAP_DONE_OK;
	}
	/* RFC 6851, 4.3: before the messages are said to be gone. */
	s->counts.expunged += n;
	s->long_text = copied_text(&step->copied, "Moved UIDs.");
	imap_say(s, "* OK ");
	imap_say(s, s->long_text);
	imap_say(s, "\r\n");
	*text_r = "Move completed.";
	return IMAP_DONE_OK;
}

enum imap_done
imap_copy(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct uidset uids CLEANUP(uidset_finip) = { 0 };
	struct copy_step step = { .m = s->mbox,
		.uids = &uids,
		.to = c->mailbox,
		.move = c->verb == IMAP_MOVE };
	enum imap_done done;

	if (!take_uids(s, c, &uids, text_r))
		return IMAP_DONE_BAD;
	if (!imap_name_is_good(c->mailbox, text_r))
		return IMAP_DONE_NO;
	if (uids.n == 0) {
		*text_r = "No messages found.";
		return IMAP_DONE_OK;
	}
	task_offload(TASK_DISK, copy_messages, &step);
	done = step.result == STORE_OK ? tell_copied(s, &step, text_r)
				       : copy_refused(step.result, text_r);
	uidset_fini(&step.copied.from);
	uidset_fini(&step.copied.to);
	return done;
}

enum imap_done
imap_move(struct imap *s, const struct imap_command *c, const char **text_r)
{
	return imap_copy(s, c, text_r);
}

/*** EXPUNGE and CLOSE ***/

struct expunge_step {
	struct imap *s;
	const struct uidset *uids; /* NULL: all */
	bool close;
	enum store_result result;
};

static void
expunge(void *arg)
{
	struct expunge_step *step = arg;

	if (!mbox_is_read_only(step->s->mbox))
		step->result = mbox_expunge(step->s->mbox, step->uids);
	if (step->close)
		step->s->mbox = mbox_close(step->s->mbox);
}

static void
count_expunged(struct imap *s, const struct uidset *uids)
{
	size_t n;
	const struct mbox_message *list = mbox_messages(s->mbox, &n);

	if (mbox_is_read_only(s->mbox))
		return;
	for (size_t i = 0; i < n; i++)
		if ((list[i].flags & STORE_DELETED) &&
		    (!uids || uidset_has(uids, list[i].uid)))
			s->counts.expunged++;
}

enum imap_done
imap_expunge(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct uidset uids CLEANUP(uidset_finip) = { 0 };
	struct expunge_step step = { .s = s, .uids = c->uid ? &uids : NULL };

	if (c->uid && !take_uids(s, c, &uids, text_r))
		return IMAP_DONE_BAD;
	count_expunged(s, step.uids);
	task_offload(TASK_DISK, expunge, &step);
	if (step.result != STORE_OK)
		return imap_refused(step.result, text_r);
	*text_r = "Expunge completed.";
	return IMAP_DONE_OK;
}

/* Nobody is told of what CLOSE expunges (RFC 3501, 6.4.2). */
enum imap_done
imap_close(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct expunge_step step = { .s = s, .close = true };

	(void)c;
	count_expunged(s, NULL);
	task_offload(TASK_DISK, expunge, &step);
	s->mailbox = (struct span){ 0 };
	if (step.result != STORE_OK)
		return imap_refused(step.result, text_r);
	*text_r = "Close completed.";
	return IMAP_DONE_OK;
}
