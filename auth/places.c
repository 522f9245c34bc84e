#include "auth/places.h"

#include "base/log.h"
#include "sasl/user.h"
#include "task/task.h"

#include <errno.h>
#include <stdlib.h>

enum {
	LOOK_MS = 200, /* between two looks whether tables were replaced */
};

struct places {
	size_t holders;
	const struct conf *conf;
	struct routing *routing;
};

static struct {
	struct places *now;
	struct slots looking; /* one looks, as a struct conf has one reader */
	bool up;
	int64_t looked; /* when */
} own;

struct places *
places_open(const struct conf *c, struct why *why)
{
	struct places *p = zalloc(sizeof(*p));

	p->holders = 1;
	p->conf = c;
	p->routing = routing_open(c, why);
	return p->routing ? p : places_close(p);
}

struct places *
places_close(struct places *p)
{
	if (!p || --p->holders > 0)
		return NULL;
	routing_close(p->routing);
	free(p);
	return NULL;
}

static void
put_in_place(struct places *p)
{
	places_close(own.now);
	own.now = p;
}

void
places_use(struct places *p)
{
	if (!own.up) {
		slots_init(&own.looking, 1, "the tables of mailboxes");
		own.up = true;
	} else if (slots_take(&own.looking, TASK_NEVER) != TASK_READY) {
		places_close(p);
		return;
	} else {
		slots_give(&own.looking);
	}
	put_in_place(p);
}

void
places_fini(void)
{
	put_in_place(NULL);
	own.up = false;
	own.looked = 0;
}

/* For offload. Meanwhile nobody else looks, and ->old may go out of use. */
struct look {
	const struct places *old;
	struct places *anew;
	struct why why;
	bool failed;
};

static void
look(void *arg)
{
	struct look *k = arg;

	if (!routing_changed(k->old->routing))
		return;
	k->anew = places_open(k->old->conf, &k->why);
	k->failed = !k->anew;
}

/* Who waits for another's look has the tables that it has found. */
static void
refresh(void)
{
	struct look k = { .failed = false };

	if (own.looked && task_now() - own.looked < LOOK_MS)
		return;
	if (slots_take(&own.looking, TASK_NEVER) != TASK_READY)
		return;
	own.looked = task_now();
	k.old = own.now;
	task_offload(TASK_DISK, look, &k);
	if (k.failed)
		log_error("%s; the old tables are used", k.why.text);
	if (k.anew)
		put_in_place(k.anew);
	slots_give(&own.looking);
}

static struct span
field(struct span fields, const char *name)
{
	struct span value = SPAN("");

	(void)!sasl_field(fields, span_str(name), &value);
	return value;
}

/* For who asks its tables, and may sleep meanwhile. */
static struct places *
hold(void)
{
	own.now->holders++;
	return own.now;
}

enum dict_result
places_find(struct span user, struct span fields, struct arena *a,
    struct mailbox_place *place_r, struct why *why)
{
	const struct place_user u = {
		.name = user,
		.mail = field(fields, "mail"),
		.home = field(fields, "home"),
		.uid = field(fields, "uid"),
		.gid = field(fields, "gid"),
	};

	struct places *p;
	enum dict_result r;

	refresh();
	p = hold();
	r = place_find(p->routing, &u, a, place_r, why);
	places_close(p);
	return r;
}

/* Whether whoever has an address like this has a mailbox. */
static bool
is_anybodys(struct places *p, struct span addr, bool users, struct arena *a,
    struct why *why)
{
	struct route route;

	return !users &&
	    routing_resolve(p->routing, addr, a, &route, why) == DICT_FOUND &&
	    route.class == CLASS_VIRTUAL_MAILBOX;
}

static enum dict_result
find_virtual(struct span addr, bool users, struct arena *a,
    struct mailbox_place *place_r, struct why *why)
{
	enum dict_result r = DICT_ABSENT;
	struct places *p;

	refresh();
	p = hold();
	if (routing_names_mailboxes(p->routing) ||
	    is_anybodys(p, addr, users, a, why))
		r = routing_mailbox(p->routing, addr, a, place_r, why);
	places_close(p);
	return r;
}

/*
 * Who took the mail in knew the recipient: if we do not, the table may have been
 * replaced since it was last looked at.
 */
enum dict_result
places_find_virtual(struct span addr, bool users, struct arena *a,
    struct mailbox_place *place_r, struct why *why)
{
	enum dict_result r = find_virtual(addr, users, a, place_r, why);

	if (r == DICT_ABSENT) {
		own.looked = 0;
		r = find_virtual(addr, users, a, place_r, why);
	}
	/* Without a base the tables have whole paths. */
	if (r == DICT_FOUND && *place_r->root == '\0')
		place_r->root = "/";
	return r;
}

bool
places_drop_extension(struct span addr, struct arena *a, struct span *addr_r)
{
	return place_drop_extension(own.now->routing, addr, a, addr_r);
}
