#include "tools/submit/submit.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	INPUT_MAX = 64 * 1024,
};

/* Standard input, a line at a time. */
static struct {
	char bytes[INPUT_MAX];
	size_t at, n;
	bool over;
	bool in_line; /* the last piece had no end */
} input;

static void
fill(void)
{
	ssize_t n;

	memmove(input.bytes, input.bytes + input.at, input.n - input.at);
	input.n -= input.at;
	input.at = 0;
	do
		n = read(STDIN_FILENO, input.bytes + input.n,
		    sizeof(input.bytes) - input.n);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		submit_fail(EX_IOERR, "standard input: ", strerror(errno));
	input.over = n == 0;
	input.n += (size_t)n;
}

static bool
is_dot(struct span line)
{
	return !options.dots && !input.in_line &&
	    (span_eq(line, SPAN(".\n")) || span_eq(line, SPAN(".\r\n")) ||
		(input.over && span_eq(line, SPAN("."))));
}

/* What there is of a line: up to its end, unless it is very long. */
static struct span
next_line(void)
{
	const char *end;

	while (
	    !(end = memchr(input.bytes + input.at, '\n', input.n - input.at)) &&
	    !input.over && input.n - input.at < sizeof(input.bytes))
		fill();

	struct span line = { input.bytes + input.at,
		end ? (size_t)(end - input.bytes) + 1 - input.at
		    : input.n - input.at };

	/* A CR may be half of a line's end. */
	if (!end && !input.over && line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/*
 * Takes a piece of the message with its line end as LF: *lf_r, to be put behind
 * the piece. False: the message is over.
 */
bool
input_take(struct span *piece_r, bool *lf_r)
{
	struct span line = next_line();

	if (line.n == 0 || is_dot(line))
		return false;
	input.at += line.n;
	*lf_r = line.p[line.n - 1] == '\n';
	if (*lf_r) {
		line.n--;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
	}
	input.in_line = !*lf_r;
	if (!*lf_r && input.over && input.at == input.n)
		*lf_r = true; /* the last line has none */
	*piece_r = line;
	return true;
}

bool
input_take_dot(void)
{
	struct span line = next_line();

	if (input.in_line ||
	    !(span_eq(line, SPAN(".\n")) || span_eq(line, SPAN(".\r\n"))))
		return false;
	input.at += line.n;
	return true;
}
