/*
 * inline: a table that stands in main.cf itself: inline:{ key=value, { key =
 * text with blanks }, ... }.
 */
#include "conf/conf.h"

#include "base/scan.h"
#include "dict/memory.h"
#include "dict/private.h"

#include <errno.h>

static int
fill(struct memory_dict *t, struct span rest, struct why *why)
{
	struct span pair;

	bool any = false;

	for (; conf_list_next(&rest, &pair); any = true) {
		struct span value = pair;
		struct span key = trim_white(span_cut(&value, '='));

		value = trim_white(value);
		if (key.n == 0 || value.n == 0)
			return why_set(why, EINVAL, NULL, 0,
			    "inline: bad element \"%.*s\"; allowed is "
			    "key=value or { key = value }",
			    (int)(pair.n < 80 ? pair.n : 80), pair.p);
		if (memory_set(&t->memory, key, value) == MEMORY_FULL)
			return why_set(why, ENOMEM, NULL, 0,
			    "inline: the table is too large");
	}
	if (!any)
		return why_set(why, EINVAL, NULL, 0,
		    "inline: the table is empty; allowed is inline:{ "
		    "key=value, ... }");
	return 0;
}

struct dict *
inline_open(const char *name, unsigned flags, struct why *why)
{
	struct span s = trim_white(span_str(name));

	if (s.n < 2 || s.p[0] != '{' || s.p[s.n - 1] != '}') {
		(void)why_set(why, EINVAL, NULL, 0,
		    "inline:%.80s: allowed is inline:{ key=value, ... }", name);
		return NULL;
	}

	struct memory_dict *t = memory_dict_new("inline", name, flags);

	if (fill(t, (struct span){ s.p + 1, s.n - 2 }, why) < 0) {
		dict_close(&t->dict);
		return NULL;
	}
	return &t->dict;
}
