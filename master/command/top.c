#include "master/command/top.h"

#include "base/clock.h"
#include "base/scan.h"
#include "master/state.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
	ROWS_LEAST = 10,
	ROWS_USUAL = 24,
	ROWS_OF_BATCH = 1000,
	VIEW_MAX = 64 << 10,
	NAME_WIDTH = 24,
};

static const char screen_on[] = "\033[?1049h\033[?25l";
static const char screen_off[] = "\033[?25h\033[?1049l";
static const char screen_home[] = "\033[H";
static const char screen_rest[] = "\033[J";

static volatile sig_atomic_t over;

static struct {
	struct state states[2]; /* now and before, by turns */
	int64_t at[2];
	unsigned turn;
	struct termios before; /* the terminal */
	bool on_screen;
	char view[VIEW_MAX];
} own;

/* Rates that are sums over all services. */
static const struct {
	const char *name;
	enum counter counter;
} rates[] = {
	{ "accepted", COUNTER_MESSAGES },
	{ "delivered", COUNTER_SENT },
	{ "deferred", COUNTER_DEFERRED },
	{ "bounced", COUNTER_BOUNCED },
	{ "rejected", COUNTER_REJECTS },
	{ "logins", COUNTER_LOGINS },
	{ "wrong", COUNTER_LOGINS_FAILED },
};

static bool
take_count(const char *text, uint64_t max, uint64_t *n_r)
{
	struct span s = text ? span_str(text) : SPAN("");

	return take_number(&s, max, n_r) && s.n == 0 && *n_r > 0;
}

bool
top_options(char **args, struct top_options *o_r)
{
	*o_r = (struct top_options){ .seconds = 1 };
	for (; *args; args++) {
		if (strcmp(*args, "-b") == 0)
			o_r->batch = true;
		else if (strcmp(*args, "-n") == 0 &&
		    take_count(args[1], 1000000, &o_r->times))
			args++;
		else if (strcmp(*args, "-d") == 0 &&
		    take_count(args[1], 3600, &o_r->seconds))
			args++;
		else
			return false;
	}
	return true;
}

static void
stop(int sig)
{
	(void)sig;
	over = 1;
}

static void
leave_screen(void)
{
	if (!own.on_screen)
		return;
	own.on_screen = false;
	tcsetattr(STDIN_FILENO, TCSANOW, &own.before);
	fputs(screen_off, stdout);
	fflush(stdout);
}

static int
enter_screen(struct why *why)
{
	struct sigaction sa = { .sa_handler = stop };
	struct termios raw;

	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &raw) < 0)
		return why_set(why, ENOTTY, NULL, 0,
		    "top: there is no terminal; -b needs none");
	own.before = raw;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	own.on_screen = true;
	fputs(screen_on, stdout);
	return 0;
}

static const struct state_service *
find(const struct state *s, const struct state_service *like)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->services[i].name, like->name) == 0 &&
		    strcmp(s->services[i].type, like->type) == 0)
			return &s->services[i];
	return NULL;
}

/* By how much it grew, a second; "-": that is not known. */
static void
put_rate(struct buf *b, uint64_t now, uint64_t then, int64_t ms)
{
	if (ms <= 0 || now < then)
		buf_putf(b, " %9s", "-");
	else
		buf_putf(b, " %9.1f", (double)(now - then) * 1000 / (double)ms);
}

static void
end_line(struct buf *b)
{
	buf_put(b, own.on_screen ? SPAN("\033[K\r\n") : SPAN("\n"));
}

static void
put_totals(struct buf *b, const struct state *now, const struct state *then,
    int64_t ms)
{
	buf_putf(b, "%-10s", "");
	for (size_t i = 0; i < COUNT_OF(rates); i++)
		buf_putf(b, " %9s", rates[i].name);
	end_line(b);
	buf_putf(b, "%-10s", "a second");
	for (size_t i = 0; i < COUNT_OF(rates); i++)
		put_rate(b, state_sum(now, rates[i].counter),
		    state_sum(then, rates[i].counter), ms);
	end_line(b);
	buf_putf(b, "%-10s", "in all");
	for (size_t i = 0; i < COUNT_OF(rates); i++)
		buf_putf(b, " %9" PRIu64, state_sum(now, rates[i].counter));
	end_line(b);
}

static void
put_queue(struct buf *b, const struct state *now)
{
	buf_put(b, SPAN("queue:"));
	for (size_t i = 0; i < STATE_FOLDERS; i++)
		buf_putf(b, "  %s %" PRIu64, state_folder(i), now->folders[i]);
	end_line(b);
}

/* "deliveries.smtp.sent" and the two behind it, of transports that did any. */
static void
put_transports(struct buf *b, const struct state *now, const struct state *then,
    int64_t ms)
{
	static const enum counter first[] = { COUNTER_VIRTUAL_SENT,
		COUNTER_LOCAL_SENT, COUNTER_SMTP_SENT, COUNTER_LMTP_SENT,
		COUNTER_ERROR_SENT, COUNTER_RETRY_SENT, COUNTER_OTHER_SENT };

	buf_putf(b, "%-*s %9s %9s %9s   a second", NAME_WIDTH, "deliveries by",
	    "sent", "deferred", "bounced");
	end_line(b);
	for (size_t i = 0; i < COUNT_OF(first); i++) {
		struct span name = span_str(counter_name(first[i]));

		if (state_sum(now, first[i]) + state_sum(now, first[i] + 1) +
			state_sum(now, first[i] + 2) ==
		    0)
			continue;
		span_cut(&name, '.');
		name = span_cut(&name, '.');
		buf_putf(b, "%-*.*s", NAME_WIDTH, (int)name.n, name.p);
		for (enum counter c = first[i]; c < first[i] + 3; c++)
			put_rate(b, state_sum(now, c), state_sum(then, c), ms);
		end_line(b);
	}
}

static void
put_service(struct buf *b, const struct state_service *s,
    const struct state_service *before, int64_t ms)
{
	buf_putf(b, "%-*.*s %9" PRIu64 " %9" PRIu64, NAME_WIDTH, NAME_WIDTH,
	    s->name, s->workers, s->sessions);
	put_rate(b, s->counters[COUNTER_SESSIONS],
	    before ? before->counters[COUNTER_SESSIONS] : 0, before ? ms : 0);
	buf_putf(b, "   %s", s->type);
	end_line(b);
}

/* Lines of a terminal. */
static size_t
rows(void)
{
	struct winsize w;

	if (!own.on_screen)
		return ROWS_OF_BATCH;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_row < ROWS_LEAST)
		return ROWS_USUAL;
	return w.ws_row;
}

static size_t
count_lines(const struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->p[i] == '\n';
	return n;
}

static void
put_services(struct buf *b, const struct state *now, const struct state *then,
    int64_t ms)
{
	size_t room = rows();

	buf_putf(b, "%-*s %9s %9s %9s", NAME_WIDTH, "service", "workers",
	    "sessions", "new/s");
	end_line(b);
	for (size_t i = 0; i < now->n && count_lines(b) + 1 < room; i++)
		put_service(b, &now->services[i], find(then, &now->services[i]),
		    ms);
}

static void
show(void)
{
	const struct state *now = &own.states[own.turn];
	const struct state *then = &own.states[!own.turn];
	int64_t ms = own.at[!own.turn] ? own.at[own.turn] - own.at[!own.turn]
				       : 0;
	time_t t = (time_t)(clock_wall() / 1000000);
	char stamp[32] = "";
	struct tm tm;
	struct buf b;

	if (localtime_r(&t, &tm))
		strftime(stamp, sizeof(stamp), "%H:%M:%S", &tm);
	buf_init(&b, own.view, sizeof(own.view));
	buf_putf(&b, "postrider %s%s", stamp,
	    own.on_screen ? "   q: the end" : "");
	end_line(&b);
	put_totals(&b, now, then, ms);
	put_queue(&b, now);
	end_line(&b);
	put_transports(&b, now, then, ms);
	end_line(&b);
	put_services(&b, now, then, ms);
	fputs(own.on_screen ? screen_home : "", stdout);
	fwrite(b.p, 1, b.n, stdout);
	fputs(own.on_screen ? screen_rest : "\n", stdout);
	fflush(stdout);
}

/* Waits for the next view. True: q was typed, or the terminal is gone. */
static bool
wait_for_end(uint64_t seconds)
{
	int64_t by = clock_mono() + (int64_t)seconds * 1000;
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	int64_t left;
	char key;

	if (!own.on_screen) {
		pause_ms((int64_t)seconds * 1000);
		return false;
	}
	while (!over && (left = by - clock_mono()) > 0)
		if (poll(&p, 1, (int)left) > 0 &&
		    (read(STDIN_FILENO, &key, 1) != 1 || key == 'q'))
			return true;
	return over;
}

int
top_run(const struct top_options *o, struct why *why)
{
	int err = o->batch ? 0 : enter_screen(why);
	uint64_t shown = 0;

	while (!err) {
		own.turn = !own.turn;
		own.at[own.turn] = clock_mono();
		err = state_read(&own.states[own.turn], why);
		if (!err)
			show();
		if (err || ++shown == o->times || wait_for_end(o->seconds))
			break;
	}
	leave_screen();
	return err;
}
