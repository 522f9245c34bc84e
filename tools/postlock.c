/*
 * postlock - runs a command while it holds the locks of a mailbox file, those that
 * deliveries take: for scripts that change mailboxes.
 *
 * What goes wrong before the command is run ends with EX_TEMPFAIL, as mail that
 * waits for the lock does; else the status is the command's.
 */
#include "base/filelock.h"
#include "base/help.h"
#include "conf/conf.h"
#include "conf/environment.h"
#include "tools/say.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static const char help[] =
    "usage: postlock [-c DIR] [-l STYLE] [-v] FILE COMMAND [ARGUMENT ...]\n"
    "Locks a mailbox file as deliveries do, and runs a command meanwhile.\n"
    "\n"
    "  -l STYLE  which locks, instead of mailbox_delivery_lock: some of\n"
    "            dotlock, fcntl, flock\n"
    "  -c DIR    the directory of main.cf\n"
    "  -v        is taken and ignored\n"
    "More in postlock(1).\n";

static const char usage[] =
    "usage: postlock [-c config_dir] [-l lock_style] [-v] folder command...";

struct params {
	const char *mailbox_delivery_lock;
	int64_t deliver_lock_attempts;
	int64_t deliver_lock_delay;
	int64_t stale_lock_time;
};

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_LIST, struct params, mailbox_delivery_lock),
	CONF_FIELD(CONF_INT, struct params, deliver_lock_attempts),
	CONF_FIELD(CONF_TIME, struct params, deliver_lock_delay),
	CONF_FIELD(CONF_TIME, struct params, stale_lock_time),
};

/* Of a list of lock styles. */
static void
check_styles(const char *list)
{
	static const struct span known[] = {
		SPAN_INIT("dotlock"),
		SPAN_INIT("fcntl"),
		SPAN_INIT("flock"),
	};
	struct span rest = span_str(list), word;

	while (conf_list_next(&rest, &word)) {
		size_t i = 0;

		while (i < COUNT_OF(known) && !span_eq(word, known[i]))
			i++;
		if (i == COUNT_OF(known))
			say_fatal(EX_TEMPFAIL,
			    "unknown mailbox_delivery_lock value \"%.*s\" in "
			    "\"%s\"",
			    (int)word.n, word.p, list);
	}
}

static struct filelock_dot lock;

static int
open_file(const char *path)
{
	int fd = open(path,
	    O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
	    0600);

	if (fd >= 0)
		return fd;
	filelock_undo(&lock);
	say_fatal(EX_TEMPFAIL, "open file %s: cannot open file: %s", path,
	    strerror(errno));
}

static void
lock_kernel(const char *path, int fd, const char *kind, const struct params *p,
    const struct filelock_patience *patience,
    int (*take)(int, const struct filelock_patience *))
{
	int err = conf_list_has(p->mailbox_delivery_lock, kind)
	    ? take(fd, patience)
	    : 0;

	if (!err)
		return;
	filelock_undo(&lock);
	say_fatal(EX_TEMPFAIL,
	    "open file %s: unable to lock for exclusive access: %s", path,
	    strerror(-err));
}

/* Takes the locks; what is locked by whom is gone when we are. */
static void
lock_file(const char *path, const struct params *p)
{
	struct filelock_patience patience = {
		.attempts = p->deliver_lock_attempts,
		.delay = p->deliver_lock_delay,
		.stale = p->stale_lock_time / 1000,
	};
	bool dot = conf_list_has(p->mailbox_delivery_lock, "dotlock");
	struct stat st;
	int fd, err = 0;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		dot = false; /* a device is for all at once */
	if (dot)
		err = filelock_dot(path, &patience, &lock);
	if (err && !filelock_is_denied(err))
		say_fatal(EX_TEMPFAIL,
		    "open file %s: unable to create lock file %s.lock: %s",
		    path, path, strerror(-err));
	fd = open_file(path);
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		return;
	lock_kernel(path, fd, "flock", p, &patience, filelock_flock);
	lock_kernel(path, fd, "fcntl", p, &patience, filelock_fcntl);
}

/* What ends us from a terminal ends the command, and then we let go. */
static int
run(char **argv)
{
	pid_t pid = fork();
	int status;

	if (pid < 0) {
		filelock_undo(&lock);
		say_fatal(EX_TEMPFAIL, "fork: %s", strerror(errno));
	}
	if (pid == 0) {
		execvp(argv[0], argv);
		say_fatal(EXIT_FAILURE, "execvp %s: %s", argv[0],
		    strerror(errno));
	}
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EX_TEMPFAIL;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

/* Its texts live as long as what it returns. */
static struct conf *
read_params(const char *dir, struct params *p)
{
	struct why why;
	struct conf *c = conf_load_command(dir, &why);

	if (!c || conf_get_struct(c, fields, COUNT_OF(fields), p, &why) < 0)
		say_fatal(EX_TEMPFAIL, "%s", why.text);
	return c;
}

int
main(int argc, char **argv)
{
	const char *dir = NULL, *styles = NULL;
	struct conf *conf;
	struct params p;
	int c, status;

	if (help_asked(argc, argv, help))
		return EXIT_SUCCESS;
	say_as(argv);
	while ((c = getopt(argc, argv, "+c:l:v")) != -1)
		switch (c) {
		case 'c':
			dir = optarg;
			break;
		case 'l':
			styles = optarg;
			break;
		case 'v':
			break;
		default:
			say_fatal(EX_TEMPFAIL, "%s", usage);
		}
	if (argc - optind < 2)
		say_fatal(EX_TEMPFAIL, "%s", usage);
	conf = read_params(dir, &p);
	if (styles)
		p.mailbox_delivery_lock = styles;
	check_styles(p.mailbox_delivery_lock);
	lock_file(argv[optind], &p);
	status = run(argv + optind + 1);
	filelock_undo(&lock);
	conf_free(conf);
	return status;
}
