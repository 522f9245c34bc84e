#include "conf/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	NAME_SIZE = 256,
};

#ifdef TEST_HOOKS
static const char always[] = "ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS";
#else
static const char always[] = "";
#endif

static const char path[] = "/usr/sbin:/usr/bin:/sbin:/bin";

/* What there was in the beginning: texts that nobody frees. */
static char **first;

static void
remember(void)
{
	size_t n = 0;

	if (first)
		return;
	while (environ && environ[n])
		n++;
	first = zalloc((n + 1) * sizeof(*first));
	for (size_t i = 0; i < n; i++) {
		first[i] = zalloc(strlen(environ[i]) + 1);
		memcpy(first[i], environ[i], strlen(environ[i]));
	}
}

static const char *
find(struct span name)
{
	for (size_t i = 0; first[i]; i++)
		if (strncmp(first[i], name.p, name.n) == 0 &&
		    first[i][name.n] == '=')
			return first[i] + name.n + 1;
	return NULL;
}

static void
set(struct span name, const char *value)
{
	char text[NAME_SIZE];

	if (name.n == 0 || name.n >= sizeof(text) || !value)
		return;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	must(setenv(text, value, 1) == 0);
}

/* NAME=VALUE; the value ends with the element, not with the list. */
static void
set_assigned(struct span name, struct span value)
{
	char *copy = zalloc(value.n + 1);

	memcpy(copy, value.p, value.n);
	set(name, copy);
	free(copy);
}

static void
take_over(const char *list, bool only_assigned)
{
	struct span rest = span_str(list), word;

	while (conf_list_next(&rest, &word)) {
		struct span value = word, name = span_cut(&value, '=');

		if (name.n < word.n)
			set_assigned(name, value);
		else if (!only_assigned)
			set(name, find(name));
	}
	tzset();
}

void
environment_clean(const char *list)
{
	remember();
	(void)clearenv();
	must(setenv("PATH", path, 1) == 0);
	take_over(always, false);
	take_over(list, false);
}

void
environment_import(const struct conf *c)
{
	struct why ignored; /* who starts has main.cf checked as well */
	const char *list = conf_get(c, "import_environment", &ignored);

	if (list)
		environment_clean(list);
}

void
environment_update(const struct conf *c)
{
	struct why ignored;
	const char *list = conf_get(c, "import_environment", &ignored);

	if (list)
		take_over(list, true);
}

struct conf *
conf_load_command(const char *dir, struct why *why)
{
	struct conf *c = conf_load(conf_find_dir(dir), NULL, 0, why);

	if (c)
		environment_update(c);
	return c;
}
