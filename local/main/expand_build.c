/* What an expansion is made of: items on their way, and leaves. */
#include "local/main/expand_build.h"

#include "base/buf.h"
#include "dict/keys.h"

bool
expand_has_been(const struct expand_node *n, enum expand_want source,
    struct span key)
{
	for (; n; n = n->parent)
		if (n->source == source && span_ieq(n->key, key))
			return true;
	return false;
}

static bool
same_leaf(const struct leaf *a, const struct leaf *b)
{
	if (a->kind == LEAF_PASS && b->kind == LEAF_PASS)
		return span_ieq(a->to, b->to);
	if (a->kind != b->kind || a->user != b->user)
		return a->kind == LEAF_MAILBOX && b->kind == LEAF_MAILBOX &&
		    span_eq(a->user->name, b->user->name);
	return span_eq(a->text, b->text) && span_eq(a->sender, b->sender);
}

void
expand_add_leaf(struct expand *x, struct leaf leaf)
{
	const struct expand_item *i = expand_current(x);

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

void
expand_add_verdict(struct expand *x, enum leaf_kind kind, const char *dsn,
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
	expand_add_leaf(x,
	    (struct leaf){ .kind = kind, .dsn = dsn, .text = buf_span(&b) });
}

void
expand_add_item(struct expand *x, const struct expand_item *item)
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

/* "name@origin". An empty span: no room. */
struct span
expand_join(struct expand *x, struct span a, struct span b, struct span domain)
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
void
expand_take_apart(struct expand *x, struct expand_item *i, struct span local)
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
	if (!keys_split(i->local, x->c->delimiters, &i->base, &i->extension))
		i->extension = (struct span){ 0 };
}

/* All items of a value or of a file become items of ours. */
void
expand_add_items(struct expand *x, const struct expand_node *from,
    struct span value)
{
	bool lines = from->source != EXPAND_ALIAS;
	struct span raw;

	if (from->depth > EXPAND_DEPTH_MAX) {
		expand_add_verdict(x, LEAF_BOUNCE, "5.4.6",
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
		expand_add_item(x, &item);
	}
}

const struct expand_node *
expand_make_node(struct expand *x, enum expand_want source, struct span key)
{
	const struct expand_item *i = expand_current(x);
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
		.owned = i->owned ||
		    (i->from && i->from->owned &&
			(source != EXPAND_ALIAS || !x->c->reset_owner_alias)),
		.depth = i->from ? i->from->depth + 1 : 1,
	};
	return n;
}
