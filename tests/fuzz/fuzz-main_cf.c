/*
 * main.cf: whatever stands in it, it is refused with a reason, or read.
 */
#include "tests/fuzz/conf.h"

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
get(const char *name, const char *raw, void *arg)
{
	struct why why;

	(void)raw;
	(void)conf_get(arg, name, &why);
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
	conf_each_unused(c, get, c);
	if (conf_get_number(c, "smtpd_timeout", CONF_TIME, &ms, &why) == 0)
		must(ms >= 1000);
	conf_free(c);
	return 0;
}
