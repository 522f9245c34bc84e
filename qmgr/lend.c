/*
 * Files that postsuper changes: while it has them nobody here reads, moves or
 * delivers them, whoever tells of them meanwhile.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"
#include "service/msg.h"

#include <stdlib.h>

enum {
	WAIT_MS = 10 * 1000, /* for deliveries under way to end */
};

static void
give_back(struct loan *l)
{
	while (l->n > 0)
		forget(l->rows[--l->n]);
}

static void
keep(struct loan *l, const struct queue_id *id)
{
	struct message *m = message_new(QUEUE_INCOMING, id->text, id);

	if (l->n == l->max) {
		l->max = l->max ? 2 * l->max : 64;
		l->rows = reallocarray(l->rows, l->max, sizeof(*l->rows));
		if (!l->rows)
			die("out of memory: %zu messages", l->max);
	}
	m->phase = MESSAGE_LENT;
	hash_add(&qmgr.messages, &m->by_id);
	l->rows[l->n++] = m;
	l->used = true;
}

static bool
is_idle(const struct message *m)
{
	return m->phase == MESSAGE_DEFERRED || m->phase == MESSAGE_ARRIVED ||
	    m->phase == MESSAGE_STUCK;
}

/* Deliveries under way are waited for. False: they go on. May sleep. */
static bool
lend_one(struct loan *l, const struct queue_id *id, int64_t by)
{
	struct message *m;

	while ((m = qmgr_find(id->text)) && !is_idle(m))
		if (bell_wait(&qmgr.released, by) != TASK_READY)
			return false;
	if (m)
		forget(m);
	keep(l, id);
	return true;
}

static bool
take_id(struct span text, struct queue_id *id_r)
{
	char name[QUEUE_ID_MAX];

	if (text.n >= sizeof(name) || memchr(text.p, '\0', text.n))
		return false;
	memcpy(name, text.p, text.n);
	name[text.n] = '\0';
	return queue_name_id(name, id_r) && strcmp(id_r->text, name) == 0;
}

bool
lend(struct channel *ch, const struct msg_in *in, struct loan *l)
{
	static char packet[MSG_MAX]; /* nobody sleeps while it is in use */
	struct span rest, text, ids = in->fields;
	int64_t by = task_after(WAIT_MS);
	struct queue_id id;
	struct buf b;

	give_back(l);
	for (rest = ids; msg_next(&rest, MSG_FIELD_ID, &text);)
		if (take_id(text, &id))
			(void)lend_one(l, &id, by);
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_LENT, in->id);
	for (size_t i = 0; i < l->n; i++)
		msg_put_str(&b, MSG_FIELD_ID, span_str(l->rows[i]->id.text));
	return msg_end(&b, 0) && channel_send(ch, buf_span(&b), NULL, 0);
}

bool
loan_end(struct loan *l)
{
	give_back(l);
	free(l->rows);
	l->rows = NULL;
	return l->used;
}
