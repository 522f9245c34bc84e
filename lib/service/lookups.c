#include "service/lookups.h"

#include "task/task.h"

#include <errno.h>
#include <stdlib.h>

enum {
	TURN_MS = 20 * 1000, /* that somebody waits for his turn */
};

/* Those who ask one server, as long as there is one of them. */
struct crowd {
	struct crowd *next;
	const void *server;
	struct slots slots;
	size_t n; /* asking and waiting */
	size_t max;
};

static struct crowd *crowds;
static size_t limit = LOOKUPS_LIMIT;

void
lookups_set_limit(size_t n)
{
	limit = n > 0 ? n : 1;
}

static struct crowd *
join(const void *server, size_t at_a_time)
{
	struct crowd *c = crowds;

	while (c && c->server != server)
		c = c->next;
	if (!c) {
		c = zalloc(sizeof(*c));
		c->server = server;
		c->max = at_a_time * (1 + LOOKUPS_WAIT);
		slots_init(&c->slots, at_a_time, "a turn at a server");
		c->next = crowds;
		crowds = c;
	}
	c->n++;
	return c;
}

static void
leave(struct crowd *c)
{
	struct crowd **at = &crowds;

	if (--c->n > 0)
		return;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	free(c);
}

struct job {
	struct dict *dict;
	struct span key;
	struct arena *arena;
	struct span *value_r;
	struct why *why;
	enum dict_result result;
};

/* Offloaded. */
static void
get(void *arg)
{
	struct job *j = arg;

	j->result = dict_get(j->dict, j->key, j->arena, j->value_r, j->why);
}

enum dict_result
lookups_ask(struct dict *d, struct span key, struct arena *arena,
    struct span *value_r, struct why *why)
{
	struct job j = { d, key, arena, value_r, why, DICT_TEMPFAIL };
	bool shared = dict_is_shared(d);
	const void *server = dict_server(d);
	struct crowd *c = join(shared && server ? server : (const void *)d,
	    shared ? limit : 1);

	if (c->n > c->max) {
		why_set(why, EBUSY, NULL, 0, "%s: too many wait for its server",
		    dict_name(d));
	} else if (slots_take(&c->slots, task_after(TURN_MS)) != TASK_READY) {
		why_set(why, EBUSY, NULL, 0, "%s: its server is too slow",
		    dict_name(d));
	} else {
		task_offload(TASK_LOOKUP, get, &j);
		slots_give(&c->slots);
	}
	leave(c);
	return j.result;
}
