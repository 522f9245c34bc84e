/*
 * The way of an address: by the code that rewrites and routes it, which tells each
 * of its steps.
 */
#include "base/log.h"
#include "mail/rewrite.h"
#include "mail/routing.h"
#include "mail/steps.h"
#include "smtpd/explain/explain.h"
#include "smtpd/explain/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

enum {
	STEPS_MAX = 1000,
	PATH_LEN = 2048,
};

struct way {
	const struct explain_options *o;
	struct rewrite *rewrite;
	struct routing *routing;
	struct arena *arena;
	bool is_unknown;
	bool is_refused;
	size_t recipients; /* printed so far */
	size_t n; /* steps since the last print */
	struct step steps[STEPS_MAX];
	/* Who gets it: the address, as it is rewritten, and copies. */
	size_t list_n;
	struct span list[EXPLAIN_RCPTS_MAX];
};

static struct span
keep(struct way *w, struct span s)
{
	const char *p = s.p ? arena_dup(w->arena, s) : NULL;

	return p ? (struct span){ p, s.n } : (struct span){ 0 };
}

static bool
is_same(const struct step *a, const struct step *b)
{
	bool tables = a->table && b->table ? strcmp(a->table, b->table) == 0
					   : a->table == b->table;

	return strcmp(a->parameter, b->parameter) == 0 && tables &&
	    span_eq(a->addr, b->addr) && span_eq(a->key, b->key);
}

/* The same table is asked by several: it is told once. */
static void
on_step(const struct step *s, void *arg)
{
	struct way *w = arg;

	for (size_t i = 0; i < w->n; i++)
		if (is_same(&w->steps[i], s))
			return;
	if (w->n < STEPS_MAX)
		w->steps[w->n++] = (struct step){
			.parameter = s->parameter,
			.table = s->table,
			.addr = keep(w, s->addr),
			.key = keep(w, s->key),
			.value = keep(w, s->value),
		};
}

static void
print_step(const struct way *w, const struct step *s)
{
	if (!w->o->json) {
		printf("  %s", s->parameter);
		out_table(s->table, s->key);
		fputs(": ", stdout);
		out_text(s->value);
		putchar('\n');
		return;
	}
	putchar('{');
	out_member(true, "parameter", span_str(s->parameter));
	out_member(false, "address", s->addr);
	if (s->table)
		out_member(false, "table", span_str(s->table));
	if (s->key.p)
		out_member(false, "key", s->key);
	out_member(false, "value", s->value.p ? s->value : SPAN(""));
	putchar('}');
}

/* Those since the last time. As JSON a member "steps". */
static void
print_steps(struct way *w)
{
	if (w->o->json)
		fputs(", \"steps\": [", stdout);
	for (size_t i = 0; i < w->n; i++) {
		if (w->o->json && i > 0)
			fputs(", ", stdout);
		print_step(w, &w->steps[i]);
	}
	if (w->o->json)
		putchar(']');
	w->n = 0;
}

static void
print_fact(const struct way *w, const char *name, struct span value)
{
	if (w->o->json) {
		out_member(false, name, value);
		return;
	}
	printf("  %s = ", name);
	out_text(value);
	putchar('\n');
}

/* True: it was found out. */
static bool
is_known(struct way *w, enum dict_result r, const struct why *why)
{
	if (r != DICT_TEMPFAIL)
		return true;
	log_warning("%s", why->text);
	w->is_unknown = true;
	return false;
}

static const char *class_name(enum address_class class)
{
	switch (class) {
	case CLASS_LOCAL:
		return "local";
	case CLASS_VIRTUAL_ALIAS:
		return "virtual alias";
	case CLASS_VIRTUAL_MAILBOX:
		return "virtual mailbox";
	case CLASS_RELAY:
		return "relay";
	case CLASS_DEFAULT:
		break;
	}
	return "default";
}

/* What was found out of a recipient; what was not is NULL. */
struct found {
	struct span addr;
	const char *refusal; /* nobody has this address */
	const char *by; /* the parameter that has the transport */
	bool has_route;
	struct route route;
	bool has_mailbox;
	struct mailbox_place place;
};

/* All steps of it are told meanwhile. */
static void
find_out(struct way *w, struct span addr, struct found *f_r)
{
	struct found f = { .addr = addr };
	const char *text = "";
	struct why why;
	enum dict_result r = routing_exists(w->routing, addr, w->arena, &text,
	    &why);

	if (is_known(w, r, &why) && r == DICT_ABSENT)
		f.refusal = text;
	r = routing_resolve(w->routing, addr, w->arena, &f.route, &why);
	f.has_route = is_known(w, r, &why);
	/* Of the steps to a route the last one wins. */
	if (f.has_route && w->n > 0)
		f.by = w->steps[w->n - 1].parameter;
	if (f.has_route && !f.refusal &&
	    strcmp(f.route.transport, "virtual") == 0) {
		r = routing_mailbox(w->routing, addr, w->arena, &f.place, &why);
		f.has_mailbox = is_known(w, r, &why) && r == DICT_FOUND;
	}
	if (f.refusal ||
	    (f.has_route && strcmp(f.route.transport, "error") == 0))
		w->is_refused = true;
	*f_r = f;
}

/* Where virtual(8) puts it, and whether that is there already. */
static void
print_mailbox(const struct way *w, const struct mailbox_place *place)
{
	char path[PATH_LEN];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", place->root, place->path);
	print_fact(w, "mailbox", span_str(path));
	print_fact(w, "mailbox-is",
	    stat(path, &st) == 0 ? SPAN("there") : SPAN("not there yet"));
}

static void
explain_recipient(struct way *w, struct span addr)
{
	struct found f;

	find_out(w, addr, &f);
	if (w->o->json) {
		putchar('{');
		out_member(true, "address", addr);
	} else {
		fputs("recipient ", stdout);
		out_text(addr);
		putchar('\n');
	}
	print_steps(w);
	if (f.has_route) {
		print_fact(w, "class", span_str(class_name(f.route.class)));
		print_fact(w, "transport", span_str(f.route.transport));
		print_fact(w, "transport-by", span_str(f.by ? f.by : ""));
		print_fact(w, "nexthop", span_str(f.route.nexthop));
	}
	if (f.has_mailbox)
		print_mailbox(w, &f.place);
	if (f.refusal)
		print_fact(w, "refused", span_str(f.refusal));
	if (w->o->json)
		putchar('}');
}

static void
take_copies(struct way *w, enum dict_result r, const struct why *why,
    const struct span *copies, size_t n)
{
	if (!is_known(w, r, why) || r == DICT_ABSENT)
		return;
	for (size_t i = 0; i < n && w->list_n < EXPLAIN_RCPTS_MAX; i++)
		w->list[w->list_n++] = copies[i];
}

static void
find_copies(struct way *w, struct span rcpt, struct span from)
{
	const struct span *copies;
	struct why why;
	size_t n;
	enum dict_result r = rewrite_bcc_of_recipient(w->rewrite, rcpt,
	    w->arena, &copies, &n, &why);

	take_copies(w, r, &why, copies, n);
	r = rewrite_bcc_of_sender(w->rewrite, from, w->arena, &copies, &n,
	    &why);
	take_copies(w, r, &why, copies, n);
}

static bool
rewrite_as(struct way *w, enum rewrite_role role, const char *given,
    struct span *addr_r)
{
	struct why why;

	return is_known(w,
	    rewrite_address(w->rewrite, role, true, span_str(given), w->arena,
		addr_r, &why),
	    &why);
}

static void
rewrite_all(struct way *w)
{
	struct span from;

	if (!rewrite_as(w, REWRITE_ENVELOPE_RECIPIENT, w->o->rcpts[0],
		&w->list[0]))
		return;
	w->list_n = 1;
	if (rewrite_as(w, REWRITE_ENVELOPE_SENDER, w->o->from, &from))
		find_copies(w, w->list[0], from);
}

static void
print_begin(struct way *w)
{
	const struct span *list = w->list;
	size_t n = w->list_n;

	if (w->o->json) {
		putchar('{');
		out_member(true, "address", span_str(w->o->rcpts[0]));
	} else {
		fputs("address ", stdout);
		out_text(span_str(w->o->rcpts[0]));
		putchar('\n');
	}
	print_steps(w);
	if (n > 0)
		print_fact(w, "rewritten", list[0]);
	for (size_t i = 1; i < n && !w->o->json; i++)
		print_fact(w, "copy", list[i]);
	if (!w->o->json)
		return;
	fputs(", \"copies\": [", stdout);
	for (size_t i = 1; i < n; i++) {
		fputs(i > 1 ? ", " : "", stdout);
		out_json(list[i]);
	}
	fputs("], \"recipients\": [", stdout);
}

/* An address, and all that it stands for. */
static void
explain_expansion(struct way *w, struct span addr)
{
	const struct span *list = &addr;
	struct why why;
	size_t n = 1;
	enum dict_result r = routing_expand(w->routing, addr, w->arena, &list,
	    &n, &why);

	if (!is_known(w, r, &why))
		return;
	/* The hops stand before the first of those it leads to. */
	for (size_t i = 0; i < n; i++) {
		if (w->o->json && w->recipients++ > 0)
			fputs(", ", stdout);
		explain_recipient(w, list[i]);
	}
}

static struct way *
begin_way(const struct conf *c, const struct explain_options *o)
{
	struct way *w = zalloc(sizeof(*w));
	struct why why;

	w->o = o;
	w->arena = arena_new(EXPLAIN_MEMORY);
	w->routing = routing_open(c, &why);
	w->rewrite = w->routing ? rewrite_open(c, &why) : NULL;
	if (!w->rewrite)
		explain_fail(EX_CONFIG, why.text, "");
	steps_on_tell(on_step, w);
	return w;
}

enum explain_status
explain_address(const struct conf *c, const struct explain_options *o)
{
	struct way *w = begin_way(c, o);
	enum explain_status status = EXPLAIN_ACCEPTED;

	rewrite_all(w);
	print_begin(w);
	for (size_t i = 0; i < w->list_n; i++)
		explain_expansion(w, w->list[i]);
	if (w->is_unknown)
		status = EXPLAIN_UNKNOWN;
	else if (w->is_refused)
		status = EXPLAIN_REFUSED;
	if (o->json)
		puts("]}");
	steps_on_tell(NULL, NULL);
	rewrite_close(w->rewrite);
	routing_close(w->routing);
	arena_free(w->arena);
	free(w);
	return status;
}
