/*
 * What was decided goes on record: states appended, files removed or moved. One
 * offload does what has come together meanwhile; then agents are told that they
 * may forget.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"
#include "mail/maillog.h"
#include "service/counters.h"
#include "service/msg.h"
#include "service/service.h"

#include <errno.h>
#include <stdlib.h>

enum {
	BUSY_MS = 10, /* since the last round */
	LINGER_MS = 2,
	AGAIN_MS = 60 * 1000,
};

enum op_kind {
	OP_STATES, /* append; the message goes on */
	OP_REMOVE,
	OP_DEFER, /* append, move to deferred/ */
	OP_TELL, /* append; then the sender is told */
	OP_CORRUPT, /* append, move to corrupt/: nobody is told, and it ends */
	OP_ORPHAN, /* append to the file of a message that is not loaded */
};

struct op {
	struct link link;
	enum op_kind kind;
	struct message *message; /* of OP_ORPHAN NULL */
	struct worker *worker; /* to be told, or NULL */
	uint32_t request;
	struct queue_state *states;
	size_t n;
	struct arena *arena; /* of OP_ORPHAN: holds its texts */
	struct queue_id id; /* of OP_ORPHAN */
	struct queue_name name; /* where it lies, and then lay */
	enum queue_place place;
	int64_t due;
	int err;
	int64_t again; /* when it is tried once more, if it failed */
};

static struct link ops;
static struct link stuck; /* of messages that are MESSAGE_STUCK */

static void
submit(struct op *op)
{
	if (!ops.next) {
		list_init(&ops);
		list_init(&stuck);
	}
	list_append(&ops, &op->link);
	qmgr.recording++;
	bell_ring_one(&qmgr.record);
}

/* They are not on record: the next op of the message has them, too. */
static void
give_back_changes(const struct op *op)
{
	for (size_t i = 0; i < op->n; i++)
		op->message->body->rcpts[op->states[i].rcpt].changed = true;
}

/* What changed, copied: the message may go on changing. */
static void
take_changes(struct op *op, struct message *m)
{
	struct message_body *b = m->body;

	op->states = zalloc((b->m.n + 1) * sizeof(*op->states));
	for (size_t i = 0; i < b->m.n; i++) {
		if (!b->rcpts[i].changed)
			continue;
		b->rcpts[i].changed = false;
		op->states[op->n++] = b->m.states[i];
	}
}

static struct op *
make_op(enum op_kind kind, struct message *m, struct worker *w,
    uint32_t request)
{
	struct op *op = zalloc(sizeof(*op));

	op->kind = kind;
	op->message = m;
	op->worker = w ? worker_ref(w) : NULL;
	op->request = request;
	if (m) {
		op->name = m->name;
		op->place = m->place;
	}
	return op;
}

static void
leave_line(void)
{
	if (qmgr.recording-- == RECORDING_MAX)
		bell_ring_one(&qmgr.dispatch);
	bell_ring(&qmgr.idle);
}

static void
free_op(struct op *op)
{
	if (op->worker)
		worker_unref(op->worker);
	arena_free(op->arena);
	free(op->states);
	free(op);
}

void
record_states(struct message *m, struct worker *w, uint32_t request)
{
	struct op *op = make_op(OP_STATES, m, w, request);

	take_changes(op, m);
	m->refs++; /* it must be there when the op is done */
	submit(op);
}

/* Postfix's: as long again as it is old, between two bounds. */
static int64_t
next_try(const struct message *m)
{
	const struct settings *s = qmgr.settings;
	int64_t now = service_wall() / 1000;
	int64_t age = now - m->body->m.envelope.arrived / 1000;

	if (age > s->maximal_backoff)
		age = s->maximal_backoff;
	if (age < s->minimal_backoff)
		age = s->minimal_backoff;
	return (now + age) / 1000;
}

static enum op_kind
choose_end(const struct message *m)
{
	if (m->body->corrupt)
		return OP_CORRUPT;
	if (bounce_is_due(m))
		return OP_TELL;
	if (message_count(m, QUEUE_PENDING) + message_count(m, QUEUE_DELAYED))
		return OP_DEFER;
	return OP_REMOVE;
}

void
record_end(struct message *m, struct worker *w, uint32_t request)
{
	struct op *op = make_op(choose_end(m), m, w, request);

	m->phase = MESSAGE_ENDING;
	if (op->kind != OP_REMOVE)
		take_changes(op, m);
	if (op->kind == OP_DEFER)
		op->due = next_try(m);
	submit(op);
}

void
record_wait(struct message *m)
{
	struct op *op = make_op(OP_DEFER, m, NULL, 0);

	take_changes(op, m);
	op->due = next_try(m);
	submit(op);
}

/* Verdicts as a worker says them: only what is final is put on record. */
static enum queue_verdict
verdict_of(uint64_t status)
{
	switch ((enum delivery_status)status) {
	case DELIVERY_SENT:
		return QUEUE_SENT;
	case DELIVERY_BOUNCED:
		return QUEUE_BOUNCED;
	case DELIVERY_DEFERRED:
	case DELIVERY_EXPIRED:
	case DELIVERY_DELIVERABLE:
		break;
	}
	return QUEUE_DELAYED;
}

static struct span
keep(struct arena *a, struct span s)
{
	char *copy = s.n > 0 ? arena_dup(a, s) : NULL;

	return copy ? (struct span){ copy, s.n } : SPAN("");
}

void
record_orphan(const struct msg_in *result, struct worker *w)
{
	struct op *op = make_op(OP_ORPHAN, NULL, w, result->id);
	struct span id = msg_str(result, MSG_FIELD_ID);
	struct span rest = result->fields;
	struct msg_in r;

	op->arena = arena_new(MSG_MAX * 2);
	op->states = zalloc(MSG_MAX / MSG_HEAD * sizeof(*op->states));
	memcpy(op->id.text, id.p,
	    id.n < QUEUE_ID_MAX ? id.n : QUEUE_ID_MAX - 1);
	while (msg_next_group(&rest, MSG_FIELD_RCPT, &r))
		op->states[op->n++] = (struct queue_state){
			.rcpt = (uint32_t)msg_u64(&r, MSG_FIELD_N),
			.verdict = verdict_of(msg_u64(&r, MSG_FIELD_STATUS)),
			.dsn = keep(op->arena, msg_str(&r, MSG_FIELD_DSN)),
			.text = keep(op->arena, msg_str(&r, MSG_FIELD_TEXT)),
			.time = service_wall(),
			.told = msg_u64(&r, MSG_FIELD_NOTIFY) &
			    QUEUE_NOTIFY_NEVER,
		};
	submit(op);
}

/* All ops that came together. */
struct round {
	struct op *ops[RECORD_BATCH];
	size_t n;
};

static int
append(struct op *op)
{
	if (op->n == 0)
		return 0;
	return queue_append_states(qmgr.queue, op->place, op->name.text,
	    op->states, op->n);
}

static int
append_and_move(struct op *op, enum queue_place to)
{
	int err = append(op);

	if (err || (op->place == to && op->due == 0))
		return err;
	return queue_move(qmgr.queue, op->place, op->name.text, to, op->due,
	    &op->name);
}

static int
run_op(struct op *op)
{
	int err;

	switch (op->kind) {
	case OP_STATES:
	case OP_TELL:
		return append(op);
	case OP_REMOVE:
		err = queue_remove(qmgr.queue, op->place, op->name.text);
		return err == -ENOENT ? 0 : err;
	case OP_DEFER:
		return append_and_move(op, QUEUE_DEFERRED);
	case OP_CORRUPT:
		return append_and_move(op, QUEUE_CORRUPT);
	case OP_ORPHAN:
		err = queue_find(qmgr.queue, op->id.text, &op->place,
		    &op->name);
		if (err == -ENOENT)
			return 0; /* all was done, and it is gone */
		return err ? err : append(op);
	}
	return 0;
}

/* Offloaded. */
static void
run_round(void *arg)
{
	struct round *r = arg;

	for (size_t i = 0; i < r->n; i++)
		r->ops[i]->err = run_op(r->ops[i]);
}

static struct span
id_of(const struct message *m)
{
	return span_str(m->id.text);
}

/*
 * It could not be put on record. To deliver it again would be wrong, so it stays
 * in memory and is tried again; after a crash it may be delivered twice.
 */
static void
keep_stuck(struct message *m, struct op *op)
{
	log_about(LOG_LEVEL_ERROR, m->id.text,
	    "what became of it cannot be recorded in %s/%s: %s",
	    queue_place_name(op->place), op->name.text, strerror(-op->err));
	m->phase = MESSAGE_STUCK;
	op->id = m->id;
	op->again = task_after(AGAIN_MS);
	list_append(&stuck, &op->link);
	bell_ring(&qmgr.released);
}

/* One that was given to who wanted to remove it is no more to be recorded. */
static void
try_again(struct op *op)
{
	struct message *m = qmgr_find(op->id.text);

	link_remove(&op->link);
	if (!m || m != op->message || m->phase != MESSAGE_STUCK) {
		free_op(op);
		return;
	}
	m->phase = MESSAGE_ENDING;
	op->err = 0;
	submit(op);
}

void
record_again(void)
{
	struct link *l = stuck.next, *next;

	for (; l && l != &stuck; l = next) {
		struct op *op = container_of(l, struct op, link);

		next = l->next;
		if (op->again <= task_now())
			try_again(op);
	}
}

/* Whether the op is done with. */
static bool
end_message(struct op *op)
{
	struct message *m = op->message;

	if (op->err == -ENOENT) {
		log_about(LOG_LEVEL_WARNING, m->id.text,
		    "somebody has removed %s/%s", queue_place_name(op->place),
		    op->name.text);
		forget(m);
		return true;
	}
	if (op->err) {
		keep_stuck(m, op);
		return false;
	}
	switch (op->kind) {
	case OP_REMOVE:
		maillog_removed(id_of(m));
		counter_add(COUNTER_REMOVED, 1);
		forget(m);
		break;
	case OP_DEFER:
		put_off(m, &op->name, op->due);
		break;
	case OP_TELL:
		bounce_begin(m);
		break;
	case OP_CORRUPT:
		log_about(LOG_LEVEL_WARNING, m->id.text,
		    "its content is damaged: moved to corrupt/%s",
		    op->name.text);
		forget(m);
		break;
	case OP_STATES:
	case OP_ORPHAN:
		break;
	}
	return true;
}

static void
finish(struct op *op)
{
	struct message *m = op->message;
	bool done = true;

	qmgr.dirty = true;
	leave_line();
	if (op->err && !m)
		log_error("%s: results cannot be recorded: %s", op->id.text,
		    strerror(-op->err));
	if (op->worker && !op->err)
		worker_ack(op->worker, op->request);
	if (op->kind == OP_ORPHAN) {
		agent_has_ended(op->id.text, op->worker);
	} else if (op->kind == OP_STATES) {
		if (op->err) {
			log_about(LOG_LEVEL_ERROR, m->id.text,
			    "results cannot be recorded: %s",
			    strerror(-op->err));
			give_back_changes(op);
		}
		message_unref(m);
	} else {
		done = end_message(op);
	}
	if (done)
		free_op(op);
}

static void
fill_round(struct round *r)
{
	r->n = 0;
	while (ops.next && !list_empty(&ops) && r->n < RECORD_BATCH) {
		struct op *op = container_of(ops.next, struct op, link);

		link_remove(&op->link);
		r->ops[r->n++] = op;
	}
}

/*
 * Where one round follows the other, the next waits a little for more: nobody
 * waits for it, and each costs a thread's wake-up and a packet to each worker.
 */
static enum task_wake
linger(int64_t last)
{
	if (task_now() - last > BUSY_MS)
		return TASK_READY;
	return task_sleep(task_after(LINGER_MS)) == TASK_CANCELLED
	    ? TASK_CANCELLED
	    : TASK_READY;
}

void
task_record(void *arg)
{
	enum task_wake wake = TASK_READY;
	int64_t last = 0;
	struct round r;

	(void)arg;
	for (;;) {
		fill_round(&r);
		if (r.n > 0) {
			task_offload(TASK_DISK, run_round, &r);
			for (size_t i = 0; i < r.n; i++)
				finish(r.ops[i]);
			workers_send_acks();
			last = task_now();
		} else if (wake == TASK_READY) {
			wake = bell_wait(&qmgr.record, TASK_NEVER);
			if (wake == TASK_READY)
				wake = linger(last);
		} else {
			return; /* cancelled, and nothing is left to record */
		}
	}
}
