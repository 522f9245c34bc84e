/*
 * master.cf: whatever stands in it, it is refused with a reason, or read.
 */
#include "tests/fuzz/conf.h"

#include "conf/master_cf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

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
	return 0;
}
