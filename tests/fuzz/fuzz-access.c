/*
 * The first line of the input is a restriction list, the second what all its
 * tables say, the rest a name for all that is asked about.
 */
#include "access/access.h"
#include "base/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
drive(struct access_eval *e, struct span value)
{
	for (unsigned n = 0;; n++)
		switch (access_step(e)) {
		case ACCESS_WANT_NOTHING:
			return;
		case ACCESS_WANT_TABLE:
			access_answer_table(e, n % 3, e->subject, value);
			break;
		case ACCESS_WANT_ROUTE:
			access_answer_yes(e, n % 3);
			break;
		case ACCESS_WANT_LISTED:
			access_answer_listed(e, n % 3, value);
			break;
		case ACCESS_WANT_OWNERS:
			access_answer_owners(e, n % 3, value);
			break;
		case ACCESS_WANT_NOTE:
			access_answer_note(e);
			break;
		}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct access_eval e;
	struct arena *arena CLEANUP(arena_freep) = arena_new(1 << 20);
	struct span rest = { (const char *)data, size };
	struct span list = span_cut(&rest, '\n');
	struct span value = span_cut(&rest, '\n');
	struct access_source lists[ACCESS_LISTS] = { 0 };
	struct access_source class = { "class", "reject", NULL, 0 };
	struct access_facts facts = { rest, rest, rest, rest, rest, false,
		false, rest };
	struct why why;

	if (memchr(data, '\0', size) || size > 1 << 16)
		return 0;
	for (int i = 0; i < ACCESS_LISTS; i++)
		lists[i] = (struct access_source){ "list",
			arena_dup(arena, list), "main.cf", 1 };
	struct access *a = access_new(lists, &class, 1, &why);
	if (!a)
		return 0;
	access_begin(&e, a, &facts, BIT(ACCESS_LISTS) - 1);
	drive(&e, value);
	if (e.verdict.action == ACCESS_REJECT) {
		must(e.verdict.code >= 400 && e.verdict.code < 600);
		must(!strchr(e.verdict.text, '\n'));
	}
	access_free(a);
	return 0;
}
