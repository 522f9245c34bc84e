#include "mail/addrlist.h"

#include "base/scan.h"

void
addrlist_init(struct addrlist *a, struct span field, char *scratch,
    size_t scratch_max)
{
	*a = (struct addrlist){ .in = field };
	buf_init(&a->words, scratch, scratch_max / 2);
	buf_init(&a->comment, scratch + scratch_max / 2, scratch_max / 2);
}

static void
drop(struct addrlist *a, size_t n)
{
	a->in = (struct span){ a->in.p + n, a->in.n - n };
}

static void
put_char(struct buf *b, char c)
{
	buf_put(b, (struct span){ &c, 1 });
}

static void
empty(struct buf *b)
{
	buf_init(b, b->storage, b->max);
}

/* A comment, which may hold others. */
static void
take_comment(struct addrlist *a)
{
	size_t open = 0;

	empty(&a->comment);
	while (a->in.n > 0) {
		char c = *a->in.p;
		bool escaped = c == '\\' && a->in.n > 1;

		drop(a, escaped ? 2 : 1);
		if (escaped)
			c = a->in.p[-1];
		else if (c == '(' && open++ == 0)
			continue;
		else if (c == ')' && --open == 0)
			break;
		put_char(&a->comment, c);
	}
}

static void
skip_cfws(struct addrlist *a)
{
	while (a->in.n > 0) {
		char c = *a->in.p;

		if (c == '(')
			take_comment(a);
		else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			drop(a, 1);
		else
			return;
	}
}

static void
take_quoted(struct addrlist *a)
{
	drop(a, 1);
	while (a->in.n > 0 && *a->in.p != '"') {
		if (*a->in.p == '\\' && a->in.n > 1)
			drop(a, 1);
		put_char(&a->words, *a->in.p);
		drop(a, 1);
	}
	if (a->in.n > 0)
		drop(a, 1);
}

static bool
ends_word(char c)
{
	return c == '\0' || memchr(" \t\r\n(\"<>,;:@", c, 12);
}

static void
take_atom(struct addrlist *a)
{
	size_t n = 0;

	while (n < a->in.n && !ends_word(a->in.p[n]))
		n++;
	buf_put(&a->words, (struct span){ a->in.p, n });
	drop(a, n);
}

/* Words up to what is none, with a blank between them. True: all are atoms. */
static bool
take_words(struct addrlist *a, size_t from)
{
	bool atoms = true;

	for (;;) {
		skip_cfws(a);
		if (a->in.n == 0)
			return atoms;
		if (*a->in.p == '\0') {
			drop(a, 1); /* no word and no end of one */
			continue;
		}
		if (*a->in.p != '"' && ends_word(*a->in.p))
			return atoms;
		if (a->words.n > from)
			put_char(&a->words, ' ');
		if (*a->in.p == '"') {
			atoms = false;
			take_quoted(a);
		} else {
			take_atom(a);
		}
	}
}

/* Blanks around the dots of a local part go (RFC 5322, 4.4). */
static void
squeeze(struct buf *b, size_t from)
{
	size_t n = from;

	for (size_t i = from; i < b->n; i++) {
		bool by_dot = b->p[i] == ' ' &&
		    ((n > from && b->p[n - 1] == '.') ||
			(i + 1 < b->n && b->p[i + 1] == '.'));

		if (!by_dot)
			b->p[n++] = b->p[i];
	}
	b->n = n;
}

static struct span
words_from(const struct addrlist *a, size_t from)
{
	return (struct span){ a->words.p + from, a->words.n - from };
}

/* domain: a literal, or words and dots, without blanks and comments. */
static struct span
take_domain(struct addrlist *a)
{
	size_t from = a->words.n;

	for (;;) {
		skip_cfws(a);
		if (a->in.n > 0 && *a->in.p == '[') {
			const char *end = memchr(a->in.p, ']', a->in.n);
			size_t n = end ? (size_t)(end - a->in.p) + 1 : a->in.n;

			buf_put(&a->words, (struct span){ a->in.p, n });
			drop(a, n);
			continue;
		}
		if (a->in.n == 0 || ends_word(*a->in.p))
			break;
		/* Behind a blank only a dot goes on with it. */
		if (a->words.n > from && *a->in.p != '.' &&
		    a->words.p[a->words.n - 1] != '.')
			break;
		take_atom(a);
	}
	return words_from(a, from);
}

/* obs-route = "@" domain *("," "@" domain) ":" */
static void
take_route(struct addrlist *a, struct addrlist_item *item)
{
	size_t from = a->words.n;

	while (take_char(&a->in, '@')) {
		if (a->words.n > from)
			put_char(&a->words, ',');
		put_char(&a->words, '@');
		(void)take_domain(a);
		while (take_char(&a->in, ','))
			skip_cfws(a);
	}
	item->route = words_from(a, from);
	(void)!take_char(&a->in, ':');
}

/* "<" [obs-route] addr-spec ">" */
static void
take_angle(struct addrlist *a, struct addrlist_item *item)
{
	size_t from;

	drop(a, 1);
	skip_cfws(a);
	if (a->in.n > 0 && *a->in.p == '@')
		take_route(a, item);
	from = a->words.n;
	if (take_words(a, from))
		squeeze(&a->words, from);
	item->mailbox = words_from(a, from);
	if (take_char(&a->in, '@'))
		item->domain = take_domain(a);
	/* What else is in there is no address. */
	while (a->in.n > 0 && *a->in.p != '>' && *a->in.p != ',')
		drop(a, 1);
	(void)!take_char(&a->in, '>');
}

/* To the comma that ends it, or a group's end, which stays. */
static void
skip_rest(struct addrlist *a)
{
	for (;;) {
		skip_cfws(a);
		if (a->in.n == 0 || *a->in.p == ';' || take_char(&a->in, ','))
			return;
		if (*a->in.p == '"') {
			size_t n = a->words.n;

			take_quoted(a);
			a->words.n = n;
		} else {
			drop(a, 1);
		}
	}
}

/* What follows the first words of an address. */
static void
take_mailbox(struct addrlist *a, bool atoms, struct addrlist_item *item)
{
	if (a->in.n > 0 && *a->in.p == '<') {
		if (a->words.n > 0)
			item->name = buf_span(&a->words);
		take_angle(a, item);
	} else {
		if (atoms)
			squeeze(&a->words, 0);
		item->mailbox = buf_span(&a->words);
		if (take_char(&a->in, '@'))
			item->domain = take_domain(a);
	}
	skip_rest(a);
	if (!item->name.p && a->comment.n > 0)
		item->name = buf_span(&a->comment);
}

static bool
end_group(struct addrlist *a, struct addrlist_item *item_r)
{
	bool was = a->in_group;

	a->in_group = false;
	if (was)
		*item_r = (struct addrlist_item){ ADDRLIST_GROUP_END,
			.name = { 0 } };
	return was;
}

bool
addrlist_next(struct addrlist *a, struct addrlist_item *item_r)
{
	struct addrlist_item item = { .kind = ADDRLIST_MAILBOX };
	bool atoms;

	empty(&a->words);
	empty(&a->comment);
	for (;;) {
		skip_cfws(a);
		if (a->in.n == 0)
			return end_group(a, item_r);
		if (take_char(&a->in, ';')) {
			if (end_group(a, item_r))
				return true;
		} else if (*a->in.p == ',' || *a->in.p == '>' ||
		    *a->in.p == '\0') {
			drop(a, 1);
		} else if (*a->in.p == ':' && !a->in_group) {
			break;
		} else if (*a->in.p == ':') {
			drop(a, 1);
		} else {
			break;
		}
	}
	empty(&a->comment);
	atoms = take_words(a, 0);
	if (a->in.n > 0 && *a->in.p == ':' && !a->in_group) {
		drop(a, 1);
		a->in_group = true;
		item.kind = ADDRLIST_GROUP;
		item.mailbox = buf_span(&a->words);
	} else {
		take_mailbox(a, atoms, &item);
	}
	*item_r = item;
	return true;
}
