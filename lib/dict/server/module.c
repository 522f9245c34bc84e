#include "dict/server/module.h"

#include "base/scan.h"
#include "conf/conf.h"
#include "conf/lines.h"
#include "dict/private.h"

#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	MODULES_MAX = 16,
	MODULE_PATH_MAX = 1024,
	WORD_MAX = 256,
};

struct line {
	char object[MODULE_PATH_MAX];
	char function[WORD_MAX];
};

static struct loaded {
	char type[32];
	const struct dict_module *module;
} loaded[MODULES_MAX];
static size_t loaded_n;

static bool
keep(char *to, size_t max, struct span word)
{
	if (word.n >= max)
		return false;
	memcpy(to, word.p, word.n);
	to[word.n] = '\0';
	return true;
}

/* "type object function [function]". */
static bool
read_line(struct span line, const char *type, struct line *l)
{
	struct span word;

	skip_white(&line);
	if (!take_word(&line, &word) || !span_eq(word, span_str(type)))
		return false;
	skip_white(&line);
	if (!take_word(&line, &word) ||
	    !keep(l->object, sizeof(l->object), word))
		return false;
	skip_white(&line);
	return take_word(&line, &word) &&
	    keep(l->function, sizeof(l->function), word);
}

static bool
find_in_file(const char *file, const char *type, struct line *l)
{
	struct lines lines;
	char *text = NULL;
	struct span line;
	struct why ignored;
	unsigned number;
	bool found = false;

	if (access(file, R_OK) < 0 || lines_read(file, &lines, &text, &ignored))
		return false;
	while (!found && lines_next(&lines, &line, &number))
		found = read_line(line, type, l);
	free(text);
	return found;
}

static bool
find_in_folder(const char *dir, const char *type, struct line *l)
{
	char path[MODULE_PATH_MAX];
	glob_t all = { 0 };
	bool found;

	snprintf(path, sizeof(path), "%s/dynamicmaps.cf", dir);
	found = find_in_file(path, type, l);
	snprintf(path, sizeof(path), "%s/dynamicmaps.cf.d/*.cf", dir);
	if (!found && glob(path, 0, NULL, &all) == 0)
		for (size_t i = 0; !found && i < all.gl_pathc; i++)
			found = find_in_file(all.gl_pathv[i], type, l);
	globfree(&all);
	return found;
}

static const char *
parameter(const struct conf *c, const char *name)
{
	struct why ignored;
	const char *text = conf_get(c, name, &ignored);

	return text ? text : "";
}

static bool
find(const struct conf *c, const char *type, struct line *l)
{
	return find_in_folder(conf_dir(c), type, l) ||
	    find_in_folder(parameter(c, "meta_directory"), type, l);
}

static void
find_object(const struct conf *c, const struct line *l,
    char path[MODULE_PATH_MAX])
{
	const char *dir = parameter(c, "shlib_directory");

	if (*l->object == '/')
		snprintf(path, MODULE_PATH_MAX, "%s", l->object);
	else if (*dir && strcmp(dir, "no") != 0)
		snprintf(path, MODULE_PATH_MAX, "%.400s/%.400s", dir,
		    l->object);
	else
		snprintf(path, MODULE_PATH_MAX, "%.400s/modules/%.400s",
		    parameter(c, "daemon_directory"), l->object);
}

bool
module_is_there(const char *type)
{
	const struct conf *c = dict_conf_take();
	char path[MODULE_PATH_MAX];
	struct line l;
	bool found = c && find(c, type, &l);

	if (found) {
		find_object(c, &l, path);
		found = access(path, R_OK) == 0;
	}
	dict_conf_give();
	return found;
}

/* What others can write would run as whoever loads it. */
static int
check_owner(const char *path, struct why *why)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return why_set(why, errno, path, 0,
		    "%s (is its package installed?)", strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return why_set(why, EPERM, path, 0,
		    "a module must be a file that its owner alone can write");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return why_set(why, EPERM, path, 0,
		    "a module must belong to root, or to who runs it");
	return 0;
}

/* A pointer to a function comes as one to data. */
static dict_module_fn *
function_of(void *symbol)
{
	dict_module_fn *fn;

	memcpy(&fn, &symbol, sizeof(fn));
	return fn;
}

static const struct dict_module *
refuse(void *object, const char *path, const char *text, struct why *why)
{
	why_set(why, EINVAL, path, 0, "%s", text);
	dlclose(object);
	return NULL;
}

static const struct dict_module *
load(const char *type, const char *path, const char *function, struct why *why)
{
	const struct dict_module *m;
	const char *version;
	void *object, *symbol;

	if (check_owner(path, why) < 0)
		return NULL;
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!object) {
		why_set(why, EINVAL, NULL, 0, "%s: %s", path, dlerror());
		return NULL;
	}
	version = dlsym(object, "dict_module_version");
	if (!version || strcmp(version, DICT_MODULE_VERSION) != 0)
		return refuse(object, path,
		    "is no module of this version; \"" DICT_MODULE_VERSION
		    "\" is needed",
		    why);
	symbol = dlsym(object, function);
	if (!symbol)
		return refuse(object, path, "has no such function", why);
	m = function_of(symbol)();
	if (!m || strcmp(m->type, type) != 0)
		return refuse(object, path, "is for another type", why);
	return m;
}

static const struct dict_module *
find_and_load(const struct conf *c, const char *type, struct why *why)
{
	struct loaded *at = &loaded[loaded_n];
	char path[MODULE_PATH_MAX];
	struct line l;

	for (size_t i = 0; i < loaded_n; i++)
		if (strcmp(loaded[i].type, type) == 0)
			return loaded[i].module;
	if (!c || !find(c, type, &l)) {
		why_set(why, EINVAL, NULL, 0,
		    "the table type %s is not installed: no dynamicmaps.cf has "
		    "it (is the package postrider-%s there?)",
		    type, type);
		return NULL;
	}
	must(loaded_n < MODULES_MAX);
	find_object(c, &l, path);
	at->module = load(type, path, l.function, why);
	if (!at->module)
		return NULL;
	snprintf(at->type, sizeof(at->type), "%s", type);
	loaded_n++;
	return at->module;
}

const struct dict_module *
module_load(const char *type, struct why *why)
{
	const struct dict_module *m = find_and_load(dict_conf_take(), type,
	    why);

	dict_conf_give();
	return m;
}
