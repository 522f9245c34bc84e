/*
 * sendmail - how programs of this machine send mail: takes a message on standard
 * input and recipients from the command line or the head, and hands them to
 * postdrop, also while the suite is down. With Sendmail's options: those that mean
 * nothing here are taken and ignored.
 *
 * As mailq it shows the queue, as -bp does.
 */
#include "base/help.h"
#include "queue/notify.h"
#include "tools/submit/submit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char help[] =
    "usage: sendmail [-it] [-f SENDER] [-F NAME] [-C DIR] [RECIPIENT ...]\n"
    "       sendmail -bp | -q | -qI ID | -qR SITE | -bi | -I | -bs\n"
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
    "  -v           mails a report of the first attempt\n"
    "  -bv          mails a report of what would be done; delivers nothing\n"
    "  -bp          shows the queue (mailq)\n"
    "  -q, -qI ID, -qR SITE   tries all mail, one message, or what is for a domain\n"
    "  -bs          speaks SMTP on standard input and output\n"
    "  -bi, -I      makes the tables of aliases (newaliases)\n"
    "Other options of Sendmail's are taken and ignored. More in sendmail(1).\n";

const char *program = "sendmail";

struct options options = { .mode = 'm' };

_Noreturn void
submit_fail(int status, const char *text, const char *detail)
{
	fprintf(stderr, "%s: fatal: %s%s\n", program, text, detail);
	exit(status);
}

static void
warn(const char *text)
{
	fprintf(stderr, "%s: warning: %s\n", program, text);
}

static unsigned
unknown_notify(struct span word, const char *text)
{
	fprintf(stderr,
	    "%s: warning: unknown DSN NOTIFY command value \"%.*s\" in "
	    "\"%s\"\n",
	    program, (int)word.n, word.p, text);
	return 0;
}

/* "never", or some of "success,failure,delay"; 0: it is neither. */
static unsigned
read_notify(const char *text)
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
		else if (!span_ieq(word, SPAN("never")))
			return unknown_notify(word, text);
		else
			return 0;
	}
	return bits;
}

/* What asks for too little or too much costs no mail. */
static unsigned
take_notify(const char *text)
{
	unsigned bits = read_notify(text);

	if (bits == 0)
		warn("bad -N option value -- ignored");
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
	warn("bad -R option value -- ignored");
	return 0;
}

/* -q alone: try all; -qI: this message; -qR: this domain; -q15m: now and then. */
static void
take_queue(const char *text)
{
	char letter = text ? text[0] : '\0';

	options.mode = 'q';
	options.id = options.site = NULL;
	if (letter == 'I' && text[1])
		options.id = text + 1;
	else if (letter == 'R' && text[1])
		options.site = text + 1;
	else if (letter == 'I')
		submit_fail(EX_TEMPFAIL, "specify: -qIqueueid", "");
	else if (letter == 'R')
		submit_fail(EX_TEMPFAIL, "specify: -qRsitename", "");
	else if (letter >= '0' && letter <= '9')
		options.mode = 'n'; /* queue_run_delay says how often */
	else if (letter)
		submit_fail(EX_TEMPFAIL,
		    letter == 'S' ? "-qS is not implemented"
				  : "-q: not implemented: -q",
		    letter == 'S' ? "" : text);
}

static void
take_mode(const char *text)
{
	switch (text[0]) {
	case 'h': /* of hosts nothing is kept */
	case 'H':
		options.mode = 'n';
		break;
	case 'd':
	case 'i':
	case 'l':
	case 'm':
	case 'p':
	case 's':
	case 'v':
		options.mode = text[0];
		break;
	default:
		submit_fail(EX_TEMPFAIL, "unsupported: -b", text);
	}
}

/* A directory, or the main.cf in it. */
static void
take_dir(const char *text)
{
	char what[512], *slash;

	options.dir = realpath(text, NULL);
	if (!options.dir) {
		snprintf(what, sizeof(what), "open %s/main.cf: ", text);
		submit_fail(EX_TEMPFAIL, what, strerror(errno));
	}
	slash = strrchr(options.dir, '/');
	if (slash && slash > options.dir && strcmp(slash, "/main.cf") == 0)
		*slash = '\0';
}

static void
take_o(const char *text)
{
	if (strcmp(text, "i") == 0)
		options.dots = true;
	else if (text[0] == 'A' && text[1])
		options.aliases = text + 1;
}

static _Noreturn void
refuse_x(const char *text)
{
	char letter[] = { text[0], '\0' };

	if (text[0] == 'V') /* lists would lose their bounces */
		submit_fail(EX_TEMPFAIL,
		    "-XV: senders of their own for each recipient are not part "
		    "of this version",
		    "");
	submit_fail(EX_TEMPFAIL, "unsupported: -X", letter);
}

static void
take_option(int option)
{
	switch (option) {
	case 'B': /* what is 8-bit is seen by itself */
		if (strcmp(optarg, "8BITMIME") != 0 &&
		    strcmp(optarg, "7BIT") != 0)
			submit_fail(EX_TEMPFAIL,
			    "-B option needs 8BITMIME or 7BIT", "");
		break;
	case 'b':
		take_mode(optarg);
		break;
	case 'C':
		take_dir(optarg);
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
	case 'n':
		submit_fail(EX_TEMPFAIL, "-n option not supported", "");
	case 'o':
		take_o(optarg);
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
	case 'v':
		if (options.trace == 0)
			options.trace = 1;
		break;
	case 'V':
		options.envid = optarg;
		break;
	case 'X':
		refuse_x(optarg);
	case '?':
		submit_fail(EX_TEMPFAIL, "usage: sendmail [options]", "");
	default: /* what has no meaning here */
		break;
	}
}

/* What a mode other than sending is called; NULL: it takes recipients. */
static const char *
mode_name(char mode)
{
	switch (mode) {
	case 'd':
	case 'l':
		return "daemon mode requires no recipient";
	case 'i':
		return "alias initialization mode requires no recipient";
	case 'p':
		return "display queue mode requires no recipient";
	case 'q':
		return "flush queue mode requires no recipient";
	case 's':
		return "stand-alone mode requires no recipient";
	default:
		return NULL;
	}
}

static void
check_options(char **rcpts)
{
	const char *name = mode_name(options.mode);

	if (name && options.from_head)
		submit_fail(EX_TEMPFAIL, "-t can be used only in delivery mode",
		    "");
	if (options.mode == 'v' && options.from_head)
		submit_fail(EX_TEMPFAIL, "-t option cannot be used with -bv",
		    "");
	if (name && *rcpts)
		submit_fail(EX_TEMPFAIL, name, "");
}

static void
flush(void)
{
	static const char *const all[] = { "-f", NULL };
	const char *id[] = { "-i", options.id, NULL };
	const char *site[] = { "-s", options.site, NULL };

	submit_become("postqueue", options.id ? id : options.site ? site : all);
}

static int
run(char **rcpts)
{
	static const char *const show[] = { "-p", NULL };
	static const char *const start[] = { "start", NULL };
	const char *aliases[] = { options.aliases, NULL };

	switch (options.mode) {
	case 'm':
		return message_submit(rcpts);
	case 'v':
		options.trace = 2;
		return message_submit(rcpts);
	case 's':
		return talk_serve();
	case 'p':
		submit_become("postqueue", show);
	case 'q':
		flush();
		return EX_OK;
	case 'i':
		submit_become(options.aliases ? "postalias" : "newaliases",
		    aliases);
	case 'd':
	case 'l':
		submit_become("postrider", start);
	default:
		return EX_OK;
	}
}

int
main(int argc, char **argv)
{
	static const char letters[] =
	    "A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:q::r:tvx";
	char *slash;
	sigset_t pipe_only;
	int option;

	if (argc < 1)
		return EX_USAGE;
	if (help_asked(argc, argv, help))
		return EX_OK;
	slash = strrchr(argv[0], '/');
	if (slash)
		argv[0] = slash + 1; /* as getopt() says it */
	if (strcmp(argv[0], "mailq") == 0)
		options.mode = 'p';
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe_only, NULL);
	while ((option = getopt(argc, argv, letters)) != -1)
		take_option(option);
	check_options(argv + optind);
	return run(argv + optind);
}
