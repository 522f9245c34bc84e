#include "tools/caller.h"

#include "base/scan.h"
#include "conf/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

void
caller_reset_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		_exit(EX_OSERR);
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
}

static void
raise_limit(int what)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)what, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit((__rlimit_resource_t)what, &l);
	}
}

void
caller_reset(const char *kept)
{
	environment_clean(kept);
	raise_limit(RLIMIT_FSIZE);
	raise_limit(RLIMIT_NOFILE);
	raise_limit(RLIMIT_CPU);
	umask(077);
	if (chdir("/") < 0)
		_exit(EX_OSERR);
}

/* Whether an element of the list is this user; *decides_r: it settles it. */
static int
is_user(struct span element, const char *user, bool *decides_r)
{
	bool is_not = take_char(&element, '!');

	*decides_r = true;
	if (take_text(&element, SPAN("static:")))
		return !is_not;
	if (memchr(element.p, ':', element.n) ||
	    memchr(element.p, '/', element.n))
		return -EINVAL;
	*decides_r = user && span_eq(element, span_str(user));
	return !is_not;
}

static const struct passwd *
who(void)
{
	return getpwuid(getuid());
}

int
caller_is_in(const struct conf *c, const char *parameter, struct why *why)
{
	const struct passwd *pw = who();
	const char *list = conf_get(c, parameter, why);
	struct span rest, element;
	bool decides = false;

	if (!list)
		return -EINVAL;
	if (getuid() == 0)
		return 1;
	for (rest = span_str(list); conf_list_next(&rest, &element);) {
		int is = is_user(element, pw ? pw->pw_name : NULL, &decides);

		if (is < 0)
			return why_set(why, EINVAL, NULL, 0,
			    "%s: tables and files are not asked by commands "
			    "that have a group of their own; allowed are "
			    "names, !name and static:all",
			    parameter);
		if (decides)
			return is;
	}
	return 0;
}

const char *
caller_name(void)
{
	const struct passwd *pw = who();

	return pw ? pw->pw_name : "unknown";
}
