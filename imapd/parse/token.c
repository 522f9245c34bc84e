#include "imapd/parse/token.h"

#include "base/scan.h"
#include "imapd/parse/frame.h"

static bool
is_one_of(char c, struct span set)
{
	return memchr(set.p, c, set.n) != NULL;
}

/* ATOM-CHAR: no CTL, blank, "(", ")", "{", "%", "*", quotes, "\" or "]". */
static bool
is_atom_char(char c)
{
	return c > ' ' && c < 0x7f && !is_one_of(c, SPAN("(){%*\"\\]"));
}

static bool
is_astring_char(char c)
{
	return is_atom_char(c) || c == ']';
}

static bool
is_tag_char(char c)
{
	return is_astring_char(c) && c != '+';
}

static bool
is_list_char(char c)
{
	return is_astring_char(c) || c == '%' || c == '*';
}

static bool
take_chars(struct span *in, bool (*is_char)(char c), struct span *chars_r)
{
	size_t n = 0;

	while (n < in->n && is_char(in->p[n]))
		n++;
	if (n == 0)
		return false;
	*chars_r = (struct span){ in->p, n };
	*in = (struct span){ in->p + n, in->n - n };
	return true;
}

bool
imap_take_tag(struct span *in, struct span *tag_r)
{
	return take_chars(in, is_tag_char, tag_r);
}

bool
imap_take_atom(struct span *in, struct span *atom_r)
{
	return take_chars(in, is_atom_char, atom_r);
}

bool
imap_take_flag(struct span *in, struct span *flag_r)
{
	struct span rest = *in, atom;

	(void)!take_char(&rest, '\\');
	if (!imap_take_atom(&rest, &atom))
		return false;
	*flag_r = (struct span){ in->p, (size_t)(rest.p - in->p) };
	*in = rest;
	return true;
}

/* Without the backslashes; NULL if there is no room. */
static struct span
unquote(struct span text, struct arena *arena)
{
	char *out = arena_alloc(arena, text.n);
	size_t n = 0;

	for (size_t i = 0; out && i < text.n; i++) {
		if (text.p[i] == '\\')
			i++;
		out[n++] = text.p[i];
	}
	return (struct span){ out, n };
}

/* quoted: any 7-bit text but CR, LF and NUL; 8-bit is let pass, as mail has it. */
static bool
take_quoted(struct span *in, struct arena *arena, struct span *string_r,
    bool *full_r)
{
	struct span text = { in->p + 1, 0 };
	bool escaped = false;
	size_t i;

	for (i = 1; i < in->n && in->p[i] != '"'; i++) {
		char c = in->p[i];

		if (c == '\0' || c == '\r' || c == '\n')
			return false;
		if (c != '\\')
			continue;
		if (++i == in->n || (in->p[i] != '"' && in->p[i] != '\\'))
			return false;
		escaped = true;
	}
	if (i == in->n)
		return false;
	text.n = i - 1;
	if (escaped) {
		text = unquote(text, arena);
		if (!text.p) {
			*full_r = true;
			return false;
		}
	}
	*in = (struct span){ in->p + i + 1, in->n - i - 1 };
	*string_r = text;
	return true;
}

/* literal = "{" number ["+"] "}" CRLF *CHAR8 */
static bool
take_literal(struct span *in, struct span *string_r)
{
	struct span rest = *in;
	struct span line = span_cut(&rest, '\n');
	uint64_t n;
	bool sync;

	if (line.n == 0 || line.n == in->n || line.p[line.n - 1] != '\r')
		return false;
	line.n--;
	if (!frame_literal(line, &n, &sync) || n > rest.n ||
	    memchr(line.p + 1, '{', line.n - 1) ||
	    (n > 0 && memchr(rest.p, '\0', (size_t)n)))
		return false;
	*string_r = (struct span){ rest.p, (size_t)n };
	*in = (struct span){ rest.p + n, rest.n - (size_t)n };
	return true;
}

bool
imap_take_string(struct span *in, struct arena *arena, struct span *string_r,
    bool *full_r)
{
	if (in->n == 0)
		return false;
	if (*in->p == '"')
		return take_quoted(in, arena, string_r, full_r);
	return *in->p == '{' && take_literal(in, string_r);
}

bool
imap_take_astring(struct span *in, struct arena *arena, struct span *string_r,
    bool *full_r)
{
	return take_chars(in, is_astring_char, string_r) ||
	    imap_take_string(in, arena, string_r, full_r);
}

bool
imap_take_pattern(struct span *in, struct arena *arena, struct span *string_r,
    bool *full_r)
{
	return take_chars(in, is_list_char, string_r) ||
	    imap_take_string(in, arena, string_r, full_r);
}

bool
imap_take_number(struct span *in, uint32_t *n_r)
{
	uint64_t n;

	if (!take_number(in, UINT32_MAX, &n))
		return false;
	*n_r = (uint32_t)n;
	return true;
}

bool
imap_take_nz_number(struct span *in, uint32_t *n_r)
{
	return in->n > 0 && *in->p != '0' && imap_take_number(in, n_r);
}

/* seq-number = nz-number / "*" */
static bool
take_seq_number(struct span *in)
{
	uint32_t n;

	return take_char(in, '*') || imap_take_nz_number(in, &n);
}

bool
imap_take_set(struct span *in, size_t max, struct span *set_r)
{
	struct span rest = *in;

	for (size_t n = 0;; n++) {
		if (n == max || !take_seq_number(&rest))
			return false;
		if (take_char(&rest, ':') && !take_seq_number(&rest))
			return false;
		if (!take_char(&rest, ','))
			break;
	}
	*set_r = (struct span){ in->p, (size_t)(rest.p - in->p) };
	*in = rest;
	return true;
}

/* Days since 1970 of a day in the calendar that goes on for ever both ways. */
static int32_t
days_of(int32_t year, int32_t month, int32_t day)
{
	/* The year begins in March, so that the odd day is its last. */
	int32_t y = year - (month < 3 ? 1 : 0);
	int32_t m = (month + 9) % 12;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day -
	    1 - 719468;
}

static bool
is_leap(int32_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool
take_digits(struct span *in, size_t n, int32_t *number_r)
{
	struct span digits = { in->p, n };
	uint64_t number;

	if (in->n < n || !take_number(&digits, INT32_MAX, &number) ||
	    digits.n > 0)
		return false;
	*in = (struct span){ in->p + n, in->n - n };
	*number_r = (int32_t)number;
	return true;
}

static bool
take_month(struct span *in, int32_t *month_r)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	for (int32_t i = 0; i < 12; i++)
		if (take_text(in, (struct span){ names + i * 3, 3 })) {
			*month_r = i + 1;
			return true;
		}
	return false;
}

/* date-month "-" date-year, behind a day; the day has to be in that month. */
static bool
take_rest_of_date(struct span *in, int32_t day, int32_t *days_r)
{
	static const int32_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30,
		31, 30, 31 };
	int32_t month, year;

	if (!take_char(in, '-') || !take_month(in, &month) ||
	    !take_char(in, '-') || !take_digits(in, 4, &year))
		return false;
	if (day < 1 || year < 1 ||
	    day > lengths[month - 1] + (month == 2 && is_leap(year) ? 1 : 0))
		return false;
	*days_r = days_of(year, month, day);
	return true;
}

bool
imap_take_date(struct span *in, int32_t *days_r)
{
	struct span rest = *in;
	bool quoted = take_char(&rest, '"');
	int32_t day, days;

	if (!take_digits(&rest, 2, &day) && !take_digits(&rest, 1, &day))
		return false;
	if (!take_rest_of_date(&rest, day, &days) ||
	    (quoted && !take_char(&rest, '"')))
		return false;
	*in = rest;
	*days_r = days;
	return true;
}

/* time = 2DIGIT ":" 2DIGIT ":" 2DIGIT */
static bool
take_time(struct span *in, int32_t *seconds_r)
{
	int32_t h, m, s;

	if (!take_digits(in, 2, &h) || !take_char(in, ':') ||
	    !take_digits(in, 2, &m) || !take_char(in, ':') ||
	    !take_digits(in, 2, &s) || h > 23 || m > 59 || s > 60)
		return false;
	*seconds_r = (h * 60 + m) * 60 + s;
	return true;
}

/* zone = ("+" / "-") 4DIGIT */
static bool
take_zone(struct span *in, int32_t *seconds_r)
{
	bool minus = take_char(in, '-');
	int32_t h, m;

	if ((!minus && !take_char(in, '+')) || !take_digits(in, 2, &h) ||
	    !take_digits(in, 2, &m) || h > 23 || m > 59)
		return false;
	*seconds_r = (h * 60 + m) * (minus ? -60 : 60);
	return true;
}

bool
imap_take_date_time(struct span *in, int64_t *seconds_r)
{
	struct span rest = *in;
	int32_t day, days, time, zone;

	if (!take_char(&rest, '"'))
		return false;
	if (take_char(&rest, ' ') ? !take_digits(&rest, 1, &day)
				  : !take_digits(&rest, 2, &day))
		return false;
	if (!take_rest_of_date(&rest, day, &days) || !take_char(&rest, ' ') ||
	    !take_time(&rest, &time) || !take_char(&rest, ' ') ||
	    !take_zone(&rest, &zone) || !take_char(&rest, '"'))
		return false;
	*in = rest;
	*seconds_r = (int64_t)days * 86400 + time - zone;
	return true;
}
