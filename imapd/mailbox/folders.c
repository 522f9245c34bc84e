/*
 * CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE and STATUS.
 */
#include "imapd/mailbox/private.h"

struct folder_step {
	struct store_user *user;
	const struct imap_command *c;
	struct span name;
	enum store_result result;
	struct store_status status;
};

static void
change_folder(void *arg)
{
	struct folder_step *step = arg;
	struct store_user *u = step->user;

	switch (step->c->verb) {
	case IMAP_CREATE:
		step->result = store_create(u, step->name);
		break;
	case IMAP_DELETE:
		step->result = store_delete(u, step->name);
		break;
	case IMAP_RENAME:
		step->result = store_rename(u, step->name, step->c->to);
		break;
	case IMAP_STATUS:
		step->result = store_status(u, step->name, &step->status);
		break;
	default:
		step->result = store_subscribe(u, step->name,
		    step->c->verb == IMAP_SUBSCRIBE);
	}
}

static enum imap_done
run(struct imap *s, const struct imap_command *c, struct folder_step *step,
    const char **text_r)
{
	step->user = s->user;
	step->c = c;
	step->name = c->mailbox;
	/* That there will be names below it is no matter (RFC 3501, 6.3.3). */
	if (c->verb == IMAP_CREATE && step->name.n > 1 &&
	    step->name.p[step->name.n - 1] == '.')
		step->name.n--;
	if (!imap_name_is_good(step->name, text_r) ||
	    (c->verb == IMAP_RENAME && !imap_name_is_good(c->to, text_r)))
		return IMAP_DONE_NO;
	task_offload(TASK_DISK, change_folder, step);
	return step->result == STORE_OK ? IMAP_DONE_OK
					: imap_refused(step->result, text_r);
}

enum imap_done
imap_create(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct folder_step step = { 0 };

	*text_r = "Create completed.";
	return run(s, c, &step, text_r);
}

/* Whether the selected mailbox is the one of that name, or below it. */
static bool
is_selected(const struct imap *s, struct span name, bool below)
{
	struct span own = s->mailbox;

	if (!s->mbox)
		return false;
	if (below && own.n > name.n && own.p[name.n] == '.')
		own.n = name.n;
	return span_eq(own, name);
}

enum imap_done
imap_delete(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct folder_step step = { 0 };
	enum imap_done done;

	*text_r = "Delete completed.";
	if (span_ieq(c->mailbox, SPAN("INBOX"))) {
		*text_r = "[CANNOT] INBOX can't be deleted";
		return IMAP_DONE_NO;
	}
	done = run(s, c, &step, text_r);
	if (done == IMAP_DONE_OK && is_selected(s, c->mailbox, false))
		imap_leave(s);
	return done;
}

enum imap_done
imap_rename(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct folder_step step = { 0 };
	enum imap_done done;

	*text_r = "Rename completed.";
	done = run(s, c, &step, text_r);
	if (step.result == STORE_EXISTS)
		*text_r = "[ALREADYEXISTS] Target mailbox already exists";
	if (done == IMAP_DONE_OK && is_selected(s, c->mailbox, true) &&
	    !span_ieq(c->mailbox, SPAN("INBOX")))
		imap_leave(s);
	return done;
}

enum imap_done
imap_subscribe(struct imap *s, const struct imap_command *c,
    const char **text_r)
{
	struct folder_step step = { 0 };

	*text_r = c->verb == IMAP_SUBSCRIBE ? "Subscribe completed."
					    : "Unsubscribe completed.";
	return run(s, c, &step, text_r);
}

static void
put_status(struct imap *s, const struct imap_command *c,
    const struct store_status *status)
{
	const struct {
		unsigned item;
		const char *name;
		uint64_t value;
	} items[] = {
		{ IMAP_STATUS_MESSAGES, "MESSAGES ", status->messages },
		{ IMAP_STATUS_RECENT, "RECENT ", status->recent },
		{ IMAP_STATUS_UIDNEXT, "UIDNEXT ", status->uidnext },
		{ IMAP_STATUS_UIDVALIDITY, "UIDVALIDITY ",
		    status->uidvalidity },
		{ IMAP_STATUS_UNSEEN, "UNSEEN ", status->unseen },
	};
	const char *before = " (";

	imap_say(s, "* STATUS ");
	out_astring(&s->out, c->mailbox);
	for (size_t i = 0; i < COUNT_OF(items); i++) {
		if (!(c->status & items[i].item))
			continue;
		imap_say(s, before);
		imap_say(s, items[i].name);
		out_number(&s->out, items[i].value);
		before = " ";
	}
	imap_say(s, ")\r\n");
}

enum imap_done
imap_status(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct folder_step step = { 0 };
	enum imap_done done;

	*text_r = "Status completed.";
	done = run(s, c, &step, text_r);
	if (done == IMAP_DONE_OK)
		put_status(s, c, &step.status);
	return done;
}
