#include "tools/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *name = "?";

void
say_as(char **argv)
{
	char *slash = strrchr(argv[0], '/');

	if (slash)
		argv[0] = slash + 1;
	name = argv[0];
}

static void put(const char *kind, const char *fmt, va_list args)
    PRINTF_LIKE(2, 0);

/* As one write: others may write to the same file. */
static void
put(const char *kind, const char *fmt, va_list args)
{
	char text[2048];

	vsnprintf(text, sizeof(text), fmt, args);
	fprintf(stderr, "%s: %s%s\n", name, kind, text);
}

void
say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	put("", fmt, args);
	va_end(args);
}

void
say_warning(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	put("warning: ", fmt, args);
	va_end(args);
}

void
say_fatal(int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	put("fatal: ", fmt, args);
	va_end(args);
	fflush(stdout);
	_exit(status); /* what libraries would do at the end is not done */
}
