/*
 * master: starts, watches, replaces and ends the daemons. It runs as root, so
 * it reads main.cf, master.cf and what its children say of themselves, and
 * nothing else: no mail, no tables, no name service, no network.
 *
 * master -c DIR [-f] [-r FD]: -f stays with the terminal; FD is told when all
 * is ready (`postrider start` waits for it).
 */
#include "base/help.h"
#include "base/log.h"
#include "base/scan.h"
#include "base/sock.h"
#include "conf/compat.h"
#include "conf/environment.h"
#include "conf/params.h"
#include "master/control.h"
#include "master/pidfile.h"
#include "master/services.h"
#include "master/sockets.h"
#include "master/systemd.h"
#include "service/msg.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
	READY_TIME = 60 * 1000, /* ms for all workers at start */
	STOP_TIME = 5 * 1000, /* ms to end by themselves */
	LOG_BUFFER = 8 << 20, /* bytes of lines that wait for postlogd */
	REPLACE_TIME = 5 * 1000, /* ms for the oldest sessions to end */
};

static const char help[] =
    "usage: master -c DIR [-f] [-r FD]\n"
    "Starts, watches, replaces and ends the daemons of the mail system. People start\n"
    "it by `postrider start`.\n"
    "\n"
    "  -c DIR  the directory of main.cf and master.cf\n"
    "  -f      stays with the terminal\n"
    "  -r FD   gets a byte when all is ready\n"
    "More in master(8).\n";

static struct {
	const char *dir;
	bool foreground;
	int ready; /* -1: nobody waits */
	struct plan *plan;
	struct dirs_owners owners;
	struct daemon_setup setup;
	int signals;
	int control;
	int status; /* to exit with */
	bool reload_wanted;
	struct bell hangup;
} own = { .ready = -1, .signals = -1, .control = -1 };

static void
raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		log_warning("cannot raise the limit of open files");
}

static void
block_signals(void)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGQUIT, SIGABRT, SIGHUP,
		SIGUSR1 };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	must(sigaction(SIGPIPE, &ignore, NULL) == 0);
	sigemptyset(&set);
	for (size_t i = 0; i < COUNT_OF(ours); i++)
		sigaddset(&set, ours[i]);
	must(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
	own.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	must(own.signals >= 0);
}

/* Both ends stay open here: while postlogd is away nothing is lost. */
static int
open_log(struct why *why)
{
	int size = LOG_BUFFER;
	int pair[2];
	int err = sock_pair(pair);

	if (err)
		return why_set(why, -err, NULL, 0, "the log stream: %s",
		    strerror(-err));
	if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size,
		sizeof(size)) < 0)
		(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size,
		    sizeof(size));
	own.setup.log_in = pair[0];
	own.setup.log_out = pair[1];
	return 0;
}

#ifdef TEST_HOOKS
static void
open_clock(void)
{
	int fd = memfd_create("clock", MFD_CLOEXEC);
	void *p;

	must(fd >= 0 && ftruncate(fd, sizeof(int64_t)) == 0);
	p = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	must(p != MAP_FAILED);
	control_set_clock(p);
	own.setup.clock = fd;
}
#else
static void
open_clock(void)
{
	own.setup.clock = -1;
}
#endif

static void
note(const char *text, void *arg)
{
	(void)arg;
	log_warning("%s", text);
}

static int
lock_data(struct why *why)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/master.lock",
	    own.plan->params.data_directory);
	return pidfile_lock(path, why);
}

static int
open_control(struct why *why)
{
	static const struct plan_socket s = {
		.path = "private/master",
		.type = SOCK_SEQPACKET,
		.mode = 0600,
	};

	own.control = sockets_open_path(&s, &own.owners, why);
	return own.control < 0 ? own.control : 0;
}

/* All that can go wrong before the first process is started. */
static int
prepare(struct why *why)
{
	int err = open_log(why);

	if (err)
		return err;
	log_init("postrider", "master", own.setup.log_in);
	own.plan = plan_load(own.dir, note, NULL, why);
	if (!own.plan)
		return -EINVAL;
	err = dirs_owners(own.plan->conf, &own.owners, why);
	if (!err)
		err = dirs_make(own.plan->conf, &own.owners, false, why);
	if (err)
		return err;
	if (chdir(own.plan->params.queue_directory) < 0)
		return why_set(why, errno, NULL, 0, "queue_directory %s: %s",
		    own.plan->params.queue_directory, strerror(errno));
	err = pidfile_lock("pid/master.pid", why);
	if (err >= 0)
		err = lock_data(why);
	if (err >= 0)
		err = sockets_open(own.plan, &own.owners, why);
	if (err >= 0)
		err = open_control(why);
	systemd_close_rest();
	return err < 0 ? err : 0;
}

/* From here on nobody's terminal or pipe is held open. */
static void
detach(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3 && null >= 0 && !own.foreground; fd++)
		must(dup2(null, fd) == fd);
	if (null >= 0)
		close(null);
}

static void
tell_ready(void)
{
	detach();
	if (own.ready >= 0 && write(own.ready, "R", 1) != 1)
		log_warning("who started us does not listen");
	if (own.ready >= 0)
		close(own.ready);
	own.ready = -1;
	systemd_ready();
}

static void
count_old_default(const struct param *p, void *arg)
{
	struct buf *b = arg;

	if (p->state == PARAM_WORKS && compat_default(own.plan->conf, p->name))
		buf_putf(b, "%s%s", b->n ? ", " : "", p->name);
}

static void
tell_old_defaults(void)
{
	char text[512];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	param_each(count_old_default, &b);
	if (b.n == 0)
		return;
	log_warning("using backwards-compatible default settings: %.*s",
	    (int)b.n, b.p);
	log_warning("To disable backwards compatibility use \"postconf "
		    "compatibility_level=%s\" and \"postrider reload\"",
	    param_find(SPAN("compatibility_level"))->fallback);
}

static void
reload(void)
{
	struct plan *old = own.plan;
	struct why why;
	struct plan *p = plan_load(own.dir, note, NULL, &why);

	if (p &&
	    strcmp(p->params.queue_directory, old->params.queue_directory)) {
		why_set(&why, EINVAL, NULL, 0,
		    "queue_directory cannot change while it runs");
		p = plan_free(p);
	}
	if (!p || sockets_open(p, &own.owners, &why) < 0) {
		log_error("keeping the old configuration: %s", why.text);
		plan_free(p);
		return;
	}
	log_info("reload -- version %s, configuration %s",
	    p->params.mail_version, own.dir);
	own.plan = p;
	environment_import(p->conf);
	tell_old_defaults();
	services_apply(p);
	sockets_close_others(p);
	plan_free(old);
}

static void
log_task(const struct task_info *i, void *arg)
{
	(void)arg;
	log_info("task %s waits for %s", i->name,
	    i->waits_for ? i->waits_for : "its turn");
}

/* Reloads in quick succession become one, when there is room for it. */
static void
reload_when_wanted(void *arg)
{
	enum task_wake w = TASK_READY;

	(void)arg;
	while (w == TASK_READY) {
		if (!own.reload_wanted) {
			w = bell_wait(&own.hangup, TASK_NEVER);
			continue;
		}
		if (!services_wait_replaceable(task_after(REPLACE_TIME)))
			return;
		own.reload_wanted = false;
		systemd_reloading();
		reload();
		systemd_ready();
	}
}

/* Returns false when all has ended. */
static bool
handle_signal(unsigned sig)
{
	switch (sig) {
	case SIGHUP:
		own.reload_wanted = true;
		bell_ring(&own.hangup);
		return true;
	case SIGUSR1:
		task_each(log_task, NULL);
		return true;
	case SIGABRT:
		log_error("abort: all processes are killed");
		services_abort();
		return false;
	default:
		log_info("terminating on signal %u", sig);
		systemd_stopping();
		services_stop(STOP_TIME);
		return false;
	}
}

static void
wait_for_signals(void)
{
	struct signalfd_siginfo si;
	bool go_on = true;

	while (go_on &&
	    task_wait_fd(own.signals, TASK_INPUT, TASK_NEVER) == TASK_READY)
		if (read(own.signals, &si, sizeof(si)) == sizeof(si))
			go_on = handle_signal(si.ssi_signo);
}

static void
run(void *arg)
{
	char text[768];

	(void)arg;
	services_init(&own.setup);
	log_info("daemon started -- version %s, configuration %s",
	    own.plan->params.mail_version, own.dir);
	tell_old_defaults();
	if (geteuid() != 0)
		log_info("started by an ordinary user, who is all users of the "
			 "suite");
	services_apply(own.plan);
	bell_init(&own.hangup, "a reason to reload");
	if (!task_spawn(control_run, &own.control, "control") ||
	    !task_spawn(reload_when_wanted, NULL, "reload") ||
	    !task_spawn(services_watch, NULL, "changed files"))
		die("no stack for a task");
	if (services_wait_ready(task_after(READY_TIME), text, sizeof(text))) {
		tell_ready();
		wait_for_signals();
	} else {
		log_error("%s", text);
		fprintf(stderr, "postrider: %s\n", text);
		own.status = EX_CONFIG;
		services_stop(STOP_TIME);
	}
	task_cancel_others();
}

static bool
take_fd(const char *text, int *fd_r)
{
	struct span s = { text, strlen(text) };
	uint64_t n;

	if (!take_number(&s, 1024, &n) || s.n > 0)
		return false;
	*fd_r = (int)n;
	return fcntl(*fd_r, F_SETFD, FD_CLOEXEC) == 0;
}

static bool
take_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:fr:")) != -1)
		if (c == 'c')
			own.dir = realpath(optarg, NULL);
		else if (c == 'f')
			own.foreground = true;
		else if (c != 'r' || !take_fd(optarg, &own.ready))
			return false;
	return own.dir && optind == argc;
}

int
main(int argc, char **argv)
{
	struct why why;

	if (help_asked(argc, argv, help))
		return 0;
	if (!take_options(argc, argv)) {
		fprintf(stderr, "master: is started by `postrider start`\n");
		return EX_USAGE;
	}
	systemd_take();
	/* Whoever reads main.cf reads this one. */
	must(setenv("MAIL_CONFIG", own.dir, 1) == 0);
	environment_clean("");
	umask(022);
	raise_limits();
	block_signals();
	open_clock();
	own.setup.dir = own.dir;
	own.setup.foreground = own.foreground;
	if (prepare(&why) < 0) {
		fprintf(stderr, "postrider: %s\n", why.text);
		return EX_CONFIG;
	}
	environment_import(own.plan->conf);
	log_init(own.plan->params.syslog_name, "master", own.setup.log_in);
	task_run(run, NULL);
	unlink("private/master");
	return own.status;
}
