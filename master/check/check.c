/* Says what is wrong with the configuration. */
#include "conf/names.h"
#include "conf/params.h"
#include "master/check/selfcheck.h"
#include "master/command/command.h"
#include "master/dirs.h"
#include "service/sandbox.h"

#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static unsigned errors;

struct checking {
	const struct conf *conf;
	struct conf_names *names;
};

static void
report_error(const char *text, void *arg)
{
	(void)arg;
	printf("error: %s\n", text);
	errors++;
}

static void
report_note(const char *text, void *arg)
{
	(void)arg;
	printf("note: %s\n", text);
}

static void
report_unused(const char *name, const char *raw, void *arg)
{
	const struct checking *k = arg;
	const char *file = "main.cf";
	unsigned line = 0;

	if (conf_names_class(k->names, span_str(name)) != 0)
		return;
	(void)conf_source(k->conf, name, &file, &line);
	printf("warning: %s:%u: unused parameter: %s = %s\n", file, line, name,
	    raw);
}

/* What is accepted for the sake of a main.cf of Postfix. */
static void
report_idle(const char *name, const char *raw, void *arg)
{
	const struct param *p = param_find(span_str(name));
	const char *file = "main.cf";
	unsigned line = 0;

	if (!p || p->state == PARAM_WORKS)
		return;
	(void)conf_source(arg, name, &file, &line);
	printf("warning: %s:%u: %s = %s: %s\n", file, line, name, raw,
	    p->state == PARAM_NOT_YET ? "does nothing in this version"
				      : "has no effect here");
}

static void
check_users(const struct instance *i)
{
	static const char *const names[] = { "mail_owner", "net_owner",
		"login_owner", "auth_owner" };
	struct privs p;
	struct why why;

	for (size_t n = 0; n < COUNT_OF(names); n++) {
		if (dirs_user(i->conf, names[n], &p, &why) < 0)
			report_error(why.text, NULL);
	}
}

static void
check_dirs(const struct instance *i)
{
	struct dirs_owners owners;
	struct stat st;
	struct why why;

	if (lstat(i->params.queue_directory, &st) < 0) {
		printf("note: %s is made at the first start\n",
		    i->params.queue_directory);
		return;
	}
	if (dirs_owners(i->conf, &owners, &why) < 0)
		report_error(why.text, NULL);
	else
		dirs_check(i->conf, &owners, report_error, NULL);
}

/*
 * Where the sync of a new file does not make its name durable as well, mail that
 * got its 250 could be lost in a power cut (docs/QUEUE.md).
 */
static void
check_file_system(const struct instance *i)
{
	struct statfs s;

	if (statfs(i->params.queue_directory, &s) < 0)
		return;
	switch ((uint32_t)s.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
		return;
	}
	printf("warning: queue_directory %s: on this file system the sync of a "
	       "new file may not make its name durable; ext4, xfs and btrfs "
	       "do\n",
	    i->params.queue_directory);
}

static void
check_sandbox(const struct instance *i)
{
	static const char *const modes[] = { "enforce", "report", "off" };
	char text[512];

	sandbox_describe(text, sizeof(text));
	printf("note: sandbox = %s; this kernel %s\n", modes[i->params.sandbox],
	    text);
}

static void
report_warning(const char *text, void *arg)
{
	(void)arg;
	printf("warning: %s\n", text);
}

/* Names that are used and not set, or set and not used. */
static void
check_names(const struct instance *i)
{
	struct entry_list entries;
	struct checking k = { i->conf, NULL };
	struct why why;

	conf_each_remark(i->conf, report_warning, NULL);
	if (entry_list_load(conf_dir(i->conf), &entries, report_warning, NULL,
		&why) < 0)
		return; /* an error, which was told */
	k.names = conf_names_new(i->conf, &entries);
	conf_names_each_undefined(k.names, report_warning, NULL);
	conf_each(i->conf, report_unused, &k);
	conf_names_free(k.names);
	entry_list_free(&entries);
}

int
verb_check(struct instance *i, char **args)
{
	struct plan *p;
	struct why why;

	(void)args;
	if (command_load(i))
		return COMMAND_FAILED;
	p = plan_load(i->dir, report_note, NULL, &why);
	if (!p)
		report_error(why.text, NULL);
	if (geteuid() != 0)
		report_note("an ordinary user is all users of the suite", NULL);
	check_users(i);
	check_dirs(i);
	if (p && errors == 0) /* else each daemon would say the same again */
		selfcheck_services(p, i->dir, report_error, NULL);
	plan_free(p);
	check_file_system(i);
	check_sandbox(i);
	conf_each(i->conf, report_idle, i->conf);
	check_names(i);
	return errors > 0 ? COMMAND_FAILED : 0;
}
