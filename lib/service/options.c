#include "service/frame.h"

#include "base/scan.h"
#include "service/fds.h"

#include <unistd.h>

static bool
parse_number(const char *text, uint64_t max, uint64_t *n_r)
{
	struct span s = { text, strlen(text) };

	return take_number(&s, max, n_r) && s.n == 0;
}

static bool
take_option(struct frame_options *o, int c, const char *arg)
{
	uint64_t n = 0;

	switch (c) {
	case 'c':
		o->dir = arg;
		return true;
	case 'n':
		o->name = arg;
		return true;
	case 't':
		o->type = arg;
		return true;
	case 's':
		if (!parse_number(arg, FDS_LISTEN_MAX, &n))
			return false;
		o->listeners_n = n;
		return true;
	case 'g':
		if (!parse_number(arg, INT32_MAX, &n))
			return false;
		o->generation = (int64_t)n;
		return true;
	case 'w':
		if (!parse_number(arg, LIMITS_COLUMNS - 1, &n))
			return false;
		o->column = (unsigned)n;
		return true;
	case 'm':
		if (!parse_number(arg, INT32_MAX, &n))
			return false;
		o->maxproc = (int64_t)n;
		return true;
	case 'r':
		o->root = arg;
		return true;
	case 'k':
		o->check = true;
		return true;
	case 'o':
		if (o->overrides_n == FRAME_OVERRIDES_MAX)
			return false;
		o->overrides[o->overrides_n++] = arg;
		return true;
	default:
		return false;
	}
}

bool
frame_options(int argc, char **argv, struct frame_options *o_r)
{
	int c;

	*o_r = (struct frame_options){ .type = "unix" };
	opterr = 0;
	while ((c = getopt(argc, argv, "+c:kn:t:s:g:w:m:r:o:")) != -1)
		if (!take_option(o_r, c, optarg))
			return false;
	return optind == argc && o_r->dir && o_r->name;
}
