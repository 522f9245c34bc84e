/*
 * main.cf: whatever stands in it, it is refused with a reason, or read.
 */
#include "tests/fuzz/conf.h"

#include "conf/conf.h"
#include "conf/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
get(const char *name, const char *raw, void *arg)
{
	struct why why;

	(void)raw;
	(void)conf_get(arg, name, &why);
}

static void
look_at(const char *text, void *arg)
{
	(void)arg;
	must(*text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct why why;
	int64_t ms;

	fuzz_conf("main.cf", data, n);

	struct conf *c = conf_load(fuzz_path, NULL, 0, &why);

	if (!c) {
		must(*why.text);
		return 0;
	}
	conf_each(c, get, c);

	struct entry_list none = { 0 };
	struct conf_names *names = conf_names_new(c, &none);

	conf_names_each_undefined(names, look_at, NULL);
	conf_names_each_unused(names, true, look_at, NULL);
	conf_names_free(names);
	if (conf_get_number(c, "smtpd_timeout", CONF_TIME, &ms, &why) == 0)
		must(ms >= 1000);
	conf_free(c);
	return 0;
}
