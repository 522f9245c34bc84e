/*
 * Runs a command with a message on its standard input, as whoever we are. It has
 * a process group of its own, which is killed when its time is over.
 */
#include "local/errand/errand.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ENV_MAX = 64,
	ARGS_MAX = 64,
	PIECE = 32 << 10,
	NOT_RUN = 127, /* the shell's word for it */
	KILL_MS = 5000,
};

/* A command that runs. */
struct run {
	const struct errand *e;
	pid_t pid;
	int pidfd;
	int in; /* its standard input; -1: it has had all */
	int out;
	bool ended;
	bool killed;
	int error; /* of reading the message */
	uint64_t done;
	uint32_t sum;
	char *piece;
	size_t piece_at, piece_n;
	size_t output_n;
	char output[ERRAND_OUTPUT_MAX];
};

/* Words that need no shell to be taken apart. */
static bool
is_plain(const char *command)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-=+./@ \t";

	return command[strspn(command, plain)] == '\0';
}

/* The command is taken apart. */
static void
make_args(char *command, char *args[ARGS_MAX + 1])
{
	size_t n = 0;

	while (n < ARGS_MAX) {
		command += strspn(command, " \t");
		if (!*command)
			break;
		args[n++] = command;
		command += strcspn(command, " \t");
		if (*command)
			*command++ = '\0';
	}
	args[n] = NULL;
}

static void
make_env(const struct errand *e, char *env[ENV_MAX + 1])
{
	struct span rest = e->in.fields, value;
	size_t n = 0;

	while (n < ENV_MAX && msg_next(&rest, MSG_FIELD_VALUE, &value))
		env[n++] = arena_dup(e->arena, value);
	env[n] = NULL;
}

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

/* What a plain command does not find may be a word of the shell's own. */
static void
run_plain(char *command, char **env)
{
	char *args[ARGS_MAX + 1];

	make_args(command, args);
	if (args[0])
		execvpe(args[0], args, env);
	if (!args[0] || errno != ENOENT || strchr(args[0], '/')) {
		dprintf(2, "cannot run %s: %s\n", command, strerror(errno));
		_exit(NOT_RUN);
	}
}

/* In the child. */
_Noreturn static void
become(char *command, const char *home, char **env, int in, int out)
{
	static char shell[] = "/bin/sh", option[] = "-c";
	char *args[] = { shell, option, strdup(command), NULL };

	reset_signals();
	(void)setsid();
	(void)umask(077);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(EX_OSERR);
	(void)close_range(3, ~0U, 0);
	if (chdir(home) < 0 && chdir("/") < 0)
		_exit(EX_OSERR);
	if (is_plain(command))
		run_plain(command, env);
	execve(shell, args, env);
	_exit(NOT_RUN);
}

static int
start(struct run *r, char *command, const char *home)
{
	char *env[ENV_MAX + 1];
	int in[2], out[2];

	make_env(r->e, env);
	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return -EMFILE;
	}
	r->pid = fork();
	if (r->pid == 0)
		become(command, home, env, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	r->in = in[1];
	r->out = out[0];
	if (r->pid < 0)
		return -EAGAIN;
	r->pidfd = pidfd_open(r->pid, 0);
	must(fcntl(r->in, F_SETFL, O_NONBLOCK) == 0);
	must(fcntl(r->out, F_SETFL, O_NONBLOCK) == 0);
	return r->pidfd < 0 ? -errno : 0;
}

static void
end_input(struct run *r)
{
	if (r->in >= 0)
		close(r->in);
	r->in = -1;
}

static void
kill_all(const struct run *r)
{
	(void)kill(-r->pid, SIGKILL);
	(void)kill(r->pid, SIGKILL);
}

/* A message without its end is not to be taken for a whole one. */
static void
give_up(struct run *r, int error)
{
	r->error = error;
	kill_all(r);
	end_input(r);
}

/* The next piece of the message. False: there is none. */
static bool
fill(struct run *r)
{
	ssize_t n = errand_content(r->e, &r->done, &r->sum, r->piece, PIECE);

	if (n < 0)
		give_up(r, (int)n);
	r->piece_at = 0;
	r->piece_n = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* It need not read all, or anything. */
static void
feed(struct run *r)
{
	for (;;) {
		ssize_t n;

		if (r->piece_n == 0 && !fill(r)) {
			end_input(r);
			return;
		}
		n = write(r->in, r->piece + r->piece_at, r->piece_n);
		if (n < 0) {
			if (errno == EPIPE)
				end_input(r);
			else if (errno != EAGAIN && errno != EINTR)
				give_up(r, -errno);
			return;
		}
		r->piece_at += (size_t)n;
		r->piece_n -= (size_t)n;
	}
}

static bool
take_output(struct run *r)
{
	char bytes[1024];
	ssize_t n;

	while ((n = read(r->out, bytes, sizeof(bytes))) > 0) {
		size_t room = sizeof(r->output) - r->output_n;
		size_t k = (size_t)n < room ? (size_t)n : room;

		memcpy(r->output + r->output_n, bytes, k);
		r->output_n += k;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Until it has ended, or its time is over. */
static void
attend(struct run *r, int64_t deadline)
{
	bool open = true;

	while (!r->ended) {
		int64_t left = deadline - clock_mono();
		struct pollfd p[] = {
			{ .fd = r->pidfd, .events = POLLIN },
			{ .fd = open ? r->out : -1, .events = POLLIN },
			{ .fd = r->in, .events = POLLOUT },
		};

		if (left <= 0 && r->killed)
			return;
		if (left <= 0) {
			r->killed = true;
			kill_all(r);
			end_input(r);
			deadline = clock_mono() + KILL_MS;
			continue;
		}
		if (poll(p, COUNT_OF(p), left > 60000 ? 60000 : (int)left) < 0)
			continue;
		if (p[1].revents)
			open = take_output(r);
		if (p[2].revents)
			feed(r);
		r->ended = p[0].revents != 0;
	}
	(void)take_output(r); /* what it left in the pipe */
}

/* RFC 3463 for sysexits.h, as Postfix has it. */
static const struct exit_code {
	int code;
	const char *dsn;
	const char *text;
} codes[] = {
	{ EX_USAGE, "5.3.0", "command line usage error" },
	{ EX_DATAERR, "5.6.0", "data format error" },
	{ EX_NOINPUT, "5.3.0", "cannot open input" },
	{ EX_NOUSER, "5.1.1", "user unknown" },
	{ EX_NOHOST, "5.1.2", "host name unknown" },
	{ EX_UNAVAILABLE, "5.3.0", "service unavailable" },
	{ EX_SOFTWARE, "5.3.0", "internal software error" },
	{ EX_OSERR, "4.3.0", "system resource problem" },
	{ EX_OSFILE, "5.3.0", "critical OS file missing" },
	{ EX_CANTCREAT, "5.2.0", "can't create user output file" },
	{ EX_IOERR, "5.3.0", "input/output error" },
	{ EX_TEMPFAIL, "4.3.0", "temporary failure" },
	{ EX_PROTOCOL, "5.5.0", "remote error in protocol" },
	{ EX_NOPERM, "5.7.0", "permission denied" },
	{ EX_CONFIG, "5.3.5", "local configuration error" },
};

static const struct exit_code *
find_code(int status)
{
	for (size_t i = 0; WIFEXITED(status) && i < COUNT_OF(codes); i++)
		if (codes[i].code == WEXITSTATUS(status))
			return &codes[i];
	return NULL;
}

/* ". Command output: text", of one line. */
static const char *
tell_output(struct run *r, char *text, size_t max)
{
	while (
	    r->output_n > 0 && (unsigned char)r->output[r->output_n - 1] <= ' ')
		r->output_n--;
	for (size_t i = 0; i < r->output_n; i++)
		if ((unsigned char)r->output[i] < ' ' || r->output[i] == 127)
			r->output[i] = ' ';
	if (r->output_n == 0)
		return "";
	snprintf(text, max, ". Command output: %.*s", (int)r->output_n,
	    r->output);
	return text;
}

static void
tell(struct run *r, int status, const char *command, struct errand_result *res)
{
	char text[ERRAND_OUTPUT_MAX + 32];
	const char *output = tell_output(r, text, sizeof(text));
	const struct exit_code *c = find_code(status);

	if (r->killed)
		errand_fail(res, DELIVERY_BOUNCED, "5.3.0",
		    "Command time limit exceeded: \"%.200s\"%s", command,
		    output);
	else if (r->error)
		errand_fail(res, DELIVERY_DEFERRED, "4.3.0",
		    "the message cannot be given to the command: %s",
		    strerror(-r->error));
	else if (r->done == msg_u64(&r->e->in, MSG_FIELD_LENGTH) &&
	    !errand_is_whole(r->e, r->sum))
		errand_fail(res, DELIVERY_DEFERRED, "4.3.0",
		    "the queue file cannot be read");
	else if (status == 0)
		errand_fail(res, DELIVERY_SENT, "2.0.0",
		    "delivered to command: %.300s", command);
	else if (c)
		errand_fail(res,
		    c->dsn[0] == '4' ? DELIVERY_DEFERRED : DELIVERY_BOUNCED,
		    c->dsn, "%s%s", c->text, output);
	else if (WIFSIGNALED(status))
		errand_fail(res, DELIVERY_DEFERRED, "4.3.0",
		    "Command died with signal %d: \"%.200s\"%s",
		    WTERMSIG(status), command, output);
	else
		errand_fail(res, DELIVERY_BOUNCED, "5.3.0",
		    "Command died with status %d: \"%.200s\"%s",
		    WEXITSTATUS(status), command, output);
}

/* The head, and then the message piece by piece. */
static void
put_head(struct run *r)
{
	struct span head = errand_head(r->e);
	struct buf b;

	buf_init(&b, r->piece, PIECE);
	errand_put_from(r->e, &b);
	buf_put(&b, head);
	must(!b.overflow);
	r->piece_n = b.n;
}

void
errand_command(const struct errand *e, struct errand_result *res)
{
	char *command = arena_dup(e->arena, msg_str(&e->in, MSG_FIELD_FILE));
	char *copy = arena_dup(e->arena, msg_str(&e->in, MSG_FIELD_FILE));
	char *home = arena_dup(e->arena, msg_str(&e->in, MSG_FIELD_HOME));
	struct run r = { .e = e, .in = -1, .out = -1, .pidfd = -1 };
	int status = 0, err;

	r.piece = arena_alloc(e->arena, PIECE);
	must(command && copy && home && r.piece);
	put_head(&r);
	err = start(&r, copy, home);
	if (err) {
		errand_fail(res, DELIVERY_DEFERRED, "4.3.0",
		    "cannot start a process: %s", strerror(-err));
	} else {
		attend(&r,
		    clock_mono() +
			(int64_t)msg_u64(&e->in, MSG_FIELD_MILLISECONDS));
		while (waitpid(r.pid, &status, 0) < 0 && errno == EINTR)
			continue;
		tell(&r, status, command, res);
	}
	end_input(&r);
	if (r.out >= 0)
		close(r.out);
	if (r.pidfd >= 0)
		close(r.pidfd);
}
