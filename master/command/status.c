/* How the suite is: what runs, and what it counts. */
#include "base/scan.h"
#include "master/command/command.h"
#include "master/command/top.h"
#include "master/openmetrics.h"
#include "master/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
print_state(const struct msg_in *in)
{
	struct span name = msg_str(in, MSG_FIELD_SERVICE);
	struct span text = msg_str(in, MSG_FIELD_TEXT);
	struct span counters = msg_str(in, MSG_FIELD_COUNTERS), word;
	const char *gap = "  ";

	printf("%-24.*s %7" PRIu64 " %10" PRIu64 " %8" PRIu64 "%s%.*s",
	    (int)name.n, name.p, msg_u64(in, MSG_FIELD_WORKERS),
	    msg_u64(in, MSG_FIELD_GENERATION), msg_u64(in, MSG_FIELD_SESSIONS),
	    text.n ? "  " : "", (int)text.n, text.p);
	for (; take_word(&counters, &word); take_blanks(&counters)) {
		if (memchr(word.p, '.', word.n))
			continue; /* of a table: for programs */
		printf("%s%.*s", gap, (int)word.n, word.p);
		gap = " ";
	}
	putchar('\n');
}

static void
print_answer(const struct msg_in *in, void *arg)
{
	(void)arg;
	if (in->type == MSG_SERVICE_STATUS)
		print_state(in);
}

static int
ask(const struct instance *i, struct buf *request)
{
	struct why why;

	if (chdir(i->params.queue_directory) < 0)
		return command_complain(strerror(errno));
	return state_ask(request, print_answer, NULL, &why) < 0
	    ? command_complain(why.text)
	    : 0;
}

int
verb_status(struct instance *i, char **args)
{
	char packet[MSG_HEAD];
	struct buf b;
	pid_t pid;

	(void)args;
	if (command_load(i))
		return COMMAND_FAILED;
	pid = command_master(i);
	if (pid == 0)
		return command_complain("is not running");
	printf("postrider: the mail system is running: PID: %d\n", (int)pid);
	printf("%-24s %7s %10s %8s\n", "service", "workers", "generation",
	    "sessions");
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_STATUS_ALL, 0);
	return ask(i, &b);
}

int
verb_metrics(struct instance *i, char **args)
{
	static char text[OPENMETRICS_MAX];
	static struct state state;
	struct why why;
	struct buf b;

	(void)args;
	if (command_enter(i))
		return COMMAND_FAILED;
	if (state_read(&state, &why) < 0)
		return command_complain(why.text);
	buf_init(&b, text, sizeof(text));
	openmetrics_put(&b, &state);
	fwrite(b.p, 1, b.n, stdout);
	return b.overflow || fflush(stdout) ? COMMAND_FAILED : 0;
}

int
verb_top(struct instance *i, char **args)
{
	struct top_options o;
	struct why why;

	if (!top_options(args, &o))
		return command_complain(
		    "top: -b for no terminal, -n N: so many times, "
		    "-d SECONDS between two");
	if (command_enter(i))
		return COMMAND_FAILED;
	return top_run(&o, &why) < 0 ? command_complain(why.text) : 0;
}

#ifdef TEST_HOOKS
/* "+61s", "+5m", "+1h". */
static bool
take_shift(const char *text, uint64_t *ms_r)
{
	struct span s = { text, strlen(text) };
	uint64_t n;

	if (!take_char(&s, '+') || !take_number(&s, 1000000, &n))
		return false;
	if (take_char(&s, 'd'))
		n *= 24 * 3600;
	else if (take_char(&s, 'h'))
		n *= 3600;
	else if (take_char(&s, 'm'))
		n *= 60;
	else
		(void)!take_char(&s, 's');
	*ms_r = n * 1000;
	return s.n == 0;
}

int
verb_clock(struct instance *i, char **args)
{
	char packet[64];
	struct buf b;
	uint64_t ms;

	if (!args[0] || !take_shift(args[0], &ms))
		return command_complain("clock: +N with s, m, h or d");
	if (command_load(i))
		return COMMAND_FAILED;
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_CLOCK, 0);
	msg_put_u64(&b, MSG_FIELD_MILLISECONDS, ms);
	return ask(i, &b);
}
#endif
