#include "imapd/mailbox/private.h"

#include "imapd/parse/mutf7.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const struct span imap_capabilities = SPAN_INIT(
    "IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE CHILDREN UIDPLUS UNSELECT"
    " MOVE SPECIAL-USE");

const char *
imap_textf(struct imap *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->text, sizeof(s->text), fmt, ap);
	va_end(ap);
	return s->text;
}

void
imap_say(struct imap *s, const char *text)
{
	out_put(&s->out, span_str(text));
}

void
imap_answer(struct imap *s, enum imap_done done, const char *text)
{
	static const char *const words[] = {
		[IMAP_DONE_OK] = " OK ",
		[IMAP_DONE_NO] = " NO ",
		[IMAP_DONE_BAD] = " BAD ",
		[IMAP_DONE_CLOSE] = " BYE ",
	};

	if (done == IMAP_DONE_CLOSE)
		imap_say(s, "*");
	else
		out_put(&s->out, s->tag);
	imap_say(s, words[done]);
	imap_say(s, text);
	imap_say(s, "\r\n");
}

enum imap_done
imap_refused(enum store_result r, const char **text_r)
{
	static const char *const texts[] = {
		[STORE_OK] = "",
		[STORE_ABSENT] = "[NONEXISTENT] Mailbox doesn't exist",
		[STORE_EXISTS] = "[ALREADYEXISTS] Mailbox already exists",
		[STORE_INVALID] = "[CANNOT] Invalid mailbox name",
		[STORE_OVERQUOTA] =
		    "[OVERQUOTA] Quota exceeded (mailbox for user is full)",
		[STORE_LIMIT] = "[LIMIT] Too much of it",
		[STORE_BUSY] = "[INUSE] Mailbox is in use, try again later",
		[STORE_TEMPFAIL] =
		    "[UNAVAILABLE] Temporary failure, try again later",
		[STORE_CORRUPT] = "[CORRUPTION] The mailbox is damaged",
	};

	*text_r = texts[r];
	return IMAP_DONE_NO;
}

uint32_t
imap_store_flags(unsigned system)
{
	return ((system & IMAP_ANSWERED) ? STORE_ANSWERED : 0u) |
	    ((system & IMAP_DELETED) ? STORE_DELETED : 0u) |
	    ((system & IMAP_DRAFT) ? STORE_DRAFT : 0u) |
	    ((system & IMAP_FLAGGED) ? STORE_FLAGGED : 0u) |
	    ((system & IMAP_SEEN) ? STORE_SEEN : 0u);
}

unsigned
imap_system_flags(uint32_t flags)
{
	return ((flags & STORE_ANSWERED) ? IMAP_ANSWERED : 0u) |
	    ((flags & STORE_DELETED) ? IMAP_DELETED : 0u) |
	    ((flags & STORE_DRAFT) ? IMAP_DRAFT : 0u) |
	    ((flags & STORE_FLAGGED) ? IMAP_FLAGGED : 0u) |
	    ((flags & STORE_SEEN) ? IMAP_SEEN : 0u);
}

/* The names of the keywords among `flags`. Returns how many. */
static size_t
name_keywords(const struct imap *s, uint32_t flags,
    struct span names[STORE_KEYWORDS + 2])
{
	const struct span *all = mbox_keywords(s->mbox);
	size_t n = 0;

	if (flags & STORE_FORWARDED)
		names[n++] = SPAN("$Forwarded");
	for (size_t i = 0; flags >= STORE_KEYWORD && i < STORE_KEYWORDS; i++)
		if ((flags & (uint32_t)STORE_KEYWORD << i) && all[i].n > 0)
			names[n++] = all[i];
	return n;
}

void
imap_put_flags(struct imap *s, const struct mbox_message *m)
{
	struct span names[STORE_KEYWORDS + 2];
	size_t n = name_keywords(s, m->flags, names);

	imap_say(s, "FLAGS ");
	out_flags(&s->out, imap_system_flags(m->flags),
	    mbox_is_recent(s->mbox, m->uid), names, n);
}

void
imap_tell_names(struct imap *s, bool permanent)
{
	const unsigned system = IMAP_ANSWERED | IMAP_DELETED | IMAP_DRAFT |
	    IMAP_FLAGGED | IMAP_SEEN;
	struct span names[STORE_KEYWORDS + 2];
	size_t n = name_keywords(s, UINT32_MAX, names);

	imap_say(s, "* FLAGS ");
	out_flags(&s->out, system, false, names, n);
	imap_say(s, "\r\n");
	if (!permanent)
		return;
	/* A mailbox has so many keywords, and then no more. */
	if (n < STORE_KEYWORDS + 1)
		names[n++] = SPAN("\\*");
	imap_say(s, "* OK [PERMANENTFLAGS ");
	out_flags(&s->out, system, false, names, n);
	imap_say(s, "] Flags permitted.\r\n");
}

void
imap_tell_flags(struct imap *s, uint32_t seq, bool uid)
{
	size_t n;
	const struct mbox_message *m = &mbox_messages(s->mbox, &n)[seq - 1];

	imap_say(s, "* ");
	out_number(&s->out, seq);
	imap_say(s, " FETCH (");
	if (uid) {
		imap_say(s, "UID ");
		out_number(&s->out, m->uid);
		imap_say(s, " ");
	}
	imap_put_flags(s, m);
	imap_say(s, ")\r\n");
}

bool
imap_name_is_good(struct span name, const char **text_r)
{
	if (mutf7_is_valid(name) && name.n <= STORE_NAME_MAX)
		return true;
	*text_r = name.n > STORE_NAME_MAX
	    ? "[CANNOT] Mailbox name is too long"
	    : "[CANNOT] Mailbox name is not valid mUTF-7";
	return false;
}

char *
imap_set_text(const struct uidset *set)
{
	size_t max = set->n * sizeof("4294967295:4294967295,") + 1;
	char *text = zalloc(max);
	struct buf b;

	/* The last byte stays NUL. */
	buf_init(&b, text, max - 1);
	uidset_put(&b, set);
	return text;
}
