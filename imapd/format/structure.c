#include "imapd/format/structure.h"

/* body-fld-param; `charset` is added to what has none. */
static void
put_params(struct out *o, const struct mime_param *list, bool charset)
{
	struct span before = SPAN("(");

	charset = charset && !mime_param_find(list, SPAN("charset")).p;
	for (const struct mime_param *p = list; p; p = p->next) {
		out_put(o, before);
		before = SPAN(" ");
		out_string(o, p->name);
		out_put(o, before);
		out_string(o, p->value);
	}
	if (charset) {
		out_put(o, before);
		before = SPAN(" ");
		out_put(o, SPAN("\"charset\" \"us-ascii\""));
	}
	out_put(o, list || charset ? SPAN(")") : SPAN("NIL"));
}

/* body-fld-dsp SP body-fld-lang SP body-fld-loc */
static void
put_extension(struct out *o, const struct mime_part *part)
{
	if (part->disposition.p) {
		out_put(o, SPAN(" ("));
		out_string(o, part->disposition);
		out_put(o, SPAN(" "));
		put_params(o, part->disposition_params, false);
		out_put(o, SPAN(") "));
	} else {
		out_put(o, SPAN(" NIL "));
	}
	for (const struct mime_param *p = part->languages; p; p = p->next) {
		out_put(o, p == part->languages ? SPAN("(") : SPAN(" "));
		out_string(o, p->value);
	}
	out_put(o, part->languages ? SPAN(") ") : SPAN("NIL "));
	out_nstring(o, part->location);
}

/* body-fields: params, id, description, encoding, octets */
static void
put_fields(struct out *o, const struct mime_part *part)
{
	put_params(o, part->params, part->kind == MIME_TEXT);
	out_put(o, SPAN(" "));
	out_nstring(o, part->id);
	out_put(o, SPAN(" "));
	out_nstring(o, part->description);
	out_put(o, SPAN(" "));
	out_string(o, part->encoding.p ? part->encoding : SPAN("7bit"));
	out_put(o, SPAN(" "));
	out_number(o, part->end.wire - part->body.wire);
}

static void
put_type(struct out *o, const struct mime_part *part)
{
	bool opaque = part->kind == MIME_OPAQUE;

	out_string(o, opaque ? SPAN("application") : part->type);
	out_put(o, SPAN(" "));
	out_string(o, opaque ? SPAN("octet-stream") : part->subtype);
	out_put(o, SPAN(" "));
}

static void
put_lines(struct out *o, const struct mime_part *part)
{
	out_put(o, SPAN(" "));
	out_number(o, part->end.lines - part->body.lines);
}

/* body-type-mpart */
static void
put_multipart(struct out *o, const struct mime_part *part, bool extended,
    char *scratch)
{
	static const struct mime_part empty = {
		.kind = MIME_TEXT,
		.type = SPAN_INIT("text"),
		.subtype = SPAN_INIT("plain"),
	};

	if (!part->parts)
		out_structure(o, &empty, extended, scratch);
	for (const struct mime_part *p = part->parts; p; p = p->next)
		out_structure(o, p, extended, scratch);
	out_put(o, SPAN(" "));
	out_string(o, part->subtype);
	if (extended) {
		out_put(o, SPAN(" "));
		put_params(o, part->params, false);
		put_extension(o, part);
	}
}

/* As deep as parts go: MIME_DEPTH_MAX. */
void
out_structure(struct out *o, const struct mime_part *part, bool extended,
    char *scratch)
{
	out_put(o, SPAN("("));
	if (part->kind == MIME_MULTIPART) {
		put_multipart(o, part, extended, scratch);
		out_put(o, SPAN(")"));
		return;
	}
	put_type(o, part);
	put_fields(o, part);
	if (part->kind == MIME_MESSAGE) {
		out_put(o, SPAN(" "));
		out_envelope(o, part->parts->envelope, scratch);
		out_put(o, SPAN(" "));
		out_structure(o, part->parts, extended, scratch);
	}
	if (part->kind == MIME_MESSAGE || part->kind == MIME_TEXT)
		put_lines(o, part);
	if (extended) {
		out_put(o, SPAN(" "));
		out_nstring(o, part->md5);
		put_extension(o, part);
	}
	out_put(o, SPAN(")"));
}
