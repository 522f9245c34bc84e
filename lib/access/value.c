#include "access/private.h"

#include "base/scan.h"

#include <stdio.h>

/* What a table may say of a client or address: access(5). */

static enum access_outcome
note(struct access_eval *e, const char *what, struct span text)
{
	snprintf(e->note, sizeof(e->note), "%.*s",
	    (int)(text.n < ACCESS_TEXT_MAX ? text.n : ACCESS_TEXT_MAX),
	    text.p ? text.p : "");
	e->what = what;
	e->want = ACCESS_WANT_NOTE;
	return OUTCOME_ASK;
}

/* x.y.z of RFC 3463, of the class of the code. */
static bool
take_dsn(struct span *in, unsigned code, char dsn[12])
{
	struct span rest = *in, word;
	uint64_t class, subject, detail;

	if (!take_word(&rest, &word))
		return false;
	struct span w = word;
	if (!take_number(&w, 9, &class) || !take_char(&w, '.') ||
	    !take_number(&w, 999, &subject) || !take_char(&w, '.') ||
	    !take_number(&w, 999, &detail) || w.n > 0 || class != code / 100)
		return false;
	snprintf(dsn, 12, "%.*s", (int)word.n, word.p);
	take_blanks(&rest);
	*in = rest;
	return true;
}

static enum access_outcome
refuse_with(struct access_eval *e, unsigned code, struct span text,
    const char *name, const char *subject, const char *otherwise)
{
	char dsn[12];

	snprintf(dsn, sizeof(dsn), "%u.7.1", code / 100 % 10);
	(void)take_dsn(&text, code, dsn);
	return access_refuse(e, code, dsn, "<%s>: %s rejected: %.*s", subject,
	    name, (int)(text.n ? text.n : strlen(otherwise)),
	    text.n ? text.p : otherwise);
}

static enum access_outcome
broken(struct access_eval *e)
{
	return access_refuse(e, 451, "4.3.5", "Server configuration error");
}

/* "450 text", "550 5.1.1 text": a reply that is spelled out. */
static bool
take_code(struct span *in, unsigned *code_r)
{
	struct span rest = *in;
	uint64_t code;

	if (!take_number(&rest, 599, &code) || code < 400 || rest.n == 0 ||
	    (rest.p[0] != ' ' && rest.p[0] != '\t'))
		return false;
	take_blanks(&rest);
	*in = rest;
	*code_r = (unsigned)code;
	return true;
}

static bool
is_number(struct span s)
{
	uint64_t n;

	return take_number(&s, UINT64_MAX, &n) && s.n == 0;
}

static enum access_outcome
discard(struct access_eval *e, struct span text, const char *name,
    const char *subject)
{
	e->verdict.action = ACCESS_DISCARD;
	snprintf(e->verdict.text, sizeof(e->verdict.text),
	    "<%s>: %s triggers DISCARD action%s%.*s", subject, name,
	    text.n ? " " : "", (int)(text.n < 200 ? text.n : 200),
	    text.p ? text.p : "");
	return OUTCOME_DECIDED;
}

/* The refusals that have a name; all may be followed by a text. */
static bool
apply_refusal(struct access_eval *e, struct span verb, struct span text,
    const char *name, const char *subject, enum access_outcome *o_r)
{
	if (span_ieq(verb, SPAN("REJECT"))) {
		*o_r = refuse_with(e, 554, text, name, subject,
		    "Access denied");
	} else if (span_ieq(verb, SPAN("DEFER"))) {
		*o_r = refuse_with(e, 450, text, name, subject,
		    "Access denied");
	} else if (span_ieq(verb, SPAN("DEFER_IF_PERMIT"))) {
		refuse_with(e, 450, text, name, subject, "Service unavailable");
		*o_r = access_keep(e, &e->if_permit);
	} else if (span_ieq(verb, SPAN("DEFER_IF_REJECT"))) {
		refuse_with(e, 450, text, name, subject, "Service unavailable");
		*o_r = access_keep(e, &e->if_reject);
	} else {
		return false;
	}
	return true;
}

/* "X-Spam: yes": a field's name and its colon (RFC 5322, section 2.2). */
static bool
is_field(struct span text)
{
	size_t n = 0;

	while (n < text.n && text.p[n] > ' ' && text.p[n] < 0x7f &&
	    text.p[n] != ':')
		n++;
	return n > 0 && n < text.n && text.p[n] == ':';
}

static bool
has_char(struct span text, char c)
{
	return text.n > 0 && memchr(text.p, c, text.n);
}

/* What would not work is told, and not done, as Postfix has it. */
static bool
is_usable(enum access_effect effect, struct span arg)
{
	switch (effect) {
	case ACCESS_EFFECT_FILTER:
		return has_char(arg, ':');
	case ACCESS_EFFECT_PREPEND:
		return is_field(arg);
	case ACCESS_EFFECT_REDIRECT:
	case ACCESS_EFFECT_BCC:
		return has_char(arg, '@');
	case ACCESS_EFFECT_HOLD:
	case ACCESS_EFFECT_NONE:
		break;
	}
	return true;
}

static const struct effect {
	struct span verb;
	const char *what;
	enum access_effect effect;
} effects[] = {
	{ SPAN_INIT("HOLD"), "hold", ACCESS_EFFECT_HOLD },
	{ SPAN_INIT("FILTER"), "filter", ACCESS_EFFECT_FILTER },
	{ SPAN_INIT("PREPEND"), "prepend", ACCESS_EFFECT_PREPEND },
	{ SPAN_INIT("REDIRECT"), "redirect", ACCESS_EFFECT_REDIRECT },
	{ SPAN_INIT("BCC"), "bcc", ACCESS_EFFECT_BCC },
};

static enum access_outcome
apply_effect(struct access_eval *e, const struct effect *f, struct span arg,
    const char *name, const char *subject)
{
	char text[ACCESS_TEXT_MAX];
	int n = (int)(arg.n < 200 ? arg.n : 200);

	if (!is_usable(f->effect, arg)) {
		snprintf(text, sizeof(text),
		    "<%s>: %s: %.*s with \"%.*s\" cannot be done", subject,
		    name, (int)f->verb.n, f->verb.p, n, arg.p);
		return note(e, "warn", span_str(text));
	}
	if (f->effect == ACCESS_EFFECT_HOLD && arg.n > 0)
		snprintf(text, sizeof(text), "<%s>: %s %.*s", subject, name, n,
		    arg.p);
	else
		snprintf(text, sizeof(text), "<%s>: %s triggers %.*s %.*s",
		    subject, name, (int)f->verb.n, f->verb.p,
		    arg.n ? n : (int)strlen("action"),
		    arg.n ? arg.p : "action");
	e->effect = f->effect;
	e->effect_arg = arg;
	return note(e, f->what, span_str(text));
}

static bool
take_effect(struct access_eval *e, struct span verb, struct span arg,
    const char *name, const char *subject, enum access_outcome *o_r)
{
	for (size_t i = 0; i < COUNT_OF(effects); i++)
		if (span_ieq(verb, effects[i].verb)) {
			*o_r = apply_effect(e, &effects[i], arg, name, subject);
			return true;
		}
	return false;
}

enum access_outcome
access_apply(struct access_eval *e, struct span value, const char *name,
    const char *subject)
{
	struct span rest = value, verb;
	enum access_outcome o;
	unsigned code;

	if (e->noted)
		return OUTCOME_DUNNO;
	take_blanks(&rest);
	if (is_number(rest))
		return OUTCOME_PERMIT;
	if (take_code(&rest, &code))
		return refuse_with(e, code, rest, name, subject,
		    "Access denied");
	struct span list = rest;
	if (!take_word(&rest, &verb))
		return broken(e);
	take_blanks(&rest);
	if (span_ieq(verb, SPAN("OK")) || span_ieq(verb, SPAN("RELAY")))
		return OUTCOME_PERMIT;
	if (span_ieq(verb, SPAN("DUNNO")))
		return OUTCOME_DUNNO;
	if (apply_refusal(e, verb, rest, name, subject, &o))
		return o;
	if (span_ieq(verb, SPAN("WARN")))
		return note(e, "warn", rest);
	if (span_ieq(verb, SPAN("INFO")))
		return note(e, "info", rest);
	if (span_ieq(verb, SPAN("DISCARD")))
		return discard(e, rest, name, subject);
	if (take_effect(e, verb, rest, name, subject, &o))
		return o;
	if (e->depth == ACCESS_DEPTH_MAX)
		return broken(e);
	e->frames[e->depth++] = (struct access_frame){
		.text = list,
		.warn_only = e->current.warn_only,
	};
	return OUTCOME_CALL;
}
