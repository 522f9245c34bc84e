/* postrider check: one subject after the other, and what they share. */
#include "master/check/check.h"

#include "conf/params.h"
#include "dict/dict.h"
#include "master/check/selfcheck.h"
#include "service/sandbox.h"

#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	TEXT_MAX = 2048,
};

void
check_say(struct checkup *k, enum check_level level, const char *fmt, ...)
{
	static const char *const words[] = { "error", "warning", "note" };
	char text[TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	printf("%s: %s\n", words[level], text);
	k->errors += level == CHECK_ERROR;
}

void
check_tell(struct checkup *k, enum check_level level,
    const struct check_value *v, const char *fmt, ...)
{
	char text[TEXT_MAX - 512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (v->line > 0)
		check_say(k, level, "%s:%u: %s: %s", v->file, v->line, v->name,
		    text);
	else
		check_say(k, level, "%s: %s", v->name, text);
}

struct check_value
check_value_of(const struct checkup *k, const char *name)
{
	struct check_value v = { .name = name, .conf = k->conf };
	struct why why;

	v.text = conf_get(k->conf, name, &why);
	if (!v.text)
		v.text = "";
	if (!conf_source(k->conf, name, &v.file, &v.line))
		v.line = 0;
	return v;
}

bool
check_ends(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

/* Nobody reads what is not known, or does nothing. */
static bool
has_effect(const struct checkup *k, const char *name)
{
	const struct param *p = param_find(span_str(name));

	if (p)
		return p->state == PARAM_WORKS;
	return !k->names || conf_names_class(k->names, span_str(name)) != 0;
}

struct visit {
	struct checkup *k;
	check_value_fn *fn;
};

static void
visit_value(const char *name, const char *raw, void *arg)
{
	const struct visit *q = arg;
	struct check_value v = check_value_of(q->k, name);

	(void)raw;
	if (*v.text && has_effect(q->k, name))
		q->fn(q->k, &v);
}

struct conf *
check_entry_conf(const struct checkup *k, const struct entry_text *e)
{
	const char **override = zalloc((e->n + 1) * sizeof(*override));
	struct conf *c = NULL;
	size_t n = 0, at = 0, place;
	struct why why;

	while (entry_next_param(e, &at, &place))
		override[n++] = e->arg[place];
	if (n > 0)
		c = conf_load(conf_dir(k->conf), override, n, &why);
	free(override);
	return c;
}

static void
visit_entry(const struct visit *q, const struct entry_text *e)
{
	struct conf *c = check_entry_conf(q->k, e);
	size_t at = 0, place;
	struct why why;

	while (c && entry_next_param(e, &at, &place)) {
		struct span rest = span_str(e->arg[place]);
		struct span name = span_cut(&rest, '=');
		char word[256];
		struct check_value v = { word, NULL, c, "master.cf", e->line };

		if (entry_param(e, name) != rest.p)
			continue; /* a later one counts */
		snprintf(word, sizeof(word), "%.*s", (int)name.n, name.p);
		v.text = conf_get(c, word, &why);
		if (v.text && *v.text && has_effect(q->k, word))
			q->fn(q->k, &v);
	}
	conf_free(c);
}

void
check_each_value(struct checkup *k, check_value_fn *fn)
{
	struct visit q = { k, fn };

	conf_each(k->conf, visit_value, &q);
	for (size_t i = 0; i < k->entries.n; i++)
		visit_entry(&q, &k->entries.at[i]);
}

/*
 * Where the sync of a new file does not make its name durable as well, mail that
 * got its 250 could be lost in a power cut (docs/QUEUE.md).
 */
static void
check_file_system(struct checkup *k)
{
	const char *queue = k->instance->params.queue_directory;
	struct statfs s;

	if (statfs(queue, &s) < 0)
		return;
	switch ((uint32_t)s.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
		return;
	}
	check_say(k, CHECK_WARNING,
	    "queue_directory %s: on this file system the sync of a new file "
	    "may not make its name durable; ext4, xfs and btrfs do",
	    queue);
}

static void
check_sandbox(struct checkup *k)
{
	static const char *const modes[] = { "enforce", "report", "off" };
	char text[512];

	sandbox_describe(text, sizeof(text));
	check_say(k, CHECK_NOTE, "sandbox = %s; this kernel %s",
	    modes[k->instance->params.sandbox], text);
}

static void
report_error(const char *text, void *arg)
{
	check_say(arg, CHECK_ERROR, "%s", text);
}

static void
check_all(struct checkup *k)
{
	dict_use_conf(k->conf);
	if (geteuid() != 0)
		check_say(k, CHECK_NOTE,
		    "an ordinary user is all users of the suite");
	check_params(k);
	check_services(k);
	check_users(k);
	check_files(k);
	check_tables(k);
	check_certs(k);
	check_ports(k);
	check_domains(k);
	check_dns(k);
	if (k->plan && k->errors == 0) /* else they would say the same again */
		selfcheck_services(k->plan, conf_dir(k->conf), report_error, k);
	check_file_system(k);
	check_sandbox(k);
}

int
verb_check(struct instance *i, char **args)
{
	struct checkup k = { .instance = i };
	struct why why;

	for (; *args; args++) {
		if (strcmp(*args, "--dns") != 0)
			return command_complain(
			    "check: --dns is the only option");
		k.asks_dns = true;
	}
	if (command_try_load(i, &why) == 0) {
		k.conf = i->conf;
		check_all(&k);
	} else if (i->conf) { /* a value, as others may be */
		k.conf = i->conf;
		check_params(&k);
	} else {
		check_say(&k, CHECK_ERROR, "%s", why.text);
	}
	plan_free(k.plan);
	conf_names_free(k.names);
	entry_list_free(&k.entries);
	return k.errors > 0 ? COMMAND_FAILED : 0;
}
