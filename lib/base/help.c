#include "base/help.h"

#include <stdio.h>
#include <string.h>

bool
help_asked(int argc, char *const *argv, const char *text)
{
	if (argc != 2 || strcmp(argv[1], "--help") != 0)
		return false;
	fputs(text, stdout);
	fflush(stdout); /* who must not run what libraries do at the end */
	return true;
}
