#include "lookup/proxymap/tables.h"

#include "task/task.h"

#include <errno.h>
#include <stdlib.h>

enum {
	LOOK_MS = 1000, /* between two looks whether a file was replaced */
	TEND_MS = 10 * 1000,
};

struct table {
	struct table *next;
	struct dict *dict;
	size_t holders; /* one of them is the list, while it is in there */
	int64_t looked; /* when */
	char name[];
};

static struct {
	struct table *first;
	struct slots opening; /* one at a time: a struct conf has one reader */
	struct conf *conf;
} own;

void
tables_init(struct conf *c)
{
	own.conf = c;
	dict_use_conf(c);
	slots_init(&own.opening, 1, "a table");
}

struct dict *
table_dict(const struct table *t)
{
	return t->dict;
}

/* Offloaded: it may say goodbye to a server. */
static void
close_table(void *arg)
{
	struct table *t = arg;

	dict_close(t->dict);
	free(t);
}

void
tables_drop(struct table *t)
{
	if (t && --t->holders == 0)
		task_offload(TASK_DISK, close_table, t);
}

static void
take_out(struct table *t)
{
	struct table **at = &own.first;

	while (*at && *at != t)
		at = &(*at)->next;
	if (!*at)
		return; /* another task was here before */
	*at = t->next;
	tables_drop(t);
}

void
tables_renew(struct conf *c)
{
	if (slots_take(&own.opening, TASK_NEVER) != TASK_READY) {
		conf_free(c);
		return;
	}
	dict_use_conf(c);
	conf_free(own.conf);
	own.conf = c;
	while (own.first)
		take_out(own.first);
	slots_give(&own.opening);
}

static struct table *
find(const char *name)
{
	struct table *t = own.first;

	while (t && strcmp(t->name, name) != 0)
		t = t->next;
	return t;
}

struct work {
	struct table *table;
	struct why *why;
	bool changed;
};

/* Offloaded. */
static void
look(void *arg)
{
	struct work *w = arg;

	w->changed = dict_changed(w->table->dict);
}

/* Offloaded. */
static void
open_table(void *arg)
{
	struct work *w = arg;

	w->table->dict = dict_open(w->table->name, 0, w->why);
}

/* The open one, if its file is what it was. */
static struct table *
hold_open(const char *name)
{
	struct table *t = find(name);
	struct work w = { .table = t };

	if (!t)
		return NULL;
	t->holders++;
	if (task_now() - t->looked < LOOK_MS)
		return t;
	t->looked = task_now();
	task_offload(TASK_DISK, look, &w);
	if (!w.changed)
		return t;
	take_out(t);
	tables_drop(t);
	return NULL;
}

static struct table *
open_new(const char *name, struct why *why)
{
	size_t size = strlen(name) + 1;
	struct table *t = zalloc(sizeof(*t) + size);
	struct work w = { .table = t, .why = why };

	memcpy(t->name, name, size);
	t->looked = task_now();
	task_offload(TASK_DISK, open_table, &w);
	if (!t->dict) {
		free(t);
		return NULL;
	}
	t->holders = 2;
	t->next = own.first;
	own.first = t;
	return t;
}

struct table *
tables_hold(const char *name, struct why *why)
{
	struct table *t = hold_open(name);

	if (t)
		return t;
	if (slots_take(&own.opening, TASK_NEVER) != TASK_READY) {
		why_set(why, ECANCELED, NULL, 0, "it is about to end");
		return NULL;
	}
	t = hold_open(name); /* another task may have opened it meanwhile */
	if (!t)
		t = open_new(name, why);
	slots_give(&own.opening);
	return t;
}

/* Offloaded. */
static void
tend(void *arg)
{
	(void)arg;
	dict_tend();
}

void
tables_tend(void *arg)
{
	(void)arg;
	while (task_sleep(task_after(TEND_MS)) == TASK_TIMEOUT)
		task_offload(TASK_DISK, tend, NULL);
}
