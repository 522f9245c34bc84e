#include "tools/confdir.h"

#include "conf/environment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

bool
confdir_is_privileged(void)
{
	return getauxval(AT_SECURE) != 0 || getuid() != geteuid() ||
	    getgid() != getegid();
}

static bool
is_named(const struct conf *c, const char *name, const char *dir)
{
	struct why why;
	const char *list = conf_get(c, name, &why);

	return list && conf_list_has(list, dir);
}

static struct conf *
load(const char *dir, struct why *why)
{
	const char *wanted = conf_find_dir(dir), *installed;
	struct conf *c;
	bool named;

	if (!confdir_is_privileged() || getuid() == 0)
		return conf_load(wanted, NULL, 0, why);
	(void)unsetenv("MAIL_CONFIG");
	installed = conf_find_dir(NULL);
	c = conf_load(installed, NULL, 0, why);
	if (!c || strcmp(wanted, installed) == 0)
		return c;
	named = is_named(c, "alternate_config_directories", wanted) ||
	    is_named(c, "multi_instance_directories", wanted);
	conf_free(c);
	if (named)
		return conf_load(wanted, NULL, 0, why);
	why_set(why, EPERM, NULL, 0,
	    "%s is not in alternate_config_directories of %s/main.cf", wanted,
	    installed);
	return NULL;
}

struct conf *
confdir_load(const char *dir, struct why *why)
{
	struct conf *c = load(dir, why);

	if (c && confdir_is_privileged())
		environment_import(c);
	else if (c)
		environment_update(c);
	return c;
}
