/*
 * postrider: the administrator's command: starts and ends the suite, has it read
 * its configuration anew, and says how it is.
 */
#include "base/help.h"
#include "master/command/command.h"
#include "master/pidfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char help[] =
    "usage: postrider [-c DIR] COMMAND\n"
    "Starts and ends the mail system, and says how it is.\n"
    "\n"
    "  start            starts it, and returns when it is ready\n"
    "  start-fg         starts it, and stays\n"
    "  stop             ends it; what is under way gets some seconds\n"
    "  abort            ends it at once\n"
    "  reload           has it read its configuration anew\n"
    "  status           says what runs, and counts it\n"
    "  metrics          counts all, in the form that monitoring reads\n"
    "  top              shows how busy it is, again and again\n"
    "  check [--dns]    says what is wrong with the configuration\n"
    "  set-permissions  makes the directories and gives commands their group\n"
    "  import POSTFIX-DIR [DOVECOT-DIR] [--to DIR] [--force]\n"
    "                   makes a configuration of theirs, and says what it did\n"
    "  upgrade-configuration\n"
    "                   adds to main.cf and master.cf what this version needs\n"
    "\n"
    "  -c DIR           the directory of main.cf and master.cf\n"
    "More in postrider(1).\n";

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct command_params, queue_directory),
	CONF_FIELD(CONF_STR, struct command_params, daemon_directory),
	CONF_FIELD(CONF_STR, struct command_params, command_directory),
	CONF_FIELD(CONF_STR, struct command_params, setgid_group),
	CONF_FIELD(CONF_ENUM, struct command_params, sandbox),
};

int
command_complain(const char *text)
{
	fprintf(stderr, "postrider: %s\n", text);
	return COMMAND_FAILED;
}

int
command_try_load(struct instance *i, struct why *why)
{
	char *dir = realpath(i->dir, NULL);

	if (!dir)
		return why_set(why, errno, NULL, 0,
		    "there is no configuration directory %s", i->dir);
	i->dir = dir;
	i->conf = conf_load(i->dir, NULL, 0, why);
	if (!i->conf)
		return -EINVAL;
	return conf_get_struct(i->conf, fields, COUNT_OF(fields), &i->params,
	    why);
}

int
command_load(struct instance *i)
{
	struct why why;

	return command_try_load(i, &why) < 0 ? command_complain(why.text) : 0;
}

pid_t
command_master(const struct instance *i)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/pid/master.pid",
	    i->params.queue_directory);
	return pidfile_owner(path);
}

int
command_enter(struct instance *i)
{
	if (command_load(i))
		return COMMAND_FAILED;
	if (command_master(i) == 0)
		return command_complain("is not running");
	if (chdir(i->params.queue_directory) < 0)
		return command_complain(strerror(errno));
	return 0;
}

static const struct verb {
	const char *name;
	command_verb *run;
} verbs[] = {
	{ "start", verb_start },
	{ "start-fg", verb_start_fg },
	{ "stop", verb_stop },
	{ "abort", verb_abort },
	{ "reload", verb_reload },
	{ "status", verb_status },
	{ "metrics", verb_metrics },
	{ "top", verb_top },
	{ "check", verb_check },
	{ "set-permissions", verb_set_permissions },
	{ "import", verb_import },
	{ "upgrade-configuration", verb_upgrade_configuration },
#ifdef TEST_HOOKS
	{ "clock", verb_clock },
#endif
};

static int
usage(void)
{
	fprintf(stderr, "usage: postrider [-c DIR] ");
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		fprintf(stderr, "%s%s", i ? "|" : "", verbs[i].name);
	fprintf(stderr, "\n");
	return EX_USAGE;
}

int
main(int argc, char **argv)
{
	struct instance instance = { 0 };
	const char *option = NULL;
	int c;

	if (help_asked(argc, argv, help))
		return 0;
	while ((c = getopt(argc, argv, "+c:")) != -1) {
		if (c != 'c')
			return usage();
		option = optarg;
	}
	if (optind == argc)
		return usage();
	instance.dir = conf_find_dir(option);
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (strcmp(argv[optind], verbs[i].name) == 0)
			return verbs[i].run(&instance, argv + optind + 1);
	return usage();
}
