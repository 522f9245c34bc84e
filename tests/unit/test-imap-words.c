#include "tests/unit/test.h"

#include "imapd/format/out.h"
#include "imapd/parse/frame.h"
#include "imapd/parse/mutf7.h"
#include "imapd/parse/token.h"

enum {
	ARENA_MAX = 1 << 20,
};

/* A tree of SEARCH as text: (OR (FLAG 1) ...). */
static void
show_search(const struct imap_search *s, struct out *o)
{
	static const char *const names[] = {
		[SEARCH_ALL] = "ALL",
		[SEARCH_AND] = "AND",
		[SEARCH_OR] = "OR",
		[SEARCH_NOT] = "NOT",
		[SEARCH_SET] = "SET",
		[SEARCH_UID] = "UID",
		[SEARCH_FLAG] = "FLAG",
		[SEARCH_RECENT] = "RECENT",
		[SEARCH_KEYWORD] = "KEYWORD",
		[SEARCH_BEFORE] = "BEFORE",
		[SEARCH_ON] = "ON",
		[SEARCH_SINCE] = "SINCE",
		[SEARCH_SENTBEFORE] = "SENTBEFORE",
		[SEARCH_SENTON] = "SENTON",
		[SEARCH_SENTSINCE] = "SENTSINCE",
		[SEARCH_LARGER] = "LARGER",
		[SEARCH_SMALLER] = "SMALLER",
		[SEARCH_HEADER] = "HEADER",
		[SEARCH_BODY] = "BODY",
		[SEARCH_TEXT] = "TEXT",
	};
	char text[256];

	snprintf(text, sizeof(text), "(%s", names[s->kind]);
	out_put(o, (struct span){ text, strlen(text) });
	if (s->field.n)
		snprintf(text, sizeof(text), " %.*s", (int)s->field.n,
		    s->field.p);
	if (s->field.n)
		out_put(o, (struct span){ text, strlen(text) });
	if (s->flag || s->days || s->size)
		snprintf(text, sizeof(text), " %u/%d/%u", s->flag, s->days,
		    s->size);
	if (s->flag || s->days || s->size)
		out_put(o, (struct span){ text, strlen(text) });
	if (s->text.p) {
		out_put(o, SPAN(" "));
		out_string(o, s->text);
	}
	for (const struct imap_search *p = s->parts; p; p = p->next)
		show_search(p, o);
	out_put(o, SPAN(")"));
}

static void
show_word(struct out *o, const char *label, struct span s)
{
	if (!s.p)
		return;
	out_put(o, (struct span){ label, strlen(label) });
	out_string(o, s);
}

/* What was read of a command, in one line. */
static void
show(const struct imap_command *c, struct out *o)
{
	out_put(o, c->tag);
	out_put(o, c->uid ? SPAN(" UID ") : SPAN(" "));
	out_put(o, imap_verb_name(c->verb));
	show_word(o, " box=", c->mailbox);
	show_word(o, " to=", c->to);
	show_word(o, " set=", c->set);
	show_word(o, " user=", c->user);
	show_word(o, " pass=", c->password);
	show_word(o, " mech=", c->mechanism);
	show_word(o, " init=", c->initial);
	show_word(o, " charset=", c->charset);
	if (c->verb == IMAP_STORE)
		out_put(o,
		    c->op == IMAP_STORE_SET       ? SPAN(" =")
			: c->op == IMAP_STORE_ADD ? SPAN(" +")
						  : SPAN(" -"));
	if (c->silent)
		out_put(o, SPAN(" silent"));
	if (c->flags.system || c->flags.keywords.n) {
		out_put(o, SPAN(" "));
		out_flags(o, c->flags.system, false, c->flags.keywords.list,
		    c->flags.keywords.n);
	}
	if (c->has_date) {
		out_put(o, SPAN(" "));
		out_date_time(o, c->date);
	}
	if (c->size) {
		out_put(o, SPAN(" size="));
		out_number(o, c->size);
	}
	if (c->status) {
		out_put(o, SPAN(" status="));
		out_number(o, c->status);
	}
	for (const struct imap_fetch *f = c->fetch; f; f = f->next) {
		out_put(o, f->peek ? SPAN(" peek ") : SPAN(" "));
		out_fetch_name(o, f);
		if (f->partial) {
			out_put(o, SPAN("."));
			out_number(o, f->count);
		}
	}
	for (size_t i = 0; i < c->words.n; i++) {
		out_put(o, SPAN(" "));
		out_nstring(o, c->words.list[i]);
	}
	if (c->search) {
		out_put(o, SPAN(" "));
		show_search(c->search, o);
	}
}

struct row {
	struct span in;
	struct span want; /* or "BAD" and the text */
};

#define ROW(in, want) \
	{ \
		SPAN_INIT(in), SPAN_INIT(want) \
	}

static const struct row rows[] = {
	ROW("a NOOP", "a NOOP"),
	ROW("a noop", "a NOOP"),
	ROW("A.1]-x CAPABILITY", "A.1]-x CAPABILITY"),
	ROW("a CHECK", "a CHECK"),
	ROW("a CLOSE", "a CLOSE"),
	ROW("a UNSELECT", "a UNSELECT"),
	ROW("a IDLE", "a IDLE"),
	ROW("a LOGOUT", "a LOGOUT"),
	ROW("a STARTTLS", "a STARTTLS"),
	ROW("a NAMESPACE", "a NAMESPACE"),
	ROW("a EXPUNGE", "a EXPUNGE"),
	ROW("a UID EXPUNGE 1:2", "a UID EXPUNGE set=\"1:2\""),
	/* What is no command. */
	ROW("", "* BAD Invalid tag"),
	ROW("a", "a BAD Missing command"),
	ROW("a ", "a BAD Unknown command"),
	ROW("+ NOOP", "* BAD Invalid tag"),
	ROW("a+ NOOP", "* BAD Missing command"),
	ROW("* NOOP", "* BAD Invalid tag"),
	ROW("a\"b NOOP", "* BAD Missing command"),
	ROW(" a NOOP", "* BAD Invalid tag"),
	ROW("a  NOOP", "a BAD Unknown command"),
	ROW("a NOOP ", "a BAD Too many arguments"),
	ROW("a NOOP x", "a BAD Too many arguments"),
	ROW("a NOOPX", "a BAD Unknown command"),
	ROW("a UID", "a BAD Unknown command"),
	ROW("a UID NOOP", "a BAD Unknown command"),
	ROW("a UID APPEND x {1}", "a BAD Unknown command"),
	ROW("a NOOP\0", "a BAD Too many arguments"),
	ROW("a NOOP\r", "a BAD Too many arguments"),
	ROW("a NOOP\nb NOOP", "a BAD Too many arguments"),
	/* Strings. */
	ROW("a LOGIN u p", "a LOGIN user=\"u\" pass=\"p\""),
	ROW("a LOGIN \"u v\" \"p\\\"\\\\\"",
	    "a LOGIN user=\"u v\" pass=\"p\\\"\\\\\""),
	ROW("a LOGIN {3}\r\nu v {2+}\r\n\"\\",
	    "a LOGIN user=\"u v\" pass=\"\\\"\\\\\""),
	ROW("a LOGIN \"\" {0}\r\n", "a LOGIN user=\"\" pass=\"\""),
	ROW("a LOGIN u]v p", "a LOGIN user=\"u]v\" pass=\"p\""),
	ROW("a LOGIN u", "a BAD Missing argument"),
	ROW("a LOGIN u ", "a BAD Invalid string"),
	ROW("a LOGIN \"u p", "a BAD Invalid string"),
	ROW("a LOGIN \"u\\x\" p", "a BAD Invalid string"),
	ROW("a LOGIN \"u\\", "a BAD Invalid string"),
	ROW("a LOGIN \"u\rv\" p", "a BAD Invalid string"),
	ROW("a LOGIN \"u\0v\" p", "a BAD Invalid string"),
	ROW("a LOGIN {4}\r\nu v p", "a BAD Missing argument"),
	ROW("a LOGIN {9}\r\nu v p", "a BAD Invalid string"),
	ROW("a LOGIN {3}\nu v p", "a BAD Invalid string"),
	ROW("a LOGIN {3x}\r\nu v p", "a BAD Invalid string"),
	ROW("a LOGIN {}\r\nu v p", "a BAD Invalid string"),
	ROW("a LOGIN {-1}\r\nu v p", "a BAD Invalid string"),
	ROW("a LOGIN {99999999999999999999}\r\nu p", "a BAD Invalid string"),
	ROW("a LOGIN {3}\r\nu\0v p", "a BAD Invalid string"),
	ROW("a LOGIN u p x", "a BAD Too many arguments"),
	ROW("a LOGIN u(v p", "a BAD Missing argument"),
	ROW("a LOGIN u% p", "a BAD Missing argument"),
	/* AUTHENTICATE, ENABLE, ID. */
	ROW("a AUTHENTICATE PLAIN", "a AUTHENTICATE mech=\"PLAIN\""),
	ROW("a AUTHENTICATE PLAIN AGEAYg==",
	    "a AUTHENTICATE mech=\"PLAIN\" init=\"AGEAYg==\""),
	ROW("a AUTHENTICATE PLAIN =",
	    "a AUTHENTICATE mech=\"PLAIN\" init=\"=\""),
	ROW("a AUTHENTICATE", "a BAD Missing argument"),
	ROW("a AUTHENTICATE PLAIN ", "a BAD Invalid initial response"),
	ROW("a ENABLE X Y", "a ENABLE \"X\" \"Y\""),
	ROW("a ENABLE", "a BAD Missing argument"),
	ROW("a ENABLE X ", "a BAD Invalid capability"),
	ROW("a ID NIL", "a ID"),
	ROW("a ID ()", "a ID"),
	ROW("a ID (\"name\" \"x\" \"v\" nil)", "a ID \"name\" \"x\" \"v\" NIL"),
	ROW("a ID (\"name\")", "a BAD Missing argument"),
	ROW("a ID (name \"x\")", "a BAD Invalid string"),
	ROW("a ID (\"a\" \"x\"", "a BAD Missing ) after the fields"),
	ROW("a ID", "a BAD Missing argument"),
	/* Mailboxes. */
	ROW("a SELECT INBOX", "a SELECT box=\"INBOX\""),
	ROW("a EXAMINE \"a b\"", "a EXAMINE box=\"a b\""),
	ROW("a CREATE a.b", "a CREATE box=\"a.b\""),
	ROW("a DELETE {3}\r\na.b", "a DELETE box=\"a.b\""),
	ROW("a RENAME a b", "a RENAME box=\"a\" to=\"b\""),
	ROW("a RENAME a", "a BAD Missing argument"),
	ROW("a SUBSCRIBE a", "a SUBSCRIBE box=\"a\""),
	ROW("a UNSUBSCRIBE a", "a UNSUBSCRIBE box=\"a\""),
	ROW("a SELECT", "a BAD Missing argument"),
	ROW("a SELECT a*", "a BAD Too many arguments"),
	ROW("a LIST \"\" *", "a LIST box=\"\" to=\"*\""),
	ROW("a LIST a. \"%\"", "a LIST box=\"a.\" to=\"%\""),
	ROW("a LSUB \"\" a%b*", "a LSUB box=\"\" to=\"a%b*\""),
	ROW("a LIST \"\"", "a BAD Missing argument"),
	ROW("a LIST \"\" (x)", "a BAD Invalid pattern"),
	ROW("a STATUS a (MESSAGES)", "a STATUS box=\"a\" status=1"),
	ROW("a STATUS a (unseen UIDNEXT RECENT UIDVALIDITY)",
	    "a STATUS box=\"a\" status=30"),
	ROW("a STATUS a ()", "a BAD Missing item in STATUS"),
	ROW("a STATUS a (X)", "a BAD Unknown item in STATUS"),
	ROW("a STATUS a MESSAGES", "a BAD STATUS wants a list"),
	ROW("a STATUS a (MESSAGES", "a BAD Missing ) after the items"),
	/* APPEND. */
	ROW("a APPEND x {12}", "a APPEND box=\"x\" size=12"),
	ROW("a APPEND x {12+}", "a APPEND box=\"x\" size=12"),
	ROW("a APPEND {1}\r\nx {12}", "a APPEND box=\"x\" size=12"),
	ROW("a APPEND x (\\Seen $a) {1}",
	    "a APPEND box=\"x\" (\\Seen $a) size=1"),
	ROW("a APPEND x () {1}", "a APPEND box=\"x\" size=1"),
	ROW("a APPEND x (\\Seen) \" 1-Feb-1994 00:00:01 +0130\" {1}",
	    "a APPEND box=\"x\" (\\Seen) \"31-Jan-1994 22:30:01 +0000\""
	    " size=1"),
	ROW("a APPEND x \"29-Feb-2000 23:59:60 -0000\" {1}",
	    "a APPEND box=\"x\" \" 1-Mar-2000 00:00:00 +0000\" size=1"),
	ROW("a APPEND x \"29-Feb-1900 00:00:00 +0000\" {1}",
	    "a BAD Invalid date and time"),
	ROW("a APPEND x \"1-Feb-1994 00:00:01 +0000\" {1}",
	    "a BAD Invalid date and time"),
	ROW("a APPEND x \"01-Feb-1994 24:00:01 +0000\" {1}",
	    "a BAD Invalid date and time"),
	ROW("a APPEND x \"01-Feb-1994 00:00:01\" {1}",
	    "a BAD Invalid date and time"),
	ROW("a APPEND x \"01-Feb-1994 00:60:01 +0000\" {1}",
	    "a BAD Invalid date and time"),
	ROW("a APPEND x \"01-Feb-1994 00:00:61 +0000\" {1}",
	    "a BAD Invalid date and time"),
	ROW("a APPEND x \"01-Feb-1994 00:00:00 +2400\" {1}",
	    "a BAD Invalid date and time"),
	ROW("a APPEND x \"01-Feb-1994 00:00:00 +0060\" {1}",
	    "a BAD Invalid date and time"),
	ROW("a APPEND x \"01-Feb-1994 00:00:00  0000\" {1}",
	    "a BAD Invalid date and time"),
	ROW("a APPEND x", "a BAD Missing argument"),
	ROW("a APPEND x ", "a BAD Missing message"),
	ROW("a APPEND x text", "a BAD Missing message"),
	ROW("a APPEND x (\\Recent) {1}", "a BAD Invalid system flag"),
	ROW("a APPEND x (\\*) {1}", "a BAD Invalid flag"),
	ROW("a APPEND x {1} {2}", "a BAD Missing message"),
	/* STORE, COPY, MOVE. */
	ROW("a STORE 1 FLAGS ()", "a STORE set=\"1\" ="),
	ROW("a STORE 1:* +FLAGS.SILENT (\\Deleted)",
	    "a STORE set=\"1:*\" + silent (\\Deleted)"),
	ROW("a UID STORE 1,3 -flags \\seen \\ANSWERED x",
	    "a UID STORE set=\"1,3\" - (\\Answered \\Seen x)"),
	ROW("a STORE 1 FLAGS", "a BAD Missing argument"),
	ROW("a STORE 1 FLAGS \\Bogus", "a BAD Invalid system flag"),
	ROW("a STORE 1 FLAG (x)", "a BAD Unknown item in STORE"),
	ROW("a STORE 1 FLAGS (x", "a BAD Missing ) after the flags"),
	ROW("a STORE 1 FLAGS (x )", "a BAD Invalid flag"),
	ROW("a COPY 2:4 x", "a COPY box=\"x\" set=\"2:4\""),
	ROW("a UID MOVE * x", "a UID MOVE box=\"x\" set=\"*\""),
	ROW("a COPY 0 x", "a BAD Invalid sequence set"),
	ROW("a COPY 1: x", "a BAD Invalid sequence set"),
	ROW("a COPY 1,,2 x", "a BAD Invalid sequence set"),
	ROW("a COPY 1, x", "a BAD Invalid sequence set"),
	ROW("a COPY 4294967295 x", "a COPY box=\"x\" set=\"4294967295\""),
	ROW("a COPY 4294967296 x", "a BAD Invalid sequence set"),
	ROW("a COPY 1:2:3 x", "a BAD Missing argument"),
	ROW("a COPY $ x", "a BAD Invalid sequence set"),
	/* FETCH. */
	ROW("a FETCH 1 FLAGS", "a FETCH set=\"1\" FLAGS"),
	ROW("a FETCH 1 (FLAGS UID)", "a FETCH set=\"1\" FLAGS UID"),
	ROW("a FETCH 1 ALL",
	    "a FETCH set=\"1\" FLAGS INTERNALDATE RFC822.SIZE ENVELOPE"),
	ROW("a FETCH 1 fast",
	    "a FETCH set=\"1\" FLAGS INTERNALDATE RFC822.SIZE"),
	ROW("a FETCH 1 FULL",
	    "a FETCH set=\"1\" FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY"),
	ROW("a FETCH 1 (ALL)", "a BAD Unknown item in FETCH"),
	ROW("a FETCH 1 BODY", "a FETCH set=\"1\" BODY"),
	ROW("a FETCH 1 BODY[]", "a FETCH set=\"1\" BODY[]"),
	ROW("a FETCH 1 BODY.PEEK[]<0.10>",
	    "a FETCH set=\"1\" peek BODY[]<0>.10"),
	ROW("a FETCH 1 (BODY[1.2.MIME] BODYSTRUCTURE)",
	    "a FETCH set=\"1\" BODY[1.2.MIME] BODYSTRUCTURE"),
	ROW("a FETCH 1 BODY[HEADER.FIELDS (from {2}\r\nTo)]",
	    "a FETCH set=\"1\" BODY[HEADER.FIELDS (from To)]"),
	ROW("a FETCH 1 body[4.header.fields.not (\"a\")]",
	    "a FETCH set=\"1\" BODY[4.HEADER.FIELDS.NOT (a)]"),
	ROW("a FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT)",
	    "a FETCH set=\"1\" RFC822 RFC822.HEADER RFC822.TEXT"),
	ROW("a FETCH 1 BODY[TEXT]", "a FETCH set=\"1\" BODY[TEXT]"),
	ROW("a FETCH 1 BODY[MIME]", "a BAD Invalid section"),
	ROW("a FETCH 1 BODY[0]", "a BAD Invalid section"),
	ROW("a FETCH 1 BODY[1.]", "a BAD Invalid section"),
	ROW("a FETCH 1 BODY[1", "a BAD Invalid section"),
	ROW("a FETCH 1 BODY[1.0.TEXT]", "a BAD Invalid section"),
	ROW("a FETCH 1 BODY[.TEXT]", "a BAD Invalid section"),
	ROW("a FETCH 1 BODY[HEADER.FIELDS]", "a BAD Missing argument"),
	ROW("a FETCH 1 BODY[HEADER.FIELDS ()]", "a BAD Invalid string"),
	ROW("a FETCH 1 BODY[HEADER.FIELDS (a:b)]",
	    "a BAD Invalid name of a header field"),
	ROW("a FETCH 1 BODY[]<0>", "a BAD Invalid partial range"),
	ROW("a FETCH 1 BODY[]<0.0>", "a BAD Invalid partial range"),
	ROW("a FETCH 1 BODY[]<-1.2>", "a BAD Invalid partial range"),
	ROW("a FETCH 1 BODY.PEEK", "a BAD Unknown item in FETCH"),
	ROW("a FETCH 1 ()", "a BAD Unknown item in FETCH"),
	ROW("a FETCH 1 (FLAGS", "a BAD Missing argument"),
	ROW("a FETCH 1 (FLAGS )", "a BAD Unknown item in FETCH"),
	ROW("a FETCH 1", "a BAD Missing argument"),
	ROW("a FETCH 1 FLAGS UID", "a BAD Too many arguments"),
	/* SEARCH. */
	ROW("a SEARCH ALL", "a SEARCH (AND(ALL))"),
	ROW("a UID SEARCH UNSEEN 1:3",
	    "a UID SEARCH (AND(NOT(FLAG 16/0/0))(SET \"1:3\"))"),
	ROW("a SEARCH NEW", "a SEARCH (AND(AND(RECENT)(NOT(FLAG 16/0/0))))"),
	ROW("a SEARCH OLD", "a SEARCH (AND(NOT(RECENT)))"),
	ROW("a SEARCH OR SEEN NOT (DELETED DRAFT)",
	    "a SEARCH (AND(OR(FLAG 16/0/0)(NOT(AND(FLAG 2/0/0)"
	    "(FLAG 4/0/0)))))"),
	ROW("a SEARCH CHARSET utf-8 TEXT {2}\r\n\xc3\xa9",
	    "a SEARCH charset=\"utf-8\" (AND(TEXT {2}\r\n\xc3\xa9))"),
	ROW("a SEARCH FROM a SUBJECT \"b c\"",
	    "a SEARCH (AND(HEADER From \"a\")(HEADER Subject \"b c\"))"),
	ROW("a SEARCH HEADER X-a \"\"", "a SEARCH (AND(HEADER X-a \"\"))"),
	ROW("a SEARCH BEFORE 1-Jan-1970 ON \"02-jan-1970\" SINCE 31-Dec-1969",
	    "a SEARCH (AND(BEFORE)(ON 0/1/0)(SINCE 0/-1/0))"),
	ROW("a SEARCH LARGER 5 SMALLER 0 KEYWORD x UNKEYWORD y UID 7",
	    "a SEARCH (AND(LARGER 0/0/5)(SMALLER)(KEYWORD \"x\")"
	    "(NOT(KEYWORD \"y\"))(UID \"7\"))"),
	ROW("a SEARCH", "a BAD Missing argument"),
	ROW("a SEARCH ", "a BAD Missing search key"),
	ROW("a SEARCH NOT", "a BAD Missing argument"),
	ROW("a SEARCH OR SEEN", "a BAD Missing argument"),
	ROW("a SEARCH ()", "a BAD Missing search key"),
	ROW("a SEARCH (SEEN", "a BAD Missing ) in search"),
	ROW("a SEARCH SEEN)", "a BAD Too many arguments"),
	ROW("a SEARCH BOGUS", "a BAD Unknown search key"),
	ROW("a SEARCH ON 31-Feb-2000", "a BAD Invalid date"),
	ROW("a SEARCH ON \"1-Feb-2000", "a BAD Invalid date"),
	ROW("a SEARCH ON 1-Feb-20000", "a BAD Too many arguments"),
	ROW("a SEARCH LARGER -1", "a BAD Invalid number"),
	ROW("a SEARCH KEYWORD \\Seen", "a BAD Invalid keyword"),
};

static void
put_parsed(struct span text, struct arena *a, struct buf *b)
{
	struct out o = { out_to_buf, b };
	struct imap_command c;
	const char *error = NULL;

	if (imap_parse(text, a, &c, &error) == IMAP_OK) {
		show(&c, &o);
		return;
	}
	out_put(&o, c.tag);
	buf_putf(b, " BAD %s", error);
}

/* A row's text is a string: what ends it is no NUL of its own. */
static struct span
as_string(struct span s)
{
	while (s.n > 0 && s.p[s.n - 1] == '\0')
		s.n--;
	return s;
}

static void
commands_are_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *a CLEANUP(arena_freep) = arena_new(ARENA_MAX);
		char storage[1024];
		struct buf b;

		print_row(rows[i].in);
		buf_init(&b, storage, sizeof(storage));
		put_parsed(guarded(rows[i].in), a, &b);
		assert_span(buf_span(&b), as_string(rows[i].want));
	}
}

/* Every text that is cut, and every arena: an answer, and no byte too far. */
static void
no_part_of_a_command_is_a_fault(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t n = 0; n <= rows[i].in.n; n++) {
			struct arena *a CLEANUP(arena_freep) = arena_new(
			    n * 16);
			struct span text = { rows[i].in.p, n };
			const char *error;
			struct imap_command c;

			(void)!imap_parse(guarded(text), a, &c, &error);
		}
}

/* Several commands, as a client sends them, and what is made of them. */
static const struct row dialogues[] = {
	ROW("a NOOP\r\nb NOOP\r\n", "[a NOOP][b NOOP]"),
	ROW("a NOOP\nb\r\n", "[a NOOP\nb]"),
	ROW("a NOOP\r\r\n", "[a NOOP\r]"),
	ROW("\r\n", "[]"),
	ROW("a LOGIN {1}\r\nu {2}\r\npp\r\nb NOOP\r\n",
	    "++[a LOGIN {1}\r\nu {2}\r\npp][b NOOP]"),
	ROW("a LOGIN {1+}\r\nu {0+}\r\n\r\n", "[a LOGIN {1+}\r\nu {0+}\r\n]"),
	ROW("a LOGIN {4+}\r\n\r\n\r\n x\r\n", "[a LOGIN {4+}\r\n\r\n\r\n x]"),
	ROW("a LOGIN x {0}\r\n\r\n", "+[a LOGIN x {0}\r\n]"),
	ROW("a APPEND x {3}\r\nabc\r\nb NOOP\r\n",
	    "<a APPEND x {3} 3>[][b NOOP]"),
	ROW("a APPEND {1+}\r\nx {3+}\r\nabc x\r\nb NOOP\r\n",
	    "<a APPEND {1+}\r\nx {3+} 3>[ x][b NOOP]"),
	ROW("a {5}\r\n", "+"),
	ROW("a x}\r\n", "[a x}]"),
	ROW("a {x}\r\n", "[a {x}]"),
	ROW("a {1++}\r\n", "[a {1++}]"),
	/* Too much, of 64 bytes. */
	ROW("a LOGIN {60}\r\nb NOOP\r\n", "(a Literal is too large)[b NOOP]"),
	ROW("a LOGIN {60+}\r\n"
	    "123456789012345678901234567890123456789012345678901234567890"
	    " x\r\nb NOOP\r\n",
	    "(a Literal is too large)[b NOOP]"),
	ROW("a LOGIN {9999999+}\r\n", "!Literal is too large!"),
	ROW("a 123456789012345678901234567890123456789012345678901234567890"
	    "1234567890\r\nb NOOP\r\n",
	    "(a Command is too long)[b NOOP]"),
	ROW("a 123456789012345678901234567890123456789012345678901234567890"
	    "1234567890 {3+}\r\nx\r\n {1}\r\nb NOOP\r\n",
	    "(a Command is too long)[b NOOP]"),
	/* The announcement lies on the end of what fits. */
	ROW("a 123456789012345678901234567890123456789012345678901234567890"
	    "{3+}\r\nx\r\n\r\nb NOOP\r\n",
	    "(a Command is too long)[b NOOP]"),
	ROW("1234567890123456789012345678901234567890123456789012345678901234"
	    "5678901234567890\r\n",
	    "(* Command is too long)"),
};

static void
put_framed(struct span text, size_t step, struct buf *b)
{
	char storage[64];
	struct frame f;
	size_t skip = 0;
	struct span tag;

	frame_init(&f, storage, sizeof(storage));
	for (size_t at = 0; at < text.n; at += step) {
		size_t n = text.n - at < step ? text.n - at : step;
		struct span in = guarded((struct span){ text.p + at, n });

		while (in.n > 0) {
			n = in.n < skip ? in.n : skip;
			skip -= n;
			in = (struct span){ in.p + n, in.n - n };
			switch (frame_feed(&f, &in)) {
			case FRAME_MORE:
				break;
			case FRAME_COMMAND:
				buf_put(b, SPAN("["));
				buf_put(b, buf_span(&f.text));
				buf_put(b, SPAN("]"));
				break;
			case FRAME_LITERAL:
				buf_put(b, SPAN("+"));
				break;
			case FRAME_APPEND:
				buf_put(b, SPAN("<"));
				buf_put(b, buf_span(&f.text));
				buf_putf(b, " %d>", (int)f.literal_n);
				skip = (size_t)f.literal_n;
				frame_resume(&f);
				break;
			case FRAME_BAD:
				tag = frame_tag(&f);
				buf_put(b, SPAN("("));
				buf_put(b, tag);
				buf_putf(b, " %s)", f.error);
				break;
			case FRAME_CLOSE:
				buf_putf(b, "!%s!", f.error);
				return;
			}
		}
	}
}

static void
frames_are_the_same_in_every_segmentation(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(dialogues); i++)
		for (size_t step = 1; step <= dialogues[i].in.n; step++) {
			char storage[1024];
			struct buf b;

			buf_init(&b, storage, sizeof(storage));
			put_framed(dialogues[i].in, step, &b);
			assert_span(buf_span(&b), dialogues[i].want);
		}
}

static void
a_refused_append_is_skipped(void **state)
{
	char storage[64];
	struct frame f;
	struct span in = SPAN("a APPEND x y {3+}\r\nabc\r\nb NOOP\r\n");

	(void)state;
	frame_init(&f, storage, sizeof(storage));
	assert_int_equal(frame_feed(&f, &in), FRAME_APPEND);
	assert_int_equal(frame_refuse(&f, "no"), FRAME_MORE);
	assert_int_equal(frame_feed(&f, &in), FRAME_BAD);
	assert_span(frame_tag(&f), SPAN("a"));
	assert_int_equal(frame_feed(&f, &in), FRAME_COMMAND);
	assert_span(buf_span(&f.text), SPAN("b NOOP"));

	in = SPAN("a APPEND x y {3}\r\nb NOOP\r\n");
	assert_int_equal(frame_feed(&f, &in), FRAME_APPEND);
	assert_int_equal(frame_refuse(&f, "no"), FRAME_BAD);
	assert_span(frame_tag(&f), SPAN("a"));
	assert_int_equal(frame_feed(&f, &in), FRAME_COMMAND);

	in = SPAN("a APPEND x y {99999999+}\r\n");
	assert_int_equal(frame_feed(&f, &in), FRAME_APPEND);
	assert_int_equal(frame_refuse(&f, "no"), FRAME_CLOSE);
}

static void
lines_without_literals_are_lines(void **state)
{
	char storage[64];
	struct frame f;
	struct span in = SPAN("AGE={3}\r\nDONE\r\n");

	(void)state;
	frame_init(&f, storage, sizeof(storage));
	f.literals = false;
	assert_int_equal(frame_feed(&f, &in), FRAME_COMMAND);
	assert_span(buf_span(&f.text), SPAN("AGE={3}"));
	assert_int_equal(frame_feed(&f, &in), FRAME_COMMAND);
	assert_span(buf_span(&f.text), SPAN("DONE"));
}

/* `head`, `again` so many times, and `tail`. */
static enum imap_parsed
parse_many(const char *head, const char *again, size_t n, const char *tail,
    const char **error_r)
{
	static char storage[1 << 20];
	struct arena *a CLEANUP(arena_freep) = arena_new(ARENA_MAX);
	struct imap_command c;
	struct buf b;

	*error_r = "";
	buf_init(&b, storage, sizeof(storage));
	buf_put(&b, (struct span){ head, strlen(head) });
	for (size_t i = 0; i < n; i++)
		buf_put(&b, (struct span){ again, strlen(again) });
	buf_put(&b, (struct span){ tail, strlen(tail) });
	must(!b.overflow);
	return imap_parse(buf_span(&b), a, &c, error_r);
}

static void
each_bound_holds_and_one_more_is_refused(void **state)
{
	static const struct {
		const char *head, *again, *tail;
		size_t max; /* the last number that is fine */
	} bounds[] = {
		{ "a SEARCH ", "NOT ", "SEEN", IMAP_SEARCH_DEPTH_MAX - 1 },
		{ "a SEARCH SEEN", " SEEN", "", IMAP_SEARCH_MAX - 1 },
		{ "a FETCH 1 (UID", " UID", ")", IMAP_FETCH_MAX - 1 },
		{ "a FETCH 1", ",2", " UID", IMAP_RANGES_MAX - 1 },
		{ "a STORE 1 FLAGS (x", " x", ")", IMAP_FLAGS_MAX - 1 },
		{ "a ENABLE", " x", "", IMAP_WORDS_MAX },
		{ "a ID (\"a\" \"b\"", " \"a\" NIL", ")",
		    IMAP_WORDS_MAX / 2 - 1 },
		{ "a FETCH 1 BODY[1", ".1", "]", IMAP_SECTION_MAX - 1 },
		{ "a FETCH 1 BODY[HEADER.FIELDS (a", " a", ")]",
		    IMAP_FIELDS_MAX - 1 },
		{ "", "a", " NOOP", FRAME_TAG_MAX },
	};
	const char *error;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bounds); i++) {
		print_row(span_str(bounds[i].head));
		assert_int_equal(parse_many(bounds[i].head, bounds[i].again,
				     bounds[i].max, bounds[i].tail, &error),
		    IMAP_OK);
		assert_int_equal(parse_many(bounds[i].head, bounds[i].again,
				     bounds[i].max + 1, bounds[i].tail, &error),
		    IMAP_BAD);
	}
	/* DOS 02 and 04: far over it, and open to the end. */
	assert_int_equal(parse_many("a SEARCH ", "(", 1000000, "", &error),
	    IMAP_BAD);
	assert_int_equal(parse_many("a SEARCH ", "OR ", 300000, "", &error),
	    IMAP_BAD);
}

static void
an_arena_that_is_full_is_no_bad_command(void **state)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(64);
	struct imap_command c;
	const char *error;

	(void)state;
	assert_int_equal(imap_parse(SPAN("a SEARCH SEEN SEEN SEEN"), a, &c,
			     &error),
	    IMAP_LIMIT);
	assert_span(c.tag, SPAN("a"));
}

static void
names_of_mailboxes_are_utf8_and_back(void **state)
{
	static const struct row names[] = {
		ROW("INBOX", "INBOX"),
		ROW("", ""),
		ROW("&-", "&"),
		ROW("a&-b", "a&b"),
		ROW("Entw&APw-rfe", "Entw\xc3\xbcrfe"),
		ROW("~peter/mail/&U,BTFw-/&ZeVnLIqe-",
		    "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
		    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"),
		ROW("&2D3eAA-", "\xf0\x9f\x98\x80"),
		ROW("&AAo-", "\n"),
		ROW("&", "-"),
		ROW("&AOk", "-"),
		ROW("&AOk-&AOk-", "-"),
		ROW("&AGE-", "-"),
		ROW("&ACY-", "-"),
		ROW("&AAA-", "-"),
		ROW("&AOl-", "-"),
		ROW("&AOkA-", "-"),
		ROW("&A-", "-"),
		ROW("&AO=-", "-"),
		ROW("&2D0-", "-"),
		ROW("&3gA-", "-"),
		ROW("&2D3YPQ-", "-"),
		ROW("\xc3\xa9", "-"),
		ROW("a\nb", "-"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char storage[256], other[256];
		struct span name = guarded(names[i].in);
		struct buf b, back;

		print_row(names[i].in);
		buf_init(&b, storage, sizeof(storage));
		buf_init(&back, other, sizeof(other));
		if (!mutf7_decode(name, &b)) {
			assert_false(mutf7_is_valid(name));
			assert_span(SPAN("-"), names[i].want);
			continue;
		}
		assert_true(mutf7_is_valid(name));
		assert_span(buf_span(&b), names[i].want);
		assert_true(mutf7_encode(guarded(buf_span(&b)), &back));
		assert_span(buf_span(&back), names[i].in);
	}
}

static void
what_is_no_utf8_is_no_name(void **state)
{
	static const struct span bad[] = {
		SPAN_INIT("\xff"),
		SPAN_INIT("\xc3"),
		SPAN_INIT("\xc0\x80"),
		SPAN_INIT("\xe0\x80\x80"),
		SPAN_INIT("\xed\xa0\x80"),
		SPAN_INIT("\xf4\x90\x80\x80"),
		SPAN_INIT("a\0b"),
		SPAN_INIT("\xc3x"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char storage[64];
		struct buf b;

		buf_init(&b, storage, sizeof(storage));
		assert_false(mutf7_encode(guarded(bad[i]), &b));
	}
}

static void
strings_go_out_as_they_may(void **state)
{
	static const struct row strings[] = {
		ROW("", "\"\""),
		ROW("a b", "\"a b\""),
		ROW("a\"\\b", "\"a\\\"\\\\b\""),
		ROW("a\rb", "{3}\r\na\rb"),
		ROW("\xc3\xa9", "{2}\r\n\xc3\xa9"),
		ROW("a\0b\0",
		    "{4}\r\na\x80"
		    "b\x80"),
	};
	static char long_text[OUT_QUOTED_MAX + 1];
	char storage[2 * OUT_QUOTED_MAX];
	struct buf b;
	struct out o = { out_to_buf, &b };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(strings); i++) {
		buf_init(&b, storage, sizeof(storage));
		out_string(&o, guarded(strings[i].in));
		assert_span(buf_span(&b), strings[i].want);
	}
	memset(long_text, 'a', sizeof(long_text));
	buf_init(&b, storage, sizeof(storage));
	out_string(&o, (struct span){ long_text, OUT_QUOTED_MAX });
	assert_int_equal(b.p[0], '"');
	buf_init(&b, storage, sizeof(storage));
	out_string(&o, (struct span){ long_text, OUT_QUOTED_MAX + 1 });
	assert_int_equal(b.p[0], '{');
	buf_init(&b, storage, sizeof(storage));
	out_nstring(&o, (struct span){ 0 });
	out_astring(&o, SPAN("INBOX"));
	out_astring(&o, SPAN("nil"));
	out_astring(&o, SPAN("a b"));
	out_astring(&o, SPAN(""));
	assert_span(buf_span(&b), SPAN("NILINBOX\"nil\"\"a b\"\"\""));
}

static void
flags_and_dates_go_out(void **state)
{
	static const struct span keywords[] = { SPAN_INIT("$a"), SPAN_INIT(""),
		SPAN_INIT("b") };
	char storage[1024];
	struct buf b;
	struct out o = { out_to_buf, &b };

	(void)state;
	buf_init(&b, storage, sizeof(storage));
	out_flags(&o, 0, false, NULL, 0);
	out_flags(&o, IMAP_SEEN | IMAP_ANSWERED, true, keywords, 3);
	out_flags(&o, 0, false, keywords, 3);
	assert_span(buf_span(&b),
	    SPAN("()(\\Answered \\Seen \\Recent $a b)($a b)"));
	buf_init(&b, storage, sizeof(storage));
	out_date_time(&o, 0);
	out_date_time(&o, 951782400);
	out_date_time(&o, -1);
	out_date_time(&o, INT64_MAX);
	out_date_time(&o, INT64_MIN);
	assert_span(buf_span(&b),
	    SPAN("\" 1-Jan-1970 00:00:00 +0000\"\"29-Feb-2000 00:00:00 +0000\""
		 "\"31-Dec-1969 23:59:59 +0000\"\"31-Dec-9999 23:59:59 +0000\""
		 "\" 1-Jan-0001 00:00:00 +0000\""));
}

/* Every day of some centuries goes out and comes back. */
static void
dates_come_back_as_they_went(void **state)
{
	(void)state;
	for (int64_t day = -140000; day < 140000; day += 13) {
		char storage[64];
		struct buf b;
		struct out o = { out_to_buf, &b };
		struct span in;
		int64_t seconds;

		buf_init(&b, storage, sizeof(storage));
		out_date_time(&o, day * 86400 + 12345);
		in = buf_span(&b);
		assert_true(imap_take_date_time(&in, &seconds));
		assert_int_equal(seconds, day * 86400 + 12345);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_are_read_or_refused),
		TEST(no_part_of_a_command_is_a_fault),
		TEST(frames_are_the_same_in_every_segmentation),
		TEST(a_refused_append_is_skipped),
		TEST(lines_without_literals_are_lines),
		TEST(each_bound_holds_and_one_more_is_refused),
		TEST(an_arena_that_is_full_is_no_bad_command),
		TEST(names_of_mailboxes_are_utf8_and_back),
		TEST(what_is_no_utf8_is_no_name),
		TEST(strings_go_out_as_they_may),
		TEST(flags_and_dates_go_out),
		TEST(dates_come_back_as_they_went),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
