#include "master/check/selfcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	FIXED_ARGS = 8, /* of a command line, beside the overrides */
	WORDS_MAX = 1024,
	SAID_MAX = 16,
	LINE_MAX_BYTES = WORDS_MAX + 256,
};

/* execv() takes what it does not write as if it did. */
static char *
unconst(const char *s)
{
	union {
		const char *in;
		char *out;
	} u = { .in = s };

	return u.out;
}

static char **
make_args(const struct plan_service *s, const char *dir)
{
	char **argv = zalloc((FIXED_ARGS + 2 * s->overrides_n) * sizeof(*argv));
	size_t n = 0;

	argv[n++] = unconst(s->program);
	argv[n++] = unconst("-k");
	argv[n++] = unconst("-c");
	argv[n++] = unconst(dir);
	argv[n++] = unconst("-n");
	argv[n++] = unconst(s->name);
	for (size_t i = 0; i < s->overrides_n; i++) {
		argv[n++] = unconst("-o");
		argv[n++] = unconst(s->overrides[i]);
	}
	return argv;
}

_Noreturn static void
become(const struct plan_service *s, const char *dir, int words)
{
	char **argv = make_args(s, dir);

	if (dup2(words, STDERR_FILENO) < 0)
		_exit(EX_OSERR);
	execv(s->program, argv);
	fprintf(stderr, "%s: %s\n", s->program, strerror(errno));
	_exit(EX_UNAVAILABLE);
}

/* All it says, up to a bound; then its exit status. */
static int
listen_to(pid_t pid, int words, char *text, size_t max)
{
	size_t n = 0;
	ssize_t got;
	int status = -1;

	while (n < max - 1 && (got = read(words, text + n, max - 1 - n)) > 0)
		n += (size_t)got;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What several daemons say is said once. */
static void
say_once(const char *line, selfcheck_fn *fn, void *arg)
{
	static char said[SAID_MAX][LINE_MAX_BYTES];
	static size_t n;

	for (size_t i = 0; i < n; i++)
		if (strcmp(said[i], line) == 0)
			return;
	if (n < SAID_MAX)
		snprintf(said[n++], LINE_MAX_BYTES, "%s", line);
	fn(line, arg);
}

static void
check_one(const struct plan_service *s, const char *dir, selfcheck_fn *fn,
    void *arg)
{
	char words[WORDS_MAX], line[LINE_MAX_BYTES];
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		become(s, dir, fds[1]);
	close(fds[1]);
	if (pid > 0 && listen_to(pid, fds[0], words, sizeof(words)) != EX_OK) {
		bool has_place = strncmp(words, "main.cf:", 8) == 0;

		snprintf(line, sizeof(line), "%s%s%s%s",
		    has_place ? "" : "service ", has_place ? "" : s->name,
		    has_place ? "" : ": ",
		    words[0] ? words : "its daemon does not say what is wrong");
		say_once(line, fn, arg);
	}
	close(fds[0]);
}

void
selfcheck_services(const struct plan *p, const char *dir, selfcheck_fn *fn,
    void *arg)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->services[i].is_log)
			check_one(&p->services[i], dir, fn, arg);
}
