/*
 * What has changed in the selected mailbox, as the client is told of it.
 */
#include "imapd/mailbox/private.h"

enum {
	LINES_A_TURN = 1024, /* of which a task says so many, then others run */
};

bool
imap_breathe(struct imap *s)
{
	if (s->lost)
		return false;
	if (task_sleep(task_now()) != TASK_CANCELLED)
		return true;
	s->lost = true;
	imap_end_for(s, STREAM_CANCELLED);
	return false;
}

static void
tell_number(struct imap *s, uint32_t n, const char *what)
{
	imap_say(s, "* ");
	out_number(&s->out, n);
	imap_say(s, what);
}

void
imap_tell_changes(struct imap *s, const struct mbox_changes *c)
{
	uint32_t recent = mbox_recent_n(s->mbox);
	size_t n;

	for (size_t i = 0; i < c->expunged_n; i++) {
		tell_number(s, c->expunged[i], " EXPUNGE\r\n");
		if (i % LINES_A_TURN == LINES_A_TURN - 1 && !imap_breathe(s))
			return;
	}
	if (c->keywords_changed)
		imap_tell_names(s, !mbox_is_read_only(s->mbox));
	if (c->exists_changed) {
		mbox_messages(s->mbox, &n);
		tell_number(s, (uint32_t)n, " EXISTS\r\n");
	}
	if (c->exists_changed || recent != s->recent)
		tell_number(s, recent, " RECENT\r\n");
	s->recent = recent;
}

struct sync_step {
	struct mbox *m;
	unsigned flags;
	enum store_result result;
	struct mbox_changes changes;
};

static void
sync_mailbox(void *arg)
{
	struct sync_step *step = arg;

	step->result = mbox_sync(step->m, step->flags, &step->changes);
}

bool
imap_sync(struct imap *s, unsigned flags, bool uid, const char **text_r)
{
	struct sync_step step = { .m = s->mbox, .flags = flags };

	task_offload(TASK_DISK, sync_mailbox, &step);
	if (step.result == STORE_ABSENT) {
		*text_r = "Selected mailbox was deleted, have to disconnect.";
		imap_end(s, *text_r);
		return false;
	}
	/* What cannot be seen now will be with a later command. */
	if (step.result != STORE_OK)
		return true;
	imap_tell_changes(s, &step.changes);
	for (size_t i = 0; i < step.changes.flagged_n; i++) {
		imap_tell_flags(s, step.changes.flagged[i], uid);
		if (i % LINES_A_TURN == LINES_A_TURN - 1 && !imap_breathe(s))
			break;
	}
	return true;
}
