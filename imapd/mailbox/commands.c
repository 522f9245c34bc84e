/*
 * The table of commands: when each is allowed, and what does it.
 */
#include "imapd/mailbox/fetch.h"
#include "imapd/mailbox/private.h"
#include "imapd/mailbox/search.h"

#include <stdlib.h>

static enum imap_done
say_capabilities(struct imap *s, const struct imap_command *c,
    const char **text_r)
{
	(void)c;
	imap_say(s, "* CAPABILITY ");
	out_put(&s->out, imap_capabilities);
	imap_say(s, "\r\n");
	*text_r = "Capability completed.";
	return IMAP_DONE_OK;
}

/* NOOP and CHECK: news come with every answer, and all is on disk already. */
static enum imap_done
do_nothing(struct imap *s, const struct imap_command *c, const char **text_r)
{
	(void)s;
	*text_r = c->verb == IMAP_NOOP ? "NOOP completed." : "Check completed.";
	return IMAP_DONE_OK;
}

static enum imap_done
say_id(struct imap *s, const struct imap_command *c, const char **text_r)
{
	(void)c;
	imap_say(s, "* ID (\"name\" \"Postrider\")\r\n");
	*text_r = "ID completed.";
	return IMAP_DONE_OK;
}

/* There is nothing yet that a client could want to be enabled. */
static enum imap_done
enable(struct imap *s, const struct imap_command *c, const char **text_r)
{
	(void)c;
	imap_say(s, "* ENABLED\r\n");
	*text_r = "Enabled.";
	return IMAP_DONE_OK;
}

static enum imap_done
say_namespaces(struct imap *s, const struct imap_command *c,
    const char **text_r)
{
	(void)c;
	imap_say(s, "* NAMESPACE ((\"\" \".\")) NIL NIL\r\n");
	*text_r = "Namespace completed.";
	return IMAP_DONE_OK;
}

static enum imap_done
log_out(struct imap *s, const struct imap_command *c, const char **text_r)
{
	(void)c;
	(void)text_r;
	imap_say(s, "* BYE Logging out\r\n");
	imap_answer(s, IMAP_DONE_OK, "Logout completed.");
	return imap_end(s, "Logged out");
}

static enum imap_done
refuse_login(struct imap *s, const struct imap_command *c, const char **text_r)
{
	(void)s;
	(void)c;
	*text_r = "[CLIENTBUG] Already logged in";
	return IMAP_DONE_BAD;
}

static enum imap_done
fetch(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct uidset seqs CLEANUP(uidset_finip) = { 0 };

	if (!imap_take_seqs(s, c, &seqs, text_r))
		return IMAP_DONE_BAD;
	return imap_fetch(s, c, &seqs, text_r);
}

enum needs {
	ANY,
	SELECTED,
	WRITABLE,
};

/* What a client may be told behind a command, before its answer. */
enum news {
	NO_NEWS, /* nothing of a mailbox was touched */
	ALL_NEWS,
	NO_EXPUNGE, /* its sequence numbers hold (RFC 3501, 7.4.1); not with UID */
};

struct handler {
	imap_command_fn *run;
	enum needs needs;
	enum news news;
};

static const struct handler handlers[] = {
	[IMAP_APPEND] = { NULL, ANY, NO_NEWS }, /* append.c */
	[IMAP_AUTHENTICATE] = { refuse_login, ANY, NO_NEWS },
	[IMAP_CAPABILITY] = { say_capabilities, ANY, NO_NEWS },
	[IMAP_CHECK] = { do_nothing, SELECTED, ALL_NEWS },
	[IMAP_CLOSE] = { imap_close, SELECTED, NO_NEWS },
	[IMAP_COPY] = { imap_copy, SELECTED, ALL_NEWS },
	[IMAP_CREATE] = { imap_create, ANY, ALL_NEWS },
	[IMAP_DELETE] = { imap_delete, ANY, ALL_NEWS },
	[IMAP_ENABLE] = { enable, ANY, NO_NEWS },
	[IMAP_EXAMINE] = { imap_select, ANY, NO_NEWS },
	[IMAP_EXPUNGE] = { imap_expunge, WRITABLE, ALL_NEWS },
	[IMAP_FETCH] = { fetch, SELECTED, NO_EXPUNGE },
	[IMAP_ID] = { say_id, ANY, NO_NEWS },
	[IMAP_IDLE] = { imap_idle, ANY, ALL_NEWS },
	[IMAP_LIST] = { imap_list, ANY, ALL_NEWS },
	[IMAP_LOGIN] = { refuse_login, ANY, NO_NEWS },
	[IMAP_LOGOUT] = { log_out, ANY, NO_NEWS },
	[IMAP_LSUB] = { imap_list, ANY, ALL_NEWS },
	[IMAP_MOVE] = { imap_move, WRITABLE, ALL_NEWS },
	[IMAP_NAMESPACE] = { say_namespaces, ANY, NO_NEWS },
	[IMAP_NOOP] = { do_nothing, ANY, ALL_NEWS },
	[IMAP_RENAME] = { imap_rename, ANY, ALL_NEWS },
	[IMAP_SEARCH] = { imap_search, SELECTED, NO_EXPUNGE },
	[IMAP_SELECT] = { imap_select, ANY, NO_NEWS },
	[IMAP_STARTTLS] = { refuse_login, ANY, NO_NEWS },
	[IMAP_STATUS] = { imap_status, ANY, ALL_NEWS },
	[IMAP_STORE] = { imap_store, WRITABLE, NO_EXPUNGE },
	[IMAP_SUBSCRIBE] = { imap_subscribe, ANY, ALL_NEWS },
	[IMAP_UNSELECT] = { imap_unselect, SELECTED, NO_NEWS },
	[IMAP_UNSUBSCRIBE] = { imap_subscribe, ANY, ALL_NEWS },
};

static enum imap_done
run_if_allowed(struct imap *s, const struct imap_command *c,
    const char **text_r)
{
	const struct handler *h = &handlers[c->verb];

	if (!h->run) {
		*text_r = "Missing message";
		return IMAP_DONE_BAD;
	}
	if (h->needs != ANY && !s->mbox) {
		*text_r = "No mailbox selected";
		return IMAP_DONE_BAD;
	}
	if (h->needs == WRITABLE && mbox_is_read_only(s->mbox)) {
		*text_r = "[READ-ONLY] Mailbox is read-only";
		return IMAP_DONE_NO;
	}
	return h->run(s, c, text_r);
}

bool
imap_keep_tag(struct imap *s, struct span tag)
{
	s->tag = SPAN("*");
	if (tag.n > sizeof(s->tag_bytes))
		return false;
	memcpy(s->tag_bytes, tag.p, tag.n);
	s->tag = (struct span){ s->tag_bytes, tag.n };
	return true;
}

bool
imap_finish(struct imap *s, enum imap_done done, const char *text,
    const struct imap_news *news)
{
	if (s->mbox && news->wanted &&
	    (done == IMAP_DONE_OK || done == IMAP_DONE_NO) &&
	    !imap_sync(s, news->flags, news->uid, &text))
		done = IMAP_DONE_CLOSE;
	if (s->lost)
		done = IMAP_DONE_CLOSE;
	s->errors = done == IMAP_DONE_BAD ? s->errors + 1 : 0;
	if (text)
		imap_answer(s, done, text);
	if (done == IMAP_DONE_CLOSE)
		imap_end(s, text ? text : "Connection closed");
	free(s->long_text);
	s->long_text = NULL;
	return done != IMAP_DONE_CLOSE;
}

bool
imap_run(struct imap *s, const struct imap_command *c)
{
	/* IDLE gives the command back, with its room. */
	enum news news = handlers[c->verb].news;
	const struct imap_news wanted = {
		.wanted = news != NO_NEWS,
		.uid = c->uid,
		.flags = news == NO_EXPUNGE && !c->uid ? MBOX_KEEP_EXPUNGED : 0,
	};
	const char *text = NULL;
	enum imap_done done = run_if_allowed(s, c, &text);

	return imap_finish(s, done, text, &wanted);
}
