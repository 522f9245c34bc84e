/* Parameters: values that are none, names that nothing knows or heeds. */
#include "master/check/check.h"

#include "conf/params.h"

#include <stdio.h>

static void
check_value(const char *name, const char *raw, void *arg)
{
	struct checkup *k = arg;
	struct why why;

	(void)raw;
	if (conf_check_name(k->conf, name, &why) < 0)
		check_say(k, CHECK_ERROR, "%s", why.text);
}

/* What is accepted for the sake of a main.cf of Postfix. */
static void
tell_idle(const char *name, const char *raw, void *arg)
{
	const struct param *p = param_find(span_str(name));
	struct checkup *k = arg;
	const char *file = "main.cf";
	unsigned line = 0;

	if (!p || p->state == PARAM_WORKS)
		return;
	(void)conf_source(k->conf, name, &file, &line);
	if (p->state == PARAM_NOT_YET)
		check_say(k, CHECK_WARNING,
		    "%s:%u: %s = %s: does nothing in this version", file, line,
		    name, raw);
	else
		check_say(k, CHECK_WARNING,
		    "%s:%u: %s = %s: has no effect here: %s", file, line, name,
		    raw, param_reason(p));
}

static void
tell_unused(const char *name, const char *raw, void *arg)
{
	struct checkup *k = arg;
	const char *file = "main.cf";
	unsigned line = 0;

	if (conf_names_class(k->names, span_str(name)) != 0)
		return;
	(void)conf_source(k->conf, name, &file, &line);
	check_say(k, CHECK_WARNING, "%s:%u: unused parameter: %s = %s", file,
	    line, name, raw);
}

static void
warn(const char *text, void *arg)
{
	check_say(arg, CHECK_WARNING, "%s", text);
}

/* Names that are used and not set, or set and not used. */
static void
check_names(struct checkup *k)
{
	struct why why;

	if (entry_list_load(conf_dir(k->conf), &k->entries, warn, k, &why) < 0)
		k->entries = (struct entry_list){ 0 }; /* told as a service */
	k->names = conf_names_new(k->conf, &k->entries);
	conf_names_each_undefined(k->names, warn, k);
	conf_each(k->conf, tell_unused, k);
	conf_names_each_unused(k->names, false, warn, k);
}

void
check_params(struct checkup *k)
{
	conf_each(k->conf, check_value, k);
	conf_each_remark(k->conf, warn, k);
	conf_each(k->conf, tell_idle, k);
	check_names(k);
}
