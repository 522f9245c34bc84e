#include "service/frame.h"

#include "base/log.h"
#include "service/drill.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int fd = -1;

void
frame_block_signals(void)
{
	/* A terminal's are for master; a peer that is gone is an error. */
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	for (size_t i = 0; i < COUNT_OF(ignored); i++)
		must(sigaction(ignored[i], &ignore, NULL) == 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
#ifdef TEST_HOOKS
	sigaddset(&set, SIGUSR2);
#endif
	must(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	must(fd >= 0);
}

static void
log_task(const struct task_info *i, void *arg)
{
	int64_t now = task_now();
	const char *what = i->waits_for ? i->waits_for : "its turn";

	(void)arg;
	if (i->deadline == TASK_NEVER || !i->waits_for)
		log_info("task %s waits for %s (%d) since %" PRId64 " ms, "
			 "stack %zu",
		    i->name, what, i->fd, now - i->since, i->stack_used);
	else
		log_info("task %s waits for %s (%d) since %" PRId64 " ms, "
			 "for %" PRId64 " ms more, stack %zu",
		    i->name, what, i->fd, now - i->since, i->deadline - now,
		    i->stack_used);
}

void
frame_signals(void *arg)
{
	struct signalfd_siginfo si;

	(void)arg;
	while (task_wait_fd(fd, TASK_INPUT, TASK_NEVER) == TASK_READY) {
		if (read(fd, &si, sizeof(si)) != sizeof(si))
			continue;
		if (si.ssi_signo == SIGUSR1) {
			task_each(log_task, NULL);
			continue;
		}
#ifdef TEST_HOOKS
		if (si.ssi_signo == SIGUSR2) {
			drill_run(NULL);
			task_offload(TASK_DISK, drill_run, NULL);
			continue;
		}
#endif
		frame_stop();
		task_cancel_others();
	}
	frame.own_tasks--;
}
