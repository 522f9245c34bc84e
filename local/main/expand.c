#include "local/main/expand.h"

#include "mail/address.h"

/* Something that was expanded, on the way to an item. */
struct expand_node {
	const struct expand_node *parent;
	enum expand_want source; /* EXPAND_ALIAS, _FORWARD or _INCLUDE */
	struct span key; /* of the alias, the user, or the path */
	const struct expand_user *user;
	struct span sender;
	unsigned depth;
};

struct expand_item {
	enum alias_kind kind;
	struct span text; /* of an address: all of it */
	const struct expand_node *from;

	/* Of a local address, as it goes on. */
	struct span local; /* in small letters */
	struct span base; /* without extension */
	struct span extension;
	struct span sender; /* if an alias has an owner */
	struct span value; /* of that alias */
	struct span alias;
	const struct expand_user *user;
};

/* The steps of an item; an item that is no address has only the first. */
enum {
	BEGIN,
	LOOK_AT_DOMAIN,
	LOOK_AT_ALIAS, /* of the whole local part */
	LOOK_AT_BASE, /* of what stands before its extension */
	LOOK_AT_OWNER,
	LOOK_AT_USER,
	LOOK_AT_FORWARD,
	LOOK_AT_INCLUDE,
};

static struct expand_item *
current(struct expand *x)
{
	return &x->items[x->at];
}

static unsigned
source_bit(const struct expand_node *n)
{
	if (!n || n->source == EXPAND_ALIAS)
		return EXPAND_IN_ALIAS;
	return n->source == EXPAND_FORWARD ? EXPAND_IN_FORWARD
					   : EXPAND_IN_INCLUDE;
}

static bool
has_been(const struct expand_node *n, enum expand_want source, struct span key)
{
	for (; n; n = n->parent)
		if (n->source == source && span_ieq(n->key, key))
			return true;
	return false;
}

static bool
same_leaf(const struct leaf *a, const struct leaf *b)
{
	if (a->kind != b->kind || a->user != b->user)
		return a->kind == LEAF_MAILBOX && b->kind == LEAF_MAILBOX &&
		    span_eq(a->user->name, b->user->name);
	return span_eq(a->text, b->text) && span_eq(a->sender, b->sender);
}

static void
add_leaf(struct expand *x, struct leaf leaf)
{
	const struct expand_item *i = current(x);

	leaf.to = i->text;
	leaf.sender = i->sender.n ? i->sender
	    : i->from             ? i->from->sender
				  : (struct span){ 0 };
	leaf.extension = i->extension;
	if (leaf.kind == LEAF_COMMAND || leaf.kind == LEAF_FILE ||
	    leaf.kind == LEAF_ADDRESS)
		leaf.user = i->from ? i->from->user : NULL;
	for (size_t k = 0; k < x->n; k++)
		if (same_leaf(&x->leaves[k], &leaf))
			return;
	if (x->n == x->leaves_max) {
		size_t max = x->leaves_max ? 2 * x->leaves_max : 4;
		struct leaf *more = arena_alloc(x->arena, max * sizeof(*more));

		if (!more) {
			x->failed = true;
			return;
		}
		if (x->n)
			memcpy(more, x->leaves, x->n * sizeof(*more));
		x->leaves = more;
		x->leaves_max = max;
	}
	x->leaves[x->n++] = leaf;
}

static void
add_verdict(struct expand *x, enum leaf_kind kind, const char *dsn,
    const char *text, struct span name)
{
	size_t max = strlen(text) + name.n + 8;
	char *storage = arena_alloc(x->arena, max);
	struct buf b;

	if (!storage) {
		x->failed = true;
		return;
	}
	buf_init(&b, storage, max);
	buf_put(&b, span_str(text));
	buf_put(&b, name);
	if (kind == LEAF_BOUNCE && name.n && text[strlen(text) - 1] == '"')
		buf_put(&b, SPAN("\""));
	add_leaf(x,
	    (struct leaf){ .kind = kind, .dsn = dsn, .text = buf_span(&b) });
}

static void
add_item(struct expand *x, const struct expand_item *item)
{
	if (x->items_n == x->items_max) {
		size_t max = x->items_max ? 2 * x->items_max : 8;
		struct expand_item *more = max > 2 * EXPAND_ITEMS_MAX
		    ? NULL
		    : arena_alloc(x->arena, max * sizeof(*more));

		if (!more) {
			x->failed = true;
			return;
		}
		if (x->items_n)
			memcpy(more, x->items, x->items_n * sizeof(*more));
		x->items = more;
		x->items_max = max;
	}
	x->items[x->items_n++] = *item;
	if (x->items_n > EXPAND_ITEMS_MAX)
		x->failed = true;
}

static void
next_item(struct expand *x)
{
	x->at++;
	x->step = BEGIN;
}

static enum expand_want
ask(struct expand *x, enum expand_want want, struct span key, unsigned step)
{
	x->want = want;
	x->key = key;
	x->step = step;
	return want;
}

/* "name@origin". An empty span: no room. */
static struct span
join(struct expand *x, struct span a, struct span b, struct span domain)
{
	char *text = arena_alloc(x->arena, a.n + b.n + domain.n + 1);
	struct buf out;

	if (!text) {
		x->failed = true;
		return (struct span){ 0 };
	}
	buf_init(&out, text, a.n + b.n + domain.n + 1);
	buf_put(&out, a);
	buf_put(&out, b);
	buf_put(&out, SPAN("@"));
	buf_put(&out, domain);
	return buf_span(&out);
}

/* Cuts a local part; quotes are taken off what the tables are asked for. */
static void
take_apart(struct expand *x, struct expand_item *i, struct span local)
{
	char *low = arena_alloc(x->arena, local.n + 1);
	size_t n = 0;

	if (!low) {
		x->failed = true;
		return;
	}
	if (local.n >= 2 && local.p[0] == '"')
		local = (struct span){ local.p + 1, local.n - 2 };
	for (size_t k = 0; k < local.n; k++) {
		if (local.p[k] == '\\' && k + 1 < local.n)
			k++;
		low[n++] = ascii_lower(local.p[k]);
	}
	i->local = i->base = (struct span){ low, n };
	if (!address_split(i->local, x->c->delimiters, &i->base, &i->extension))
		i->extension = (struct span){ 0 };
}

/* The steps, each of which goes on to the next until there is a question. */
static enum expand_want
look_at_user(struct expand *x)
{
	return ask(x, EXPAND_USER, current(x)->base, LOOK_AT_USER);
}

static enum expand_want
look_at_base(struct expand *x)
{
	const struct expand_item *i = current(x);

	if (i->extension.n == 0 || i->kind == ALIAS_MAILBOX ||
	    has_been(i->from, EXPAND_ALIAS, i->base))
		return look_at_user(x);
	return ask(x, EXPAND_ALIAS, i->base, LOOK_AT_BASE);
}

static enum expand_want
look_at_alias(struct expand *x)
{
	const struct expand_item *i = current(x);

	if (i->kind == ALIAS_MAILBOX)
		return look_at_user(x);
	if (has_been(i->from, EXPAND_ALIAS, i->local))
		return look_at_base(x);
	return ask(x, EXPAND_ALIAS, i->local, LOOK_AT_ALIAS);
}

static void
begin_special(struct expand *x, struct expand_item *i)
{
	unsigned bit = source_bit(i->from);
	bool command = i->kind == ALIAS_COMMAND;
	struct span text = i->text;

	i->text = i->from ? i->from->key : i->text;
	if (i->kind == ALIAS_BAD)
		add_verdict(x, LEAF_BOUNCE, "5.1.3",
		    "bad address syntax in an alias: \"", text);
	else if (!((command ? x->c->commands : x->c->files) & bit))
		add_verdict(x, LEAF_BOUNCE, "5.7.1",
		    command ? "mail to command is restricted"
			    : "mail to file is restricted",
		    SPAN(""));
	else
		add_leaf(x,
		    (struct leaf){
			.kind = command ? LEAF_COMMAND : LEAF_FILE,
			.text = text,
		    });
}

/* DONE: the item was a leaf. */
static enum expand_want
begin(struct expand *x)
{
	struct expand_item *i = current(x);
	struct span local, domain;

	switch (i->kind) {
	case ALIAS_COMMAND:
	case ALIAS_FILE:
	case ALIAS_BAD:
		begin_special(x, i);
		return EXPAND_DONE;
	case ALIAS_INCLUDE:
		if (has_been(i->from, EXPAND_INCLUDE, i->text)) {
			add_verdict(x, LEAF_BOUNCE, "5.4.6",
			    ":include: loop: \"", i->text);
			return EXPAND_DONE;
		}
		x->user = i->from ? i->from->user : NULL;
		return ask(x, EXPAND_INCLUDE, i->text, LOOK_AT_INCLUDE);
	case ALIAS_ADDRESS:
	case ALIAS_MAILBOX:
		break;
	}
	if (!address_cut(i->text, &local, &domain)) {
		domain = x->c->origin;
		i->text = join(x, local, SPAN(""), domain);
	}
	take_apart(x, i, local);
	if (!i->from) /* qmgr knows that it is ours */
		return look_at_alias(x);
	return ask(x, EXPAND_DOMAIN, domain, LOOK_AT_DOMAIN);
}

enum expand_want
expand_step(struct expand *x)
{
	while (x->at < x->items_n && !x->failed) {
		enum expand_want w = x->want;

		if (w == EXPAND_DONE)
			w = begin(x);
		if (w != EXPAND_DONE && !x->failed)
			return w;
		x->want = EXPAND_DONE;
		next_item(x);
	}
	if (x->failed) {
		x->failed = false;
		x->n = 0;
		x->at = 0;
		add_verdict(x, LEAF_DEFER, "4.3.0",
		    "unreasonable alias expansion", SPAN(""));
		x->at = x->items_n;
	}
	return EXPAND_DONE;
}

/* All items of a value or of a file become items of ours. */
static void
add_items(struct expand *x, const struct expand_node *from, struct span value)
{
	bool lines = from->source != EXPAND_ALIAS;
	struct span raw;

	if (from->depth > EXPAND_DEPTH_MAX) {
		add_verdict(x, LEAF_BOUNCE, "5.4.6",
		    "possible alias database loop for \"", from->key);
		return;
	}
	while (!x->failed &&
	    (lines ? aliases_cut_lines(&value, &raw)
		   : aliases_cut(&value, &raw))) {
		struct expand_item item = { .from = from };
		struct alias_item a;

		if (!aliases_parse(raw, x->arena, &a)) {
			x->failed = true;
			return;
		}
		item.kind = a.kind;
		item.text = a.text;
		add_item(x, &item);
	}
}

static const struct expand_node *
make_node(struct expand *x, enum expand_want source, struct span key)
{
	const struct expand_item *i = current(x);
	struct expand_node *n = ARENA_NEW(x->arena, struct expand_node);

	if (!n) {
		x->failed = true;
		return NULL;
	}
	*n = (struct expand_node){
		.parent = i->from,
		.source = source,
		.key = key,
		.user = source == EXPAND_ALIAS ? NULL
		    : source == EXPAND_FORWARD ? i->user
		    : i->from                  ? i->from->user
					       : NULL,
		.sender = i->sender.n ? i->sender
		    : i->from         ? i->from->sender
				      : (struct span){ 0 },
		.depth = i->from ? i->from->depth + 1 : 1,
	};
	return n;
}

static void
end_alias(struct expand *x)
{
	const struct expand_item *i = current(x);
	const struct expand_node *n = make_node(x, EXPAND_ALIAS, i->alias);

	if (n)
		add_items(x, n, i->value);
	x->want = EXPAND_DONE;
	next_item(x);
}

static bool
ends_with(struct span s, struct span end)
{
	return s.n >= end.n &&
	    span_ieq((struct span){ s.p + s.n - end.n, end.n }, end);
}

/* The alias is found; whether it has an owner is the next question. */
static void
take_alias(struct expand *x, struct span value)
{
	struct expand_item *i = current(x);
	static const struct span owner = SPAN_INIT("owner-");
	char *key;

	i->alias = x->key;
	i->value = value;
	if (x->c->owner_request_special &&
	    ((i->alias.n > owner.n &&
		 span_ieq((struct span){ i->alias.p, owner.n }, owner)) ||
		ends_with(i->alias, SPAN("-request")))) {
		end_alias(x);
		return;
	}
	key = arena_alloc(x->arena, owner.n + i->alias.n + 1);
	if (!key) {
		x->failed = true;
		return;
	}
	memcpy(key, owner.p, owner.n);
	memcpy(key + owner.n, i->alias.p, i->alias.n);
	ask(x, EXPAND_ALIAS, (struct span){ key, owner.n + i->alias.n },
	    LOOK_AT_OWNER);
}

/* It is owner-NAME's, or who that is, if it is one address. */
static void
take_owner(struct expand *x, struct span value)
{
	struct expand_item *i = current(x);
	struct alias_item a;
	struct span raw, rest = value, local, domain;

	i->sender = join(x, SPAN("owner-"), i->alias, x->c->origin);
	if (!x->c->expand_owner_alias || !aliases_cut(&rest, &raw) ||
	    aliases_cut(&rest, &local) || !aliases_parse(raw, x->arena, &a) ||
	    a.kind != ALIAS_ADDRESS)
		return;
	i->sender = address_cut(a.text, &local, &domain)
	    ? a.text
	    : join(x, a.text, SPAN(""), x->c->origin);
}

static void
take_file(struct expand *x, enum expand_want source, struct span key,
    struct span value)
{
	const struct expand_node *n = make_node(x, source, key);

	if (n)
		add_items(x, n, value);
	x->want = EXPAND_DONE;
	next_item(x);
}

static void
take_mailbox_leaf(struct expand *x)
{
	add_leaf(x,
	    (struct leaf){ .kind = LEAF_MAILBOX, .user = current(x)->user });
	x->want = EXPAND_DONE;
	next_item(x);
}

static void
end_with(struct expand *x, enum leaf_kind kind, const char *dsn,
    const char *text, struct span name)
{
	add_verdict(x, kind, dsn, text, name);
	x->want = EXPAND_DONE;
	next_item(x);
}

/* A .forward that says nothing is none. */
static void
answer_forward(struct expand *x, bool found, struct span value)
{
	const struct expand_item *i = current(x);
	struct span rest = value, raw;

	if (found && aliases_cut_lines(&rest, &raw))
		take_file(x, EXPAND_FORWARD, i->user->name, value);
	else
		take_mailbox_leaf(x);
}

void
expand_answer(struct expand *x, enum expand_found answer, struct span value)
{
	struct expand_item *i = current(x);
	bool found = answer == EXPAND_YES;

	if (answer == EXPAND_LATER) {
		end_with(x, LEAF_DEFER, "4.3.0", "", value);
		return;
	}
	switch (x->step) {
	case LOOK_AT_DOMAIN:
		if (found) {
			(void)look_at_alias(x);
			break;
		}
		add_leaf(x,
		    (struct leaf){ .kind = LEAF_ADDRESS, .text = i->text });
		x->want = EXPAND_DONE;
		next_item(x);
		break;
	case LOOK_AT_ALIAS:
	case LOOK_AT_BASE:
		if (found)
			take_alias(x, value);
		else
			(void)(x->step == LOOK_AT_ALIAS ? look_at_base(x)
							: look_at_user(x));
		break;
	case LOOK_AT_OWNER:
		if (found)
			take_owner(x, value);
		end_alias(x);
		break;
	case LOOK_AT_FORWARD:
		answer_forward(x, found, value);
		break;
	case LOOK_AT_INCLUDE:
		if (found)
			take_file(x, EXPAND_INCLUDE, i->text, value);
		else
			end_with(x, LEAF_DEFER, "4.2.4",
			    "cannot open include file ", i->text);
		break;
	default:
		die("no question was asked");
	}
}

void
expand_answer_user(struct expand *x, enum expand_found answer,
    const struct expand_user *user, struct span reason)
{
	struct expand_item *i = current(x);

	must(x->want == EXPAND_USER);
	switch (answer) {
	case EXPAND_LATER:
		end_with(x, LEAF_DEFER, "4.3.0", "", reason);
		break;
	case EXPAND_NO:
		end_with(x, LEAF_BOUNCE, "5.1.1", "unknown user: \"", i->base);
		break;
	case EXPAND_YES:
		i->user = user;
		if (i->kind == ALIAS_MAILBOX ||
		    has_been(i->from, EXPAND_FORWARD, user->name)) {
			take_mailbox_leaf(x);
			break;
		}
		x->user = user;
		ask(x, EXPAND_FORWARD, i->extension, LOOK_AT_FORWARD);
		break;
	}
}

void
expand_init(struct expand *x, const struct expand_config *c, struct arena *a,
    struct span addr)
{
	struct expand_item first = { .kind = ALIAS_ADDRESS, .text = addr };

	*x = (struct expand){ .c = c, .arena = a };
	add_item(x, &first);
}
