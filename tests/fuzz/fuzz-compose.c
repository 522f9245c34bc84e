/*
 * Tables that are all in their name: unionmap, pipemap, randmap, inline, static,
 * and what they are made of. Whatever is written there, each opens or says why
 * not, and then answers.
 */
#include "tests/fuzz/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What would read files of this machine, or speak to somebody. */
static bool
is_elsewhere(const char *name)
{
	static const char *const words[] = { "/", "proxy", "socketmap",
		"tcp:", "memcache", "unix:", "hash:", "btree:", "lmdb:", "cdb:",
		"cidr:", "regexp:", "pcre:", "sql", "ldap:", "nis", "dbm" };

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcasestr(name, words[i]))
			return true;
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const types[] = { "unionmap", "pipemap", "randmap",
		"inline", "static" };
	static char name[FUZZ_TABLE_MAX + 64];
	struct why why = { "" };
	struct dict *d;

	if (n < 1 || n > FUZZ_TABLE_MAX)
		return 0;
	snprintf(name, sizeof(name), "%s:%.*s",
	    types[data[0] % COUNT_OF(types)], (int)(n - 1),
	    (const char *)data + 1);
	if (is_elsewhere(name))
		return 0;
	d = dict_open(name, 0, &why);
	must(d || *why.text);
	if (d) {
		fuzz_ask(d, SPAN("a"));
		fuzz_ask(d, SPAN("user+ext@example.com"));
		fuzz_ask(d, (struct span){ (const char *)data, n });
	}
	dict_close(d);
	return 0;
}
