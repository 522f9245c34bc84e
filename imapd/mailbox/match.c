#include "imapd/mailbox/match.h"

#include "base/scan.h"
#include "imapd/mailbox/fold.h"
#include "imapd/mailbox/match_text.h"
#include "imapd/parse/command.h"
#include "mail/charset.h"
#include "mail/encoded_word.h"

#include <stdlib.h>

enum {
	FIELD = MIME_FIELD_MAX, /* of a field; what goes beyond is not seen */
	VALUE = 3 * FIELD,
	DAY = 86400,
};

/* A key, with what it needs to be asked about many messages. */
struct node {
	const struct imap_search *key;
	struct node *parts;
	struct node *next;
	struct uidset set; /* SEARCH_SET, SEARCH_UID */
	uint32_t bits; /* of flags and keywords; 0: a keyword of none */
	struct span word; /* folded */
	char *storage; /* of it */
	enum match_answer answer; /* of this message */
};

struct match {
	struct node *nodes;
	size_t nodes_n;
	size_t nodes_max;
	bool wants_heads; /* there is a key that looks into those of parts */

	/* The message. */
	uint32_t seq;
	const struct mbox_message *message;
	bool recent;

	/* The head, or the body, that is under way. */
	struct match_text text;
	bool in_body;
	bool outermost;
	bool over;
	bool line_begins;
	struct buf field;
	struct buf value;
};

static bool
is_text(const struct imap_search *key)
{
	return key->kind == SEARCH_TEXT || key->kind == SEARCH_BODY;
}

static bool
is_sent(const struct imap_search *key)
{
	return key->kind == SEARCH_SENTBEFORE || key->kind == SEARCH_SENTON ||
	    key->kind == SEARCH_SENTSINCE;
}

/* Whether the view alone does not tell. */
static bool
is_of_content(const struct imap_search *key)
{
	return is_text(key) || is_sent(key) || key->kind == SEARCH_HEADER;
}

/*** The program. ***/

static size_t
count_keys(const struct imap_search *key)
{
	size_t n = 0;

	for (; key; key = key->next)
		n += 1 + count_keys(key->parts);
	return n;
}

/* Converts, folds, and drops what is never compared. */
static bool
take_word_of(struct node *node, struct span charset)
{
	struct span text = node->key->text;
	struct buf b;

	node->storage = zalloc(4 * text.n + 16);
	buf_init(&b, node->storage, 4 * text.n + 16);
	if (charset.p && !span_ieq(charset, SPAN("utf-8"))) {
		if (!charset_to_utf8(charset, text, &b))
			return false;
	} else {
		buf_put(&b, text);
	}
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] != '\r')
			node->storage[node->word.n++] = b.p[i];
	node->word.p = node->storage;
	fold(node->storage, node->word.n);
	return true;
}

static uint32_t
bits_of_flag(unsigned flag)
{
	static const uint32_t bits[][2] = {
		{ IMAP_ANSWERED, STORE_ANSWERED },
		{ IMAP_DELETED, STORE_DELETED },
		{ IMAP_DRAFT, STORE_DRAFT },
		{ IMAP_FLAGGED, STORE_FLAGGED },
		{ IMAP_SEEN, STORE_SEEN },
	};
	uint32_t r = 0;

	for (size_t i = 0; i < COUNT_OF(bits); i++)
		if (flag & bits[i][0])
			r |= bits[i][1];
	return r;
}

static uint32_t
bits_of_keyword(struct span name, const struct span *keywords)
{
	if (span_ieq(name, SPAN("$Forwarded")))
		return STORE_FORWARDED;
	for (uint32_t i = 0; i < STORE_KEYWORDS; i++)
		if (name.n > 0 && span_ieq(name, keywords[i]))
			return (uint32_t)STORE_KEYWORD << i;
	return 0;
}

static struct node *make_nodes(struct match *m, const struct imap_search *key,
    const struct match_view *view);

static struct node *
make_node(struct match *m, const struct imap_search *key,
    const struct match_view *view)
{
	struct node *node = &m->nodes[m->nodes_n++];
	struct span text = key->text;

	must(m->nodes_n <= m->nodes_max);
	node->key = key;
	if (key->kind == SEARCH_SET || key->kind == SEARCH_UID) {
		uint32_t star = key->kind == SEARCH_SET ? view->seq_max
							: view->uid_max;

		/* The parser has seen that it is one. */
		(void)!uidset_take(&text, star, &node->set);
	} else if (key->kind == SEARCH_FLAG) {
		node->bits = bits_of_flag(key->flag);
	} else if (key->kind == SEARCH_KEYWORD) {
		node->bits = bits_of_keyword(text, view->keywords);
	}
	if (key->kind == SEARCH_TEXT)
		m->wants_heads = true;
	node->parts = make_nodes(m, key->parts, view);
	return node;
}

/* As deep as the parser allows. */
static struct node *
make_nodes(struct match *m, const struct imap_search *key,
    const struct match_view *view)
{
	struct node *first = NULL, **last = &first;

	for (; key; key = key->next) {
		*last = make_node(m, key, view);
		last = &(*last)->next;
	}
	return first;
}

static void look(struct span text, void *arg);

struct match *
match_new(const struct imap_search *tree, struct span charset,
    const struct match_view *view)
{
	struct match *m CLEANUP(match_freep) = zalloc(sizeof(*m));
	struct match *made = m;
	size_t longest = 0;
	bool content = false;

	if (charset.p && !charset_is_known(charset))
		return NULL;
	m->nodes_max = count_keys(tree);
	m->nodes = zalloc(m->nodes_max * sizeof(*m->nodes) + 1);
	(void)make_nodes(m, tree, view);
	for (size_t i = 0; i < m->nodes_n; i++) {
		struct node *node = &m->nodes[i];

		content |= is_of_content(node->key);
		if (!is_text(node->key) && node->key->kind != SEARCH_HEADER)
			continue;
		if (!take_word_of(node, charset))
			return NULL;
		if (is_text(node->key) && node->word.n > longest)
			longest = node->word.n;
	}
	if (content) {
		match_text_init(&m->text, longest, look, m);
		buf_init(&m->field, zalloc(FIELD), FIELD);
		buf_init(&m->value, zalloc(VALUE), VALUE);
	}
	m = NULL;
	return made;
}

struct match *
match_free(struct match *m)
{
	if (!m)
		return NULL;
	for (size_t i = 0; i < m->nodes_n; i++) {
		uidset_fini(&m->nodes[i].set);
		free(m->nodes[i].storage);
	}
	free(m->nodes);
	match_text_fini(&m->text);
	free(m->field.storage);
	free(m->value.storage);
	free(m);
	return NULL;
}

/*** The answer. ***/

static enum match_answer
answer_of(bool yes)
{
	return yes ? MATCH_YES : MATCH_NO;
}

static int32_t
day_of(int64_t seconds)
{
	int64_t day = seconds / DAY - (seconds % DAY < 0 ? 1 : 0);

	return day > INT32_MAX ? INT32_MAX : (int32_t)day;
}

static enum match_answer
answer_day(enum imap_search_kind kind, int32_t day, int32_t days)
{
	if (kind == SEARCH_BEFORE || kind == SEARCH_SENTBEFORE)
		return answer_of(day < days);
	if (kind == SEARCH_SINCE || kind == SEARCH_SENTSINCE)
		return answer_of(day >= days);
	return answer_of(day == days);
}

static enum match_answer answer(const struct match *m, const struct node *n);

/* All, or with `any` one, of a list. */
static enum match_answer
answer_list(const struct match *m, const struct node *list, bool any)
{
	enum match_answer decides = answer_of(any);
	enum match_answer all = answer_of(!any);

	for (; list; list = list->next) {
		enum match_answer one = answer(m, list);

		if (one == decides)
			return decides;
		if (one == MATCH_UNKNOWN)
			all = MATCH_UNKNOWN;
	}
	return all;
}

static enum match_answer
answer_not(enum match_answer a)
{
	return a == MATCH_UNKNOWN ? a : answer_of(a == MATCH_NO);
}

static enum match_answer
answer(const struct match *m, const struct node *n)
{
	const struct mbox_message *msg = m->message;

	switch (n->key->kind) {
	case SEARCH_ALL:
		return MATCH_YES;
	case SEARCH_AND:
		return answer_list(m, n->parts, false);
	case SEARCH_OR:
		return answer_list(m, n->parts, true);
	case SEARCH_NOT:
		return answer_not(answer(m, n->parts));
	case SEARCH_SET:
		return answer_of(uidset_has(&n->set, m->seq));
	case SEARCH_UID:
		return answer_of(uidset_has(&n->set, msg->uid));
	case SEARCH_FLAG:
	case SEARCH_KEYWORD:
		return answer_of(msg->flags & n->bits);
	case SEARCH_RECENT:
		return answer_of(m->recent);
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		return answer_day(n->key->kind, day_of(msg->date),
		    n->key->days);
	case SEARCH_LARGER:
		return answer_of(msg->size > n->key->size);
	case SEARCH_SMALLER:
		return answer_of(msg->size < n->key->size);
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE:
	case SEARCH_HEADER:
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return n->answer;
	}
	return MATCH_NO;
}

static enum match_answer
answer_all(const struct match *m)
{
	return m->nodes_n > 0 ? answer_list(m, &m->nodes[0], false) : MATCH_YES;
}

enum match_answer
match_begin(struct match *m, uint32_t seq, const struct mbox_message *message,
    bool recent)
{
	m->seq = seq;
	m->message = message;
	m->recent = recent;
	m->outermost = true;
	m->in_body = false;
	m->over = false;
	m->line_begins = true;
	buf_drop(&m->field, m->field.n);
	match_text_begin(&m->text);
	for (size_t i = 0; i < m->nodes_n; i++) {
		struct node *n = &m->nodes[i];

		n->answer = is_text(n->key) && n->word.n == 0 ? MATCH_YES
							      : MATCH_UNKNOWN;
	}
	return answer_all(m);
}

/* What is not known yet of that kind was not there. */
static void
settle(struct match *m, bool (*which)(const struct imap_search *key))
{
	for (size_t i = 0; i < m->nodes_n; i++) {
		struct node *n = &m->nodes[i];

		if (which(n->key) && n->answer == MATCH_UNKNOWN)
			n->answer = MATCH_NO;
	}
}

/*** Text. ***/

/* A window of a head or a body. */
static void
look(struct span text, void *arg)
{
	struct match *m = arg;

	for (size_t i = 0; i < m->nodes_n; i++) {
		struct node *n = &m->nodes[i];

		if (!is_text(n->key) || n->answer != MATCH_UNKNOWN ||
		    (n->key->kind == SEARCH_BODY && !m->in_body))
			continue;
		if (memmem(text.p, text.n, n->word.p, n->word.n))
			n->answer = MATCH_YES;
	}
}

/* Blanks in a row as one, none at the ends: in place. */
static void
join_blanks(struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		bool blank = b->p[i] == ' ' || b->p[i] == '\t';

		if (!blank)
			b->p[n++] = b->p[i];
		else if (n > 0 && b->p[n - 1] != ' ')
			b->p[n++] = ' ';
	}
	b->n = n > 0 && b->p[n - 1] == ' ' ? n - 1 : n;
}

/* Those whose blanks mean nothing. */
static bool
is_loose(struct span name)
{
	static const struct span names[] = {
		SPAN_INIT("Bcc"),
		SPAN_INIT("Cc"),
		SPAN_INIT("From"),
		SPAN_INIT("Subject"),
		SPAN_INIT("To"),
	};
	bool r = false;

	for (size_t i = 0; i < COUNT_OF(names); i++)
		r |= span_ieq(name, names[i]);
	return r;
}

/* A field of the outermost head, for the keys that want it; value decoded. */
static void
look_at_field(struct match *m, struct span name)
{
	if (is_loose(name))
		join_blanks(&m->value);
	fold(m->value.p, m->value.n);
	for (size_t i = 0; i < m->nodes_n; i++) {
		struct node *n = &m->nodes[i];

		if (n->key->kind != SEARCH_HEADER ||
		    n->answer != MATCH_UNKNOWN ||
		    !span_ieq(n->key->field, name))
			continue;
		if (n->word.n == 0 ||
		    memmem(m->value.p, m->value.n, n->word.p, n->word.n))
			n->answer = MATCH_YES;
	}
}

static void
look_at_date(struct match *m, struct span value)
{
	int32_t day = match_day_of(value);

	for (size_t i = 0; i < m->nodes_n; i++) {
		struct node *n = &m->nodes[i];

		if (is_sent(n->key) && n->answer == MATCH_UNKNOWN)
			n->answer = answer_day(n->key->kind, day, n->key->days);
	}
}

static void
end_field(struct match *m)
{
	struct span value = buf_span(&m->field);
	struct span name, head;

	if (take_until(&value, ':', &name)) {
		name = trim_white(name);
		skip_white(&value);
		head = (struct span){ m->field.p,
			(size_t)(value.p - m->field.p) };
	} else {
		name = head = SPAN("");
	}
	buf_drop(&m->value, m->value.n);
	encoded_words(value, &m->value);
	if (m->wants_heads) {
		match_text_put(&m->text, head);
		match_text_put(&m->text, buf_span(&m->value));
		match_text_put(&m->text, SPAN("\n"));
	}
	if (m->outermost && name.n > 0) {
		if (span_ieq(name, SPAN("Date")))
			look_at_date(m, value);
		look_at_field(m, name);
	}
	buf_drop(&m->field, m->field.n);
}

/* A line of a head, or the beginning or the rest of one. */
static void
add_to_field(struct match *m, struct span text)
{
	if (text.n > buf_room(&m->field)) {
		text.n = buf_room(&m->field);
	}
	buf_put(&m->field, text);
}

/* Takes from a line's beginning what tells what it is. False: the head is over. */
static bool
begin_line(struct match *m, char c)
{
	if (c != ' ' && c != '\t' && m->field.n > 0)
		end_field(m);
	m->over = c == '\n';
	m->line_begins = false;
	return !m->over;
}

static void
feed_head(struct match *m, struct span piece)
{
	while (piece.n > 0 && !m->over) {
		bool begins = m->line_begins;
		struct span all, line;

		/* Nothing that is compared, nor does it begin a field. */
		if (piece.p[0] == '\r') {
			piece = (struct span){ piece.p + 1, piece.n - 1 };
			continue;
		}
		if (m->line_begins && !begin_line(m, piece.p[0]))
			return;
		/* What joins lines is a blank, however they were folded. */
		if (m->field.n > 0 && begins && piece.p[0] == '\t') {
			add_to_field(m, SPAN(" "));
			piece = (struct span){ piece.p + 1, piece.n - 1 };
			continue;
		}
		all = piece;
		line = span_cut(&piece, '\n');
		m->line_begins = line.n < all.n;
		while (line.n > 0)
			add_to_field(m, span_cut(&line, '\r'));
	}
}

bool
match_feed_head(struct match *m, struct span piece)
{
	feed_head(m, piece);
	return !m->over;
}

static bool
is_of_head(const struct imap_search *key)
{
	return is_sent(key) || key->kind == SEARCH_HEADER;
}

enum match_answer
match_end_head(struct match *m)
{
	if (m->field.n > 0)
		end_field(m);
	match_text_end(&m->text);
	look_at_date(m, SPAN(""));
	settle(m, is_of_head);
	m->outermost = false;
	return answer_all(m);
}

bool
match_begin_part_head(struct match *m)
{
	m->in_body = false;
	m->over = false;
	m->line_begins = true;
	match_text_begin(&m->text);
	return m->wants_heads;
}

bool
match_begin_body(struct match *m, const struct mime_part *part)
{
	bool text = part->kind == MIME_TEXT ||
	    (part->kind == MIME_LEAF && span_ieq(part->type, SPAN("message")));

	m->in_body = true;
	if (text)
		match_text_begin_body(&m->text, part);
	return text;
}

void
match_feed(struct match *m, struct span piece)
{
	if (m->in_body)
		match_text_feed(&m->text, piece);
	else
		feed_head(m, piece);
}

enum match_answer
match_end_part(struct match *m)
{
	if (!m->in_body && m->field.n > 0)
		end_field(m);
	match_text_end(&m->text);
	return answer_all(m);
}

enum match_answer
match_end(struct match *m)
{
	settle(m, is_of_content);
	return answer_all(m);
}

/*** Date. ***/

/* Days since 1970 of a day of the Gregorian calendar; months from 0. */
static int32_t
days_from(int32_t year, int32_t month, int32_t day)
{
	int32_t y = month < 2 ? year - 1 : year;
	int32_t m = (month + 10) % 12; /* from March */
	int32_t era = y / 400;
	int32_t of_era = y % 400;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	    (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool
take_month(struct span *in, int32_t *month_r)
{
	static const struct span names[] = {
		SPAN_INIT("Jan"),
		SPAN_INIT("Feb"),
		SPAN_INIT("Mar"),
		SPAN_INIT("Apr"),
		SPAN_INIT("May"),
		SPAN_INIT("Jun"),
		SPAN_INIT("Jul"),
		SPAN_INIT("Aug"),
		SPAN_INIT("Sep"),
		SPAN_INIT("Oct"),
		SPAN_INIT("Nov"),
		SPAN_INIT("Dec"),
	};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (take_text(in, names[i])) {
			*month_r = (int32_t)i;
			return true;
		}
	return false;
}

/* Two digits, or three, are of RFC 5322, 4.3. */
static int32_t
full_year(uint64_t year, size_t digits)
{
	if (digits == 2 && year < 50)
		return (int32_t)year + 2000;
	return (int32_t)year + (digits == 2 || digits == 3 ? 1900 : 0);
}

/* [ day-name "," ] day month year */
int32_t
match_day_of(struct span field)
{
	uint64_t day, year;
	struct span name, rest;
	int32_t month;

	mime_skip_cfws(&field);
	rest = field;
	if (!take_number(&rest, 31, &day)) {
		if (!mime_take_token(&field, &name))
			return 0;
		mime_skip_cfws(&field);
		(void)!take_char(&field, ',');
		mime_skip_cfws(&field);
	}
	if (!take_number(&field, 31, &day) || day == 0)
		return 0;
	mime_skip_cfws(&field);
	if (!take_month(&field, &month))
		return 0;
	mime_skip_cfws(&field);
	rest = field;
	if (!take_number(&field, 9999, &year))
		return 0;
	return days_from(full_year(year, rest.n - field.n), month,
	    (int32_t)day);
}
