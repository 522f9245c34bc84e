#include "mail/templates.h"

#include "base/buf.h"
#include "base/scan.h"
#include "conf/lines.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char from[] = "Mail Delivery System <MAILER-DAEMON>";

/* For how long it is tried, in a unit that suits. */
#define LIFETIME \
	"${{$maximal_queue_lifetime_days} < {2} ? " \
	"{$maximal_queue_lifetime_hours hours} : " \
	"{$maximal_queue_lifetime_days days}}"

static const struct template built_in[TEMPLATE_KINDS] = {
	[TEMPLATE_FAILURE] = {
		.name = "failure",
		.charset = "us-ascii",
		.from = from,
		.subject = "Undelivered Mail Returned to Sender",
		.postmaster_subject = "Postmaster Copy: Undelivered Mail",
		.text = SPAN_INIT(
		    "This is the mail system on $myhostname.\n"
		    "\n"
		    "Your message could not be delivered to the recipients "
		    "below, and will\n"
		    "not be tried again. It comes back in the last part of "
		    "this mail. The\n"
		    "postmaster can help you, if you send this report "
		    "along.\n"),
	},
	[TEMPLATE_DELAY] = {
		.name = "delay",
		.charset = "us-ascii",
		.from = from,
		.subject = "Delayed Mail (still being retried)",
		.postmaster_subject = "Postmaster Warning: Delayed Mail",
		.text = SPAN_INIT(
		    "This is the mail system on $myhostname.\n"
		    "\n"
		    "THIS IS A WARNING: you need not send your message "
		    "again.\n"
		    "\n"
		    "Your message could not be delivered to the recipients "
		    "below so far.\n"
		    "Delivery is tried for " LIFETIME
		    " from the time it was sent.\n"),
	},
	[TEMPLATE_SUCCESS] = {
		.name = "success",
		.charset = "us-ascii",
		.from = from,
		.subject = "Successful Mail Delivery Report",
		.text = SPAN_INIT(
		    "This is the mail system on $myhostname.\n"
		    "\n"
		    "Your message was delivered to the recipients below. If "
		    "it was handed to\n"
		    "another mail system, that one may send reports of its "
		    "own.\n"),
	},
	[TEMPLATE_VERIFY] = {
		.name = "verify",
		.charset = "us-ascii",
		.from = from,
		.subject = "Mail Delivery Status Report",
		.text = SPAN_INIT(
		    "This is the mail system on $myhostname.\n"
		    "\n"
		    "This is the report on your message that you asked "
		    "for.\n"),
	},
};

void
templates_init(struct templates *t)
{
	memcpy(t->of, built_in, sizeof(built_in));
}

/* A file that is being read. */
struct reading {
	struct templates *t;
	const char *file;
	struct arena *arena;
	const struct templates_to *to;
	struct span rest;
	unsigned line; /* the number of the last one that was taken */
};

static void remark(const struct reading *r, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

static void
remark(const struct reading *r, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	r->to->remark(text, r->to->arg);
}

static bool
take_line(struct reading *r, struct span *line_r)
{
	if (r->rest.n == 0)
		return false;
	*line_r = span_cut(&r->rest, '\n');
	r->line++;
	if (line_r->n > 0 && line_r->p[line_r->n - 1] == '\r')
		line_r->n--; /* of an editor of another system */
	return true;
}

/* All lines up to the one that is `marker` alone; without it, to the end. */
static void
take_document(struct reading *r, struct span marker, struct buf *out)
{
	struct span line;

	while (take_line(r, &line)) {
		if (span_eq(line, marker))
			return;
		buf_put(out, line);
		buf_put(out, SPAN("\n"));
	}
	remark(r, "%s, line %u: missing \"%.*s\" end marker", r->file, r->line,
	    (int)(marker.n < 60 ? marker.n : 60), marker.p);
}

static bool
is_ascii(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* "Label: value"; what is none of these begins the text. */
static bool
take_field(struct span *text, struct span *label_r, struct span *value_r)
{
	struct span rest = *text;
	struct span line = span_cut(&rest, '\n');
	struct span label = { line.p, 0 };

	while (line.n > 0 && *line.p > ' ' && *line.p != ':') {
		line.p++;
		line.n--;
		label.n++;
	}
	skip_white(&line);
	if (label.n == 0 || !take_char(&line, ':'))
		return false;
	*label_r = label;
	*value_r = trim_white(line);
	*text = rest;
	return true;
}

/* The member that a label stands for; NULL: none. */
static const char **
member_of(struct template *t, struct span label)
{
	const struct {
		struct span label;
		const char **member;
	} members[] = {
		{ SPAN("Charset"), &t->charset },
		{ SPAN("From"), &t->from },
		{ SPAN("Subject"), &t->subject },
		{ SPAN("Postmaster-Subject"), &t->postmaster_subject },
	};

	for (size_t i = 0; i < COUNT_OF(members); i++)
		if (span_ieq(label, members[i].label))
			return members[i].member;
	return NULL;
}

static bool
is_plain(struct span value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < ' ' && value.p[i] != '\t')
			return false;
	return true;
}

/* What is wrong with it, and of what; NULL: nothing. */
static const char *
find_fault(const char *const *member, struct span value, const char **of_r)
{
	*of_r = "label";
	if (!member)
		return "unknown";
	if (!*member)
		return "inapplicable";
	*of_r = "value";
	if (value.n == 0)
		return "empty";
	if (!is_ascii(value))
		return "non-ASCII";
	return is_plain(value) ? NULL : "non-printable";
}

static bool
set_field(const struct reading *r, struct template *t, struct span label,
    struct span value)
{
	const char **member = member_of(t, label);
	const char *of, *fault = find_fault(member, value, &of);

	if (!fault) {
		*member = arena_dup(r->arena, value);
		return *member != NULL;
	}
	remark(r,
	    "%s: %s \"%.*s\" header %s in %s template -- ignoring this template",
	    r->file, fault, (int)(label.n < 60 ? label.n : 60), label.p, of,
	    t->name);
	return false;
}

static bool
set_text(const struct reading *r, struct template *t, struct span text)
{
	char *copy;

	if (text.n == 0) {
		remark(r,
		    "%s: missing message text in %s template -- ignoring this "
		    "template",
		    r->file, t->name);
		return false;
	}
	if (!is_ascii(text) &&
	    span_ieq(span_str(t->charset), SPAN("us-ascii"))) {
		remark(r, "%s: 8-bit message text in %s template", r->file,
		    t->name);
		remark(r, "please specify a charset value other than us-ascii");
		remark(r, "-- ignoring this template for now");
		return false;
	}
	copy = arena_dup(r->arena, text);
	t->text = (struct span){ copy, copy ? text.n : 0 };
	return copy != NULL;
}

static void
skip_void_lines(struct span *text)
{
	for (struct span rest = *text; rest.n > 0; *text = rest)
		if (trim_white(span_cut(&rest, '\n')).n > 0)
			break;
}

/* A template is taken as a whole or not at all. */
static void
set_template(const struct reading *r, size_t kind, struct span text)
{
	struct template one = built_in[kind];
	struct span label, value;

	one.file = r->file;
	skip_void_lines(&text);
	while (take_field(&text, &label, &value))
		if (!set_field(r, &one, label, value))
			return;
	skip_void_lines(&text);
	if (set_text(r, &one, text))
		r->t->of[kind] = one;
}

static void
set_named(const struct reading *r, struct span name, unsigned line,
    struct span text)
{
	struct span end = SPAN("_template");

	for (size_t kind = 0; kind < TEMPLATE_KINDS; kind++) {
		struct span rest = name;

		if (take_text(&rest, span_str(built_in[kind].name)) &&
		    span_eq(rest, end)) {
			set_template(r, kind, text);
			return;
		}
	}
	remark(r,
	    "%s, line %u: unknown template name: %.*s -- ignoring this "
	    "template",
	    r->file, line, (int)(name.n < 60 ? name.n : 60), name.p);
}

/* "name = value", where the value may stand in the lines that follow. */
static int
read_entry(struct reading *r, struct span line, struct buf *out,
    struct why *why)
{
	unsigned number = r->line;
	struct span name, value;

	if (lines_split(line, r->file, number, &name, &value, why) < 0)
		return -EINVAL;
	out->n = 0;
	if (take_text(&value, SPAN("<<"))) {
		value = trim_white(value);
		if (value.n == 0)
			return why_set(why, EINVAL, r->file, number,
			    "missing end marker after <<");
		take_document(r, value, out);
	} else {
		buf_put(out, value);
		if (value.n > 0)
			buf_put(out, SPAN("\n"));
	}
	set_named(r, name, number, buf_span(out));
	return 0;
}

int
templates_parse(struct templates *t, struct span text, const char *file,
    struct arena *a, const struct templates_to *to, struct why *why)
{
	struct reading r = { t, arena_dup(a, span_str(file)), a, to, text, 0 };
	char *storage = zalloc(text.n + 2); /* one newline more than there is */
	struct span line;
	struct buf out;
	int error = r.file ? 0 : why_set(why, ENOMEM, file, 0, "too long");

	if (!error && memchr(text.p, '\0', text.n))
		error = why_set(why, EINVAL, file, 0, "holds a NUL");
	buf_init(&out, storage, text.n + 2);
	while (!error && take_line(&r, &line))
		if (!lines_is_void(line))
			error = read_entry(&r, line, &out, why);
	free(storage);
	return error;
}

int
templates_load(struct templates *t, const char *file, struct arena *a,
    const struct templates_to *to, struct why *why)
{
	struct lines lines;
	char *text = NULL;
	int error = lines_read(file, &lines, &text, why);

	if (!error)
		error = templates_parse(t, (struct span){ lines.p, lines.n },
		    file, a, to, why);
	free(text);
	return error;
}
