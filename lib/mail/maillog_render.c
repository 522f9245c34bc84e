#include "base/json.h"
#include "base/scan.h"
#include "mail/date.h"
#include "mail/maillog.h"

#include <inttypes.h>

enum kind {
	TEXT,
	NUMBER,
};

static const struct {
	uint8_t number;
	enum kind kind;
	struct span name;
} fields[] = {
	{ LOG_FIELD_TAG, TEXT, SPAN_INIT("tag") },
	{ LOG_FIELD_ID, TEXT, SPAN_INIT("id") },
	{ LOG_FIELD_TEXT, TEXT, SPAN_INIT("text") },
	{ LOG_FIELD_LOST, NUMBER, SPAN_INIT("lost") },
#define LOGFIELD(name, number, text, kind) { number, kind, SPAN_INIT(text) },
#include "mail/maillog.def"
#undef LOGFIELD
};

static const struct {
	struct span name;
	struct span form;
} events[] = {
	[LOG_EVENT_TEXT] = { SPAN_INIT("TEXT"), SPAN_INIT("{?{id}: ?}{text}") },
#define EVENT(name, number, level, form) \
	[number] = { SPAN_INIT(#name), SPAN_INIT(form) },
#include "mail/maillog.def"
#undef EVENT
};

static struct span
find_value(const struct log_record *r, struct span name)
{
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (span_eq(fields[i].name, name))
			return log_get(r, fields[i].number);
	return (struct span){ 0 };
}

/*
 * What a client sent must not begin a line of its own, nor move a cursor: what is
 * a control character, or no character at all, becomes '?'.
 */
static size_t
plain_length(struct span s)
{
	unsigned char c = (unsigned char)s.p[0];

	return c < ' ' || c == 0x7f ? 0 : utf8_length(s);
}

static void
put_blunted(struct buf *out, struct span s)
{
	while (s.n > 0) {
		struct span plain = { s.p, 0 };
		size_t n;

		while (s.n > 0 && (n = plain_length(s)) > 0) {
			plain.n += n;
			s.p += n;
			s.n -= n;
		}
		buf_put(out, plain);
		if (s.n > 0) {
			buf_put(out, SPAN("?"));
			s.p++;
			s.n--;
		}
	}
}

/* Puts a form without optional parts. False: it needs a field that is absent. */
static bool
put_form(const struct log_record *r, struct span form, struct buf *out,
    bool dry)
{
	while (form.n > 0) {
		const char *open = memchr(form.p, '{', form.n);
		struct span plain = { form.p,
			open ? (size_t)(open - form.p) : form.n };
		struct span name, value;

		if (!dry)
			buf_put(out, plain);
		form.p += plain.n;
		form.n -= plain.n;
		if (!take_char(&form, '{') || !take_until(&form, '}', &name))
			continue;
		value = find_value(r, name);
		if (dry && !value.p)
			return false;
		if (!dry)
			put_blunted(out, value);
	}
	return true;
}

/* The first place of `two` in `s`, or its end. */
static size_t
find_two(struct span s, const char *two)
{
	for (size_t i = 0; i + 1 < s.n; i++)
		if (s.p[i] == two[0] && s.p[i + 1] == two[1])
			return i;
	return s.n;
}

static struct span
cut_at_two(struct span *rest, const char *two)
{
	struct span head = { rest->p, find_two(*rest, two) };
	size_t n = head.n < rest->n ? head.n + 2 : head.n;

	rest->p += n;
	rest->n -= n;
	return head;
}

/* An event that this build does not know: all its values. */
static void
put_unknown(const struct log_record *r, struct buf *out)
{
	buf_putf(out, "event %u:", r->event);
	for (size_t i = 0; i < r->n; i++) {
		if (r->fields[i].name == LOG_FIELD_TAG)
			continue;
		buf_put(out, SPAN(" "));
		put_blunted(out, r->fields[i].value);
	}
}

void
maillog_render_text(const struct log_record *r, struct buf *out)
{
	buf_put(out, log_level_prefix(r->level));
	if (r->event >= COUNT_OF(events) || !events[r->event].form.p) {
		put_unknown(r, out);
		return;
	}

	struct span form = events[r->event].form;

	while (form.n > 0) {
		put_form(r, cut_at_two(&form, "{?"), out, false);

		struct span part = cut_at_two(&form, "?}");

		if (put_form(r, part, out, true))
			put_form(r, part, out, false);
	}
}

/* digits, maybe a dot and digits, and no zero that JSON would not have. */
static bool
is_json_number(struct span s)
{
	uint64_t n;

	if (s.n > 1 && s.p[0] == '0' && s.p[1] != '.')
		return false;
	if (!take_number(&s, INT64_MAX, &n))
		return false;
	return s.n == 0 ||
	    (take_char(&s, '.') && take_number(&s, INT64_MAX, &n) && s.n == 0);
}

static void
put_json_field(struct buf *out, const struct log_field *f)
{
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		if (fields[i].number != f->name)
			continue;
		buf_put(out, SPAN(",\""));
		buf_put(out, fields[i].name);
		buf_put(out, SPAN("\":"));
		if (fields[i].kind == NUMBER && is_json_number(f->value))
			buf_put(out, f->value);
		else
			json_put(out, f->value);
	}
}

/* A client may send a field twice; JSON has it once, as the text has. */
static bool
came_before(const struct log_record *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (r->fields[k].name == r->fields[i].name)
			return true;
	return false;
}

void
maillog_render_json(const struct log_record *r, struct span host,
    struct buf *out)
{
	static const char *const levels[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
		[LOG_LEVEL_FATAL] = "fatal",
		[LOG_LEVEL_PANIC] = "panic",
	};

	buf_put(out, SPAN("{\"time\":\""));
	date_put_iso(out, r->time);
	buf_put(out, SPAN("\",\"host\":"));
	json_put(out, host);
	buf_putf(out, ",\"pid\":%" PRIu32 ",\"level\":\"%s\",\"event\":\"",
	    r->pid, levels[r->level]);
	if (r->event < COUNT_OF(events))
		buf_put(out, events[r->event].name);
	else
		buf_putf(out, "%u", r->event);
	buf_put(out, SPAN("\""));
	for (size_t i = 0; i < r->n; i++)
		if (!came_before(r, i))
			put_json_field(out, &r->fields[i]);
	buf_put(out, SPAN("}"));
}
