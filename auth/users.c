#include "auth/users.h"

#include "conf/conf.h"
#include "service/lookups.h"

#include <errno.h>
#include <stdlib.h>

enum {
	TABLES_MAX = 16,
	NAME_MAX_LEN = 2048,
};

struct users {
	size_t holders;
	size_t n;
	struct dict *tables[TABLES_MAX];
	char list[];
};

static int
open_table(struct users *u, struct span element, struct why *why)
{
	char name[NAME_MAX_LEN];
	struct why inner;
	struct dict *d;

	if (u->n == TABLES_MAX || element.n >= sizeof(name))
		return why_set(why, EINVAL, NULL, 0,
		    "auth_user_maps: more than %d tables, or a name that is "
		    "too long",
		    TABLES_MAX);
	memcpy(name, element.p, element.n);
	name[element.n] = '\0';
	d = dict_open(name, DICT_OWN, &inner);
	if (!d)
		return why_set(why, EINVAL, NULL, 0, "auth_user_maps: %s",
		    inner.text);
	u->tables[u->n++] = d;
	return 0;
}

struct users *
users_open(const char *list, struct why *why)
{
	size_t len = strlen(list);
	struct users *u = zalloc(sizeof(*u) + len + 1);
	struct span rest = { list, len }, element;

	memcpy(u->list, list, len);
	u->holders = 1;
	while (conf_list_next(&rest, &element))
		if (open_table(u, element, why) < 0)
			return users_drop(u);
	return u;
}

struct users *
users_hold(struct users *u)
{
	u->holders++;
	return u;
}

struct users *
users_drop(struct users *u)
{
	if (!u || --u->holders > 0)
		return NULL;
	for (size_t i = 0; i < u->n; i++)
		dict_close(u->tables[i]);
	free(u);
	return NULL;
}

bool
users_changed(const struct users *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (dict_changed(u->tables[i]))
			return true;
	return false;
}

struct users *
users_reopen(const struct users *u, struct why *why)
{
	return users_open(u->list, why);
}

enum dict_result
users_find(struct users *u, struct span name, struct arena *a,
    struct span *value_r, const char **table_r, struct why *why)
{
	for (size_t i = 0; i < u->n; i++) {
		struct dict *d = u->tables[i];
		enum dict_result r = dict_is_quick(d)
		    ? dict_get(d, name, a, value_r, why)
		    : lookups_ask(d, name, a, value_r, why);

		*table_r = dict_name(u->tables[i]);
		if (r != DICT_ABSENT)
			return r;
	}
	return DICT_ABSENT;
}

bool
users_are_asked_for(const struct users *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (!dict_is_quick(u->tables[i]))
			return true;
	return false;
}

void
users_each_file(const struct users *u, users_file_fn *fn, void *arg)
{
	for (size_t i = 0; i < u->n; i++)
		dict_each_file(u->tables[i], fn, arg);
}
