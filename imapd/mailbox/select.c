/*
 * SELECT, EXAMINE and UNSELECT.
 */
#include "imapd/mailbox/private.h"

struct open_step {
	struct imap *s;
	struct span name;
	unsigned flags;
	struct mbox *m;
	enum store_result result;
};

static void
open_mailbox(void *arg)
{
	struct open_step *step = arg;

	step->s->mbox = mbox_close(step->s->mbox);
	step->result = mbox_open(step->s->user, step->name, step->flags,
	    &step->m);
}

/* The number of the first message without \Seen, or 0. */
static size_t
first_unseen(const struct mbox *m)
{
	size_t n;
	const struct mbox_message *list = mbox_messages(m, &n);

	for (size_t i = 0; i < n; i++)
		if (!(list[i].flags & STORE_SEEN))
			return i + 1;
	return 0;
}

static void
tell_number(struct imap *s, const char *before, uint64_t n, const char *after)
{
	imap_say(s, before);
	out_number(&s->out, n);
	imap_say(s, after);
}

static void
describe(struct imap *s)
{
	size_t unseen = first_unseen(s->mbox), n;

	mbox_messages(s->mbox, &n);
	s->recent = mbox_recent_n(s->mbox);
	imap_tell_names(s, !mbox_is_read_only(s->mbox));
	if (mbox_is_read_only(s->mbox))
		imap_say(s, "* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n");
	tell_number(s, "* ", n, " EXISTS\r\n");
	tell_number(s, "* ", s->recent, " RECENT\r\n");
	if (unseen > 0)
		tell_number(s, "* OK [UNSEEN ", unseen, "] First unseen.\r\n");
	tell_number(s, "* OK [UIDVALIDITY ", mbox_uidvalidity(s->mbox),
	    "] UIDs valid\r\n");
	tell_number(s, "* OK [UIDNEXT ", mbox_uidnext(s->mbox),
	    "] Predicted next UID\r\n");
}

static void
keep_name(struct imap *s, struct span name)
{
	memcpy(s->mailbox_name, name.p, name.n);
	s->mailbox = (struct span){ s->mailbox_name, name.n };
}

enum imap_done
imap_select(struct imap *s, const struct imap_command *c, const char **text_r)
{
	bool examine = c->verb == IMAP_EXAMINE;
	struct open_step step = { .s = s,
		.name = c->mailbox,
		.flags = examine ? MBOX_READ_ONLY : 0 };

	if (!imap_name_is_good(c->mailbox, text_r)) {
		imap_leave(s);
		return IMAP_DONE_NO;
	}
	if (s->mbox)
		imap_say(s, "* OK [CLOSED] Previous mailbox closed.\r\n");
	task_offload(TASK_DISK, open_mailbox, &step);
	s->mailbox = (struct span){ 0 };
	if (step.result != STORE_OK)
		return imap_refused(step.result, text_r);
	s->mbox = step.m;
	s->mark = (struct section_mark){ 0 };
	keep_name(s, c->mailbox);
	describe(s);
	*text_r = mbox_is_read_only(s->mbox) ? examine
		? "[READ-ONLY] Examine completed."
		: "[READ-ONLY] Select completed."
					     : "[READ-WRITE] Select completed.";
	return IMAP_DONE_OK;
}

static void
close_mailbox(void *arg)
{
	struct imap *s = arg;

	s->mbox = mbox_close(s->mbox);
}

void
imap_leave(struct imap *s)
{
	if (s->mbox)
		task_offload(TASK_DISK, close_mailbox, s);
	s->mailbox = (struct span){ 0 };
}

enum imap_done
imap_unselect(struct imap *s, const struct imap_command *c, const char **text_r)
{
	(void)c;
	imap_leave(s);
	*text_r = "Unselect completed.";
	return IMAP_DONE_OK;
}
