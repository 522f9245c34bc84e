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
    "  -v           mails a report of the first attempt\n"
    "  -bv          mails a report of what would be done; delivers nothing\n"
    "  -bp          shows the queue (mailq)\n"
    "  -q, -qI ID   tries all mail, or one message, now\n"
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
			submit_fail(EX_USAGE,
			    "-N: never, or some of success,failure,", "delay");
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
	submit_fail(EX_USAGE, "-R: full or hdrs", "");
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
		submit_fail(EX_UNAVAILABLE, "-q: only -q and -qI are there",
		    "");
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
			submit_fail(EX_CONFIG, "-C: ", strerror(errno));
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
	case 'v':
		if (options.trace == 0)
			options.trace = 1;
		break;
	case 'V':
		options.envid = optarg;
		break;
	case '?':
		submit_fail(EX_USAGE,
		    "usage: sendmail [options] [recipient ...]", "");
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
		return message_submit(rcpts);
	case 'v':
		options.trace = 2;
		return message_submit(rcpts);
	case 's':
		return talk_serve();
	case 'p':
		submit_become("postqueue", show);
	case 'q':
		submit_become("postqueue", options.id ? one : flush);
	case 'i':
		submit_become("newaliases", show + 1);
	default:
		submit_fail(EX_UNAVAILABLE,
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
