/* Texts with names of their own besides those of main.cf. */
#include "conf/conf.h"

#include "conf/expand.h"

#include <errno.h>
#include <stdlib.h>

enum {
	NAME_SIZE = 256, /* no parameter's name is longer */
};

struct known {
	const struct conf *conf;
	conf_lookup_fn *fn;
	void *arg;
};

static const char *
look_up(void *arg, struct span name)
{
	const struct known *k = arg;
	const char *value = k->fn(k->arg, name);
	char text[NAME_SIZE];

	if (value || name.n >= sizeof(text))
		return value;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	return conf_raw(k->conf, text);
}

char *
conf_expand_known(const struct conf *c, struct span text, conf_lookup_fn *fn,
    void *arg, struct arena *a, struct why *why)
{
	struct known k = { c, fn, arg };
	char *storage = zalloc(EXPAND_VALUE_MAX);
	char *copy = NULL;
	struct buf out;

	buf_init(&out, storage, EXPAND_VALUE_MAX);
	if (expand_strictly(text, look_up, &k, &out, why) == 0) {
		copy = out.overflow ? NULL : arena_dup(a, buf_span(&out));
		if (!copy)
			(void)why_set(why, ENOMEM, NULL, 0, "too long");
	}
	free(storage);
	return copy;
}
