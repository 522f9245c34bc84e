/* Text of an alias file, a .forward or a list: cut, understood, and short. */
#include "mail/aliases.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
look(struct span item, struct arena *a)
{
	struct alias_item i;

	if (!aliases_parse(item, a, &i))
		return;
	must(i.kind == ALIAS_BAD || i.text.n > 0);
	must(i.kind == ALIAS_BAD || !memchr(i.text.p, '\n', i.text.n));
	must((i.kind != ALIAS_FILE && i.kind != ALIAS_INCLUDE) ||
	    i.text.p[0] == '/');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a CLEANUP(arena_freep) = arena_new((size_t)1 << 20);
	struct span all = { (const char *)data, n }, rest = all;
	struct span item, name, value;

	while (aliases_cut_lines(&rest, &item)) {
		must(item.n > 0 && item.p >= all.p &&
		    item.p + item.n <= all.p + all.n);
		look(item, a);
	}
	rest = all;
	while (aliases_cut(&rest, &item))
		look(item, a);
	if (aliases_take_line(all, false, a, &name, &value))
		must(name.n > 0 && value.n > 0);
	return 0;
}
