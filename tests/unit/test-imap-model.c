/*
 * Clients that change one mailbox at the same time, at random, each with a model
 * of what it may believe: numbers, UIDs and flags are those it was told of, and
 * it is told of each change by the rules of RFC 3501, 5.5 and 7.4.1.
 */
#include "imap-frame.h"

#include <inttypes.h>

enum {
	CLIENTS = 3,
	COMMANDS = 120, /* of each client in a run */
	RUNS = 8,
	MESSAGES_MAX = 2048,
};

static const struct imap_params params = {
	.mail_special_folders = "Trash=\\Trash",
	.imapd_timeout = 30 * 60 * 1000,
	.imapd_idle_notify_interval = 120 * 1000,
	.imapd_write_timeout = 300 * 1000,
	.imapd_error_limit = 5,
};

/* What a client knows of a message. */
struct belief {
	uint32_t uid; /* 0: it was not told */
	bool has_flags;
	bool looked_at; /* since the last look began */
	unsigned flags;
};

struct client {
	unsigned number;
	uint64_t random;
	struct session_in in;
	struct stream *stream;
	bool keeps; /* a command runs during which no EXPUNGE may come */
	bool looks; /* FETCH runs: what it says first is what was believed */
	unsigned tag;
	size_t n;
	struct belief list[MESSAGES_MAX];
};

static struct client clients[CLIENTS];
static char wrong[512]; /* the first thing that was */
static unsigned live; /* clients */

static unsigned
pick(struct client *c, unsigned n)
{
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(c->random >> 33) % n;
}

static void
complain(struct client *c, const char *what, struct span line)
{
	if (!wrong[0])
		snprintf(wrong, sizeof(wrong), "client %u: %s: %.*s", c->number,
		    what, (int)line.n, line.p);
}

static const char *const flag_names[] = { "\\Seen", "\\Deleted", "\\Flagged",
	"$One", "$Two" };

static bool
has_word(struct span list, const char *word)
{
	struct span w = span_str(word);

	for (size_t i = 0; i + w.n <= list.n; i++)
		if (memcmp(list.p + i, w.p, w.n) == 0)
			return true;
	return false;
}

static bool
find(struct span line, const char *word, struct span *behind_r)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= line.n; i++)
		if (memcmp(line.p + i, word, n) == 0) {
			*behind_r = (struct span){ line.p + i + n,
				line.n - i - n };
			return true;
		}
	return false;
}

static void
hear_fetch(struct client *c, size_t number, struct span line)
{
	struct belief *b = &c->list[number - 1];
	struct span at;

	if (number == 0 || number > c->n) {
		complain(c, "no such message", line);
		return;
	}
	if (find(line, "UID ", &at)) {
		uint32_t uid = (uint32_t)strtoul(at.p, NULL, 10);

		if (b->uid && b->uid != uid)
			complain(c, "another message's number", line);
		b->uid = uid;
	}
	if (find(line, "FLAGS (", &at)) {
		struct span list = span_cut(&at, ')');
		unsigned flags = 0;

		for (size_t i = 0; i < COUNT_OF(flag_names); i++)
			if (has_word(list, flag_names[i]))
				flags |= BIT(i);
		if (c->looks && !b->looked_at && b->has_flags &&
		    b->flags != flags)
			complain(c, "it has changed, and nobody told", line);
		b->looked_at = true;
		b->flags = flags;
		b->has_flags = true;
	}
}

static void
hear_expunge(struct client *c, size_t number, struct span line)
{
	if (c->keeps || number == 0 || number > c->n) {
		complain(c, "not now, or not that", line);
		return;
	}
	memmove(&c->list[number - 1], &c->list[number],
	    (c->n - number) * sizeof(c->list[0]));
	c->n--;
}

static void
hear_exists(struct client *c, size_t number, struct span line)
{
	if (number < c->n || number > MESSAGES_MAX) {
		complain(c, "messages went without EXPUNGE", line);
		return;
	}
	while (c->n < number)
		c->list[c->n++] = (struct belief){ 0 };
}

static void
hear_untagged(struct client *c, struct span line)
{
	struct span rest = { line.p + 2, line.n - 2 };
	char *end;
	size_t number = strtoul(rest.p, &end, 10);
	struct span word = { end, (size_t)(line.p + line.n - end) };

	if (end == rest.p)
		return;
	if (word.n >= 8 && memcmp(word.p, " EXPUNGE", 8) == 0)
		hear_expunge(c, number, line);
	else if (word.n >= 7 && memcmp(word.p, " EXISTS", 7) == 0)
		hear_exists(c, number, line);
	else if (word.n >= 6 && memcmp(word.p, " FETCH", 6) == 0)
		hear_fetch(c, number, line);
}

/* Hears lines until the tagged one, or a "+". False: the session has ended. */
static bool
hear(struct client *c)
{
	char tag[16];
	struct span line;

	snprintf(tag, sizeof(tag), "a%u ", c->tag);
	while (stream_line(c->stream, 65536, STREAM_CRLF, TASK_NEVER, &line) ==
	    STREAM_OK) {
		if (line.n > 2 && memcmp(line.p, "* ", 2) == 0) {
			hear_untagged(c, line);
			continue;
		}
		if (line.n > 0 && *line.p == '+')
			return true;
		if (line.n < strlen(tag) ||
		    memcmp(line.p, tag, strlen(tag)) != 0 ||
		    has_word(line, " BAD "))
			complain(c, "unexpected", line);
		return true;
	}
	return false;
}

static bool say(struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

static bool
say(struct client *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n = snprintf(text, sizeof(text), "a%u ", ++c->tag);

	va_start(ap, fmt);
	n += vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	return stream_write(c->stream, (struct span){ text, (size_t)n },
		   TASK_NEVER) == STREAM_OK &&
	    stream_flush(c->stream, TASK_NEVER) == STREAM_OK && hear(c);
}

/* Some messages that the client knows of: "3", "2:7" or "1:*". */
static void
pick_set(struct client *c, size_t *first_r, size_t *last_r)
{
	*first_r = 1 + pick(c, (unsigned)c->n);
	*last_r = *first_r + pick(c, 4);
	if (*last_r > c->n)
		*last_r = c->n;
}

static void
apply(struct client *c, size_t first, size_t last, unsigned op, unsigned flags)
{
	for (size_t i = first; i <= last; i++) {
		struct belief *b = &c->list[i - 1];

		if (op == 2) {
			b->flags = flags;
			b->has_flags = true;
		} else if (op == 0) {
			b->flags |= flags;
		} else {
			b->flags &= ~flags;
		}
	}
}

static bool
store_some(struct client *c)
{
	static const char *const ops[] = { "+", "-", "" };
	unsigned op = pick(c, 3), i = pick(c, 5), j = pick(c, 5);
	bool silent = pick(c, 2), ok;
	size_t first, last;

	pick_set(c, &first, &last);
	/* What SILENT does not tell, the client takes for done. */
	if (silent)
		apply(c, first, last, op, BIT(i) | BIT(j));
	c->keeps = true;
	ok = say(c, "STORE %zu:%zu %sFLAGS%s (%s %s)\r\n", first, last, ops[op],
	    silent ? ".SILENT" : "", flag_names[i], flag_names[j]);
	c->keeps = false;
	return ok;
}

static bool
idle(struct client *c)
{
	if (!say(c, "IDLE\r\n"))
		return false;
	task_sleep(task_after(1 + pick(c, 50)));
	return stream_write(c->stream, SPAN("DONE\r\n"), TASK_NEVER) ==
	    STREAM_OK &&
	    stream_flush(c->stream, TASK_NEVER) == STREAM_OK && hear(c);
}

/*
 * What is believed is what the view has. Of messages that are gone but still in
 * the view nothing can be changed: so these go first.
 */
static bool
look(struct client *c)
{
	bool ok = say(c, "NOOP\r\n");

	if (!ok || c->n == 0)
		return ok;
	for (size_t i = 0; i < c->n; i++)
		c->list[i].looked_at = false;
	c->keeps = c->looks = true;
	ok = say(c, "FETCH 1:* (UID FLAGS)\r\n");
	c->keeps = c->looks = false;
	return ok;
}

static bool
run_one(struct client *c)
{
	size_t first, last;

	switch (pick(c, c->n == 0 ? 3 : 12)) {
	case 0:
		return say(c, "APPEND INBOX (%s) {6+}\r\nA: b\r\n\r\n",
		    flag_names[pick(c, 5)]);
	case 1:
		return say(c, "NOOP\r\n");
	case 2:
		return idle(c);
	case 3:
		return say(c, "EXPUNGE\r\n");
	case 4:
		pick_set(c, &first, &last);
		return say(c, "COPY %zu:%zu INBOX\r\n", first, last);
	case 5:
		pick_set(c, &first, &last);
		return say(c, "MOVE %zu Trash\r\n", first);
	case 6:
		return say(c, "UID EXPUNGE %u:%u\r\n", 1 + pick(c, 50),
		    pick(c, 50) + 50);
	case 7:
		return say(c, "UID STORE %u:* +FLAGS \\Seen\r\n",
		    1 + pick(c, 100));
	case 8:
		return look(c);
	default:
		return store_some(c);
	}
}

static void
session(void *arg)
{
	struct client *c = arg;

	imap_serve(&c->in, &params);
	c->in.stream = stream_free(c->in.stream);
}

static void
client(void *arg)
{
	struct client *c = arg;

	c->tag = 0;
	c->n = 0;
	bool ok = say(c, "NOOP\r\n"); /* its answer is the greeting's */

	(void)ok;
	ok = hear(c) && say(c, "SELECT INBOX\r\n");
	for (unsigned i = 0; ok && !wrong[0] && i < COMMANDS; i++) {
		ok = run_one(c);
		frame_ring();
		task_sleep(task_after(pick(c, 3)));
	}
	ok = ok && say(c, "NOOP\r\n") && look(c);
	if (!ok)
		complain(c, "the session has ended", SPAN(""));
	live--;
	while (live > 0)
		task_sleep(task_after(10));
	/* Now nobody changes anything: the last word is the store's. */
	if (!say(c, "NOOP\r\n") || !look(c) || !say(c, "LOGOUT\r\n"))
		complain(c, "the session has ended", SPAN(""));
	c->stream = stream_free(c->stream);
}

static void
start_all(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];
		int fds[2];

		must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) ==
		    0);
		c->in.stream = stream_new(fds[0], 4096, 0);
		c->stream = stream_new(fds[1], 65536, 65536);
		must(task_spawn(session, c, "session"));
		must(task_spawn(client, c, "client"));
	}
}

static unsigned
model_flags(const struct mbox *m, uint32_t flags)
{
	const struct span *names = mbox_keywords(m);
	unsigned all = ((flags & STORE_SEEN) ? 1u : 0) |
	    ((flags & STORE_DELETED) ? 2u : 0) |
	    ((flags & STORE_FLAGGED) ? 4u : 0);

	for (unsigned i = 0; i < STORE_KEYWORDS; i++)
		for (size_t j = 3; j < COUNT_OF(flag_names); j++)
			if ((flags & (uint32_t)STORE_KEYWORD << i) &&
			    span_eq(names[i], span_str(flag_names[j])))
				all |= BIT(j);
	return all;
}

static void
compare_with_store(const struct client *c)
{
	struct mbox *m;
	size_t n;

	mail_open_box("INBOX", MBOX_READ_ONLY, &m);

	const struct mbox_message *list = mbox_messages(m, &n);

	assert_int_equal(c->n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(c->list[i].uid, list[i].uid);
		assert_int_equal(c->list[i].flags,
		    model_flags(m, list[i].flags));
	}
	mbox_close(m);
}

static void
each_client_knows_what_is_there(void **state)
{
	(void)state;
	for (uint64_t run = 1; run <= RUNS; run++) {
		spool_setup(NULL);
		mail_open(span_str(params.mail_special_folders));
		frame_begin();
		wrong[0] = '\0';
		live = CLIENTS;
		for (unsigned i = 0; i < CLIENTS; i++) {
			clients[i].number = i;
			clients[i].random = run * 100 + i;
			clients[i].in = (struct session_in){
				.user = SPAN("alice@demo.test"),
				.tag = SPAN("a1"),
				.store = mail_store,
				.mailbox = SPAN("alice/"),
			};
		}
		task_run_virtual(start_all, NULL);
		if (wrong[0])
			print_error("run %" PRIu64 ": %s\n", run, wrong);
		assert_string_equal(wrong, "");
		for (unsigned i = 0; i < CLIENTS; i++)
			compare_with_store(&clients[i]);
		mail_close();
		spool_teardown(NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_client_knows_what_is_there),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
