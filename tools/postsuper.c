/*
 * postsuper - deletes, holds, releases and requeues messages.
 *
 * As Postfix's: -d, -h, -H and -r, each with a queue ID, ALL, or "-" for IDs
 * from standard input, and names of queues behind them. Root becomes the owner
 * of the mail first. What the queue manager has in memory it is asked to let go
 * of before the file is touched; if it is away the file is all there is.
 */
#include "base/help.h"
#include "base/sock.h"
#include "conf/conf.h"
#include "queue/queue.h"
#include "service/msg.h"
#include "service/privs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ANSWER_MS = 30 * 1000,
	ACTIONS_MAX = 64,
};

static const char help[] =
    "usage: postsuper [-v] [-c DIR] [-d ID] [-h ID] [-H ID] [-r ID] [QUEUE ...]\n"
    "Changes what lies in the queue; for root.\n"
    "\n"
    "  -d ID   deletes the message\n"
    "  -h ID   holds it: it is not tried until it is released\n"
    "  -H ID   releases it\n"
    "  -r ID   requeues it: its recipients are looked up anew\n"
    "  -c DIR  the directory of main.cf\n"
    "ID is a queue ID, ALL, or \"-\" for IDs from standard input, a line each. QUEUE\n"
    "is hold, incoming, active or deferred; without one it is all of them.\n"
    "More in postsuper(1).\n";

static const char *const qmgr_paths[] = { "public/qmgr", "private/qmgr" };

/* What -d, -h, -H and -r do, and how it is told. */
static struct action_kind {
	char option;
	const char *did; /* "removed": for a message */
	const char *total; /* "Deleted": at the end */
	unsigned count;
} kinds[] = {
	{ 'd', "removed", "Deleted", 0 },
	{ 'h', "placed on hold", "Placed on hold", 0 },
	{ 'H', "released from hold", "Released from hold", 0 },
	{ 'r', "requeued", "Requeued", 0 },
};

struct action {
	struct action_kind *kind;
	const char *what; /* an ID, "ALL" or "-" */
};

static struct work {
	struct queue *q;
	int qmgr; /* -1: away */
	bool places[QUEUE_PLACES]; /* that are looked into */
	const struct action *action;
	bool requeued;
	bool failed;
} work = { .qmgr = -1 };

static _Noreturn void
fail(int status, const char *text, const char *detail)
{
	fprintf(stderr, "postsuper: fatal: %s%s\n", text, detail);
	exit(status);
}

/* "postsuper: ID: text: detail", as Postfix's. */
static void
say(const char *id, const char *text, const char *detail)
{
	fprintf(stderr, "postsuper: %s%s%s%s%s\n", id, id[0] ? ": " : "", text,
	    detail[0] ? ": " : "", detail);
}

/* Asks qmgr to do `type` about the message. Returns its text, "" if it did. */
static const char *
ask(enum msg_type type, const char *id)
{
	static char packet[MSG_MAX], text[MSG_TEXT_MAX];
	struct buf b;
	struct msg_in in;
	int fds[SOCK_FDS_MAX];
	size_t n;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, type, 1);
	msg_put_str(&b, MSG_FIELD_ID, span_str(id));
	if (!msg_end(&b, 0) ||
	    sock_send(work.qmgr, buf_span(&b), NULL, 0) < 0 ||
	    !sock_wait_input(work.qmgr, ANSWER_MS))
		return "the queue manager does not answer";
	ssize_t got = sock_recv(work.qmgr, packet, sizeof(packet), fds, &n);
	while (got >= 0 && n > 0)
		close(fds[--n]);
	if (got <= 0 || !msg_read((struct span){ packet, (size_t)got }, &in) ||
	    in.type != MSG_DONE)
		return "the queue manager is gone";
	struct span why = msg_str(&in, MSG_FIELD_TEXT);
	snprintf(text, sizeof(text), "%.*s", (int)why.n, why.p);
	return text;
}

/* Qmgr's own files are let go; what is on hold or damaged it does not have. */
static bool
let_go(enum queue_place place, const char *id)
{
	const char *text;

	if (work.qmgr < 0 || place == QUEUE_HOLD || place == QUEUE_CORRUPT)
		return true;
	text = ask(MSG_RELEASE, id);
	if (text[0] == '\0')
		return true;
	say(id, "warning: not touched", text);
	work.failed = true;
	return false;
}

/* What lies in deferred/ again and is due at once is looked for. */
static void
tell_qmgr(void)
{
	char packet[MSG_HEAD];
	struct buf b;

	if (work.qmgr < 0 || !work.requeued)
		return;
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_SCAN, 0);
	if (!msg_end(&b, 0) || sock_send(work.qmgr, buf_span(&b), NULL, 0) < 0)
		say("", "warning: the queue manager was not told", "");
}

static int
act(char option, enum queue_place place, const char *name)
{
	struct queue_name new;

	if (option == 'd')
		return queue_remove(work.q, place, name);
	if (option == 'h')
		return queue_move(work.q, place, name, QUEUE_HOLD, 0, &new);
	work.requeued = true;
	return queue_move(work.q, place, name, QUEUE_DEFERRED, 0, &new);
}

/* What an option applies to: -H to hold/ only, -h to all but hold/. */
static bool
applies(char option, enum queue_place place)
{
	switch (option) {
	case 'H':
		return place == QUEUE_HOLD;
	case 'h':
		return place != QUEUE_HOLD && place != QUEUE_CORRUPT;
	case 'r':
		return place != QUEUE_CORRUPT;
	default:
		return true;
	}
}

static bool
act_on(enum queue_place place, const char *name)
{
	struct action_kind *kind = work.action->kind;
	struct queue_id id;

	if (!queue_name_id(name, &id) || !applies(kind->option, place) ||
	    !let_go(place, id.text))
		return false;
	int err = act(kind->option, place, name);
	if (err) {
		if (err != -ENOENT)
			work.failed = true;
		say(id.text, "warning: not touched", strerror(-err));
		return false;
	}
	say(id.text, kind->did, "");
	kind->count++;
	return true;
}

/* Names of a folder, read before any of them moves. */
struct listing {
	struct queue_name *names;
	size_t n;
	size_t max;
};

static bool
add_name(const char *name, int64_t due, void *arg)
{
	struct listing *l = arg;

	(void)due;
	if (l->n == l->max) {
		size_t max = l->max ? 2 * l->max : 1024;
		struct queue_name *names = zalloc(max * sizeof(*names));

		if (l->n)
			memcpy(names, l->names, l->n * sizeof(*names));
		free(l->names);
		l->names = names;
		l->max = max;
	}
	snprintf(l->names[l->n++].text, QUEUE_NAME_MAX, "%s", name);
	return true;
}

static void
act_on_all(void)
{
	struct listing lists[QUEUE_PLACES] = { { NULL, 0, 0 } };

	for (enum queue_place p = 0; p < QUEUE_PLACES; p++) {
		int err = work.places[p]
		    ? queue_scan(work.q, p, add_name, &lists[p])
		    : 0;

		if (err)
			fail(EX_OSERR,
			    "cannot list the queue: ", strerror(-err));
	}
	for (enum queue_place p = 0; p < QUEUE_PLACES; p++) {
		for (size_t i = 0; i < lists[p].n; i++)
			act_on(p, lists[p].names[i].text);
		free(lists[p].names);
	}
}

/* Once more if it moved between the search and the act. */
static void
act_on_id(const char *id)
{
	struct queue_name name;
	enum queue_place place;

	for (unsigned i = 0; i < 2; i++) {
		int err = queue_find(work.q, id, &place, &name);

		if (err && err != -ENOENT)
			fail(EX_OSERR,
			    "cannot list the queue: ", strerror(-err));
		if (err || !work.places[place] || act_on(place, name.text))
			return;
	}
}

static void
act_on_input(void)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, " \t\r\n")] = '\0';
		if (line[0])
			act_on_id(line);
	}
}

static struct action_kind *
find_kind(int option)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (kinds[i].option == option)
			return &kinds[i];
	fail(EX_USAGE,
	    "usage: postsuper [-c config_dir] [-d|-h|-H|-r queue_id|ALL|-] ",
	    "[queue ...]");
}

static void
choose_places(char **names)
{
	if (!*names) {
		for (size_t i = 0; i < QUEUE_PLACES; i++)
			work.places[i] = true;
		return;
	}
	for (; *names; names++) {
		bool known = strcmp(*names, "active") == 0;

		/* What is active lies in either of two folders. */
		if (known)
			work.places[QUEUE_INCOMING] =
			    work.places[QUEUE_DEFERRED] = true;
		for (enum queue_place p = 0; p < QUEUE_PLACES; p++) {
			if (strcmp(*names, queue_place_name(p)) != 0)
				continue;
			work.places[p] = known = true;
		}
		if (!known)
			fail(EX_USAGE, "unknown queue name: ", *names);
	}
}

static void
open_queue(const char *dir)
{
	struct why why;
	struct privs p;
	struct conf *c = conf_load(conf_find_dir(dir), NULL, 0, &why);
	const char *owner = c ? conf_get(c, "mail_owner", &why) : NULL;
	const char *path = owner ? conf_get(c, "queue_directory", &why) : NULL;

	if (!path || privs_find(owner, &p, &why) < 0)
		fail(EX_CONFIG, "", why.text);
	if (geteuid() != 0 && geteuid() != p.uid)
		fail(EX_NOPERM, "use of this command is reserved for the ",
		    "superuser");
	if (chdir(path) < 0)
		fail(EX_UNAVAILABLE, "cannot enter the queue ", path);
	if (privs_drop(&p, &why) < 0)
		fail(EX_OSERR, "", why.text);
	work.q = queue_open(".", QUEUE_OWN, false, &why);
	if (!work.q)
		fail(EX_UNAVAILABLE, "", why.text);
	for (size_t i = 0; i < COUNT_OF(qmgr_paths) && work.qmgr < 0; i++)
		work.qmgr = sock_unix_connect(qmgr_paths[i]);
	conf_free(c);
}

static void
run(const struct action *a)
{
	work.action = a;
	if (strcmp(a->what, "ALL") == 0)
		act_on_all();
	else if (strcmp(a->what, "-") == 0)
		act_on_input();
	else
		act_on_id(a->what);
}

static void
print_totals(void)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (kinds[i].count)
			fprintf(stderr, "postsuper: %s: %u message%s\n",
			    kinds[i].total, kinds[i].count,
			    kinds[i].count == 1 ? "" : "s");
}

int
main(int argc, char **argv)
{
	static struct action actions[ACTIONS_MAX];
	size_t n = 0;
	const char *dir = NULL;
	int c;

	if (help_asked(argc, argv, help))
		return EXIT_SUCCESS;
	while ((c = getopt(argc, argv, "c:d:h:H:r:v")) != -1) {
		if (c == 'c') {
			dir = optarg;
		} else if (c != 'v') {
			if (n == ACTIONS_MAX)
				fail(EX_USAGE, "too many options", "");
			actions[n].kind = find_kind(c);
			actions[n++].what = optarg;
		}
	}
	choose_places(argv + optind);
	open_queue(dir);
	for (size_t i = 0; i < n; i++)
		run(&actions[i]);
	tell_qmgr();
	int err = queue_sync(work.q);
	if (err)
		say("", "warning: the queue could not be synced",
		    strerror(-err));
	print_totals();
	queue_close(work.q);
	return work.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
