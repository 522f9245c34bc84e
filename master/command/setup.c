/* Makes what an installation needs. */
#include "master/command/command.h"
#include "master/dirs.h"

#include <unistd.h>

int
verb_set_permissions(struct instance *i, char **args)
{
	struct dirs_owners owners;
	struct why why;

	if (*args)
		return command_complain("set-permissions takes no arguments");
	if (command_load(i))
		return COMMAND_FAILED;
	if (dirs_owners(i->conf, &owners, &why) < 0 ||
	    dirs_make(i->conf, &owners, true, &why) < 0)
		return command_complain(why.text);
	if (geteuid() == 0 &&
	    (dirs_own_files(i->conf, &owners, &why) < 0 ||
		dirs_make_commands(i->conf, &owners, &why) < 0))
		return command_complain(why.text);
	return 0;
}
