/* Drives the expansion of a recipient, and then delivers to what it came to. */
#include "local/main/local.h"

#include "base/log.h"
#include "mail/address.h"

#include <stdio.h>
#include <stdlib.h>

static enum expand_found
found_of(enum dict_result r)
{
	switch (r) {
	case DICT_FOUND:
		return EXPAND_YES;
	case DICT_ABSENT:
		return EXPAND_NO;
	case DICT_TEMPFAIL:
		break;
	}
	return EXPAND_LATER;
}

static enum dict_result
read_path(struct mail *m, struct expand *x, bool extended, struct span *items_r,
    struct why *why)
{
	const struct expand_user *u = x->user;
	char path[2048];

	if (!extended)
		snprintf(path, sizeof(path), "%.*s/.forward", (int)u->home.n,
		    u->home.p);
	else
		snprintf(path, sizeof(path), "%.*s/.forward%c%.*s",
		    (int)u->home.n, u->home.p,
		    local_params.recipient_delimiter[0], (int)x->key.n,
		    x->key.p);
	return leaf_read(m, u, path, true, items_r, why);
}

/* Of user+ext that is .forward+ext, if there is one; else .forward. */
static void
answer_forward(struct mail *m, struct expand *x)
{
	enum dict_result r = DICT_ABSENT;
	struct span items = { 0 };
	struct why why = { "" };

	if (x->key.n > 0 && !memchr(x->key.p, '/', x->key.n))
		r = read_path(m, x, true, &items, &why);
	if (r == DICT_ABSENT)
		r = read_path(m, x, false, &items, &why);
	if (r == DICT_TEMPFAIL)
		items = span_str(arena_dup(m->arena, span_str(why.text)));
	expand_answer(x, found_of(r), items);
}

static void
answer_include(struct mail *m, struct expand *x)
{
	const char *path = arena_dup(m->arena, x->key);
	struct span items = { 0 };
	struct why why = { "" };
	enum dict_result r = DICT_TEMPFAIL;

	if (path)
		r = leaf_read(m, x->user, path, false, &items, &why);
	if (r == DICT_TEMPFAIL)
		items = SPAN("an include file cannot be read now");
	expand_answer(x, found_of(r), items);
}

static void
answer_table(struct mail *m, struct expand *x, bool alias)
{
	struct span value = { 0 };
	struct why why = { "" };
	enum dict_result r = alias
	    ? tables_alias(x->key, x->arena, &value, &why)
	    : tables_domain(x->key, &why);

	if (r == DICT_TEMPFAIL) {
		const char *text = arena_dup(m->arena, span_str(why.text));

		value = text ? span_str(text) : SPAN("");
	}
	expand_answer(x, found_of(r), value);
}

static void
answer_user(struct mail *m, struct expand *x)
{
	const struct expand_user *u = NULL;
	struct why why = { "" };
	enum dict_result r = users_find(x->key, m->arena, &u, &why);
	const char *text = arena_dup(m->arena, span_str(why.text));

	expand_answer_user(x, found_of(r), u, text ? span_str(text) : SPAN(""));
}

static void
expand(struct mail *m, struct expand *x)
{
	enum expand_want w;

	while ((w = expand_step(x)) != EXPAND_DONE)
		switch (w) {
		case EXPAND_ALIAS:
			answer_table(m, x, true);
			break;
		case EXPAND_DOMAIN:
			answer_table(m, x, false);
			break;
		case EXPAND_USER:
			answer_user(m, x);
			break;
		case EXPAND_FORWARD:
			answer_forward(m, x);
			break;
		case EXPAND_INCLUDE:
			answer_include(m, x);
			break;
		case EXPAND_DONE:
			break;
		}
}

/* The worst counts: what may still be done is tried again, all of it. */
static void
add_verdict(struct verdict *all, const struct verdict *one)
{
	static const unsigned rank[] = {
		[DELIVERY_SENT] = 0,
		[DELIVERY_BOUNCED] = 1,
		[DELIVERY_DEFERRED] = 2,
		[DELIVERY_EXPIRED] = 1,
		[DELIVERY_DELIVERABLE] = 0,
	};

	if (!all->text || rank[one->status] > rank[all->status])
		*all = *one;
}

/* Addresses go on in one message for each sender that they have. */
static void
forward_all(struct mail *m, const struct expand *x, struct span addr,
    struct span orig, struct verdict *all)
{
	const struct leaf **some = zalloc((x->n + 1) * sizeof(*some));
	bool *done = zalloc(x->n + 1);

	for (size_t i = 0; i < x->n; i++) {
		struct verdict v;
		size_t n = 0;

		if (x->leaves[i].kind != LEAF_ADDRESS || done[i])
			continue;
		for (size_t k = i; k < x->n; k++)
			if (x->leaves[k].kind == LEAF_ADDRESS && !done[k] &&
			    span_eq(x->leaves[k].sender, x->leaves[i].sender)) {
				some[n++] = &x->leaves[k];
				done[k] = true;
			}
		v = leaf_forward(m, addr, orig, some, n);
		add_verdict(all, &v);
	}
	free(some);
	free(done);
}

struct verdict
recipient_deliver(struct mail *m, struct span addr, struct span orig)
{
	struct verdict all = { 0 };
	struct expand x;

	expand_init(&x, tables_expansion(), m->arena, addr);
	expand(m, &x);
	for (size_t i = 0; i < x.n; i++) {
		struct verdict v;

		if (x.leaves[i].kind == LEAF_ADDRESS)
			continue;
		v = leaf_deliver(m, addr, orig, &x.leaves[i]);
		add_verdict(&all, &v);
	}
	forward_all(m, &x, addr, orig, &all);
	if (!all.text) {
		/* An alias of nobody: Postfix says so, too. */
		struct leaf none = {
			.kind = LEAF_BOUNCE,
			.dsn = "5.2.4",
			.text = SPAN("alias has no recipients"),
		};

		all = leaf_deliver(m, addr, orig, &none);
	}
	return all;
}
