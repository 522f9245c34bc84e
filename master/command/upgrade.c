/*
 * postrider upgrade-configuration: adds to main.cf and master.cf what this version
 * wants and an older one, or another's, did not have. What is there stays.
 */
#include "conf/params.h"
#include "master/command/command.h"
#include "master/command/needed.h"

#include <stdio.h>

enum {
	TEXT_SIZE = 256,
};

static void
tell_added(const struct needed *n, void *arg)
{
	const struct instance *i = arg;

	printf("%s/master.cf: added the service %s, which %s\n", i->dir,
	    n->service, n->reason);
}

/* What this version means by a main.cf that does not say it. */
static int
upgrade_main_cf(const struct instance *i, struct why *why)
{
	const char *name = "compatibility_level";
	const char *level = param_find(span_str(name))->fallback;
	char text[TEXT_SIZE];
	const char *const edits[] = { text };
	int err;

	if (conf_set_value(i->conf, span_str(name)))
		return 0;
	snprintf(text, sizeof(text), "%s = %s", name, level);
	err = conf_edit(i->dir, CONF_EDIT_SET, edits, 1, why);
	if (!err)
		printf("%s/main.cf: added %s, so that defaults of later "
		       "versions change nothing\n",
		    i->dir, text);
	return err;
}

int
verb_upgrade_configuration(struct instance *i, char **args)
{
	struct why why;

	if (*args)
		return command_complain(
		    "upgrade-configuration takes no arguments");
	if (command_load(i))
		return COMMAND_FAILED;
	if (upgrade_main_cf(i, &why) < 0 ||
	    needed_add(i->dir, i->conf, tell_added, i, &why) < 0)
		return command_complain(why.text);
	return 0;
}
