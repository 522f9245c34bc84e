/*
 * cidr: networks and addresses in the order of a file, the first that holds the
 * address wins: "network/bits value", "!network/bits value", and "if network"
 * ... "endif" around lines that are looked at only inside (or, with a "!",
 * outside) of a network.
 */
#include "net/cidr.h"

#include "base/log.h"
#include "base/scan.h"
#include "dict/memory.h"
#include "dict/source.h"

#include <errno.h>
#include <stdlib.h>

enum {
	RULES_MEMORY_MAX = 256 << 20,
};

struct rule {
	struct cidr net;
	struct span value;
	bool negated;
	bool is_if;
	size_t end; /* of an if: the rule behind its endif */
	size_t outer; /* of an if: the one around it */
};

struct cidrs {
	struct dict dict;
	struct arena *arena;
	struct rule *rule;
	size_t n;
	size_t max;
};

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct cidrs *t = container_of(d, struct cidrs, dict);
	struct addr a;

	if (!addr_parse(key, &a) || addr_bits(&a) == 0)
		return DICT_ABSENT;
	for (size_t i = 0; i < t->n;) {
		const struct rule *r = &t->rule[i];
		bool holds = cidr_has(&r->net, &a) != r->negated;

		if (holds && !r->is_if)
			return dict_give(r->value, arena, value_r, why);
		i = r->is_if && !holds ? r->end : i + 1;
	}
	return DICT_ABSENT;
}

static void
close_it(struct dict *d)
{
	struct cidrs *t = container_of(d, struct cidrs, dict);

	arena_free(t->arena);
	free(t->rule);
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.quick = true,
	.pattern = true,
};

static struct span
take_token(struct span *in)
{
	size_t n = 0;

	skip_white(in);
	while (n < in->n && !is_white(in->p[n]))
		n++;

	struct span token = { in->p, n };

	in->p += n;
	in->n -= n;
	return token;
}

static struct rule *
add_rule(struct cidrs *t)
{
	if (t->n == t->max) {
		size_t max = t->max ? t->max * 2 : 64;
		struct rule *more = zalloc(max * sizeof(*more));

		if (t->n > 0)
			memcpy(more, t->rule, t->n * sizeof(*more));
		free(t->rule);
		t->rule = more;
		t->max = max;
	}
	return &t->rule[t->n++];
}

/* A line without "endif"; false with `why` if it is to be skipped. */
static bool
parse_rule(struct cidrs *t, struct span line, bool is_if, size_t open,
    struct why *why)
{
	struct rule r = { .is_if = is_if, .outer = open };
	struct span net;

	skip_white(&line);
	while (take_char(&line, '!')) {
		r.negated = !r.negated;
		skip_white(&line);
	}
	net = take_token(&line);
	if (cidr_parse(net, &r.net, why) < 0)
		return false;
	skip_white(&line);
	while (line.n > 0 && is_white(line.p[line.n - 1]))
		line.n--;
	if (is_if != (line.n == 0)) {
		(void)why_set(why, EINVAL, NULL, 0, "%s",
		    is_if ? "there is more behind \"if network\""
			  : "there is no value");
		return false;
	}
	r.value = line;
	if (!is_if) {
		r.value.p = arena_dup(t->arena, line);
		if (!r.value.p) {
			(void)why_set(why, ENOMEM, NULL, 0, "no room");
			return false;
		}
	}
	*add_rule(t) = r;
	return true;
}

static void
add_line(struct cidrs *t, struct span line, const char *file, unsigned number,
    size_t *open)
{
	struct span rest = line;
	struct span word = take_token(&rest);
	struct why why = { "\"endif\" without \"if\"" };
	bool is_if = span_ieq(word, SPAN("if"));
	bool is_endif = span_ieq(word, SPAN("endif"));

	if (is_endif && *open != SIZE_MAX) {
		t->rule[*open].end = t->n;
		*open = t->rule[*open].outer;
		return;
	}
	if (!is_endif &&
	    parse_rule(t, is_if ? rest : line, is_if, *open, &why)) {
		if (is_if)
			*open = t->n - 1;
		return;
	}
	log_warning("%s:%u: %s; the line is skipped, allowed is: "
		    "network/bits value",
	    file, number, why.text);
}

static void
read_rules(struct cidrs *t, struct lines *lines, const char *file)
{
	struct span line;
	unsigned number;
	size_t open = SIZE_MAX;

	while (lines_next(lines, &line, &number))
		add_line(t, line, file, number, &open);
	while (open != SIZE_MAX) {
		log_warning("%s: \"if\" without \"endif\"", file);
		t->rule[open].end = t->n;
		open = t->rule[open].outer;
	}
}

struct dict *
cidr_open(const char *name, unsigned flags, struct why *why)
{
	struct source source;

	if (source_read(name, &source, why) < 0)
		return NULL;

	struct cidrs *t = zalloc(sizeof(*t));

	dict_init(&t->dict, &ops, "cidr", name, flags);
	if (source.is_file)
		dict_watch(&t->dict, name, &source.st);
	t->arena = arena_new(RULES_MEMORY_MAX);
	read_rules(t, &source.lines, name);
	free(source.text);
	return &t->dict;
}
