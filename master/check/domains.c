/* Domains: each is of one class, or nobody knows where its mail goes. */
#include "master/check/check.h"

#include "dict/dict.h"
#include "dict/lists.h"

#include <stdio.h>
#include <string.h>

enum {
	LIST_SIZE = 64 << 10,
	NAME_SIZE = 256,
};

static const char *const classes[] = { "mydestination", "virtual_alias_domains",
	"virtual_mailbox_domains", "relay_domains" };

/* What both may list: who relays for itself was the default of old. */
static bool
may_share(size_t i, size_t j)
{
	return i == 0 && j == 3;
}

/* What can be looked at here: files, and no servers. */
static struct lists *
open_quick(const char *text)
{
	static char quick[LIST_SIZE];
	struct span rest = span_str(text), element;
	struct why why;
	struct buf b;

	buf_init(&b, quick, sizeof(quick) - 1);
	while (conf_list_next(&rest, &element)) {
		if (dict_names_remote(element))
			continue;
		buf_put(&b, element);
		buf_put(&b, SPAN(" "));
	}
	quick[b.n] = '\0';
	return lists_open(quick, LISTS_NAMES, &why);
}

/* An element that is a domain itself. */
static bool
is_domain(struct span element)
{
	return element.n > 0 && element.n < NAME_SIZE && *element.p != '!' &&
	    *element.p != '/' && *element.p != '.' && *element.p != '[' &&
	    !memchr(element.p, ':', element.n);
}

static bool
has_element(const char *list, struct span wanted)
{
	struct span rest = span_str(list), element;

	while (conf_list_next(&rest, &element))
		if (span_ieq(element, wanted))
			return true;
	return false;
}

/* The other way round only tables count: names were seen the first time. */
static void
check_pair(struct checkup *k, size_t i, size_t j, bool tables_only)
{
	struct check_value v = check_value_of(k, classes[i]);
	struct check_value other = check_value_of(k, classes[j]);
	struct lists *l = open_quick(other.text);
	struct span rest = span_str(v.text), element;
	struct why why;

	while (l && conf_list_next(&rest, &element)) {
		if (!is_domain(element) ||
		    (tables_only && has_element(other.text, element)) ||
		    lists_has_name(l, element, &why) != DICT_FOUND)
			continue;
		check_tell(k, CHECK_WARNING, &v,
		    "do not list domain %.*s in BOTH %s and %s", (int)element.n,
		    element.p, classes[i < j ? i : j], classes[i < j ? j : i]);
	}
	lists_close(l);
}

void
check_domains(struct checkup *k)
{
	for (size_t i = 0; i < COUNT_OF(classes); i++)
		for (size_t j = i + 1; j < COUNT_OF(classes); j++)
			if (!may_share(i, j)) {
				check_pair(k, i, j, false);
				check_pair(k, j, i, true);
			}
}
