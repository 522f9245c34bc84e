#include "local/main/expand_build.h"

#include "mail/address.h"

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
	LOOK_AT_TRANSPORT,
	LOOK_AT_RELAY,
};

static unsigned
source_bit(const struct expand_node *n)
{
	if (!n || n->source == EXPAND_ALIAS || n->source == EXPAND_RELAY)
		return EXPAND_IN_ALIAS;
	return n->source == EXPAND_FORWARD ? EXPAND_IN_FORWARD
					   : EXPAND_IN_INCLUDE;
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
	const struct expand_item *i = expand_current(x);

	x->want = want;
	x->key = key;
	x->step = step;
	x->about = (struct expand_address){
		.text = i->text,
		.local = i->local,
		.base = i->base,
		.extension = i->extension,
	};
	return want;
}

/* The steps, each of which goes on to the next until there is a question. */
/*
 * Users that an alias with an owner names; but what is sent on to whom it came for
 * has been there already.
 */
static bool
is_sent_on(const struct expand *x, const struct expand_item *i)
{
	return i->kind == ALIAS_ADDRESS && i->from && i->from->owned &&
	    !span_eq(i->base, x->items[0].base);
}

static enum expand_want
look_at_user(struct expand *x)
{
	const struct expand_item *i = expand_current(x);

	if (is_sent_on(x, i)) {
		expand_add_leaf(x,
		    (struct leaf){ .kind = LEAF_ADDRESS, .text = i->text });
		return EXPAND_DONE;
	}
	return ask(x, EXPAND_USER, expand_current(x)->base, LOOK_AT_USER);
}

static enum expand_want
look_at_base(struct expand *x)
{
	const struct expand_item *i = expand_current(x);

	if (i->extension.n == 0 || i->kind == ALIAS_MAILBOX ||
	    expand_has_been(i->from, EXPAND_ALIAS, i->base))
		return look_at_user(x);
	return ask(x, EXPAND_ALIAS, i->base, LOOK_AT_BASE);
}

static enum expand_want
look_at_alias(struct expand *x)
{
	const struct expand_item *i = expand_current(x);

	if (i->kind == ALIAS_MAILBOX)
		return look_at_user(x);
	if (expand_has_been(i->from, EXPAND_ALIAS, i->local))
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
		expand_add_verdict(x, LEAF_BOUNCE, "5.1.3",
		    "bad address syntax in an alias: \"", text);
	else if (!((command ? x->c->commands : x->c->files) & bit))
		expand_add_verdict(x, LEAF_BOUNCE, "5.7.1",
		    command ? "mail to command is restricted"
			    : "mail to file is restricted",
		    SPAN(""));
	else
		expand_add_leaf(x,
		    (struct leaf){
			.kind = command ? LEAF_COMMAND : LEAF_FILE,
			.text = text,
		    });
}

/* DONE: the item was a leaf. */
static enum expand_want
begin(struct expand *x)
{
	struct expand_item *i = expand_current(x);
	struct span local, domain;

	switch (i->kind) {
	case ALIAS_COMMAND:
	case ALIAS_FILE:
	case ALIAS_BAD:
		begin_special(x, i);
		return EXPAND_DONE;
	case ALIAS_INCLUDE:
		if (expand_has_been(i->from, EXPAND_INCLUDE, i->text)) {
			expand_add_verdict(x, LEAF_BOUNCE, "5.4.6",
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
		i->text = expand_join(x, local, SPAN(""), domain);
	}
	expand_take_apart(x, i, local);
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
		expand_add_verdict(x, LEAF_DEFER, "4.3.0",
		    "unreasonable alias expansion", SPAN(""));
		x->at = x->items_n;
	}
	return EXPAND_DONE;
}

static void
end_alias(struct expand *x)
{
	const struct expand_item *i = expand_current(x);
	const struct expand_node *n = expand_make_node(x, EXPAND_ALIAS,
	    i->alias);

	if (n)
		expand_add_items(x, n, i->value);
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
	struct expand_item *i = expand_current(x);
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
	struct expand_item *i = expand_current(x);
	struct alias_item a;
	struct span raw, rest = value, local, domain;

	i->owned = true;
	i->sender = expand_join(x, SPAN("owner-"), i->alias, x->c->origin);
	if (!x->c->expand_owner_alias || !aliases_cut(&rest, &raw) ||
	    aliases_cut(&rest, &local) || !aliases_parse(raw, x->arena, &a) ||
	    a.kind != ALIAS_ADDRESS)
		return;
	i->sender = address_cut(a.text, &local, &domain)
	    ? a.text
	    : expand_join(x, a.text, SPAN(""), x->c->origin);
}

static void
take_file(struct expand *x, enum expand_want source, struct span key,
    struct span value)
{
	const struct expand_node *n = expand_make_node(x, source, key);

	if (n)
		expand_add_items(x, n, value);
	x->want = EXPAND_DONE;
	next_item(x);
}

static void
end_as(struct expand *x, enum leaf_kind kind, struct span text)
{
	expand_add_leaf(x,
	    (struct leaf){
		.kind = kind,
		.user = expand_current(x)->user,
		.text = text,
	    });
	x->want = EXPAND_DONE;
	next_item(x);
}

/* Of a user, or of nobody: another transport may be who delivers. */
static bool
ask_for_transport(struct expand *x)
{
	const struct expand_item *i = expand_current(x);

	x->user = i->user;
	if (x->c->transports)
		ask(x, EXPAND_TRANSPORT, i->base, LOOK_AT_TRANSPORT);
	return x->c->transports;
}

static void
take_mailbox_leaf(struct expand *x)
{
	if (!ask_for_transport(x))
		end_as(x, LEAF_MAILBOX, (struct span){ 0 });
}

static void
end_with(struct expand *x, enum leaf_kind kind, const char *dsn,
    const char *text, struct span name)
{
	expand_add_verdict(x, kind, dsn, text, name);
	x->want = EXPAND_DONE;
	next_item(x);
}

static void
end_unknown(struct expand *x)
{
	end_with(x, LEAF_BOUNCE, "5.1.1", "unknown user: \"",
	    expand_current(x)->base);
}

/* Who gets the mail of nobody has to be somebody. */
static void
take_unknown(struct expand *x)
{
	const struct expand_node *n = expand_current(x)->from;

	while (n && n->source != EXPAND_RELAY)
		n = n->parent;
	if (!x->c->relay || n)
		end_unknown(x);
	else
		ask(x, EXPAND_RELAY, expand_current(x)->base, LOOK_AT_RELAY);
}

/* A .forward that says nothing is none. */
static void
answer_forward(struct expand *x, bool found, struct span value)
{
	const struct expand_item *i = expand_current(x);
	struct span rest = value, raw;

	if (found && aliases_cut_lines(&rest, &raw))
		take_file(x, EXPAND_FORWARD, i->user->name, value);
	else
		take_mailbox_leaf(x);
}

/* The item has its next question, or was a leaf. */
static void
go_on(struct expand *x, enum expand_want want)
{
	if (want != EXPAND_DONE)
		return;
	x->want = EXPAND_DONE;
	next_item(x);
}

void
expand_answer(struct expand *x, enum expand_found answer, struct span value)
{
	struct expand_item *i = expand_current(x);
	bool found = answer == EXPAND_YES;

	if (answer == EXPAND_LATER) {
		end_with(x, LEAF_DEFER, "4.3.0", "", value);
		return;
	}
	switch (x->step) {
	case LOOK_AT_DOMAIN:
		if (found)
			go_on(x, look_at_alias(x));
		else
			end_as(x, LEAF_ADDRESS, i->text);
		break;
	case LOOK_AT_ALIAS:
	case LOOK_AT_BASE:
		if (found)
			take_alias(x, value);
		else
			go_on(x,
			    x->step == LOOK_AT_ALIAS ? look_at_base(x)
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
	case LOOK_AT_TRANSPORT:
		if (found)
			end_as(x, LEAF_PASS, value);
		else if (x->user)
			end_as(x, LEAF_MAILBOX, (struct span){ 0 });
		else
			take_unknown(x);
		break;
	case LOOK_AT_RELAY:
		if (found)
			take_file(x, EXPAND_RELAY, i->base, value);
		else
			end_unknown(x);
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
	struct expand_item *i = expand_current(x);

	must(x->want == EXPAND_USER);
	switch (answer) {
	case EXPAND_LATER:
		end_with(x, LEAF_DEFER, "4.3.0", "", reason);
		break;
	case EXPAND_NO:
		if (!ask_for_transport(x))
			take_unknown(x);
		break;
	case EXPAND_YES:
		i->user = user;
		if (i->kind == ALIAS_MAILBOX ||
		    expand_has_been(i->from, EXPAND_FORWARD, user->name)) {
			take_mailbox_leaf(x);
			break;
		}
		x->user = user;
		ask(x, EXPAND_FORWARD, i->extension, LOOK_AT_FORWARD);
		break;
	}
}

bool
expand_is_last(const struct expand *x, struct leaf *leaf_r)
{
	const struct expand_item *i = &x->items[x->at];

	if (x->items_n != 1 || x->c->transports)
		return false;
	*leaf_r = (struct leaf){
		.kind = LEAF_MAILBOX,
		.to = i->text,
		.extension = i->extension,
		.user = i->user,
	};
	return true;
}

void
expand_init(struct expand *x, const struct expand_config *c, struct arena *a,
    struct span addr)
{
	struct expand_item first = { .kind = ALIAS_ADDRESS, .text = addr };

	*x = (struct expand){ .c = c, .arena = a };
	expand_add_item(x, &first);
}
