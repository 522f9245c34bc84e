/*
 * postrider: the administrator's command: starts and ends the suite, has it read
 * its configuration anew, and says how it is.
 */
#include "base/clock.h"
#include "base/help.h"
#include "base/scan.h"
#include "conf/names.h"
#include "conf/params.h"
#include "master/dirs.h"
#include "master/openmetrics.h"
#include "master/pidfile.h"
#include "master/plan.h"
#include "master/selfcheck.h"
#include "master/state.h"
#include "master/top.h"
#include "service/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	STOP_TIME = 20 * 1000, /* ms: master's own patience, and some more */
	STOP_PAUSE = 20,
	FAILED = 1,
};

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
    "  check            says what is wrong with the configuration, and what in it\n"
    "                   has no effect\n"
    "  set-permissions  makes the directories and gives commands their group\n"
    "\n"
    "  -c DIR           the directory of main.cf and master.cf\n"
    "More in postrider(1).\n";

struct params {
	const char *queue_directory;
	const char *daemon_directory;
	const char *command_directory;
	const char *setgid_group;
	int sandbox;
};

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct params, queue_directory),
	CONF_FIELD(CONF_STR, struct params, daemon_directory),
	CONF_FIELD(CONF_STR, struct params, command_directory),
	CONF_FIELD(CONF_STR, struct params, setgid_group),
	CONF_FIELD(CONF_ENUM, struct params, sandbox),
};

static const char *dir;
static struct conf *conf;
static struct params params;

static int
complain(const char *text)
{
	fprintf(stderr, "postrider: %s\n", text);
	return FAILED;
}

static int
load(void)
{
	struct why why;

	conf = conf_load(dir, NULL, 0, &why);
	if (!conf ||
	    conf_get_struct(conf, fields, COUNT_OF(fields), &params, &why) < 0)
		return complain(why.text);
	return 0;
}

static pid_t
find_master(void)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/pid/master.pid",
	    params.queue_directory);
	return pidfile_owner(path);
}

_Noreturn static void
exec_master(const char *option, const char *value)
{
	const char *file = NULL;
	unsigned line = 0;
	char path[1024];
	struct why why;

	(void)conf_source(conf, "daemon_directory", &file, &line);
	snprintf(path, sizeof(path), "%s/master", params.daemon_directory);
	execl(path, path, "-c", dir, option, value, (char *)NULL);
	why_set(&why, errno, file, line, "daemon_directory: cannot run %s: %s",
	    path, strerror(errno));
	complain(why.text);
	_exit(EX_UNAVAILABLE);
}

static int
refuse_second(void)
{
	pid_t pid = find_master();

	if (pid == 0)
		return 0;
	fprintf(stderr, "postrider: is already running, with process ID %d\n",
	    (int)pid);
	return FAILED;
}

/* Waits for a byte of master: it is ready. Else it ends, and has said why. */
static int
wait_ready(int fd, pid_t child)
{
	int status = 0;
	ssize_t n;
	char byte;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	if (waitpid(child, &status, 0) != child || WIFSIGNALED(status))
		return complain("master died while it started");
	return FAILED;
}

static int
start(char **args)
{
	char number[16];
	int ends[2];
	pid_t child;

	(void)args;
	if (load() || refuse_second())
		return FAILED;
	if (pipe(ends) < 0)
		return complain(strerror(errno));
	snprintf(number, sizeof(number), "%d", ends[1]);
	child = fork();
	if (child < 0)
		return complain(strerror(errno));
	if (child == 0) {
		close(ends[0]);
		setsid();
		exec_master("-r", number);
	}
	close(ends[1]);
	return wait_ready(ends[0], child);
}

static int
start_fg(char **args)
{
	(void)args;
	if (load() || refuse_second())
		return FAILED;
	exec_master("-f", NULL);
}

/* Sends a signal, and waits for the end if that is what it means. */
static int
signal_master(int sig, bool ends)
{
	int64_t by = clock_mono() + STOP_TIME;
	pid_t pid;

	if (load())
		return FAILED;
	pid = find_master();
	if (pid == 0)
		return complain("is not running");
	if (kill(pid, sig) < 0)
		return complain(strerror(errno));
	while (ends && find_master() == pid && clock_mono() < by)
		pause_ms(STOP_PAUSE);
	if (ends && find_master() == pid)
		return complain("does not end");
	return 0;
}

static int
stop(char **args)
{
	(void)args;
	return signal_master(SIGTERM, true);
}

static int
abort_all(char **args)
{
	(void)args;
	return signal_master(SIGABRT, true);
}

/* Told by master what is wrong would be too late: it is looked at here first. */
static void
ignore_note(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static int
reload(char **args)
{
	struct why why;
	struct plan *p = plan_load(dir, ignore_note, NULL, &why);

	(void)args;
	if (!p)
		return complain(why.text);
	plan_free(p);
	return signal_master(SIGHUP, false);
}

static void
print_state(const struct msg_in *in)
{
	struct span name = msg_str(in, MSG_FIELD_SERVICE);
	struct span text = msg_str(in, MSG_FIELD_TEXT);
	struct span counters = msg_str(in, MSG_FIELD_COUNTERS), word;
	const char *gap = "  ";

	printf("%-24.*s %7" PRIu64 " %10" PRIu64 " %8" PRIu64 "%s%.*s",
	    (int)name.n, name.p, msg_u64(in, MSG_FIELD_WORKERS),
	    msg_u64(in, MSG_FIELD_GENERATION), msg_u64(in, MSG_FIELD_SESSIONS),
	    text.n ? "  " : "", (int)text.n, text.p);
	for (; take_word(&counters, &word); take_blanks(&counters)) {
		if (memchr(word.p, '.', word.n))
			continue; /* of a table: for programs */
		printf("%s%.*s", gap, (int)word.n, word.p);
		gap = " ";
	}
	putchar('\n');
}

static void
print_answer(const struct msg_in *in, void *arg)
{
	(void)arg;
	if (in->type == MSG_SERVICE_STATUS)
		print_state(in);
}

static int
ask(struct buf *request)
{
	struct why why;

	if (chdir(params.queue_directory) < 0)
		return complain(strerror(errno));
	return state_ask(request, print_answer, NULL, &why) < 0
	    ? complain(why.text)
	    : 0;
}

static int
status(char **args)
{
	char packet[MSG_HEAD];
	struct buf b;
	pid_t pid;

	(void)args;
	if (load())
		return FAILED;
	pid = find_master();
	if (pid == 0)
		return complain("is not running");
	printf("postrider: the mail system is running: PID: %d\n", (int)pid);
	printf("%-24s %7s %10s %8s\n", "service", "workers", "generation",
	    "sessions");
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_STATUS_ALL, 0);
	return ask(&b);
}

/* Where the state is asked for. */
static int
enter_queue(void)
{
	if (load())
		return FAILED;
	if (find_master() == 0)
		return complain("is not running");
	if (chdir(params.queue_directory) < 0)
		return complain(strerror(errno));
	return 0;
}

static int
metrics(char **args)
{
	static char text[OPENMETRICS_MAX];
	static struct state state;
	struct why why;
	struct buf b;

	(void)args;
	if (enter_queue())
		return FAILED;
	if (state_read(&state, &why) < 0)
		return complain(why.text);
	buf_init(&b, text, sizeof(text));
	openmetrics_put(&b, &state);
	fwrite(b.p, 1, b.n, stdout);
	return b.overflow || fflush(stdout) ? FAILED : 0;
}

static int
top(char **args)
{
	struct top_options o;
	struct why why;

	if (!top_options(args, &o))
		return complain("top: -b for no terminal, -n N: so many times, "
				"-d SECONDS between two");
	if (enter_queue())
		return FAILED;
	return top_run(&o, &why) < 0 ? complain(why.text) : 0;
}

#ifdef TEST_HOOKS
/* "+61s", "+5m", "+1h". */
static bool
take_shift(const char *text, uint64_t *ms_r)
{
	struct span s = { text, strlen(text) };
	uint64_t n;

	if (!take_char(&s, '+') || !take_number(&s, 1000000, &n))
		return false;
	if (take_char(&s, 'd'))
		n *= 24 * 3600;
	else if (take_char(&s, 'h'))
		n *= 3600;
	else if (take_char(&s, 'm'))
		n *= 60;
	else
		(void)!take_char(&s, 's');
	*ms_r = n * 1000;
	return s.n == 0;
}

static int
move_clock(char **args)
{
	char packet[64];
	struct buf b;
	uint64_t ms;

	if (!args[0] || !take_shift(args[0], &ms))
		return complain("clock: +N with s, m, h or d");
	if (load())
		return FAILED;
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_CLOCK, 0);
	msg_put_u64(&b, MSG_FIELD_MILLISECONDS, ms);
	return ask(&b);
}
#endif

static unsigned errors;

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
	const char *file = "main.cf";
	unsigned line = 0;

	if (conf_names_class(arg, span_str(name)) != 0)
		return;
	(void)conf_source(conf, name, &file, &line);
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

	(void)arg;
	if (!p || p->state == PARAM_WORKS)
		return;
	(void)conf_source(conf, name, &file, &line);
	printf("warning: %s:%u: %s = %s: %s\n", file, line, name, raw,
	    p->state == PARAM_NOT_YET ? "does nothing in this version"
				      : "has no effect here");
}

static void
check_users(void)
{
	static const char *const names[] = { "mail_owner", "net_owner",
		"login_owner", "auth_owner" };
	struct privs p;
	struct why why;

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (dirs_user(conf, names[i], &p, &why) < 0)
			report_error(why.text, NULL);
	}
}

static void
check_dirs(void)
{
	struct dirs_owners owners;
	struct stat st;
	struct why why;

	if (lstat(params.queue_directory, &st) < 0) {
		printf("note: %s is made at the first start\n",
		    params.queue_directory);
		return;
	}
	if (dirs_owners(conf, &owners, &why) < 0)
		report_error(why.text, NULL);
	else
		dirs_check(conf, &owners, report_error, NULL);
}

/*
 * Where the sync of a new file does not make its name durable as well, mail that
 * got its 250 could be lost in a power cut (docs/QUEUE.md).
 */
static void
check_file_system(void)
{
	struct statfs s;

	if (statfs(params.queue_directory, &s) < 0)
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
	    params.queue_directory);
}

static void
check_sandbox(void)
{
	static const char *const modes[] = { "enforce", "report", "off" };
	char text[512];

	sandbox_describe(text, sizeof(text));
	printf("note: sandbox = %s; this kernel %s\n", modes[params.sandbox],
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
check_names(void)
{
	struct entry_list entries;
	struct conf_names *names;
	struct why why;

	conf_each_remark(conf, report_warning, NULL);
	if (entry_list_load(conf_dir(conf), &entries, report_warning, NULL,
		&why) < 0)
		return; /* an error, which was told */
	names = conf_names_new(conf, &entries);
	conf_names_each_undefined(names, report_warning, NULL);
	conf_each(conf, report_unused, names);
	conf_names_free(names);
	entry_list_free(&entries);
}

static int
check(char **args)
{
	struct plan *p;
	struct why why;

	(void)args;
	if (load())
		return FAILED;
	p = plan_load(dir, report_note, NULL, &why);
	if (!p)
		report_error(why.text, NULL);
	if (geteuid() != 0)
		report_note("an ordinary user is all users of the suite", NULL);
	check_users();
	check_dirs();
	if (p && errors == 0) /* else each daemon would say the same again */
		selfcheck_services(p, dir, report_error, NULL);
	plan_free(p);
	check_file_system();
	check_sandbox();
	conf_each(conf, report_idle, NULL);
	check_names();
	return errors > 0 ? FAILED : 0;
}

/* Commands that may see what their caller may not, by their group. */
static int
set_group(const char *name, gid_t gid)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", params.command_directory, name);
	if (access(path, F_OK) < 0)
		return 0;
	if (chown(path, 0, gid) < 0 || chmod(path, 02755) < 0) {
		fprintf(stderr, "postrider: %s: %s\n", path, strerror(errno));
		return FAILED;
	}
	return 0;
}

static int
set_permissions(char **args)
{
	struct dirs_owners owners;
	struct why why;

	(void)args;
	if (load())
		return FAILED;
	if (dirs_owners(conf, &owners, &why) < 0 ||
	    dirs_make(conf, &owners, true, &why) < 0)
		return complain(why.text);
	if (geteuid() != 0)
		return 0;
	return set_group("postdrop", owners.drop) |
	    set_group("postqueue", owners.drop);
}

static const struct verb {
	const char *name;
	int (*run)(char **args);
} verbs[] = {
	{ "start", start },
	{ "start-fg", start_fg },
	{ "stop", stop },
	{ "abort", abort_all },
	{ "reload", reload },
	{ "status", status },
	{ "metrics", metrics },
	{ "top", top },
	{ "check", check },
	{ "set-permissions", set_permissions },
#ifdef TEST_HOOKS
	{ "clock", move_clock },
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
	const char *option = NULL;
	int c;

	if (help_asked(argc, argv, help))
		return 0;
	while ((c = getopt(argc, argv, "+c:")) != -1) {
		if (c != 'c')
			return usage();
		option = optarg;
	}
	dir = conf_find_dir(option);
	if (optind == argc)
		return usage();
	dir = realpath(dir, NULL);
	if (!dir)
		return complain("there is no such configuration directory");
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (strcmp(argv[optind], verbs[i].name) == 0)
			return verbs[i].run(argv + optind + 1);
	return usage();
}
