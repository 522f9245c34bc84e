#include "imapd/format/out.h"

#include "imapd/parse/token.h"

#include <stdio.h>

void
out_to_buf(struct span piece, void *arg)
{
	buf_put(arg, piece);
}

void
out_put(struct out *o, struct span text)
{
	if (text.n > 0)
		o->put(text, o->arg);
}

static void
put_text(struct out *o, const char *text, int n)
{
	out_put(o, (struct span){ text, (size_t)n });
}

void
out_number(struct out *o, uint64_t n)
{
	char text[24];
	size_t at = sizeof(text);

	/* By hand: a FETCH of all messages has hundreds of thousands. */
	do {
		text[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	out_put(o, (struct span){ text + at, sizeof(text) - at });
}

static bool
may_be_quoted(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] >= 0x7f)
			return false;
	return s.n <= OUT_QUOTED_MAX;
}

/* With a backslash before what would end it. */
static void
put_escaped(struct out *o, struct span s)
{
	size_t from = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '"' && s.p[i] != '\\')
			continue;
		out_put(o, (struct span){ s.p + from, i - from });
		out_put(o, SPAN("\\"));
		from = i;
	}
	out_put(o, (struct span){ s.p + from, s.n - from });
}

static void
put_literal(struct out *o, struct span s)
{
	out_put(o, SPAN("{"));
	out_number(o, s.n);
	out_put(o, SPAN("}\r\n"));
	while (s.n > 0) {
		const char *nul = memchr(s.p, '\0', s.n);
		size_t n = nul ? (size_t)(nul - s.p) : s.n;

		out_put(o, (struct span){ s.p, n });
		if (nul)
			out_put(o, SPAN("\x80"));
		n += nul ? 1 : 0;
		s = (struct span){ s.p + n, s.n - n };
	}
}

void
out_string(struct out *o, struct span s)
{
	if (!may_be_quoted(s)) {
		put_literal(o, s);
		return;
	}
	out_put(o, SPAN("\""));
	put_escaped(o, s);
	out_put(o, SPAN("\""));
}

void
out_nstring(struct out *o, struct span s)
{
	if (s.p)
		out_string(o, s);
	else
		out_put(o, SPAN("NIL"));
}

void
out_astring(struct out *o, struct span s)
{
	struct span rest = s, atom;

	/* An atom that reads NIL would be none. */
	if (imap_take_atom(&rest, &atom) && rest.n == 0 &&
	    !span_ieq(s, SPAN("NIL")))
		out_put(o, s);
	else
		out_string(o, s);
}

void
out_flags(struct out *o, unsigned system, bool recent,
    const struct span *keywords, size_t keywords_n)
{
	static const struct span names[] = {
		SPAN_INIT("\\Answered"),
		SPAN_INIT("\\Deleted"),
		SPAN_INIT("\\Draft"),
		SPAN_INIT("\\Flagged"),
		SPAN_INIT("\\Seen"),
	};
	struct span before = SPAN("(");

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (!(system & BIT(i)))
			continue;
		out_put(o, before);
		out_put(o, names[i]);
		before = SPAN(" ");
	}
	if (recent) {
		out_put(o, before);
		out_put(o, SPAN("\\Recent"));
		before = SPAN(" ");
	}
	for (size_t i = 0; i < keywords_n; i++) {
		if (keywords[i].n == 0)
			continue;
		out_put(o, before);
		out_put(o, keywords[i]);
		before = SPAN(" ");
	}
	if (before.p[0] == '(')
		out_put(o, before);
	out_put(o, SPAN(")"));
}

/* A moment as IMAP writes it has a year of four digits. */
static int64_t
within_calendar(int64_t seconds)
{
	const int64_t least = -62135596800; /* 1-Jan-0001 */
	const int64_t most = 253402300799; /* 31-Dec-9999 */

	if (seconds < least)
		return least;
	return seconds > most ? most : seconds;
}

void
out_date_time(struct out *o, int64_t seconds)
{
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	/* Days since the first of March of the year 0, as time begins. */
	int64_t all = within_calendar(seconds) + 719468LL * 86400;
	int time = (int)(all % 86400);
	int64_t days = all / 86400;
	int64_t era = days / 146097;
	int64_t day = days % 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t of_year = day - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153; /* 0 is March */
	int of_month = (int)(of_year - (153 * month + 2) / 5) + 1;
	char text[48];

	year += era * 400 + (month >= 10 ? 1 : 0);
	put_text(o, text,
	    snprintf(text, sizeof(text), "\"%2d-%s-%04d %02d:%02d:%02d +0000\"",
		of_month, months[(month + 2) % 12], (int)year, time / 3600,
		time / 60 % 60, time % 60));
}

static void
put_section(struct out *o, const struct imap_fetch *item)
{
	static const struct span names[] = {
		[SECTION_ALL] = SPAN_INIT(""),
		[SECTION_HEADER] = SPAN_INIT("HEADER"),
		[SECTION_FIELDS] = SPAN_INIT("HEADER.FIELDS"),
		[SECTION_FIELDS_NOT] = SPAN_INIT("HEADER.FIELDS.NOT"),
		[SECTION_TEXT] = SPAN_INIT("TEXT"),
		[SECTION_MIME] = SPAN_INIT("MIME"),
	};

	for (size_t i = 0; i < item->numbers_n; i++) {
		if (i > 0)
			out_put(o, SPAN("."));
		out_number(o, item->numbers[i]);
	}
	if (item->numbers_n > 0 && item->section != SECTION_ALL)
		out_put(o, SPAN("."));
	out_put(o, names[item->section]);
	for (size_t i = 0; i < item->fields_n; i++) {
		out_put(o, i == 0 ? SPAN(" (") : SPAN(" "));
		out_astring(o, item->fields[i]);
	}
	if (item->fields_n > 0)
		out_put(o, SPAN(")"));
}

void
out_fetch_name(struct out *o, const struct imap_fetch *item)
{
	static const struct span names[] = {
		[FETCH_BODY] = SPAN_INIT("BODY"),
		[FETCH_BODYSTRUCTURE] = SPAN_INIT("BODYSTRUCTURE"),
		[FETCH_ENVELOPE] = SPAN_INIT("ENVELOPE"),
		[FETCH_FLAGS] = SPAN_INIT("FLAGS"),
		[FETCH_INTERNALDATE] = SPAN_INIT("INTERNALDATE"),
		[FETCH_RFC822_SIZE] = SPAN_INIT("RFC822.SIZE"),
		[FETCH_UID] = SPAN_INIT("UID"),
		[FETCH_SECTION] = SPAN_INIT("BODY["),
		[FETCH_RFC822] = SPAN_INIT("RFC822"),
		[FETCH_RFC822_HEADER] = SPAN_INIT("RFC822.HEADER"),
		[FETCH_RFC822_TEXT] = SPAN_INIT("RFC822.TEXT"),
	};

	out_put(o, names[item->kind]);
	if (item->kind != FETCH_SECTION)
		return;
	put_section(o, item);
	out_put(o, SPAN("]"));
	if (item->partial) {
		out_put(o, SPAN("<"));
		out_number(o, item->first);
		out_put(o, SPAN(">"));
	}
}
