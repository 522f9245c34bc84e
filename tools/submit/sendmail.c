/*
 * sendmail - how programs of this machine send mail: takes a message on standard
 * input and recipients from the command line or the head, and hands them to
 * postdrop, also while the suite is down. With Sendmail's options: those that mean
 * nothing here are taken and ignored.
 *
 * As mailq it shows the queue, as -bp does.
 */
#include "base/help.h"
#include "base/scan.h"
#include "conf/conf.h"
#include "queue/drop.h"
#include "queue/notify.h"
#include "tools/submit/head.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	INPUT_MAX = 64 * 1024,
	HEAD_MAX = 1 << 20, /* that is looked at for addresses */
	RECORDS_FIRST = 4096,
	LOGIN_MAX = 256,
};

static const char help[] =
    "usage: sendmail [-it] [-f SENDER] [-F NAME] [-C DIR] [RECIPIENT ...]\n"
    "       sendmail -bp | -q | -qI ID | -bi | -I\n"
    "Takes a message from standard input and gives it to the queue.\n"
    "\n"
    "  -t           recipients stand in the message: To, Cc, Bcc\n"
    "  -i           a dot alone on a line does not end the message\n"
    "  -f SENDER    the sender of the envelope; \"\" for none\n"
    "  -F NAME      the full name of the sender\n"
    "  -N WORDS     of what to tell the sender: never, or success,failure,delay\n"
    "  -R full      what a report has of the message: full, or hdrs\n"
    "  -V ID        an ID for reports\n"
    "  -C DIR       the directory of main.cf\n"
    "  -bp          shows the queue (mailq)\n"
    "  -q, -qI ID   tries all mail, or one message, now\n"
    "  -bi, -I      makes the tables of aliases (newaliases)\n"
    "Other options of Sendmail's are taken and ignored. More in sendmail(1).\n";

static const char *program = "sendmail";

static struct options {
	char mode; /* 'm', or what else -b says; 'q' flushes */
	bool from_head; /* -t */
	bool dots; /* -i: a dot alone ends nothing */
	const char *sender; /* NULL: the caller */
	const char *person; /* -F */
	const char *dir; /* -C */
	const char *envid;
	const char *id; /* -qI */
	unsigned notify;
	unsigned ret;
} options = { .mode = 'm' };

/* Records for postdrop, before there is one. */
static struct {
	char *p;
	size_t n, max;
	size_t rcpts;
} records;

static _Noreturn void
fail(int status, const char *text, const char *detail)
{
	fprintf(stderr, "%s: fatal: %s%s\n", program, text, detail);
	exit(status);
}

static void
add_record(enum drop_type type, struct span text)
{
	struct buf b;

	while (records.max - records.n < DROP_HEAD + text.n) {
		records.max = records.max ? 2 * records.max : RECORDS_FIRST;
		records.p = realloc(records.p, records.max);
		if (!records.p)
			fail(EX_TEMPFAIL, "out of memory", "");
	}
	buf_init(&b, records.p + records.n, records.max - records.n);
	drop_put(&b, type, text);
	records.n += b.n;
}

static bool
add_rcpt(struct span address, void *arg)
{
	(void)arg;
	if (++records.rcpts > DROP_RCPTS_MAX)
		fail(EX_USAGE, "too many recipients", "");
	add_record(DROP_RCPT, address);
	return true;
}

static bool
set_sender(struct span address, void *sender)
{
	buf_put(sender, address);
	return false; /* the first is it */
}

/* Returns how many of the text's addresses were none. */
static size_t
each_address(struct span text, head_address_fn *fn, void *arg)
{
	size_t max = 2 * text.n + 64;
	char *scratch = zalloc(max);
	size_t wrong = head_addresses(text, scratch, max, fn, arg);

	free(scratch);
	return wrong;
}

static void
add_sender(void)
{
	const struct passwd *pw = options.sender ? NULL : getpwuid(getuid());
	char text[DROP_TEXT_MAX];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	if (!options.sender && !pw)
		fail(EX_OSERR, "this user has no name", "");
	if (each_address(span_str(pw ? pw->pw_name : options.sender),
		set_sender, &b) > 0 ||
	    b.overflow)
		fail(EX_USAGE, "bad sender address: ", options.sender);
	add_record(DROP_SENDER, buf_span(&b));
}

/* What stands in one line of an envelope; what would break it is left out. */
static void
add_text(enum drop_type type, const char *text)
{
	char line[DROP_TEXT_MAX];
	size_t n = 0;

	for (; *text && n < sizeof(line); text++)
		if (*text != '\r' && *text != '\n')
			line[n++] = *text;
	if (n > 0)
		add_record(type, (struct span){ line, n });
}

/* The first part of what the system knows of a person: & is the login. */
static void
add_person(void)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *known = getenv("NAME");
	char text[LOGIN_MAX];
	struct buf b;

	if (options.person)
		known = options.person;
	if (known || options.sender || !pw) {
		if (known)
			add_text(DROP_NAME, known);
		return;
	}
	buf_init(&b, text, sizeof(text) - 1);
	for (const char *p = pw->pw_gecos; *p && *p != ','; p++)
		buf_put(&b,
		    *p == '&' ? span_str(pw->pw_name) : (struct span){ p, 1 });
	text[b.n] = '\0';
	add_text(DROP_NAME, text);
}

static void
add_envelope(char **rcpts)
{
	char number[2] = "";

	add_sender();
	add_person();
	if (options.envid)
		add_text(DROP_ENVID, options.envid);
	if (options.ret) {
		number[0] = (char)('0' + options.ret);
		add_record(DROP_RET, span_str(number));
	}
	if (options.notify) {
		char digits[16];

		snprintf(digits, sizeof(digits), "%u", options.notify);
		add_record(DROP_NOTIFY, span_str(digits));
	}
	for (; *rcpts; rcpts++)
		if (each_address(span_str(*rcpts), add_rcpt, NULL) > 0)
			fail(EX_USAGE, "bad recipient address: ", *rcpts);
}

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
		fail(EX_IOERR, "standard input: ", strerror(errno));
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
static bool
take_piece(struct span *piece_r, bool *lf_r)
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

static void
send_content(struct span s)
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

/* The start of the message, which the head is a part of. */
static struct {
	char *p;
	size_t n;
	bool over; /* and there is no more of the message */
} start;

static bool
begins_mailbox(void)
{
	return start.n >= 5 && memcmp(start.p, "From ", 5) == 0;
}

/* Reads up to the first empty line, or as much of it as is looked at. */
static void
read_head(void)
{
	struct span piece;
	bool lf, begins = true;

	start.p = zalloc(HEAD_MAX + INPUT_MAX + 2);
	while (start.n < HEAD_MAX) {
		if (!take_piece(&piece, &lf)) {
			start.over = true;
			return;
		}
		memcpy(start.p + start.n, piece.p, piece.n);
		start.n += piece.n;
		if (lf)
			start.p[start.n++] = '\n';
		if (begins && lf && piece.n == 0)
			return;
		if (begins && lf && begins_mailbox())
			start.n = 0; /* how a line of an mbox begins */
		begins = lf;
	}
	if (options.from_head)
		fail(EX_DATAERR, "the message's head is too large for -t", "");
}

/* With Resent- fields these count, and the others are of a former way. */
static void
add_head_rcpts(bool resent)
{
	struct span in = { start.p, start.n };
	struct head_field f;

	while (head_next(&in, &f)) {
		enum head_role role = head_role(f.name);
		bool is_resent = role == HEAD_RESENT_TO ||
		    role == HEAD_RESENT_BCC;

		if (role != HEAD_OTHER && is_resent == resent &&
		    each_address(f.value, add_rcpt, NULL) > 0)
			fprintf(stderr,
			    "%s: warning: bad address in %.*s: is left out\n",
			    program, (int)f.name.n, f.name.p);
	}
}

static bool
is_resent(void)
{
	struct span in = { start.p, start.n };
	struct head_field f;

	while (head_next(&in, &f))
		if (head_role(f.name) >= HEAD_RESENT_TO)
			return true;
	return false;
}

/* Nobody but the sender knows who got a copy in secret. */
static void
send_start(void)
{
	struct span in = { start.p, start.n };
	struct head_field f;

	while (head_next(&in, &f)) {
		enum head_role role = head_role(f.name);

		if (role != HEAD_BCC && role != HEAD_RESENT_BCC)
			send_content(f.all);
	}
	send_content(in);
}

static void
send_rest(void)
{
	struct span piece;
	bool lf;

	while (!start.over && take_piece(&piece, &lf)) {
		send_content(piece);
		if (lf)
			send_content(SPAN("\n"));
	}
}

/* The configuration says where the other commands are. */
static void
command_path(const char *name, char *path, size_t max)
{
	struct why why;
	struct conf *c = conf_load(conf_find_dir(options.dir), NULL, 0, &why);
	const char *dir = c ? conf_get(c, "command_directory", &why) : NULL;

	if (!dir)
		fail(EX_CONFIG, why.text, "");
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
	fail(EX_UNAVAILABLE, path, ": cannot be run");
}

static _Noreturn void
become(const char *name, const char *const *args)
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
		fail(EX_OSERR, "pipe: ", strerror(errno));
	out.pid = fork();
	if (out.pid < 0)
		fail(EX_OSERR, "fork: ", strerror(errno));
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

static int
submit(char **rcpts)
{
	add_envelope(rcpts);
	read_head();
	if (options.from_head)
		add_head_rcpts(is_resent());
	if (records.rcpts == 0)
		fail(EX_USAGE,
		    options.from_head ? "no recipient addresses found in the "
					"message's head"
				      : "recipient addresses must be given on "
					"the command line or by -t",
		    "");
	start_postdrop();
	send_bytes(SPAN(DROP_MAGIC));
	send_bytes((struct span){ records.p, records.n });
	send_start();
	send_rest();
	flush_content();
	if (out.is_8bit)
		send_record(DROP_8BIT, SPAN(""));
	send_record(DROP_END, SPAN(""));
	return wait_postdrop();
}

/* "never", or some of "success,failure,delay". */
static unsigned
take_notify(const char *text)
{
	struct span rest = span_str(text);
	unsigned bits = 0;

	while (rest.n > 0) {
		struct span word = span_cut(&rest, ',');

		if (span_ieq(word, SPAN("never")) && bits == 0 && rest.n == 0)
			return QUEUE_NOTIFY_NEVER;
		if (span_ieq(word, SPAN("success")))
			bits |= QUEUE_NOTIFY_SUCCESS;
		else if (span_ieq(word, SPAN("failure")))
			bits |= QUEUE_NOTIFY_FAILURE;
		else if (span_ieq(word, SPAN("delay")))
			bits |= QUEUE_NOTIFY_DELAY;
		else
			fail(EX_USAGE, "-N: never, or some of success,failure,",
			    "delay");
	}
	return bits;
}

static unsigned
take_ret(const char *text)
{
	struct span word = span_str(text);

	if (span_ieq(word, SPAN("full")))
		return QUEUE_RET_FULL;
	if (span_ieq(word, SPAN("hdrs")))
		return QUEUE_RET_HDRS;
	fail(EX_USAGE, "-R: full or hdrs", "");
}

/* -q alone: try all; -qI: this message. */
static void
take_queue(const char *text)
{
	options.mode = 'q';
	if (!text)
		return;
	if (text[0] == 'I')
		options.id = text + 1;
	else if (text[0] < '0' || text[0] > '9')
		fail(EX_UNAVAILABLE, "-q: only -q and -qI are there", "");
}

static void
take_option(int option)
{
	switch (option) {
	case 'b':
		options.mode = optarg[0];
		break;
	case 'C':
		options.dir = realpath(optarg, NULL);
		if (!options.dir)
			fail(EX_CONFIG, "-C: ", strerror(errno));
		break;
	case 'F':
		options.person = optarg;
		break;
	case 'f':
	case 'r':
		options.sender = optarg;
		break;
	case 'I':
		options.mode = 'i';
		break;
	case 'i':
		options.dots = true;
		break;
	case 'N':
		options.notify = take_notify(optarg);
		break;
	case 'o':
		if (strcmp(optarg, "i") == 0)
			options.dots = true;
		break;
	case 'q':
		take_queue(optarg);
		break;
	case 'R':
		options.ret = take_ret(optarg);
		break;
	case 't':
		options.from_head = true;
		break;
	case 'V':
		options.envid = optarg;
		break;
	case '?':
		fail(EX_USAGE, "usage: sendmail [options] [recipient ...]", "");
	default: /* what has no meaning here */
		break;
	}
}

static int
run(char **rcpts)
{
	static const char *const show[] = { "-p", NULL };
	static const char *const flush[] = { "-f", NULL };
	const char *one[] = { "-i", options.id, NULL };

	switch (options.mode) {
	case 'm':
		return submit(rcpts);
	case 'p':
		become("postqueue", show);
	case 'q':
		become("postqueue", options.id ? one : flush);
	case 'i':
		become("newaliases", show + 1);
	default:
		fail(EX_UNAVAILABLE,
		    "this mode of -b is not part of this version", "");
	}
}

int
main(int argc, char **argv)
{
	static const char letters[] =
	    "A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:q::r:stvx";
	const char *slash;
	sigset_t pipe_only;
	int option;

	if (argc < 1)
		return EX_USAGE;
	if (help_asked(argc, argv, help))
		return EX_OK;
	slash = strrchr(argv[0], '/');
	if (strcmp(slash ? slash + 1 : argv[0], "mailq") == 0)
		options.mode = 'p';
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe_only, NULL);
	while ((option = getopt(argc, argv, letters)) != -1)
		take_option(option);
	return run(argv + optind);
}
