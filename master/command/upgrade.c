/*
 * postrider upgrade-configuration: adds to main.cf and master.cf what this version
 * wants and an older one, or another's, did not have. What is there stays.
 */
#include "conf/master_edit.h"
#include "conf/params.h"
#include "master/command/command.h"
#include "master/command/needed.h"

#include <stdio.h>

enum {
	REQUESTS_MAX = 32,
	REQUEST_SIZE = 256,
};

struct upgrade {
	char request[REQUESTS_MAX][REQUEST_SIZE];
	const struct needed *is[REQUESTS_MAX];
	size_t n;
};

static void
add_service(const struct needed *n, void *arg)
{
	struct upgrade *u = arg;

	if (u->n == REQUESTS_MAX)
		return; /* the next call adds them */
	snprintf(u->request[u->n], REQUEST_SIZE, "%s=%s", n->service, n->entry);
	u->is[u->n++] = n;
}

static void
ignore(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static void
no_service(const char *request)
{
	(void)request; /* only edits of parts can mean none */
}

/* All in one go: who reads the file sees all of them, or none. */
static int
upgrade_master_cf(const struct instance *i, struct why *why)
{
	static struct upgrade u;
	const char *requests[REQUESTS_MAX];
	struct entry_list entries;
	int err = entry_list_load(i->dir, &entries, ignore, NULL, why);

	if (err)
		return err;
	needed_each_missing(i->conf, &entries, add_service, &u);
	for (size_t j = 0; j < u.n; j++)
		requests[j] = u.request[j];
	if (u.n > 0)
		err = master_edit(i->dir, MASTER_EDIT_SET, requests, u.n,
		    no_service, why);
	for (size_t j = 0; j < u.n && !err; j++)
		printf("%s/master.cf: added the service %s, which %s\n", i->dir,
		    u.is[j]->service, u.is[j]->reason);
	entry_list_free(&entries);
	return err;
}

/* What this version means by a main.cf that does not say it. */
static int
upgrade_main_cf(const struct instance *i, struct why *why)
{
	const char *name = "compatibility_level";
	const char *level = param_find(span_str(name))->fallback;
	char text[REQUEST_SIZE];
	const char *const edits[] = { text };
	int err;

	if (conf_set_value(i->conf, span_str(name)))
		return 0;
	snprintf(text, sizeof(text), "%s = %s", name, level);
	err = conf_edit(i->dir, CONF_EDIT_SET, edits, 1, why);
	if (!err)
		printf("%s/main.cf: added %s, so that defaults of later "
		       "versions change nothing\n",
		    i->dir, text);
	return err;
}

int
verb_upgrade_configuration(struct instance *i, char **args)
{
	struct why why;

	(void)args;
	if (command_load(i))
		return COMMAND_FAILED;
	if (upgrade_main_cf(i, &why) < 0 || upgrade_master_cf(i, &why) < 0)
		return command_complain(why.text);
	return 0;
}
