/*
 * postsuper - deletes, holds, releases, requeues and expires messages, and puts
 * damaged files aside.
 *
 * Its options are Postfix's: each with a queue ID, ALL, or "-" for IDs from
 * standard input, and names of queues behind them. Root becomes the owner of the
 * mail first. What the queue manager has is borrowed before its file is touched;
 * if the manager is away the file is all there is.
 */
#include "base/help.h"
#include "tools/queue/borrow.h"
#include "tools/queue/change.h"
#include "tools/queue/own.h"
#include "tools/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ACTIONS_MAX = 64,
	LINE_LEN = 256,
};

static const char help[] =
    "usage: postsuper [-psSv] [-c DIR] [-d ID] [-e ID] [-f ID] [-h ID] [-H ID]\n"
    "                 [-r ID] [QUEUE ...]\n"
    "Changes what lies in the queue; for root.\n"
    "\n"
    "  -d ID   deletes the message\n"
    "  -e ID   has it expire: it goes back to its sender\n"
    "  -f ID   the same, on hold too\n"
    "  -h ID   holds it: it is not tried until it is released\n"
    "  -H ID   releases it\n"
    "  -r ID   requeues it: its recipients are looked up anew\n"
    "  -p, -s  remove what was left over, and put damaged files aside\n"
    "  -c DIR  the directory of main.cf\n"
    "ID is a queue ID, ALL, or \"-\" for IDs from standard input, a line each. QUEUE\n"
    "is hold, incoming, active, deferred or corrupt.\n"
    "More in postsuper(1).\n";

static const char usage[] =
    "usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id "
    "(expire)] [-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] "
    "[-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id "
    "(requeue)] [-s (structure fix)] [-S (redundant structure fix)]"
    "[-v (verbose)] [queue...]";

/* Queues of Postfix's of which we have no folder: nothing lies there. */
static const char *const absent[] = { "active", "bounce", "defer", "flush",
	"maildrop", "saved", "trace" };

struct action {
	struct change *change;
	const char *what; /* an ID, "ALL" or "-" */
};

static struct work {
	struct queue *q;
	bool named; /* the caller said which queues */
	bool places[QUEUE_PLACES]; /* those */
	bool only_active; /* or those of them that are being delivered */
	struct names active; /* sorted */
	bool all; /* of many it is told how many */
	bool failed;
} work;

static bool
is_wanted(const struct change *c, enum queue_place place)
{
	if (!work.named)
		return change_applies(c, place);
	return work.places[place] || (work.only_active && place < QUEUE_HOLD);
}

/* Of a named queue: whether this one lies there. */
static bool
is_there(const struct named *row)
{
	if (!work.named || work.places[row->place])
		return true;
	return names_find(&work.active, row->id.text) != NULL;
}

static void
list(const struct change *c, struct names *l)
{
	for (enum queue_place p = 0; p < QUEUE_PLACES; p++) {
		int err = is_wanted(c, p) ? names_read(l, work.q, p) : 0;

		if (err)
			say_fatal(EXIT_FAILURE, "cannot list the queue: %s",
			    strerror(-err));
	}
}

static void
count_one(struct change *c, const struct named *row)
{
	c->count++;
	if (!work.all)
		say("%s: %s", row->id.text, c->did);
}

/* -f does two things to what is on hold. */
static void
count(struct change *c, const struct named *row)
{
	if (c->option == 'f' && row->place == QUEUE_HOLD)
		count_one(change_find('H'), row);
	count_one(c, row);
}

static void
say_result(struct change *c, const struct named *row, enum change_result result,
    int err)
{
	switch (result) {
	case CHANGE_DONE:
		count(c, row);
		break;
	case CHANGE_RELEASED:
		count_one(change_find('H'), row);
		break;
	case CHANGE_FAILED:
		say_warning("%s: not touched: %s", row->id.text,
		    strerror(-err));
		work.failed = true;
		break;
	case CHANGE_NOTHING:
	case CHANGE_GONE: /* it was delivered meanwhile */
		break;
	}
}

/* Once more if it moved since it was listed: it cannot any more. */
static void
change_one(struct change *c, const struct named *row)
{
	struct named now = *row;
	int err;
	enum change_result result = change_do(c, work.q, &now, &err);

	if (result == CHANGE_GONE &&
	    queue_find(work.q, now.id.text, &now.place, &now.name) == 0 &&
	    is_wanted(c, now.place))
		result = change_do(c, work.q, &now, &err);
	say_result(c, row, result, err);
}

static void
change_some(struct change *c, const struct named *rows, size_t n)
{
	bool got[BORROW_MAX];

	borrow(rows, n, got);
	for (size_t i = 0; i < n; i++) {
		if (got[i]) {
			change_one(c, &rows[i]);
			continue;
		}
		say_warning("%s: not touched: it is still being delivered",
		    rows[i].id.text);
		work.failed = true;
	}
}

static void
change_list(struct change *c, const struct names *l)
{
	static struct named some[BORROW_MAX];
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (is_there(&l->rows[i]))
			some[n++] = l->rows[i];
		if (n == BORROW_MAX || i + 1 == l->n) {
			change_some(c, some, n);
			n = 0;
		}
	}
}

static bool
is_id(const char *text)
{
	return text[0] != '\0' &&
	    text[strspn(text,
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz")] == '\0';
}

/* One that is not there was delivered, and is no mistake. */
static void
choose(const struct names *all, const char *id, struct names *chosen)
{
	struct named *row;

	if (!is_id(id)) {
		say_warning("invalid mail queue id: %s", id);
		return;
	}
	row = names_find(all, id);
	if (row && !row->taken)
		names_add(chosen, row);
	if (row)
		row->taken = true;
}

static void
choose_from_input(const struct names *all, struct names *chosen)
{
	char line[LINE_LEN];

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0])
			choose(all, line, chosen);
	}
}

static void
run(const struct action *a)
{
	struct names all = { 0 }, chosen = { 0 };

	list(a->change, &all);
	work.all = strcmp(a->what, "ALL") == 0;
	if (work.all) {
		change_list(a->change, &all);
	} else {
		names_sort(&all);
		if (strcmp(a->what, "-") == 0)
			choose_from_input(&all, &chosen);
		else
			choose(&all, a->what, &chosen);
		change_list(a->change, &chosen);
	}
	names_free(&all);
	names_free(&chosen);
}

/* Listing incoming/ removes what was begun long ago and never ended. */
static void
repair(void)
{
	struct change *c = change_find('s');
	struct names all = { 0 }, damaged = { 0 };

	work.all = false;
	list(c, &all);
	for (size_t i = 0; i < all.n; i++)
		if (change_is_needed(work.q, &all.rows[i]))
			names_add(&damaged, &all.rows[i]);
	change_list(c, &damaged);
	names_free(&all);
	names_free(&damaged);
}

static bool
is_absent(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(absent); i++)
		if (strcmp(name, absent[i]) == 0)
			return true;
	return false;
}

static void
choose_places(char **names)
{
	for (; *names; names++) {
		bool known = is_absent(*names);

		work.named = true;
		if (strcmp(*names, "active") == 0)
			work.only_active = true;
		for (enum queue_place p = 0; p < QUEUE_PLACES; p++) {
			if (strcmp(*names, queue_place_name(p)) != 0)
				continue;
			work.places[p] = known = true;
		}
		if (!known)
			say_fatal(EXIT_FAILURE, "invalid directory name: %s",
			    *names);
	}
}

/* -e and -f are one sum. */
static void
say_totals(void)
{
	struct change *c, *e = change_find('e'), *f = change_find('f');

	e->count += f->count;
	e->wanted = e->wanted || f->wanted;
	f->wanted = false;
	change_find('s')->wanted = change_find('s')->count > 0;
	for (size_t i = 0; (c = change_at(i)); i++)
		if (c->wanted)
			say("%s: %u message%s", c->total, c->count,
			    c->count == 1 ? "" : "s");
}

struct request {
	const char *dir;
	bool repair;
	size_t n;
	struct action actions[ACTIONS_MAX];
};

static void
read_options(int argc, char **argv, struct request *r)
{
	int c;

	while ((c = getopt(argc, argv, "c:d:e:f:h:H:pr:sSv")) != -1)
		switch (c) {
		case 'c':
			r->dir = optarg;
			break;
		case 'p':
		case 's':
		case 'S':
			r->repair = true;
			break;
		case 'v':
			break;
		default:
			if (c == '?')
				say_fatal(EXIT_FAILURE, "%s", usage);
			if (r->n == ACTIONS_MAX)
				say_fatal(EXIT_FAILURE, "too many options");
			r->actions[r->n].change = change_find((char)c);
			r->actions[r->n].change->wanted = true;
			if (c == 'f')
				change_find('H')->wanted = true;
			r->actions[r->n++].what = optarg;
		}
	/* By itself it looks after the queue. */
	r->repair = r->repair || r->n == 0;
}

int
main(int argc, char **argv)
{
	static struct request r;
	int err;

	if (help_asked(argc, argv, help))
		return EXIT_SUCCESS;
	say_as(argv);
	read_options(argc, argv, &r);
	choose_places(argv + optind);
	work.q = own_queue(r.dir, EXIT_FAILURE, true);
	borrow_begin();
	if (work.only_active)
		borrow_active(&work.active);
	names_sort(&work.active);
	if (r.repair)
		repair();
	for (size_t i = 0; i < r.n; i++)
		run(&r.actions[i]);
	borrow_end();
	err = queue_sync(work.q);
	if (err)
		say_warning("the queue could not be synced: %s",
		    strerror(-err));
	say_totals();
	queue_close(work.q);
	return work.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
