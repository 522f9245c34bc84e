/*
 * postlog - puts lines of scripts into the log, where those of the daemons are. It
 * writes by itself, as postlogd does: to maillog_file, which is for those who may
 * write to it, or to syslog. So it needs no running suite, and no rights.
 */
#include "base/clock.h"
#include "base/help.h"
#include "conf/environment.h"
#include "master/logfile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FATAL_PAUSE_MS = 1000, /* so that what fails in a loop does not flood */
	LINE_LEN = 4096, /* a longer line is cut */
	TAG_LEN = 256,
};

static const char help[] =
    "usage: postlog [-iv] [-c DIR] [-p PRIORITY] [-t TAG] [TEXT ...]\n"
    "Puts TEXT into the log of the mail system, or standard input, a line each.\n"
    "\n"
    "  -p PRIORITY  info, warn, error, fatal or panic\n"
    "  -t TAG       what stands before the text, instead of our name\n"
    "  -c DIR       the directory of main.cf\n"
    "  -i, -v       are taken and ignored\n"
    "More in postlog(1).\n";

static const struct priority {
	const char *name;
	enum log_level level;
} priorities[] = {
	{ "info", LOG_LEVEL_INFO },
	{ "warn", LOG_LEVEL_WARNING },
	{ "warning", LOG_LEVEL_WARNING },
	{ "error", LOG_LEVEL_ERROR },
	{ "err", LOG_LEVEL_ERROR },
	{ "fatal", LOG_LEVEL_FATAL },
	{ "crit", LOG_LEVEL_FATAL },
	{ "panic", LOG_LEVEL_PANIC },
};

static _Noreturn void PRINTF_LIKE(1, 2) fail(const char *fmt, ...)
{
	va_list args;

	fputs("postlog: fatal: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static enum log_level
find_level(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(priorities); i++)
		if (span_ieq(span_str(name), span_str(priorities[i].name)))
			return priorities[i].level;
	fail("invalid severity: %s; allowed: info, warn, error, fatal, panic",
	    name);
}

static void
put(const char *tag, enum log_level level, struct span text)
{
	struct log_record r = {
		.level = level,
		.event = LOG_EVENT_TEXT,
		.pid = (uint32_t)getpid(),
		.time = clock_wall(),
		.n = 2,
		.fields = {
			{ LOG_FIELD_TAG, span_str(tag) },
			{ LOG_FIELD_TEXT, text },
		},
	};
	struct span prefix = log_level_prefix(level);

	logfile_put(&r);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s: %.*s%.*s\n", tag, (int)prefix.n,
		    prefix.p ? prefix.p : "", (int)text.n, text.p);
}

static void
put_words(const char *tag, enum log_level level, char **words)
{
	static char text[LINE_LEN];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	for (char **w = words; *w; w++) {
		struct span word = span_str(*w);

		if (w > words)
			buf_put(&b, SPAN(" "));
		if (word.n > buf_room(&b))
			word.n = buf_room(&b);
		buf_put(&b, word);
	}
	put(tag, level, buf_span(&b));
}

static void
put_input(const char *tag, enum log_level level)
{
	char *line = NULL;
	size_t max = 0;
	ssize_t n;

	while ((n = getline(&line, &max, stdin)) > 0) {
		struct span text = { line, (size_t)n };

		if (text.p[text.n - 1] == '\n')
			text.n--;
		if (text.n > LINE_LEN)
			text.n = LINE_LEN;
		put(tag, level, text);
	}
	free(line);
}

/* Opens the log, and makes a tag for what comes without one. */
static struct conf *
begin(const char *dir, char own_tag[TAG_LEN])
{
	struct why why;
	struct logfile_params log;
	struct conf *c = conf_load_command(dir, &why);
	const char *name = c ? conf_get(c, "syslog_name", &why) : NULL;

	if (!name || logfile_open(c, &log, &why) < 0)
		fail("%s", why.text);
	snprintf(own_tag, TAG_LEN, "%s/postlog", name);
	return c;
}

int
main(int argc, char **argv)
{
	const char *dir = NULL, *tag = NULL;
	enum log_level level = LOG_LEVEL_INFO;
	char own_tag[TAG_LEN];
	int c;

	if (help_asked(argc, argv, help))
		return EXIT_SUCCESS;
	while ((c = getopt(argc, argv, "c:ip:t:v")) != -1)
		switch (c) {
		case 'c':
			dir = optarg;
			break;
		case 'p':
			level = find_level(optarg);
			break;
		case 't':
			tag = optarg;
			break;
		case 'i':
		case 'v':
			break;
		default:
			fail("usage: postlog [-c config_dir] [-i] [-p "
			     "priority] [-t tag] [-v] [text]");
		}

	struct conf *conf = begin(dir, own_tag);

	tag = tag ? tag : own_tag;
	if (argv[optind])
		put_words(tag, level, argv + optind);
	else
		put_input(tag, level);
	logfile_flush();
	conf_free(conf);
	if (level >= LOG_LEVEL_FATAL)
		pause_ms(FATAL_PAUSE_MS);
	return EXIT_SUCCESS;
}
