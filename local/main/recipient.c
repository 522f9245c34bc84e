/* Drives the expansion of a recipient, and then delivers to what it came to. */
#include "local/main/local.h"

#include "local/main/names.h"
#include "mail/address.h"

#include <stdlib.h>
#include <string.h>

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

/* A recipient on its way. */
struct delivery {
	struct mail *mail;
	struct span addr;
	struct span orig;
	struct expand x;
	bool is_done; /* by ->verdict, in one request with its .forward */
	struct verdict verdict;
};

static struct names
names_of(const struct expand *x)
{
	const struct expand_address *about = &x->about;
	const struct expand_user *u = x->user;
	struct span domain = { 0 }, local;
	size_t at = about->base.n; /* of the delimiter */

	(void)address_cut(about->text, &local, &domain);
	return (struct names){
		.user = about->base,
		.home = u ? u->home : (struct span){ 0 },
		.shell = u ? u->shell : (struct span){ 0 },
		.recipient = about->text,
		.extension = about->extension,
		.domain = domain,
		.local = about->local,
		.delimiter = at < about->local.n
		    ? (struct span){ about->local.p + at, 1 }
		    : (struct span){ local_params.recipient_delimiter,
			  *local_params.recipient_delimiter != '\0' },
	};
}

/* An extension that would lead elsewhere is none. */
static void
find_paths(struct delivery *d, struct forward_paths *paths_r)
{
	struct span list = span_str(local_params.forward_path), item, path;
	struct names n = names_of(&d->x);

	paths_r->n = 0;
	if (n.extension.n > 0 && memchr(n.extension.p, '/', n.extension.n))
		n.extension = (struct span){ 0 };
	while (paths_r->n < COUNT_OF(paths_r->v) && names_next(&list, &item))
		if (names_expand(item, &n, local_params.forward_filter,
			d->mail->arena, &path) &&
		    path.n > 0 && path.p[0] == '/')
			paths_r->v[paths_r->n++] = path.p;
}

/* Who forwards nothing gets his mail by the same request, where that is all. */
static void
answer_forward(struct delivery *d)
{
	struct expand *x = &d->x;
	enum dict_result r;
	struct forward_paths paths;
	struct span items = { 0 };
	struct leaf leaf;

	find_paths(d, &paths);
	if (expand_is_last(x, &leaf)) {
		r = leaf_deliver_unless(d->mail, d->addr, d->orig, &leaf,
		    &paths, &items, &d->verdict);
		d->is_done = r == DICT_ABSENT;
	} else
		r = paths.n == 0
		    ? DICT_ABSENT
		    : leaf_read(d->mail, x->user, &paths, true, &items);
	if (r == DICT_TEMPFAIL)
		items = SPAN("a .forward file cannot be read now");
	expand_answer(x, found_of(r), items);
}

static void
answer_include(struct delivery *d)
{
	struct expand *x = &d->x;
	struct forward_paths paths = { .n = 1 };
	struct span items = { 0 };
	enum dict_result r = DICT_TEMPFAIL;

	paths.v[0] = arena_dup(d->mail->arena, x->key);
	if (paths.v[0])
		r = leaf_read(d->mail, x->user, &paths, false, &items);
	if (r == DICT_TEMPFAIL)
		items = SPAN("an include file cannot be read now");
	expand_answer(x, found_of(r), items);
}

/* The reason for "later" outlives `why`. */
static struct span
keep(struct delivery *d, const struct why *why)
{
	const char *text = arena_dup(d->mail->arena, span_str(why->text));

	return text ? span_str(text) : SPAN("");
}

static void
answer_alias(struct delivery *d)
{
	struct expand *x = &d->x;
	struct span value = { 0 };
	struct why why = { "" };
	enum dict_result r = tables_find(TABLES_ALIAS, x->key, x->arena, &value,
	    &why);

	expand_answer(x, found_of(r),
	    r == DICT_TEMPFAIL ? keep(d, &why) : value);
}

static void
answer_domain(struct delivery *d)
{
	struct why why = { "" };
	enum dict_result r = tables_domain(d->x.key, &why);

	expand_answer(&d->x, found_of(r),
	    r == DICT_TEMPFAIL ? keep(d, &why) : SPAN(""));
}

static void
answer_user(struct delivery *d)
{
	const struct expand_user *u = NULL;
	struct why why = { "" };
	enum dict_result r = users_find(d->x.key, d->mail->arena, &u, &why);

	expand_answer_user(&d->x, found_of(r), u, keep(d, &why));
}

/* A table's word goes before the parameter's. */
static enum dict_result
find_transport(struct delivery *d, enum tables_list list, const char *all,
    struct span *value_r, struct why *why)
{
	enum dict_result r = tables_find(list, d->x.key, d->x.arena, value_r,
	    why);

	if (r != DICT_ABSENT || !*all)
		return r;
	*value_r = span_str(all);
	return DICT_FOUND;
}

static void
answer_transport(struct delivery *d)
{
	struct span value = { 0 };
	struct why why = { "" };
	enum dict_result r = find_transport(d, TABLES_TRANSPORT,
	    local_params.mailbox_transport, &value, &why);

	if (r == DICT_ABSENT && !d->x.user)
		r = find_transport(d, TABLES_FALLBACK,
		    local_params.fallback_transport, &value, &why);
	expand_answer(&d->x, found_of(r),
	    r == DICT_TEMPFAIL ? keep(d, &why) : value);
}

static void
answer_relay(struct delivery *d)
{
	struct names n = names_of(&d->x);
	struct span value;

	if (names_expand(span_str(local_params.luser_relay), &n, NULL,
		d->mail->arena, &value))
		expand_answer(&d->x, EXPAND_YES, value);
	else
		expand_answer(&d->x, EXPAND_LATER,
		    SPAN("luser_relay cannot be expanded"));
}

static void
expand(struct delivery *d)
{
	enum expand_want w;

	while ((w = expand_step(&d->x)) != EXPAND_DONE)
		switch (w) {
		case EXPAND_ALIAS:
			answer_alias(d);
			break;
		case EXPAND_DOMAIN:
			answer_domain(d);
			break;
		case EXPAND_USER:
			answer_user(d);
			break;
		case EXPAND_FORWARD:
			answer_forward(d);
			break;
		case EXPAND_INCLUDE:
			answer_include(d);
			break;
		case EXPAND_TRANSPORT:
			answer_transport(d);
			break;
		case EXPAND_RELAY:
			answer_relay(d);
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

/*
 * The one that another transport delivers in our place: the address that the mail
 * is for, if it is among them, as a message to that would come back here.
 */
static const struct leaf *
choose_pass(const struct delivery *d)
{
	const struct leaf *first = NULL;

	for (size_t i = 0; i < d->x.n; i++) {
		const struct leaf *leaf = &d->x.leaves[i];

		if (leaf->kind != LEAF_PASS)
			continue;
		if (span_ieq(leaf->to, d->addr))
			return leaf;
		first = first ? first : leaf;
	}
	return first;
}

static bool
goes_on(const struct leaf *leaf, const struct leaf *pass)
{
	return leaf->kind == LEAF_ADDRESS ||
	    (leaf->kind == LEAF_PASS && leaf != pass);
}

/* Addresses go on in one message for each sender that they have. */
static void
forward_all(struct delivery *d, const struct leaf *pass, struct verdict *all)
{
	const struct expand *x = &d->x;
	const struct leaf **some = zalloc((x->n + 1) * sizeof(*some));
	bool *done = zalloc(x->n + 1);

	for (size_t i = 0; i < x->n; i++) {
		struct verdict v;
		size_t n = 0;

		if (!goes_on(&x->leaves[i], pass) || done[i])
			continue;
		for (size_t k = i; k < x->n; k++)
			if (goes_on(&x->leaves[k], pass) && !done[k] &&
			    span_eq(x->leaves[k].sender, x->leaves[i].sender)) {
				some[n++] = &x->leaves[k];
				done[k] = true;
			}
		v = leaf_forward(d->mail, d->addr, d->orig, some, n);
		add_verdict(all, &v);
	}
	free(some);
	free(done);
}

static void
deliver_leaves(struct delivery *d, struct verdict *all)
{
	for (size_t i = 0; i < d->x.n; i++) {
		const struct leaf *leaf = &d->x.leaves[i];
		struct verdict v = d->verdict;

		if (leaf->kind == LEAF_ADDRESS || leaf->kind == LEAF_PASS)
			continue;
		if (!d->is_done)
			v = leaf_deliver(d->mail, d->addr, d->orig, leaf);
		add_verdict(all, &v);
	}
}

/* An alias of nobody: Postfix says so, too. */
static struct verdict
deliver_nothing(struct delivery *d)
{
	struct leaf none = {
		.kind = LEAF_BOUNCE,
		.dsn = "5.2.4",
		.text = SPAN("alias has no recipients"),
	};

	return leaf_deliver(d->mail, d->addr, d->orig, &none);
}

/* Once the rest is done, a transport may have the last one. */
static void
pass_on(const struct delivery *d, const struct leaf *pass, struct verdict *all)
{
	const char *transport = arena_dup(d->mail->arena, pass->text);

	if (all->text && all->status == DELIVERY_DEFERRED)
		return;
	*all = (struct verdict){
		.status = DELIVERY_DEFERRED,
		.dsn = "4.3.0",
		.text = "another transport is to deliver it",
		.transport = transport ? transport : "",
		.addr = pass->to,
	};
}

struct verdict
recipient_deliver(struct mail *m, struct span addr, struct span orig)
{
	struct delivery d = { .mail = m, .addr = addr, .orig = orig };
	struct verdict all = { 0 };
	const struct leaf *pass;

	expand_init(&d.x, tables_expansion(), m->arena, addr);
	expand(&d);
	pass = choose_pass(&d);
	deliver_leaves(&d, &all);
	forward_all(&d, pass, &all);
	if (pass)
		pass_on(&d, pass, &all);
	else if (!all.text)
		all = deliver_nothing(&d);
	return all;
}
