#include "service/spawn.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ABOVE = FDS_LISTEN + FDS_LISTEN_MAX, /* no descriptor of a daemon */
};

void
spawn_arg(struct spawn *s, const char *arg)
{
	must(s->argc < SPAWN_ARGS_MAX - 1);
	s->argv[s->argc++] = arg;
}

_Noreturn static void
fail(const char *what, const char *path)
{
	log_error("cannot start %s: %s: %s", path, what, strerror(errno));
	_exit(EX_UNAVAILABLE);
}

/* Out of the way of the numbers that a daemon expects. */
static int
raise_fd(int fd, int null, const char *path)
{
	int up = fcntl(fd < 0 ? null : fd, F_DUPFD_CLOEXEC, ABOVE);

	if (up < 0)
		fail("descriptors", path);
	return up;
}

static void
place(int fd, int at, const char *path)
{
	if (dup2(fd, at) < 0)
		fail("descriptors", path);
}

static void
place_fds(const struct spawn *s)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fixed[] = { s->log, s->parent, s->limits, s->clock };
	int up[FDS_LISTEN_MAX];

	if (null < 0)
		fail("/dev/null", s->path);
	null = raise_fd(null, null, s->path);
	for (size_t i = 0; i < COUNT_OF(fixed); i++)
		fixed[i] = raise_fd(fixed[i], null, s->path);
	for (size_t i = 0; i < s->listeners_n; i++)
		up[i] = raise_fd(s->listeners[i], null, s->path);
	for (int fd = 0; fd < 3 && s->quiet; fd++)
		place(null, fd, s->path);
	for (size_t i = 0; i < COUNT_OF(fixed); i++)
		place(fixed[i], FDS_LOG + (int)i, s->path);
	for (size_t i = 0; i < s->listeners_n; i++)
		place(up[i], FDS_LISTEN + (int)i, s->path);
}

/* As a program expects to find them: ignored signals would stay so. */
static void
reset_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void
become(const struct spawn *s)
{
	char **argv = zalloc(sizeof(s->argv));
	struct why why;

	place_fds(s);
	if (s->as && privs_drop(s->as, &why) < 0) {
		log_error("cannot start %s: %s", s->path, why.text);
		_exit(EX_NOPERM);
	}
	memcpy(argv, s->argv, sizeof(s->argv)); /* nobody writes to them */
	execv(s->path, argv);
	fail("exec", s->path);
}

int
spawn_run(const struct spawn *s, pid_t *pid_r)
{
	sigset_t all;
	sigset_t old;
	pid_t pid;
	int err;

	must(s->listeners_n <= FDS_LISTEN_MAX && s->argc > 0);
	sigfillset(&all);
	must(sigprocmask(SIG_SETMASK, &all, &old) == 0);
	pid = fork();
	if (pid == 0) {
		reset_signals();
		become(s);
	}
	err = pid < 0 ? -errno : 0;
	must(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	*pid_r = pid;
	return err;
}

int
spawn_watch(pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	return fd < 0 ? -errno : fd;
}

void
spawn_reap(pid_t pid, int *status_r, char *text, size_t max)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	*status_r = status;
	if (WIFSIGNALED(status))
		snprintf(text, max, "was killed by signal %d",
		    WTERMSIG(status));
	else
		snprintf(text, max, "ended with exit status %d",
		    WEXITSTATUS(status));
}
