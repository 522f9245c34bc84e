#include "conf/conf.h"
#include "conf/environment.h"
#include "tools/submit/submit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	RECORDS_FIRST = 4096,
};

/* Records for postdrop, before there is one. */
static struct {
	char *p;
	size_t n, max;
	size_t rcpts;
} records;

void
drop_add(enum drop_type type, struct span text)
{
	struct buf b;

	records.rcpts += type == DROP_RCPT;
	if (records.rcpts > DROP_RCPTS_MAX)
		submit_fail(EX_TEMPFAIL, "too many recipients", "");
	while (records.max - records.n < DROP_HEAD + text.n) {
		records.max = records.max ? 2 * records.max : RECORDS_FIRST;
		records.p = realloc(records.p, records.max);
		if (!records.p)
			submit_fail(EX_TEMPFAIL, "out of memory", "");
	}
	buf_init(&b, records.p + records.n, records.max - records.n);
	drop_put(&b, type, text);
	records.n += b.n;
}

/* The pipe to postdrop. */
static struct {
	int fd;
	pid_t pid;
	char bytes[DROP_CONTENT_MAX];
	size_t n;
	bool broken; /* it has ended, and its status says why */
	bool is_8bit;
} out = { .fd = -1 };

static void
send_bytes(struct span s)
{
	while (s.n > 0 && !out.broken) {
		ssize_t n = write(out.fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			out.broken = true;
			return;
		}
		s.p += n;
		s.n -= (size_t)n;
	}
}

static void
send_record(enum drop_type type, struct span text)
{
	static char bytes[DROP_RECORD_MAX];
	struct buf b;

	buf_init(&b, bytes, sizeof(bytes));
	drop_put(&b, type, text);
	send_bytes(buf_span(&b));
}

static void
flush_content(void)
{
	if (out.n > 0)
		send_record(DROP_CONTENT, (struct span){ out.bytes, out.n });
	out.n = 0;
}

void
drop_content(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		out.is_8bit = out.is_8bit || (unsigned char)s.p[i] > 0x7f;
	while (s.n > 0) {
		size_t n = sizeof(out.bytes) - out.n;

		n = s.n < n ? s.n : n;
		memcpy(out.bytes + out.n, s.p, n);
		out.n += n;
		s.p += n;
		s.n -= n;
		if (out.n == sizeof(out.bytes))
			flush_content();
	}
}

/* The configuration says where the other commands are. */
static void
command_path(const char *name, char *path, size_t max)
{
	struct why why;
	struct conf *c = conf_load_command(options.dir, &why);
	const char *dir = c ? conf_get(c, "command_directory", &why) : NULL;

	if (!dir)
		submit_fail(EX_TEMPFAIL, why.text, "");
	snprintf(path, max, "%s/%s", dir, name);
	conf_free(c);
}

static _Noreturn void
exec_command(const char *path, const char *const *args)
{
	const char *argv[8] = { path };
	size_t n = 1;

	if (options.dir) {
		argv[n++] = "-c";
		argv[n++] = options.dir;
	}
	while (*args && n < COUNT_OF(argv) - 1)
		argv[n++] = *args++;
	execv(path, (char *const *)(uintptr_t)argv);
	submit_fail(EX_UNAVAILABLE, path, ": cannot be run");
}

_Noreturn void
submit_become(const char *name, const char *const *args)
{
	char path[1024];

	command_path(name, path, sizeof(path));
	exec_command(path, args);
}

static void
start_postdrop(void)
{
	static const char *const args[] = { "-r", NULL };
	char path[1024];
	int ends[2];

	command_path("postdrop", path, sizeof(path));
	if (pipe2(ends, 0) < 0)
		submit_fail(EX_OSERR, "pipe: ", strerror(errno));
	out.pid = fork();
	if (out.pid < 0)
		submit_fail(EX_OSERR, "fork: ", strerror(errno));
	if (out.pid == 0) {
		if (dup2(ends[0], STDIN_FILENO) < 0)
			_exit(EX_OSERR);
		close(ends[0]);
		close(ends[1]);
		exec_command(path, args);
	}
	close(ends[0]);
	out.fd = ends[1];
}

static int
wait_postdrop(void)
{
	int status = 0;

	close(out.fd);
	while (waitpid(out.pid, &status, 0) < 0)
		if (errno != EINTR)
			return EX_OSERR;
	if (!WIFEXITED(status))
		return EX_TEMPFAIL;
	if (WEXITSTATUS(status) == EX_OK && out.broken)
		return EX_TEMPFAIL;
	return WEXITSTATUS(status);
}

size_t
drop_rcpts(void)
{
	return records.rcpts;
}

void
drop_reset(void)
{
	records.n = records.rcpts = 0;
}

void
drop_start(void)
{
	out.n = 0;
	out.broken = out.is_8bit = false;
	start_postdrop();
	send_bytes(SPAN(DROP_MAGIC));
	send_bytes((struct span){ records.p, records.n });
}

int
drop_finish(void)
{
	flush_content();
	if (out.is_8bit)
		send_record(DROP_8BIT, SPAN(""));
	send_record(DROP_END, SPAN(""));
	return wait_postdrop();
}

/* Without DROP_END it is nothing. */
void
drop_cancel(void)
{
	(void)!wait_postdrop();
}
