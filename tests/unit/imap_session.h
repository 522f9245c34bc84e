/*
 * imap_session.h - a session of IMAP for a test of single commands: what they say
 * goes to a buffer, and what the session's other files do for them is done here.
 */
#ifndef IMAP_SESSION_H
#define IMAP_SESSION_H

#include "mail.h"

#include "imapd/mailbox/fetch.h"
#include "imapd/mailbox/private.h"
#include "imapd/mailbox/search.h"
#include "task/task.h"

enum {
	SESSION_OUT = 4 << 20,
};

static struct imap session;
static struct buf session_out;
static uint64_t session_drop_after = UINT64_MAX; /* the client goes away */
static void (*session_on_output)(void); /* called once, after the first piece */

static void
session_put(struct span piece, void *arg)
{
	struct imap *s = arg;

	s->counts.out += piece.n;
	s->lost |= s->counts.out > session_drop_after;
	if (!s->lost)
		buf_put(&session_out, piece);
	if (session_on_output)
		session_on_output();
	session_on_output = NULL;
}

enum imap_done
imap_end(struct imap *s, const char *reason)
{
	s->reason = reason;
	return IMAP_DONE_CLOSE;
}

enum imap_done
imap_refused(enum store_result r, const char **text_r)
{
	*text_r = imap_textf(&session, "refused %d", (int)r);
	return IMAP_DONE_NO;
}

const char *
imap_textf(struct imap *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->text, sizeof(s->text), fmt, ap);
	va_end(ap);
	return s->text;
}

bool
imap_breathe(struct imap *s)
{
	return !s->lost && task_sleep(task_now()) != TASK_CANCELLED;
}

/* Nothing is recent, and there is one keyword. */
void
imap_put_flags(struct imap *s, const struct mbox_message *m)
{
	struct span label = SPAN("$Label");
	unsigned system = (m->flags & STORE_SEEN ? IMAP_SEEN : 0u) |
	    (m->flags & STORE_FLAGGED ? IMAP_FLAGGED : 0u);

	out_put(&s->out, SPAN("FLAGS "));
	out_flags(&s->out, system, false, &label,
	    m->flags >= STORE_KEYWORD ? 1 : 0);
}

void
imap_tell_flags(struct imap *s, uint32_t seq, bool uid)
{
	(void)uid;
	out_put(&s->out, SPAN("* told "));
	out_number(&s->out, seq);
	out_put(&s->out, SPAN("\r\n"));
}

void
imap_tell_changes(struct imap *s, const struct mbox_changes *c)
{
	if (c->exists_changed)
		out_put(&s->out, SPAN("* exists\r\n"));
}

static const char *session_asked;

/* A task: a command as a client sends it, without its tag. */
static void
session_run(void *arg)
{
	struct uidset set CLEANUP(uidset_finip) = { 0 };
	struct uidset seqs CLEANUP(uidset_finip) = { 0 };
	static const char *const words[] = { "OK ", "NO ", "BAD ", "CLOSE " };
	struct imap_command c;
	enum imap_done done;
	char storage[1024];
	struct buf text;
	const char *error = "";
	size_t n;

	(void)arg;
	buf_init(&text, storage, sizeof(storage));
	buf_putf(&text, "a %s", session_asked);
	if (imap_parse(buf_span(&text), session.arena, &c, &error) != IMAP_OK) {
		buf_putf(&session_out, "BAD %s", error);
		return;
	}
	if (c.verb == IMAP_FETCH) {
		const struct mbox_message *m = mbox_messages(session.mbox, &n);
		uint32_t star = c.uid ? m[n - 1].uid : (uint32_t)n;

		must(uidset_take(&c.set, star, &set));
		if (c.uid)
			mbox_seqs_of(session.mbox, &set, &seqs);
		done = imap_fetch(&session, &c, c.uid ? &seqs : &set, &error);
	} else {
		done = imap_search(&session, &c, &error);
	}
	buf_putf(&session_out, "%s%s", words[done],
	    done == IMAP_DONE_CLOSE ? "" : error);
}

/* Selects a mailbox of mail.h's user. */
static inline void
session_open(const char *mailbox, unsigned flags)
{
	session = (struct imap){
		.user = mail_user,
		.arena = arena_new(IMAP_ARENA_MAX),
		.out = { session_put, &session },
	};
	session_drop_after = UINT64_MAX;
	mail_open_box(mailbox, flags, &session.mbox);
	buf_init(&session_out, zalloc(SESSION_OUT), SESSION_OUT);
}

static inline void
session_close(void)
{
	session.mbox = mbox_close(session.mbox);
	session.arena = arena_free(session.arena);
	free(session_out.storage);
}

/* All that is answered to a command. */
static inline struct span
session_ask(const char *command)
{
	session_asked = command;
	buf_init(&session_out, session_out.storage, SESSION_OUT);
	arena_reset(session.arena);
	task_run(session_run, NULL);
	assert_false(session_out.overflow);
	return buf_span(&session_out);
}

#endif
