#include "conf/compat.h"

#include "conf/params.h"

static const char level[] = "compatibility_level";

enum {
	EXPANDED_MAX = 2 << 20,
};

/* As if the level were the highest there is, which is our default. */
static const char *
look_up(void *arg, struct span name)
{
	(void)arg;
	return span_eq(name, span_str(level)) ? param_find(name)->fallback
					      : NULL;
}

const char *
compat_default(const struct conf *c, const char *name)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(EXPANDED_MAX);
	const struct param *p = param_find(span_str(name));
	struct why ignored; /* who reads the parameter tells */
	const char *now, *later;

	/* Who sets his networks has no use for the style. */
	if (strcmp(name, "mynetworks_style") == 0 &&
	    conf_set_value(c, SPAN("mynetworks")))
		return NULL;
	/* No daemon compares fingerprints yet, only posttls-finger. */
	if (strcmp(name, "smtp_tls_fingerprint_digest") == 0)
		return NULL;
	if (!p || conf_set_value(c, span_str(name)) ||
	    !strstr(p->fallback, level))
		return NULL;
	now = conf_get(c, name, &ignored);
	later = conf_expand_known(c, span_str(p->fallback), look_up, NULL, a,
	    &ignored);
	return now && later && strcmp(now, later) != 0 ? now : NULL;
}

void
compat_open(struct compat *x, const struct conf *c, const char *name)
{
	x->value = compat_default(c, name);
	x->told = false;
}

bool
compat_is_news(struct compat *x)
{
	return x->value && !atomic_exchange(&x->told, true);
}
