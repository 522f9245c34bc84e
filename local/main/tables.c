#include "local/main/local.h"

#include "base/log.h"
#include "conf/params.h"
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
	enum tables_list list;
	size_t element; /* of the parameter */
	char *name;
	struct dict *dict; /* NULL: it cannot be opened */
};

static const char *const parameters[TABLES_LISTS] = {
	[TABLES_ALIAS] = "alias_maps",
	[TABLES_COMMAND] = "mailbox_command_maps",
	[TABLES_TRANSPORT] = "mailbox_transport_maps",
	[TABLES_FALLBACK] = "fallback_transport_maps",
};

static struct {
	struct table v[TABLES_MAX];
	size_t n;
	struct lists *domains;
	struct lists *own; /* addresses of this machine */
	struct expand_config expansion;
	struct privs nobody;
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
	    "%s: a table of local's has to belong to root, and only root may "
	    "write to it",
	    file);
	return false;
}

/* Before it is opened, too: to open a damaged one can be too much already. */
static bool
may_be_ours(const char *name, struct why *why)
{
	static const char *const compound[] = { "unionmap:", "pipemap:",
		"debug:" };
	const char *file = strchr(name, ':');
	char built[1024];

	for (size_t i = 0; i < COUNT_OF(compound); i++)
		if (strncmp(name, compound[i], strlen(compound[i])) == 0) {
			why_set(why, EINVAL, NULL, 0,
			    "%.200s: local takes no table that is made of "
			    "others",
			    name);
			return false;
		}
	if (!file || file[1] != '/')
		return true;
	if (dict_made_file(name, built, sizeof(built)))
		return access(built, F_OK) < 0 || is_ours(built, why);
	return access(file + 1, F_OK) < 0 || is_ours(file + 1, why);
}

/* Those behind servers are asked by proxymap: root speaks with no database. */
static struct dict *
open_ours(const char *name, struct why *why)
{
	struct dict *d;

	if (!may_be_ours(name, why))
		return NULL;
	d = dict_open(name, DICT_NO_GROUPS, why);
	if (d && !dict_may_wait(d))
		why_set(why, EINVAL, NULL, 0,
		    "%s waits for a disk, which cannot be done here; allowed "
		    "are tables in files and behind servers",
		    name);
	else if (d && is_ours(dict_file(d), why))
		return d;
	dict_close(d);
	return NULL;
}

static void
open_table(struct table *t, struct why *why)
{
	size_t number;

	t->dict = open_ours(t->name, why);
	/* By this proxymap knows what is meant. */
	if (t->dict && param_number(parameters[t->list], &number))
		dict_set_origin(t->dict, number, t->element);
}

static int
open_list(const struct conf *c, enum tables_list list, const char *text,
    struct why *why)
{
	struct span rest = span_str(text), name;
	const char *file = NULL;
	struct why open_why;
	unsigned line = 0;
	size_t element = 0;

	conf_source(c, parameters[list], &file, &line);
	while (conf_list_next(&rest, &name)) {
		struct table *t = &tables.v[tables.n];

		if (tables.n == TABLES_MAX)
			return why_set(why, E2BIG, file, line,
			    "%s: more than %d tables", parameters[list],
			    TABLES_MAX);
		t->list = list;
		t->element = element++;
		t->name = strndup(name.p, name.n);
		must(t->name);
		open_table(t, &open_why);
		/* Without its tables the service waits, and does not guess. */
		if (!t->dict)
			log_error("%s: %s", parameters[list], open_why.text);
		tables.n++;
	}
	return 0;
}

static int
open_lists(const struct conf *c, struct why *why)
{
	const struct local_params *p = &local_params;
	const char *const texts[TABLES_LISTS] = {
		[TABLES_ALIAS] = p->alias_maps,
		[TABLES_COMMAND] = p->mailbox_command_maps,
		[TABLES_TRANSPORT] = p->mailbox_transport_maps,
		[TABLES_FALLBACK] = p->fallback_transport_maps,
	};
	int err = 0;

	for (unsigned i = 0; i < TABLES_LISTS && !err; i++)
		err = open_list(c, (enum tables_list)i, texts[i], why);
	return err;
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
	int err = open_lists(c, why);
	size_t number;

	tables.expansion = (struct expand_config){
		.delimiters = span_str(p->recipient_delimiter),
		.origin = span_str(p->myorigin),
		.commands = places(p->allow_commands),
		.files = places(p->allow_files),
		.owner_request_special = p->owner_request_special,
		.expand_owner_alias = p->expand_owner_alias,
		.reset_owner_alias = p->reset_owner_alias,
		.transports = *p->mailbox_transport ||
		    *p->mailbox_transport_maps || *p->fallback_transport ||
		    *p->fallback_transport_maps,
		.relay = *p->luser_relay,
	};
	if (err)
		return err;
	tables.domains = lists_open(p->mydestination, LISTS_NAMES, why);
	if (!tables.domains)
		return -EINVAL;
	must(param_number("mydestination", &number));
	if (!lists_may_wait(tables.domains) ||
	    !lists_set_origin(tables.domains, number))
		return why_set(why, EINVAL, NULL, 0,
		    "mydestination: names a table that waits");
	return privs_find(p->default_privs, &tables.nobody, why);
}

void
tables_refresh(void)
{
	for (size_t i = 0; i < tables.n; i++) {
		struct table *t = &tables.v[i];
		struct dict *before;
		struct why why;

		/* Others may be asleep over one that proxymap is asked for. */
		if (t->dict &&
		    (dict_is_remote(t->dict) || !dict_changed(t->dict)))
			continue;
		before = t->dict;
		open_table(t, &why);
		if (!t->dict && before)
			log_error("%s: %s", parameters[t->list], why.text);
		dict_close(before);
	}
}

enum dict_result
tables_find(enum tables_list list, struct span name, struct arena *a,
    struct span *value_r, struct why *why)
{
	for (size_t i = 0; i < tables.n; i++) {
		const struct table *t = &tables.v[i];
		enum dict_result r = DICT_TEMPFAIL;

		if (t->list != list)
			continue;
		why->text[0] = '\0';
		if (t->dict)
			r = dict_get(t->dict, name, a, value_r, why);
		if (r == DICT_TEMPFAIL && t->dict)
			log_warning("%s", why->text);
		if (r == DICT_TEMPFAIL)
			why_set(why, EIO, NULL, 0,
			    list == TABLES_ALIAS ? "alias database unavailable"
						 : "table lookup failure");
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
