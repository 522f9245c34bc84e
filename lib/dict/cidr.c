/*
 * cidr: networks and addresses in the order of a file, the first that holds the
 * address wins: "network/bits value", "!network/bits value", and "if network"
 * ... "endif" around lines that are looked at only inside (or, with a "!",
 * outside) of a network.
 */
#include "net/cidr.h"

#include "base/scan.h"
#include "dict/rules.h"

#include <errno.h>
#include <stdlib.h>

struct cidrs {
	struct dict dict;
	struct rules rules;
};

/* A rule of IPv4 says nothing of IPv6, not even with a "!". */
static bool
is_about(const struct rule *rule, const struct addr *a)
{
	const struct cidr *net = rule->what;

	return addr_bits(&net->net) == addr_bits(a);
}

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	const struct rules *r = &container_of(d, struct cidrs, dict)->rules;
	struct addr a;

	if (!addr_parse(key, &a) || addr_bits(&a) == 0)
		return DICT_ABSENT;
	for (size_t i = 0; i < r->n;) {
		const struct rule *rule = &r->v[i];
		bool holds = is_about(rule, &a) &&
		    cidr_has(rule->what, &a) != rule->negated;

		if (holds && !rule->is_if)
			return dict_give(rule->value, arena, value_r, why);
		i = rules_next(r, i, holds);
	}
	return DICT_ABSENT;
}

static void
close_it(struct dict *d)
{
	rules_fini(&container_of(d, struct cidrs, dict)->rules);
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.quick = true,
	.pattern = true,
};

static bool
refuse(int error, const char *what, struct why *why)
{
	(void)why_set(why, error, NULL, 0, "%s", what);
	return false;
}

static bool
parse(struct rules *r, struct span line, struct rule *rule, void *arg,
    struct why *why)
{
	struct cidr *net = ARENA_NEW(r->arena, struct cidr);
	size_t n = 0;

	(void)arg;
	if (!net)
		return refuse(ENOMEM, "the table is too large", why);
	while (n < line.n && !is_white(line.p[n]))
		n++;
	if (cidr_parse((struct span){ line.p, n }, net, why) < 0)
		return false;
	rule->what = net;
	rule->value = trim_white((struct span){ line.p + n, line.n - n });
	if (rule->is_if && rule->value.n > 0)
		return refuse(EINVAL, "there is more behind \"if network\"",
		    why);
	if (!rule->is_if && rule->value.n == 0)
		return refuse(EINVAL, "no lookup result", why);
	rule->value.p = arena_dup(r->arena, rule->value);
	return rule->value.p || refuse(ENOMEM, "the table is too large", why);
}

struct dict *
cidr_open(const char *name, unsigned flags, struct why *why)
{
	struct cidrs *t = zalloc(sizeof(*t));

	dict_init(&t->dict, &ops, "cidr", name, flags);
	if (rules_open(&t->rules, &t->dict, "cidr", name, parse, NULL, why) ==
	    0)
		return &t->dict;
	dict_close(&t->dict);
	return NULL;
}
