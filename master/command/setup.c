/* Makes what an installation needs. */
#include "master/command/command.h"
#include "master/dirs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Commands that may see what their caller may not, by their group. */
static int
set_group(const struct instance *i, const char *name, gid_t gid)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", i->params.command_directory,
	    name);
	if (access(path, F_OK) < 0)
		return 0;
	if (chown(path, 0, gid) < 0 || chmod(path, 02755) < 0) {
		fprintf(stderr, "postrider: %s: %s\n", path, strerror(errno));
		return COMMAND_FAILED;
	}
	return 0;
}

int
verb_set_permissions(struct instance *i, char **args)
{
	struct dirs_owners owners;
	struct why why;

	(void)args;
	if (command_load(i))
		return COMMAND_FAILED;
	if (dirs_owners(i->conf, &owners, &why) < 0 ||
	    dirs_make(i->conf, &owners, true, &why) < 0)
		return command_complain(why.text);
	if (geteuid() != 0)
		return 0;
	return set_group(i, "postdrop", owners.drop) |
	    set_group(i, "postqueue", owners.drop);
}
