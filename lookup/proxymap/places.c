#include "lookup/proxymap/places.h"

#include "conf/master_cf.h"
#include "conf/params.h"
#include "dict/dict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SERVICES_MAX = 64,
	SERVICE_NAME_MAX = 256,
	OPTIONS_MAX = 255,
};

static const char classes_name[] = "smtpd_restriction_classes";

static struct {
	const struct conf *main;
	size_t n;
	struct {
		char name[SERVICE_NAME_MAX];
		struct conf *conf;
	} services[SERVICES_MAX];
} own;

void
places_use(const struct conf *c)
{
	own.main = c;
	while (own.n > 0)
		conf_free(own.services[--own.n].conf);
}

static size_t
take_options(const struct service_line *l, const char **overrides)
{
	size_t n = 0;

	for (size_t k = 0; k + 1 < l->args_n && n < OPTIONS_MAX; k++)
		if (strcmp(l->args[k], "-o") == 0)
			overrides[n++] = l->args[++k];
	return n;
}

/* What `service` says: by its line of master.cf, or main.cf alone. */
static struct conf *
read_conf(struct span service, struct why *why)
{
	struct master_cf *m = master_cf_load(own.main, why);
	const char **overrides;
	struct conf *c;
	size_t n = 0;

	if (!m)
		return NULL;
	overrides = zalloc((OPTIONS_MAX + 1) * sizeof(*overrides));
	for (size_t i = 0; i < master_cf_count(m); i++)
		if (span_eq(service, span_str(master_cf_at(m, i)->name))) {
			n = take_options(master_cf_at(m, i), overrides);
			break;
		}
	c = conf_load(conf_dir(own.main), overrides, n, why);
	free(overrides);
	master_cf_free(m);
	return c;
}

/* Kept until the configuration changes. */
static struct conf *
conf_of(struct span service, struct why *why)
{
	for (size_t i = 0; i < own.n; i++)
		if (span_eq(service, span_str(own.services[i].name)))
			return own.services[i].conf;
	if (own.n == SERVICES_MAX || service.n >= SERVICE_NAME_MAX) {
		why_set(why, ENOBUFS, NULL, 0, "too many services ask");
		return NULL;
	}
	own.services[own.n].conf = read_conf(service, why);
	if (!own.services[own.n].conf)
		return NULL;
	snprintf(own.services[own.n].name, SERVICE_NAME_MAX, "%.*s",
	    (int)service.n, service.p);
	return own.services[own.n++].conf;
}

/* Those of authd, and lists that only say what Postfix's may be asked. */
static bool
is_forbidden(const char *parameter)
{
	return strncmp(parameter, "auth_", 5) == 0 ||
	    strncmp(parameter, "proxy_", 6) == 0;
}

/* An element that is a table for us; "!" before it says what it means. */
static bool
take_table(struct span element, char table_r[PLACES_NAME_MAX])
{
	while (element.n > 0 && *element.p == '!') {
		element.p++;
		element.n--;
	}
	if (element.n >= PLACES_NAME_MAX || !dict_names_remote(element))
		return false;
	memcpy(table_r, element.p, element.n);
	table_r[element.n] = '\0';
	return true;
}

static bool
find_in(const char *text, uint64_t element, struct span *element_r)
{
	struct span rest = span_str(text);

	while (conf_list_next(&rest, element_r))
		if (element-- == 0)
			return true;
	return false;
}

/* The value that has the element: the parameter's, or that of a class in it. */
static const char *
find_text(const struct conf *c, const char *parameter, uint64_t *element,
    struct why *why)
{
	const char *text = conf_get(c, parameter, why);
	char name[SERVICE_NAME_MAX];
	struct span class;

	if (!text || strcmp(parameter, classes_name) != 0)
		return text;
	if (*element < DICT_CLASS ||
	    !find_in(text, *element / DICT_CLASS - 1, &class) ||
	    class.n >= sizeof(name))
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)class.n, class.p);
	*element %= DICT_CLASS;
	return is_forbidden(name) ? NULL : conf_get(c, name, why);
}

bool
places_find(struct span service, uint64_t parameter, uint64_t element,
    char table_r[PLACES_NAME_MAX], struct why *why)
{
	const struct param *p = parameter < param_count()
	    ? param_at((size_t)parameter)
	    : NULL;
	struct span found;
	const struct conf *c;
	const char *text;

	why_set(why, ENOENT, NULL, 0, "there is no such table");
	if (!p || is_forbidden(p->name))
		return false;
	c = conf_of(service, why);
	text = c ? find_text(c, p->name, &element, why) : NULL;
	return text && find_in(text, element, &found) &&
	    take_table(found, table_r);
}

static void
each_in(const struct conf *c, const char *parameter, places_fn *fn)
{
	char table[PLACES_NAME_MAX];
	struct why ignored;
	const char *text = conf_get(c, parameter, &ignored);
	struct span rest = span_str(text ? text : ""), element;

	while (conf_list_next(&rest, &element))
		if (take_table(element, table))
			fn(table);
}

struct walk {
	const struct conf *conf;
	places_fn *fn;
};

static void
visit(const char *name, const char *raw, void *arg)
{
	const struct walk *w = arg;

	(void)raw;
	if (!is_forbidden(name))
		each_in(w->conf, name, w->fn);
}

/* All that main.cf sets, and what a service's line says beside it. */
int
places_each(places_fn *fn, struct why *why)
{
	struct master_cf *m = master_cf_load(own.main, why);
	struct walk w = { own.main, fn };

	if (!m)
		return -EINVAL;
	conf_each(own.main, visit, &w);
	for (size_t i = 0; i < master_cf_count(m); i++) {
		const struct service_line *l = master_cf_at(m, i);
		struct conf *c = NULL;

		for (size_t k = 0; k + 1 < l->args_n; k++) {
			struct span rest = span_str(l->args[k + 1]);
			struct span name = span_cut(&rest, '=');
			char text[SERVICE_NAME_MAX];

			if (strcmp(l->args[k], "-o") != 0 ||
			    name.n >= sizeof(text))
				continue;
			if (!c && !(c = conf_of(span_str(l->name), why)))
				break;
			snprintf(text, sizeof(text), "%.*s", (int)name.n,
			    name.p);
			if (!is_forbidden(text))
				each_in(c, text, fn);
		}
	}
	master_cf_free(m);
	return 0;
}
