#include "tools/queue/change.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

enum {
	ARENA_MAX = 512 << 20,
};

static struct change changes[] = {
	{ 'd', "removed", "Deleted", false, 0 },
	{ 'e', "expired", "Force-expired", false, 0 },
	{ 'f', "expired", "Force-expired", false, 0 },
	{ 'h', "placed on hold", "Placed on hold", false, 0 },
	{ 'H', "released from hold", "Released from hold", false, 0 },
	{ 'r', "requeued", "Requeued", false, 0 },
	{ 's', "moved to corrupt", "Damaged", false, 0 },
};

struct change *
change_at(size_t i)
{
	return i < COUNT_OF(changes) ? &changes[i] : NULL;
}

struct change *
change_find(char option)
{
	for (size_t i = 0; i < COUNT_OF(changes); i++)
		if (changes[i].option == option)
			return &changes[i];
	return NULL;
}

bool
change_applies(const struct change *c, enum queue_place place)
{
	switch (c->option) {
	case 'H':
		return place == QUEUE_HOLD;
	case 'h':
		return place == QUEUE_INCOMING || place == QUEUE_DEFERRED;
	default:
		return place != QUEUE_CORRUPT;
	}
}

/* Who waits for it gets a verdict that is yet to be told to the sender. */
static size_t
find_waiting(const struct queue_message *m, struct queue_state *states)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct queue_state s = m->states[i];

		if (s.verdict != QUEUE_PENDING && s.verdict != QUEUE_DELAYED)
			continue;
		s.rcpt = (uint32_t)i;
		s.verdict = QUEUE_EXPIRED;
		s.told = false;
		s.time = clock_wall();
		if (s.dsn.n == 0)
			s.dsn = SPAN("4.4.7");
		if (s.relay.n == 0)
			s.relay = SPAN("none");
		if (s.text.n == 0)
			s.text = SPAN("message is administratively expired");
		states[n++] = s;
	}
	return n;
}

/* Returns how many recipients it was for, or -errno. */
static int64_t
expire(struct queue *q, const struct named *row)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(ARENA_MAX);
	struct queue_message m;
	struct queue_state *states;
	size_t n;
	int err = queue_load(q, row->place, row->name.text, a, &m, NULL);

	if (err)
		return err;
	states = zalloc((m.n + 1) * sizeof(*states));
	n = find_waiting(&m, states);
	if (n > 0)
		err = queue_append_states(q, row->place, row->name.text, states,
		    n);
	free(states);
	return err ? err : (int64_t)n;
}

static int
move(struct queue *q, const struct named *row, enum queue_place to)
{
	struct queue_name new;

	return queue_move(q, row->place, row->name.text, to, 0, &new);
}

/* It is looked at at once; on hold only if it is to be released, too. */
static int
expire_and_move(const struct change *c, struct queue *q,
    const struct named *row, enum change_result *result_r)
{
	int64_t n = expire(q, row);
	bool held = row->place == QUEUE_HOLD;

	if (n < 0)
		return (int)n;
	if (n == 0)
		*result_r = held && c->option == 'f' ? CHANGE_RELEASED
						     : CHANGE_NOTHING;
	if (*result_r == CHANGE_NOTHING || (held && c->option == 'e'))
		return 0;
	return move(q, row, QUEUE_DEFERRED);
}

bool
change_is_needed(struct queue *q, const struct named *row)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(ARENA_MAX);
	struct queue_message m;
	int err = queue_load(q, row->place, row->name.text, a, &m, NULL);

	return err == -EBADMSG ||
	    (err == -ENODATA && row->place != QUEUE_INCOMING);
}

/* Nobody changed it since it was looked at. */
static int
put_aside(struct queue *q, const struct named *row,
    enum change_result *result_r)
{
	if (change_is_needed(q, row))
		return move(q, row, QUEUE_CORRUPT);
	*result_r = CHANGE_NOTHING;
	return 0;
}

static int
act(const struct change *c, struct queue *q, const struct named *row,
    enum change_result *result_r)
{
	switch (c->option) {
	case 'd':
		return queue_remove(q, row->place, row->name.text);
	case 'e':
	case 'f':
		return expire_and_move(c, q, row, result_r);
	case 'h':
		return move(q, row, QUEUE_HOLD);
	case 's':
		return put_aside(q, row, result_r);
	default: /* H and r: it is tried at once, and looked up then */
		return move(q, row, QUEUE_DEFERRED);
	}
}

enum change_result
change_do(const struct change *c, struct queue *q, const struct named *row,
    int *err_r)
{
	enum change_result result = CHANGE_DONE;
	int err = act(c, q, row, &result);

	*err_r = err;
	if (err)
		return err == -ENOENT ? CHANGE_GONE : CHANGE_FAILED;
	return result;
}
