/*
 * master.cf: whatever stands in it, it is refused with a reason, or read.
 */
#include "tests/fuzz/conf.h"

#include "conf/entry.h"
#include "conf/master_edit.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
ignore(const char *text, void *arg)
{
	(void)arg;
	must(*text);
}

static void
ignore_request(const char *request)
{
	must(*request);
}

/* What is shown says the same when it is read. */
static void
check_entry(const struct entry_text *e)
{
	struct arena *a = arena_new(1 << 24);
	struct entry_text again;
	struct why why;
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	entry_put(out, e, false);
	fclose(out);
	if (entry_parse((struct span){ text, n - 1 }, 1, a, &again, &why) == 0)
		must(strcmp(again.field[0], e->field[0]) == 0);
	free(text);
	arena_free(a);
}

static void
check_entries(void)
{
	static const char *const request = "*/*/relayhost=x";
	struct entry_list l;
	struct why why;

	if (entry_list_load(fuzz_path, &l, ignore, NULL, &why) < 0)
		return;
	for (size_t i = 0; i < l.n; i++)
		check_entry(&l.at[i]);
	entry_list_free(&l);
	must(master_edit(fuzz_path, MASTER_EDIT_SET_PARAM, &request, 1,
		 ignore_request, &why) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct conf *c;
	struct why why;

	if (!c) {
		fuzz_conf("main.cf", data, 0);
		c = conf_load(fuzz_path, NULL, 0, &why);
		must(c);
	}
	fuzz_conf("master.cf", data, n);

	struct master_cf *m = master_cf_load(c, &why);

	for (size_t i = 0; m && i < master_cf_count(m); i++) {
		const struct service_line *s = master_cf_at(m, i);

		must(master_cf_find(m, s->name, s->type) == s);
		must(s->args[s->args_n] == NULL && *s->command);
	}
	must(m || *why.text);
	master_cf_free(m);
	check_entries();
	return 0;
}
