#include "mail/maps.h"

#include "conf/params.h"
#include "mail/address.h"
#include "mail/steps.h"

#include <errno.h>
#include <stdlib.h>

static int
add_map(struct maps *m, const struct conf *c, const char *name,
    struct span element, struct why *why)
{
	size_t number;
	struct arena *a CLEANUP(arena_freep) = arena_new(element.n + 64);
	const char *type_name = arena_dup(a, element);
	const char *file = NULL;
	unsigned line = 0;
	struct why open_why;

	conf_source(c, name, &file, &line);
	m->v[m->n] = dict_open(type_name, 0, &open_why);
	if (!m->v[m->n])
		return why_set(why, EINVAL, file, line, "%s: %s", name,
		    open_why.text);
	if (param_number(name, &number))
		dict_set_origin(m->v[m->n], number, m->n);
	if (!dict_may_wait(m->v[m->n++]))
		return why_set(why, EINVAL, file, line,
		    "%s: %s waits for a server or a disk, which cannot be done "
		    "here; allowed are tables in files",
		    name, type_name);
	return 0;
}

int
maps_open(const struct conf *c, const char *name, struct maps *maps_r,
    struct why *why)
{
	const char *text = conf_get(c, name, why);
	const struct param *p = param_find(span_str(name));
	struct span rest, element;
	size_t n = 0;

	*maps_r = (struct maps){ .name = p ? p->name : "" };
	if (!text)
		return -EINVAL;
	rest = span_str(text);
	while (conf_list_next(&rest, &element))
		n++;
	maps_r->v = zalloc((n + 1) * sizeof(*maps_r->v));
	rest = span_str(text);
	while (conf_list_next(&rest, &element)) {
		int error = add_map(maps_r, c, name, element, why);

		if (error < 0)
			return error;
	}
	return 0;
}

void
maps_close(struct maps *m)
{
	for (size_t i = 0; i < m->n; i++)
		dict_close(m->v[i]);
	free(m->v);
	*m = (struct maps){ 0 };
}

bool
maps_changed(const struct maps *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (dict_changed(m->v[i]))
			return true;
	return false;
}

/* Whether a key has all of the address's user, with its extension. */
static bool
has_user(struct span key, struct span local)
{
	return key.n >= local.n &&
	    span_ieq((struct span){ key.p, local.n }, local);
}

enum dict_result
maps_find(const struct maps *m, const struct maps_form *form, struct span addr,
    struct arena *a, struct span *value_r, bool *whole_r, struct why *why)
{
	struct span local, domain;
	struct keys k;

	address_cut(addr, &local, &domain);
	keys_address(&k, form->kind, addr, form->delimiters, form->bare,
	    form->parents_match);
	while (m->n > 0 && keys_next(&k))
		for (size_t i = 0; i < m->n; i++) {
			if (k.partial && dict_is_pattern(m->v[i]))
				continue;
			enum dict_result r = dict_get(m->v[i], k.key, a,
			    value_r, why);
			if (r == DICT_FOUND && whole_r)
				*whole_r = has_user(k.key, local);
			if (r == DICT_FOUND)
				steps_tell(
				    &(struct step){ m->name, dict_name(m->v[i]),
					addr, k.key, *value_r });
			if (r != DICT_ABSENT)
				return r;
		}
	return DICT_ABSENT;
}
