/*
 * posttrace - tells what became of a message, from its client to its mailbox.
 *
 * It reads the ring of events that postlogd keeps in data_directory, by itself:
 * postlogd is not asked, and need not run. Who may do so is who may read the
 * log: root, who becomes the owner of the mail first, and that owner.
 */
#include "base/clock.h"
#include "base/help.h"
#include "base/scan.h"
#include "conf/conf.h"
#include "conf/environment.h"
#include "mail/maillog.h"
#include "service/privs.h"
#include "trace/story.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
	MEMORY_MAX = 256 << 20,
	LINE_MAX_LEN = 64 * 1024,
	STORIES = 100, /* without -n */
	STORIES_MAX = 10000,
	SECOND = 1000000, /* us */
	NOTHING_FOUND = 1,
};

static const char help[] =
    "usage: posttrace [-c DIR] [-j] [-n COUNT] [-s TIME] [-u TIME] WHAT\n"
    "Tells what became of mail: from the client to the mailbox, each attempt with\n"
    "its answer, as far back as events are kept.\n"
    "\n"
    "WHAT is an address, a queue ID, a message ID, or a client (address or name).\n"
    "  -s, --since TIME  nothing older\n"
    "  -u, --until TIME  nothing newer\n"
    "  -n COUNT          so many stories, the newest (100)\n"
    "  -j, --json        a JSON object for each event, on a line\n"
    "  -c DIR            the directory of main.cf\n"
    "TIME is an age (90s, 10m, 1h, 2d) or a moment (2026-11-22,\n"
    "2026-11-22T10:30:00).\n"
    "More in posttrace(1).\n";

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "since", required_argument, NULL, 's' },
	{ "until", required_argument, NULL, 'u' },
	{ 0 },
};

static _Noreturn void
fail(int status, const char *text, const char *detail)
{
	fprintf(stderr, "posttrace: fatal: %s%s\n", text, detail);
	exit(status);
}

/* "1h": so long ago. */
static bool
take_age(struct span s, int64_t *us_r)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
		{ 'w', 604800 } };
	uint64_t n;

	if (!take_number(&s, 1000000000, &n))
		return false;
	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (s.n == 1 && s.p[0] == units[i].unit) {
			*us_r = clock_wall() -
			    (int64_t)n * units[i].seconds * SECOND;
			return true;
		}
	return false;
}

static bool
take_int(struct span *s, uint64_t max, int *n_r)
{
	uint64_t n;

	if (!take_number(s, max, &n))
		return false;
	*n_r = (int)n;
	return true;
}

/* "2026-11-22", and maybe "T10:30" and ":00", as this machine's clock. */
static bool
take_moment(struct span s, int64_t *us_r)
{
	struct tm tm = { .tm_isdst = -1 };
	time_t t;

	if (!take_int(&s, 9999, &tm.tm_year) || !take_char(&s, '-') ||
	    !take_int(&s, 12, &tm.tm_mon) || !take_char(&s, '-') ||
	    !take_int(&s, 31, &tm.tm_mday))
		return false;
	if (take_char(&s, 'T') || take_char(&s, ' ')) {
		if (!take_int(&s, 23, &tm.tm_hour) || !take_char(&s, ':') ||
		    !take_int(&s, 59, &tm.tm_min))
			return false;
		if (take_char(&s, ':') && !take_int(&s, 60, &tm.tm_sec))
			return false;
	}
	tm.tm_year -= 1900;
	tm.tm_mon--;
	t = mktime(&tm);
	*us_r = (int64_t)t * SECOND;
	return s.n == 0 && t != (time_t)-1;
}

static int64_t
time_of(const char *text)
{
	int64_t us;

	if (!take_age(span_str(text), &us) && !take_moment(span_str(text), &us))
		fail(EX_USAGE,
		    "a time is 90s, 10m, 1h, 2d, or "
		    "2026-11-22T10:30:00, not ",
		    text);
	return us;
}

static size_t
count_of(const char *text)
{
	struct span s = span_str(text);
	uint64_t n;

	if (!take_number(&s, STORIES_MAX, &n) || s.n > 0 || n == 0)
		fail(EX_USAGE, "-n is a number from 1 to 10000, not ", text);
	return (size_t)n;
}

static struct trace_ring *
open_ring(const char *dir)
{
	struct why why;
	struct privs p;
	struct conf *c = conf_load_command(dir, &why);
	const char *owner = c ? conf_get(c, "mail_owner", &why) : NULL;
	const char *data = owner ? conf_get(c, "data_directory", &why) : NULL;
	struct trace_ring *ring;
	char path[1024];

	if (!data || privs_find(owner, &p, &why) < 0)
		fail(EX_CONFIG, "", why.text);
	snprintf(path, sizeof(path), "%s/trace", data);
	conf_free(c);
	tzset();
	if (privs_drop(&p, &why) < 0)
		fail(EX_OSERR, "", why.text);
	if (access(path, R_OK) < 0 && errno == EACCES)
		fail(EX_NOPERM, "only root and mail_owner may use this command",
		    "");
	ring = trace_ring_open(path, &why);
	if (!ring)
		fail(EX_UNAVAILABLE, "no events are kept: ", why.text);
	return ring;
}

/* An ID of a message is logged with its brackets; an address without. */
static struct trace_answer
ask(const struct trace_ring *ring, struct trace_query *q, struct arena *a)
{
	struct trace_answer answer = trace_tell(ring, q, a);
	struct span s = q->key;
	char *text;

	if (answer.n > 0)
		return answer;
	if (s.n > 2 && s.p[0] == '<' && s.p[s.n - 1] == '>') {
		q->key = (struct span){ s.p + 1, s.n - 2 };
		return trace_tell(ring, q, a);
	}
	text = arena_alloc(a, s.n + 2);
	must(text);
	text[0] = '<';
	memcpy(text + 1, s.p, s.n);
	text[s.n + 1] = '>';
	q->key = (struct span){ text, s.n + 2 };
	return trace_tell(ring, q, a);
}

static void
put_fact(struct buf *b, const struct log_record *r, uint8_t field,
    const char *name)
{
	struct span value = log_get(r, field);

	if (value.n == 0)
		return;
	buf_putf(b, " [%s ", name);
	for (size_t i = 0; i < value.n; i++) {
		bool plain = (unsigned char)value.p[i] >= ' ' &&
		    value.p[i] != 0x7f;

		buf_put(b, plain ? (struct span){ value.p + i, 1 } : SPAN("?"));
	}
	buf_put(b, SPAN("]"));
}

/* "2026-11-22 10:30:00.123 smtpd: text [what the log does not say]" */
static void
put_event(struct buf *b, const struct log_record *r)
{
	struct span tag = log_get(r, LOG_FIELD_TAG);
	time_t t = (time_t)(r->time / SECOND);
	char stamp[32] = "?";
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	buf_putf(b, "%s.%03d ", stamp, (int)(r->time % SECOND / 1000));
	buf_put(b, tag);
	buf_put(b, SPAN(": "));
	maillog_render_text(r, b);
	put_fact(b, r, MAILLOG_FIELD_RULE, "by");
	put_fact(b, r, MAILLOG_FIELD_MAILBOX, "mailbox");
	put_fact(b, r, MAILLOG_FIELD_UIDVALIDITY, "uidvalidity");
	put_fact(b, r, MAILLOG_FIELD_MAILBOX_UID, "uid");
}

static void
put_json(struct buf *b, const struct log_record *r, size_t story)
{
	static char host[256];

	if (!host[0] && gethostname(host, sizeof(host) - 1) < 0)
		snprintf(host, sizeof(host), "localhost");
	host[strcspn(host, ".")] = '\0';
	maillog_render_json(r, span_str(host), b);
	if (b->overflow || b->n == 0)
		return;
	b->n--; /* the closing brace */
	buf_putf(b, ",\"story\":%zu}", story + 1);
}

static void
print(const struct trace_answer *answer, bool json)
{
	static char line[LINE_MAX_LEN];
	size_t story = 0;
	struct log_record r;
	struct buf b;

	for (size_t i = 0; i < answer->n; i++) {
		const struct trace_event *e = &answer->events[i];

		if (!log_decode(e->packet, &r))
			continue;
		if (e->story != story && !json)
			putchar('\n');
		story = e->story;
		buf_init(&b, line, sizeof(line));
		if (json)
			put_json(&b, &r, story);
		else
			put_event(&b, &r);
		if (!b.overflow || !json)
			printf("%.*s\n", (int)b.n, b.p);
	}
}

static int
run(struct trace_query *q, const char *dir, bool json)
{
	struct trace_ring *ring = open_ring(dir);
	struct arena *a = arena_new(MEMORY_MAX);
	struct trace_answer answer = ask(ring, q, a);
	bool found = answer.n > 0;

	print(&answer, json);
	fflush(stdout);
	if (answer.cut)
		fprintf(stderr,
		    "posttrace: there is more: see -n, -s and -u\n");
	if (!found)
		fprintf(stderr, "posttrace: no event is known of it\n");
	arena_free(a);
	trace_ring_close(ring);
	return found ? EX_OK : NOTHING_FOUND;
}

static const char usage[] =
    "usage: posttrace [-c DIR] [-j] [-n COUNT] [-s TIME] [-u TIME] WHAT";

int
main(int argc, char **argv)
{
	static const char letters[] = "c:jn:s:u:";
	struct trace_query q = { .until = INT64_MAX, .max = STORIES };
	const char *dir = NULL;
	bool json = false;
	int option;

	if (help_asked(argc, argv, help))
		return EX_OK;
	while ((option = getopt_long(argc, argv, letters, options, NULL)) != -1)
		switch (option) {
		case 'c':
			dir = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'n':
			q.max = count_of(optarg);
			break;
		case 's':
			q.since = time_of(optarg);
			break;
		case 'u':
			q.until = time_of(optarg);
			break;
		default:
			fail(EX_USAGE, usage, "");
		}
	if (optind + 1 != argc || !argv[optind][0])
		fail(EX_USAGE, usage, "");
	q.key = span_str(argv[optind]);
	return run(&q, dir, json);
}
