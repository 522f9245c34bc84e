#include "imapd/parse/search.h"

#include "base/scan.h"
#include "imapd/parse/parser.h"

/* What follows the name of a key. */
enum operand {
	NOTHING,
	STRING,
	DATE,
	NUMBER,
	KEYWORD,
	SET,
	FIELD, /* a name and a string */
	KEY,
	TWO_KEYS,
};

struct key {
	struct span name;
	enum imap_search_kind kind;
	enum operand operand;
	unsigned flag;
	bool negated;
	struct span field;
};

#define FLAG_KEY(name, flag) \
	{ \
		SPAN_INIT(name), SEARCH_FLAG, NOTHING, flag, false, \
		    SPAN_INIT("") \
	}
#define NO_FLAG_KEY(name, flag) \
	{ \
		SPAN_INIT(name), SEARCH_FLAG, NOTHING, flag, true, \
		    SPAN_INIT("") \
	}
#define KEY(name, kind, operand) \
	{ \
		SPAN_INIT(name), kind, operand, 0, false, SPAN_INIT("") \
	}
#define FIELD_KEY(name, field) \
	{ \
		SPAN_INIT(name), SEARCH_HEADER, STRING, 0, false, \
		    SPAN_INIT(field) \
	}

static const struct key keys[] = {
	KEY("ALL", SEARCH_ALL, NOTHING),
	FLAG_KEY("ANSWERED", IMAP_ANSWERED),
	FIELD_KEY("BCC", "Bcc"),
	KEY("BEFORE", SEARCH_BEFORE, DATE),
	KEY("BODY", SEARCH_BODY, STRING),
	FIELD_KEY("CC", "Cc"),
	FLAG_KEY("DELETED", IMAP_DELETED),
	FLAG_KEY("DRAFT", IMAP_DRAFT),
	FLAG_KEY("FLAGGED", IMAP_FLAGGED),
	FIELD_KEY("FROM", "From"),
	KEY("HEADER", SEARCH_HEADER, FIELD),
	KEY("KEYWORD", SEARCH_KEYWORD, KEYWORD),
	KEY("LARGER", SEARCH_LARGER, NUMBER),
	KEY("NOT", SEARCH_NOT, KEY),
	{ SPAN_INIT("OLD"), SEARCH_RECENT, NOTHING, 0, true, SPAN_INIT("") },
	KEY("ON", SEARCH_ON, DATE),
	KEY("OR", SEARCH_OR, TWO_KEYS),
	KEY("RECENT", SEARCH_RECENT, NOTHING),
	FLAG_KEY("SEEN", IMAP_SEEN),
	KEY("SENTBEFORE", SEARCH_SENTBEFORE, DATE),
	KEY("SENTON", SEARCH_SENTON, DATE),
	KEY("SENTSINCE", SEARCH_SENTSINCE, DATE),
	KEY("SINCE", SEARCH_SINCE, DATE),
	KEY("SMALLER", SEARCH_SMALLER, NUMBER),
	FIELD_KEY("SUBJECT", "Subject"),
	KEY("TEXT", SEARCH_TEXT, STRING),
	FIELD_KEY("TO", "To"),
	KEY("UID", SEARCH_UID, SET),
	NO_FLAG_KEY("UNANSWERED", IMAP_ANSWERED),
	NO_FLAG_KEY("UNDELETED", IMAP_DELETED),
	NO_FLAG_KEY("UNDRAFT", IMAP_DRAFT),
	NO_FLAG_KEY("UNFLAGGED", IMAP_FLAGGED),
	{ SPAN_INIT("UNKEYWORD"), SEARCH_KEYWORD, KEYWORD, 0, true,
	    SPAN_INIT("") },
	NO_FLAG_KEY("UNSEEN", IMAP_SEEN),
};

/* How many keys there were, and how deep this one is. */
struct depth {
	unsigned *n;
	unsigned level;
};

static struct imap_search *parse_key(struct parser *p, struct depth depth);

static struct imap_search *
fail(struct parser *p, const char *error)
{
	(void)parse_fail(p, error);
	return NULL;
}

static struct imap_search *
new_node(struct parser *p, enum imap_search_kind kind)
{
	struct imap_search *node = parse_alloc(p, sizeof(*node));

	if (node)
		node->kind = kind;
	return node;
}

/* A node of that kind around `part`. */
static struct imap_search *
wrap(struct parser *p, enum imap_search_kind kind, struct imap_search *part)
{
	struct imap_search *node = part ? new_node(p, kind) : NULL;

	if (node)
		node->parts = part;
	return node;
}

/* Keys by blanks, up to what is no blank. */
static struct imap_search *
parse_keys(struct parser *p, struct depth depth)
{
	struct imap_search *all = new_node(p, SEARCH_AND);
	struct imap_search **last = all ? &all->parts : NULL;

	while (last) {
		*last = parse_key(p, depth);
		if (!*last)
			return NULL;
		last = &(*last)->next;
		if (!take_char(&p->in, ' '))
			return all;
	}
	return NULL;
}

static bool
parse_operand(struct parser *p, const struct key *key, struct depth depth,
    struct imap_search *node)
{
	if (key->operand != NOTHING && !parse_space(p))
		return false;
	switch (key->operand) {
	case NOTHING:
		return true;
	case STRING:
		return parse_astring(p, &node->text);
	case DATE:
		return imap_take_date(&p->in, &node->days) ||
		    parse_fail(p, "Invalid date");
	case NUMBER:
		return imap_take_number(&p->in, &node->size) ||
		    parse_fail(p, "Invalid number");
	case KEYWORD:
		return imap_take_atom(&p->in, &node->text) ||
		    parse_fail(p, "Invalid keyword");
	case SET:
		return parse_set(p, &node->text);
	case FIELD:
		return parse_astring(p, &node->field) && parse_space(p) &&
		    parse_astring(p, &node->text);
	case KEY:
		node->parts = parse_key(p, depth);
		return node->parts;
	case TWO_KEYS:
		node->parts = parse_key(p, depth);
		if (!node->parts || !parse_space(p))
			return false;
		node->parts->next = parse_key(p, depth);
		return node->parts->next;
	}
	return false;
}

/* NEW = RECENT UNSEEN */
static struct imap_search *
parse_new(struct parser *p)
{
	struct imap_search *seen = new_node(p, SEARCH_FLAG);
	struct imap_search *recent = new_node(p, SEARCH_RECENT);

	if (!seen || !recent)
		return NULL;
	seen->flag = IMAP_SEEN;
	recent->next = wrap(p, SEARCH_NOT, seen);
	return recent->next ? wrap(p, SEARCH_AND, recent) : NULL;
}

static struct imap_search *
parse_named(struct parser *p, struct span name, struct depth depth)
{
	if (span_ieq(name, SPAN("NEW")))
		return parse_new(p);
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		const struct key *key = &keys[i];
		struct imap_search *node;

		if (!span_ieq(name, key->name))
			continue;
		node = new_node(p, key->kind);
		if (!node)
			return NULL;
		node->flag = key->flag;
		node->field = key->field;
		if (!parse_operand(p, key, depth, node))
			return NULL;
		return key->negated ? wrap(p, SEARCH_NOT, node) : node;
	}
	return fail(p, "Unknown search key");
}

/* search-key */
static struct imap_search *
parse_key(struct parser *p, struct depth depth)
{
	struct imap_search *node;
	struct span word;

	if (++depth.level > IMAP_SEARCH_DEPTH_MAX)
		return fail(p, "Search is nested too deep");
	if (++*depth.n > IMAP_SEARCH_MAX)
		return fail(p, "Too many search keys");
	if (take_char(&p->in, '(')) {
		node = parse_keys(p, depth);
		if (node && !take_char(&p->in, ')'))
			return fail(p, "Missing ) in search");
		return node;
	}
	if (imap_take_set(&p->in, IMAP_RANGES_MAX, &word)) {
		node = new_node(p, SEARCH_SET);
		if (node)
			node->text = word;
		return node;
	}
	if (!imap_take_atom(&p->in, &word))
		return fail(p, "Missing search key");
	return parse_named(p, word, depth);
}

bool
parse_search(struct parser *p)
{
	unsigned n = 0;

	if (!parse_space(p))
		return false;
	if (take_text(&p->in, SPAN("CHARSET ")) &&
	    (!parse_astring(p, &p->command->charset) || !parse_space(p)))
		return false;
	p->command->search = parse_keys(p, (struct depth){ &n, 0 });
	return p->command->search;
}
