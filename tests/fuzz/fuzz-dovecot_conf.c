/*
 * A configuration of Dovecot: whatever stands in it, it is refused with file and
 * line, or is a tree of bounded depth whose texts are texts.
 */
#include "master/import/dovecot.h"

#include <string.h>

enum {
	MEMORY_MAX = 4 << 20,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
look_at(struct dovecot *in, unsigned depth)
{
	must(depth <= DOVECOT_DEPTH_MAX);
	for (struct dovecot *d = in->first; d; d = d->next) {
		must(*d->name && d->line > 0 && (d->next || d == in->last));
		must(!strchr(d->name, '\n') && !strchr(d->arg, '{'));
		must(!d->value || (!d->first && !strchr(d->value, '\n')));
		must(dovecot_find(in, d->name) != NULL);
		look_at(d, depth + 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(MEMORY_MAX);
	struct dovecot top = { .name = "", .arg = "" };
	const struct dovecot_text t = { .arena = a, .file = "x" };
	struct why why;

	if (!dovecot_parse(&top, &t,
		(struct span){ n ? (const char *)data : "", n }, &why))
		must(strncmp(why.text, "x:", 2) == 0);
	else
		look_at(&top, 0);
	return 0;
}
