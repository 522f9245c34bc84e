/* Which options go together. */
#include "tools/conf/postconf.h"

#include <stdio.h>

/* In the order in which an error names two of them. */
static const char all[] = "aAbdefFhHlmMnopPtTxX#";

/* Of each of these one at most. */
static const char *const exclusive[] = { "aAbFlmMpPtT", "denX#", "do", "eX#f",
	"eX#h", "eX#H", "eX#o", "eX#x", "hH" };

/* What does something of its own, and what it does not go with. */
static const struct {
	char option;
	const char *refused;
} alone[] = {
	{ 'a', "defhHnoxX#" },
	{ 'A', "defhHnoxX#" },
	{ 'b', "defhHnoxX#" },
	{ 'l', "defhHnoxX#" },
	{ 'm', "defhHnoxX#" },
	{ 't', "defhHnoxX#" },
	{ 'T', "defhHnoxX#" },
	{ 'M', "dhHn" },
	{ 'F', "dnX#" },
	{ 'P', "dn#" },
};

/* The first two of `set` that were given. */
static bool
find_two(const struct request *r, const char *set, char two[2])
{
	size_t n = 0;

	for (const char *p = all; *p && n < 2; p++)
		if (strchr(set, *p) && r->has[(unsigned char)*p])
			two[n++] = *p;
	return n == 2;
}

void
options_check(const struct request *r)
{
	char two[2];

	if (r->has['b'] && r->has['t'])
		fatal("specify one of -b and -t");
	for (size_t i = 0; i < COUNT_OF(exclusive); i++)
		if (find_two(r, exclusive[i], two))
			fatal("specify one of -%c -%c", two[0], two[1]);
	for (size_t i = 0; i < COUNT_OF(alone); i++)
		for (const char *p = all; *p; p++)
			if (r->has[(unsigned char)alone[i].option] &&
			    r->has[(unsigned char)*p] &&
			    strchr(alone[i].refused, *p))
				fatal("with option -%c, do not specify -%c",
				    alone[i].option, *p);
}
