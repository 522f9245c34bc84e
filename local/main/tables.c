#include "local/main/local.h"

#include "base/log.h"
#include "dict/lists.h"
#include "service/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TABLES_MAX = 16,
};

struct table {
	char *name;
	struct dict *dict; /* NULL: it cannot be opened */
};

static struct {
	struct table v[TABLES_MAX];
	size_t n;
	struct lists *domains;
	struct lists *own; /* addresses of this machine */
	struct expand_config expansion;
	struct privs nobody;
	struct privs owner;
} tables;

/* What a stranger can write to is no table of root's. */
static bool
is_ours(const char *file, struct why *why)
{
	struct stat st;

	if (!file || geteuid() != 0)
		return true;
	if (stat(file, &st) < 0) {
		why_set(why, errno, NULL, 0, "%s: cannot be looked at", file);
		return false;
	}
	if (st.st_uid == 0 && !(st.st_mode & S_IWOTH) &&
	    (st.st_gid == 0 || !(st.st_mode & S_IWGRP)))
		return true;
	why_set(why, EPERM, NULL, 0,
	    "%s: an alias table has to belong to root, and only root may "
	    "write to it",
	    file);
	return false;
}

/* Before it is opened, too: to open a damaged one can be too much already. */
static bool
may_be_ours(const char *name, struct why *why)
{
	const char *file = strchr(name, ':');
	char built[1024];

	if (!file || file[1] != '/')
		return true;
	snprintf(built, sizeof(built), "%s.lmdb", file + 1);
	if (strncmp(name, "lmdb:", 5) == 0)
		return access(built, F_OK) < 0 || is_ours(built, why);
	return access(file + 1, F_OK) < 0 || is_ours(file + 1, why);
}

static struct dict *
open_ours(const char *name, struct why *why)
{
	struct dict *d;

	if (!may_be_ours(name, why))
		return NULL;
	d = dict_open(name, 0, why);
	if (d && !dict_is_quick(d))
		why_set(why, EINVAL, NULL, 0,
		    "%s waits for a server or a disk, which this version "
		    "cannot do",
		    name);
	else if (d && is_ours(dict_file(d), why))
		return d;
	dict_close(d);
	return NULL;
}

static int
open_aliases(const struct conf *c, struct why *why)
{
	struct span rest = span_str(local_params.alias_maps), name;
	const char *file = NULL;
	struct why open_why;
	unsigned line = 0;

	conf_source(c, "alias_maps", &file, &line);
	while (conf_list_next(&rest, &name)) {
		struct table *t = &tables.v[tables.n];

		if (tables.n == TABLES_MAX)
			return why_set(why, E2BIG, file, line,
			    "alias_maps: more than %d tables", TABLES_MAX);
		t->name = strndup(name.p, name.n);
		must(t->name);
		t->dict = open_ours(t->name, &open_why);
		/* Without its aliases the service waits, and does not guess. */
		if (!t->dict)
			log_error("alias_maps: %s", open_why.text);
		tables.n++;
	}
	return 0;
}

static unsigned
places(const char *list)
{
	return (conf_list_has(list, "alias") ? EXPAND_IN_ALIAS : 0) |
	    (conf_list_has(list, "forward") ? EXPAND_IN_FORWARD : 0) |
	    (conf_list_has(list, "include") ? EXPAND_IN_INCLUDE : 0);
}

int
tables_open(const struct conf *c, struct why *why)
{
	const struct local_params *p = &local_params;
	int err = open_aliases(c, why);

	tables.expansion = (struct expand_config){
		.delimiters = span_str(p->recipient_delimiter),
		.origin = span_str(p->myorigin),
		.commands = places(p->allow_commands),
		.files = places(p->allow_files),
		.owner_request_special = p->owner_request_special,
		.expand_owner_alias = p->expand_owner_alias,
	};
	if (err)
		return err;
	tables.domains = lists_open(p->mydestination, LISTS_NAMES, why);
	if (!tables.domains)
		return -EINVAL;
	if (!lists_is_quick(tables.domains))
		return why_set(why, EINVAL, NULL, 0,
		    "mydestination: names a table that waits");
	err = privs_find(p->mail_owner, &tables.owner, why);
	return err ? err : privs_find(p->default_privs, &tables.nobody, why);
}

void
tables_refresh(void)
{
	for (size_t i = 0; i < tables.n; i++) {
		struct table *t = &tables.v[i];
		struct dict *d;
		struct why why;

		if (t->dict && !dict_changed(t->dict))
			continue;
		d = open_ours(t->name, &why);
		if (!d && t->dict)
			log_error("alias_maps: %s", why.text);
		dict_close(t->dict);
		t->dict = d;
	}
}

enum dict_result
tables_alias(struct span name, struct arena *a, struct span *value_r,
    struct why *why)
{
	for (size_t i = 0; i < tables.n; i++) {
		enum dict_result r;

		if (!tables.v[i].dict) {
			why_set(why, EIO, NULL, 0,
			    "alias database unavailable");
			return DICT_TEMPFAIL;
		}
		r = dict_get(tables.v[i].dict, name, a, value_r, why);
		if (r == DICT_TEMPFAIL) {
			log_warning("%s", why->text);
			why_set(why, EIO, NULL, 0,
			    "alias database unavailable");
		}
		if (r != DICT_ABSENT)
			return r;
	}
	return DICT_ABSENT;
}

enum dict_result
tables_domain(struct span domain, struct why *why)
{
	if (span_ieq(domain, span_str(local_params.myhostname)) &&
	    lists_is_empty(tables.domains))
		return DICT_ABSENT;
	return lists_has_name(tables.domains, domain, why);
}

const struct expand_config *
tables_expansion(void)
{
	return &tables.expansion;
}

/* A sticky folder that all can write to needs no group, and root's gets none. */
gid_t
tables_spool_group(void)
{
	struct stat st;

	if (geteuid() != 0 ||
	    stat(local_params.mail_spool_directory, &st) < 0 ||
	    (st.st_mode & S_IWOTH) || !(st.st_mode & S_IWGRP) || st.st_gid == 0)
		return (gid_t)-1;
	return st.st_gid;
}

const struct privs *
tables_nobody(void)
{
	return &tables.nobody;
}

const struct privs *
tables_owner(void)
{
	return &tables.owner;
}
