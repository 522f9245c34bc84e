/* Starts the suite, ends it, and has it read its configuration anew. */
#include "base/clock.h"
#include "master/command/command.h"
#include "master/plan.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	STOP_TIME = 20 * 1000, /* ms: master's own patience, and some more */
	STOP_PAUSE = 20,
};

_Noreturn static void
exec_master(const struct instance *i, const char *option, const char *value)
{
	const char *file = NULL;
	unsigned line = 0;
	char path[1024];
	struct why why;

	(void)conf_source(i->conf, "daemon_directory", &file, &line);
	snprintf(path, sizeof(path), "%s/master", i->params.daemon_directory);
	execl(path, path, "-c", i->dir, option, value, (char *)NULL);
	why_set(&why, errno, file, line, "daemon_directory: cannot run %s: %s",
	    path, strerror(errno));
	command_complain(why.text);
	_exit(EX_UNAVAILABLE);
}

static int
refuse_second(const struct instance *i)
{
	pid_t pid = command_master(i);

	if (pid == 0)
		return 0;
	fprintf(stderr, "postrider: is already running, with process ID %d\n",
	    (int)pid);
	return COMMAND_FAILED;
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
		return command_complain("master died while it started");
	return COMMAND_FAILED;
}

int
verb_start(struct instance *i, char **args)
{
	char number[16];
	int ends[2];
	pid_t child;

	(void)args;
	if (command_load(i) || refuse_second(i))
		return COMMAND_FAILED;
	if (pipe(ends) < 0)
		return command_complain(strerror(errno));
	snprintf(number, sizeof(number), "%d", ends[1]);
	child = fork();
	if (child < 0)
		return command_complain(strerror(errno));
	if (child == 0) {
		close(ends[0]);
		setsid();
		exec_master(i, "-r", number);
	}
	close(ends[1]);
	return wait_ready(ends[0], child);
}

int
verb_start_fg(struct instance *i, char **args)
{
	(void)args;
	if (command_load(i) || refuse_second(i))
		return COMMAND_FAILED;
	exec_master(i, "-f", NULL);
}

/* Sends a signal, and waits for the end if that is what it means. */
static int
signal_master(struct instance *i, int sig, bool ends)
{
	int64_t by = clock_mono() + STOP_TIME;
	pid_t pid;

	if (command_load(i))
		return COMMAND_FAILED;
	pid = command_master(i);
	if (pid == 0)
		return command_complain("is not running");
	if (kill(pid, sig) < 0)
		return command_complain(strerror(errno));
	while (ends && command_master(i) == pid && clock_mono() < by)
		pause_ms(STOP_PAUSE);
	if (ends && command_master(i) == pid)
		return command_complain("does not end");
	return 0;
}

int
verb_stop(struct instance *i, char **args)
{
	(void)args;
	return signal_master(i, SIGTERM, true);
}

int
verb_abort(struct instance *i, char **args)
{
	(void)args;
	return signal_master(i, SIGABRT, true);
}

/* Told by master what is wrong would be too late: it is looked at here first. */
static void
ignore_note(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

int
verb_reload(struct instance *i, char **args)
{
	struct why why;
	struct plan *p = plan_load(i->dir, ignore_note, NULL, &why);

	(void)args;
	if (!p)
		return command_complain(why.text);
	plan_free(p);
	return signal_master(i, SIGHUP, false);
}
