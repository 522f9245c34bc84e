#include "imapd/parse/fetch.h"

#include "base/scan.h"
#include "imapd/parse/parser.h"

struct item {
	struct span name;
	enum imap_fetch_kind kind;
};

static const struct item items[] = {
	{ SPAN_INIT("BODY"), FETCH_BODY },
	{ SPAN_INIT("BODYSTRUCTURE"), FETCH_BODYSTRUCTURE },
	{ SPAN_INIT("ENVELOPE"), FETCH_ENVELOPE },
	{ SPAN_INIT("FLAGS"), FETCH_FLAGS },
	{ SPAN_INIT("INTERNALDATE"), FETCH_INTERNALDATE },
	{ SPAN_INIT("RFC822"), FETCH_RFC822 },
	{ SPAN_INIT("RFC822.HEADER"), FETCH_RFC822_HEADER },
	{ SPAN_INIT("RFC822.SIZE"), FETCH_RFC822_SIZE },
	{ SPAN_INIT("RFC822.TEXT"), FETCH_RFC822_TEXT },
	{ SPAN_INIT("UID"), FETCH_UID },
};

struct macro {
	struct span name;
	size_t n;
	enum imap_fetch_kind kinds[5];
};

static const struct macro macros[] = {
	{ SPAN_INIT("ALL"), 4,
	    { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_RFC822_SIZE,
		FETCH_ENVELOPE } },
	{ SPAN_INIT("FAST"), 3,
	    { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_RFC822_SIZE } },
	{ SPAN_INIT("FULL"), 5,
	    { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_RFC822_SIZE,
		FETCH_ENVELOPE, FETCH_BODY } },
};

struct section {
	struct span name;
	enum imap_section section;
};

/* The longer names first. */
static const struct section sections[] = {
	{ SPAN_INIT("HEADER.FIELDS.NOT"), SECTION_FIELDS_NOT },
	{ SPAN_INIT("HEADER.FIELDS"), SECTION_FIELDS },
	{ SPAN_INIT("HEADER"), SECTION_HEADER },
	{ SPAN_INIT("TEXT"), SECTION_TEXT },
	{ SPAN_INIT("MIME"), SECTION_MIME },
};

static struct imap_fetch *
new_item(struct parser *p, enum imap_fetch_kind kind)
{
	struct imap_fetch *item = parse_alloc(p, sizeof(*item));

	if (item)
		item->kind = kind;
	return item;
}

/* header-fld-name: an astring that may be a field's name. */
static bool
parse_field(struct parser *p, struct span *field_r)
{
	if (!parse_astring(p, field_r) || field_r->n == 0)
		return parse_fail(p, "Invalid name of a header field");
	for (size_t i = 0; i < field_r->n; i++) {
		char c = field_r->p[i];

		if (c <= ' ' || c >= 0x7f || c == ':')
			return parse_fail(p, "Invalid name of a header field");
	}
	return true;
}

/* SP "(" header-fld-name *(SP header-fld-name) ")" */
static bool
parse_fields(struct parser *p, struct imap_fetch *item)
{
	struct span fields[IMAP_FIELDS_MAX];

	if (!parse_space(p) || !take_char(&p->in, '('))
		return parse_fail(p, "HEADER.FIELDS wants a list");
	do {
		if (item->fields_n == IMAP_FIELDS_MAX)
			return parse_fail(p, "Too many header fields");
		if (!parse_field(p, &fields[item->fields_n]))
			return false;
		item->fields_n++;
	} while (take_char(&p->in, ' '));
	if (!take_char(&p->in, ')'))
		return parse_fail(p, "Missing ) after the header fields");
	item->fields = parse_alloc(p, item->fields_n * sizeof(*fields));
	if (!item->fields)
		return false;
	memcpy(item->fields, fields, item->fields_n * sizeof(*fields));
	return true;
}

/* section-part = nz-number *("." nz-number); takes a dot behind it too. */
static bool
parse_numbers(struct parser *p, struct imap_fetch *item, bool *dot_r)
{
	uint32_t numbers[IMAP_SECTION_MAX];
	size_t n = 0;

	*dot_r = false;
	while (p->in.n > 0 && *p->in.p >= '0' && *p->in.p <= '9') {
		if (n == IMAP_SECTION_MAX)
			return parse_fail(p, "Section is too deep");
		if (!imap_take_nz_number(&p->in, &numbers[n]))
			return parse_fail(p, "Invalid section");
		n++;
		*dot_r = take_char(&p->in, '.');
		if (!*dot_r)
			break;
	}
	if (n == 0)
		return true;
	item->numbers_n = n;
	item->numbers = parse_alloc(p, n * sizeof(*numbers));
	if (!item->numbers)
		return false;
	memcpy(item->numbers, numbers, n * sizeof(*numbers));
	return true;
}

/* [section-part] ["." section-text] / section-msgtext */
static bool
parse_section(struct parser *p, struct imap_fetch *item)
{
	bool dot;

	if (!parse_numbers(p, item, &dot))
		return false;
	if (item->numbers_n > 0 && !dot)
		return true;
	for (size_t i = 0; i < COUNT_OF(sections); i++) {
		if (!take_text(&p->in, sections[i].name))
			continue;
		item->section = sections[i].section;
		if (item->section == SECTION_MIME && item->numbers_n == 0)
			break;
		if (item->section == SECTION_FIELDS ||
		    item->section == SECTION_FIELDS_NOT)
			return parse_fields(p, item);
		return true;
	}
	if (dot || item->section == SECTION_MIME)
		return parse_fail(p, "Invalid section");
	return true;
}

/* "<" number "." nz-number ">" */
static bool
parse_partial(struct parser *p, struct imap_fetch *item)
{
	if (!take_char(&p->in, '<'))
		return true;
	item->partial = true;
	if (!imap_take_number(&p->in, &item->first) ||
	    !take_char(&p->in, '.') ||
	    !imap_take_nz_number(&p->in, &item->count) ||
	    !take_char(&p->in, '>'))
		return parse_fail(p, "Invalid partial range");
	return true;
}

static struct imap_fetch *
parse_body(struct parser *p, bool peek)
{
	struct imap_fetch *item = new_item(p, FETCH_SECTION);

	if (!item)
		return NULL;
	item->peek = peek;
	if (!parse_section(p, item))
		return NULL;
	if (!take_char(&p->in, ']')) {
		(void)parse_fail(p, "Invalid section");
		return NULL;
	}
	return parse_partial(p, item) ? item : NULL;
}

/* A word of letters, digits and dots. */
static struct span
take_name(struct parser *p)
{
	size_t n = 0;

	while (n < p->in.n &&
	    (p->in.p[n] == '.' || (p->in.p[n] >= '0' && p->in.p[n] <= '9') ||
		(ascii_lower(p->in.p[n]) >= 'a' &&
		    ascii_lower(p->in.p[n]) <= 'z')))
		n++;

	struct span name = { p->in.p, n };
	p->in = (struct span){ p->in.p + n, p->in.n - n };
	return name;
}

static struct imap_fetch *
parse_item(struct parser *p, struct span name)
{
	bool peek = span_ieq(name, SPAN("BODY.PEEK"));

	if ((peek || span_ieq(name, SPAN("BODY"))) && take_char(&p->in, '['))
		return parse_body(p, peek);
	for (size_t i = 0; i < COUNT_OF(items); i++)
		if (span_ieq(name, items[i].name))
			return new_item(p, items[i].kind);
	(void)parse_fail(p, "Unknown item in FETCH");
	return NULL;
}

static bool
add_macro(struct parser *p, const struct macro *macro)
{
	struct imap_fetch **last = &p->command->fetch;

	for (size_t i = 0; i < macro->n; i++) {
		*last = new_item(p, macro->kinds[i]);
		if (!*last)
			return false;
		last = &(*last)->next;
	}
	return true;
}

bool
parse_fetch(struct parser *p)
{
	struct imap_fetch **last = &p->command->fetch;
	bool list;

	if (!parse_space(p))
		return false;
	list = take_char(&p->in, '(');
	for (size_t n = 0; n < IMAP_FETCH_MAX; n++) {
		struct span name = take_name(p);

		for (size_t i = 0; !list && i < COUNT_OF(macros); i++)
			if (span_ieq(name, macros[i].name))
				return add_macro(p, &macros[i]);
		*last = parse_item(p, name);
		if (!*last)
			return false;
		last = &(*last)->next;
		if (!list)
			return true;
		if (take_char(&p->in, ')'))
			return true;
		if (!parse_space(p))
			return false;
	}
	return parse_fail(p, "Too many items in FETCH");
}
