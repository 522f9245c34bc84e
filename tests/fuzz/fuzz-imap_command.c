/*
 * Frames and parses what a client sends, whole and byte by byte: the same
 * outcomes, in the same order, and what is parsed lies in the text or the arena.
 */
#include "imapd/format/out.h"
#include "imapd/parse/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
	COMMAND_MAX = 256, /* so that some are too long */
	LOG_MAX = 1 << 20,
};

static void
note_command(struct span text, struct buf *log)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(64 << 10);
	struct imap_command c;
	const char *error = NULL;
	enum imap_parsed r = imap_parse(text, a, &c, &error);
	struct out o = { out_to_buf, log };

	must((r == IMAP_OK) == !error);
	buf_putf(log, "%d %.*s %d %s\n", (int)r, (int)c.tag.n, c.tag.p,
	    (int)c.verb, error ? error : "");
	if (r != IMAP_OK)
		return;
	out_astring(&o, c.mailbox);
	out_string(&o, c.to);
	for (struct imap_fetch *f = c.fetch; f; f = f->next)
		out_fetch_name(&o, f);
}

/* True: the session goes on. */
static bool
note(struct frame *f, enum frame_result r, struct span *in, struct buf *log,
    uint64_t *skip)
{
	struct span tag;

	switch (r) {
	case FRAME_MORE:
		return true;
	case FRAME_COMMAND:
		note_command(buf_span(&f->text), log);
		return true;
	case FRAME_LITERAL:
		buf_put(log, SPAN("+\n"));
		return true;
	case FRAME_APPEND:
		note_command(buf_span(&f->text), log);
		*skip = f->literal_n;
		frame_resume(f);
		return true;
	case FRAME_BAD:
	case FRAME_CLOSE:
		tag = frame_tag(f);
		buf_putf(log, "%.*s BAD %s\n", (int)tag.n, tag.p, f->error);
		return r == FRAME_BAD;
	}
	must(in);
	return false;
}

static void
talk(struct span text, size_t step, struct buf *log)
{
	static char storage[COMMAND_MAX];
	struct frame f;
	uint64_t skip = 0;
	bool on = true;

	frame_init(&f, storage, sizeof(storage));
	for (size_t at = 0; on && at < text.n; at += step) {
		struct span in = { text.p + at,
			text.n - at < step ? text.n - at : step };

		while (on && in.n > 0) {
			size_t n = in.n < skip ? in.n : (size_t)skip;

			in = (struct span){ in.p + n, in.n - n };
			skip -= n;
			on = note(&f, frame_feed(&f, &in), &in, log, &skip);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char one[LOG_MAX], two[LOG_MAX];
	struct span text = { (const char *)data, n };
	struct buf a, b;

	if (n > 16384)
		return 0;
	buf_init(&a, one, sizeof(one));
	buf_init(&b, two, sizeof(two));
	talk(text, n + 1, &a);
	talk(text, 1, &b);
	must(span_eq(buf_span(&a), buf_span(&b)));
	return 0;
}
