#include "imapd/mailbox/search.h"

#include "base/clock.h"
#include "imapd/mailbox/search_file.h"
#include "task/task.h"

#include <stdlib.h>

enum {
	SLICE_MS = 20, /* of work in one offload, and one message more */
	ROWS_A_LOOK = 256, /* at the clock, where no file is opened */
	NUMBERS_A_BREATH = 4096,
};

struct search {
	struct mbox *mbox;
	const struct imap_command *c;
	struct match *match;
	const struct mbox_message *rows;
	size_t n;
	size_t at;
	char *piece;
	struct uidset found;
	enum store_result result;
	bool waits; /* the next message is not where it was: for a lock */
};

static void
fini(struct search *x)
{
	match_free(x->match);
	uidset_fini(&x->found);
	free(x->piece);
}

static void
compile(struct search *x)
{
	struct match_view view;

	x->rows = mbox_messages(x->mbox, &x->n);
	view = (struct match_view){
		.seq_max = (uint32_t)x->n,
		.uid_max = x->n > 0 ? x->rows[x->n - 1].uid : 0,
		.keywords = mbox_keywords(x->mbox),
	};
	x->match = match_new(x->c->search, x->c->charset, &view);
}

static enum match_answer
look_at_message(struct search *x, bool *opened_r)
{
	const struct mbox_message *row = &x->rows[x->at];
	enum match_answer answer = match_begin(x->match, (uint32_t)x->at + 1,
	    row, mbox_is_recent(x->mbox, row->uid));
	enum store_result r;

	*opened_r = answer == MATCH_UNKNOWN;
	if (!*opened_r)
		return answer;
	if (!x->piece)
		x->piece = zalloc(SEARCH_PIECE);
	r = search_file(x->mbox, x->match, row->uid, x->waits, x->piece,
	    &answer);
	if (r == STORE_BUSY && !x->waits) {
		x->waits = true;
		return MATCH_UNKNOWN;
	}
	x->waits = false;
	if (r == STORE_ABSENT)
		return MATCH_NO;
	x->result = r;
	return answer;
}

/* Offloaded: some messages, for a bounded time. */
static void
look_at_some(void *arg)
{
	struct search *x = arg;
	int64_t end = clock_mono() + SLICE_MS;
	bool opened;

	if (!x->match)
		compile(x);
	while (x->match && x->at < x->n && x->result == STORE_OK) {
		bool waited = x->waits;
		enum match_answer answer = look_at_message(x, &opened);

		if (x->waits)
			return;
		if (answer == MATCH_YES) {
			uint32_t n = x->c->uid ? x->rows[x->at].uid
					       : (uint32_t)x->at + 1;

			uidset_add(&x->found, n, n);
		}
		x->at++;
		if (waited ||
		    ((opened || x->at % ROWS_A_LOOK == 0) &&
			clock_mono() >= end))
			return;
	}
}

/* " 2 84 882", by hand: there may be very many. False: cancelled. */
static bool
tell(struct imap *s, const struct uidset *found)
{
	char line[12 * 64];
	size_t n = 0, numbers = 0;

	for (uint32_t i = uidset_next(found, 1); i;
	     i = uidset_next(found, i + 1)) {
		char digits[10];
		size_t d = 0;

		for (uint32_t rest = i; rest > 0; rest /= 10)
			digits[d++] = (char)('0' + rest % 10);
		line[n++] = ' ';
		while (d > 0)
			line[n++] = digits[--d];
		if (n + 12 > sizeof(line)) {
			out_put(&s->out, (struct span){ line, n });
			n = 0;
		}
		if (++numbers % NUMBERS_A_BREATH == 0 && !imap_breathe(s))
			return false;
	}
	out_put(&s->out, (struct span){ line, n });
	return true;
}

enum imap_done
imap_search(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct search x CLEANUP(fini) = { .mbox = s->mbox, .c = c };

	*text_r = "Search completed.";
	do {
		/* Who waits for locks is in nobody's way there. */
		task_offload(x.waits ? TASK_DISK : TASK_CPU, look_at_some, &x);
		if (!x.match) {
			*text_r = "[BADCHARSET (US-ASCII UTF-8)] Unknown "
				  "charset.";
			return IMAP_DONE_NO;
		}
	} while (x.at < x.n && x.result == STORE_OK && imap_breathe(s));
	if (s->lost || (x.at < x.n && x.result == STORE_OK))
		return IMAP_DONE_CLOSE;
	if (x.result != STORE_OK)
		return imap_refused(x.result, text_r);
	out_put(&s->out, SPAN("* SEARCH"));
	if (!tell(s, &x.found))
		return IMAP_DONE_CLOSE;
	out_put(&s->out, SPAN("\r\n"));
	return IMAP_DONE_OK;
}
