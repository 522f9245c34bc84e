/*
 * The queue as mailq shows it. Which messages there are we know, but for those on
 * hold; what is in them, from their files.
 */
#include "qmgr/qmgr.h"

#include "service/msg.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	BATCH = 64, /* messages read by one offload */
	RCPTS_IN_A_PACKET = 40,
	TEXT_MAX = 256, /* of a reason */
	SEND_MS = 60 * 1000,
	MOVED_MS = 1000, /* until we know of it */
	ARENA_MAX = 256 << 20,
};

/* Where a message lay when it was looked for last. */
struct listed {
	struct queue_id id;
	struct queue_name name;
	enum queue_place place;
};

struct listing {
	struct listed *rows;
	size_t n;
	size_t max;
};

/* What one offload reads. */
struct page {
	size_t n;
	struct shown {
		struct listed *at;
		struct arena *arena;
		struct queue_message message;
		int err;
	} rows[BATCH];
};

static void
list_one(struct listing *l, const struct queue_id *id, enum queue_place place,
    const char *name)
{
	if (l->n == l->max) {
		l->max = l->max ? 2 * l->max : 256;
		l->rows = reallocarray(l->rows, l->max, sizeof(*l->rows));
		if (!l->rows)
			die("out of memory: %zu messages", l->max);
	}

	struct listed *to = &l->rows[l->n++];

	*to = (struct listed){ .id = *id, .place = place };
	memcpy(to->name.text, name, strlen(name) + 1);
}

static bool
collect_held(const char *name, int64_t due, void *arg)
{
	struct queue_id id;

	(void)due;
	if (strlen(name) < QUEUE_NAME_MAX && queue_name_id(name, &id))
		list_one(arg, &id, QUEUE_HOLD, name);
	return true;
}

/* Offloaded. A folder that cannot be read is shown as empty. */
static void
list_held(void *arg)
{
	struct listing *l = arg;

	if (queue_scan(qmgr.queue, QUEUE_HOLD, collect_held, l) < 0)
		l->n = 0;
}

/*
 * Whatever was accepted before the question is in the answer: we may not have been
 * told of it yet. And what moves while the answer is given is in it once.
 */
static void
list_all(struct listing *l)
{
	struct hash_link *at = NULL;

	scan_arrivals();
	task_offload(TASK_DISK, list_held, l);
	while ((at = hash_next(&qmgr.messages, at))) {
		struct message *m = container_of(at, struct message, by_id);

		list_one(l, &m->id, m->place, m->name.text);
	}
}

/* Offloaded. */
static void
read_one(void *arg)
{
	struct shown *s = arg;

	s->err = queue_load(qmgr.queue, s->at->place, s->at->name.text,
	    s->arena, &s->message, NULL);
}

/* Offloaded. */
static void
read_page(void *arg)
{
	struct page *p = arg;

	for (size_t i = 0; i < p->n; i++)
		read_one(&p->rows[i]);
}

static bool
is_at(const struct message *m, const struct listed *at)
{
	return m->place == at->place &&
	    strcmp(m->name.text, at->name.text) == 0;
}

/*
 * It was moved since, or is gone. Who moves it tells the disk first and then us,
 * so there may be a moment to wait.
 */
static void
follow(struct shown *s)
{
	int64_t by = task_after(MOVED_MS);
	const struct message *m;

	while (s->err == -ENOENT && (m = qmgr_find(s->at->id.text))) {
		if (!is_at(m, s->at)) {
			*s->at = (struct listed){ m->id, m->name, m->place };
			task_offload(TASK_DISK, read_one, s);
		} else if (bell_wait(&qmgr.released, by) != TASK_READY) {
			return;
		}
	}
}

static void
fill_page(struct page *p, const struct listing *l, size_t first)
{
	for (p->n = 0; p->n < BATCH && first + p->n < l->n; p->n++)
		p->rows[p->n] = (struct shown){
			.at = &l->rows[first + p->n],
			.arena = arena_new(ARENA_MAX),
		};
	task_offload(TASK_DISK, read_page, p);
	for (size_t i = 0; i < p->n; i++)
		follow(&p->rows[i]);
}

static const char *
folder_of(const struct listed *at)
{
	const struct message *m = qmgr_find(at->id.text);

	if (m &&
	    (m->phase == MESSAGE_ACTIVE || m->phase == MESSAGE_ENDING ||
		m->phase == MESSAGE_LOADING))
		return "active";
	return queue_place_name(at->place);
}

static bool
is_open(const struct queue_state *s)
{
	return s->verdict != QUEUE_SENT &&
	    (!s->told || s->verdict == QUEUE_DELAYED);
}

static void
put_rcpt(struct buf *b, const struct queue_message *q, size_t n)
{
	const struct queue_state *s = &q->states[n];
	struct span text = s->text;
	size_t group = msg_group_begin(b, MSG_FIELD_RCPT);

	if (text.n > TEXT_MAX)
		text.n = TEXT_MAX;
	msg_put_u64(b, MSG_FIELD_N, n);
	msg_put_str(b, MSG_FIELD_ADDR, q->rcpts[n].addr);
	msg_put_opt(b, MSG_FIELD_DSN, s->dsn);
	msg_put_opt(b, MSG_FIELD_TEXT, text);
	msg_group_end(b, group);
}

/* Puts recipients from *next_r on; a message of many takes several packets. */
static void
put_message(struct buf *b, uint32_t request, const struct queue_message *q,
    const char *folder, size_t *next_r)
{
	unsigned put = 0;

	msg_begin(b, MSG_QUEUED, request);
	msg_put_str(b, MSG_FIELD_ID, span_str(q->id.text));
	msg_put_str(b, MSG_FIELD_QUEUE, span_str(folder));
	msg_put_str(b, MSG_FIELD_SENDER, q->envelope.sender);
	msg_put_u64(b, MSG_FIELD_SIZE, q->content_length);
	msg_put_u64(b, MSG_FIELD_ARRIVED, (uint64_t)q->envelope.arrived);
	for (; *next_r < q->n && put < RCPTS_IN_A_PACKET; ++*next_r) {
		if (!is_open(&q->states[*next_r]))
			continue;
		put_rcpt(b, q, *next_r);
		put++;
	}
}

static bool
send_message(struct channel *ch, uint32_t request, const struct shown *s)
{
	static char packet[MSG_MAX];
	const struct queue_message *q = &s->message;
	const char *folder = folder_of(s->at);
	size_t next = 0;

	do {
		struct buf b;

		buf_init(&b, packet, sizeof(packet));
		put_message(&b, request, q, folder, &next);
		if (!msg_end(&b, 0) || !channel_send(ch, buf_span(&b), NULL, 0))
			return false;
	} while (next < q->n);
	return true;
}

static bool
send_page(struct channel *ch, uint32_t request, struct page *p)
{
	bool sent = true;

	for (size_t i = 0; i < p->n; i++) {
		if (sent && p->rows[i].err == 0)
			sent = send_message(ch, request, &p->rows[i]);
		arena_free(p->rows[i].arena);
	}
	return sent && channel_flush(ch, task_after(SEND_MS)) == STREAM_OK;
}

void
showq_send(struct channel *ch, uint32_t request)
{
	struct page *p = zalloc(sizeof(*p));
	struct listing l = { 0 };
	char packet[64];
	bool sent = true;
	struct buf b;

	list_all(&l);
	for (size_t at = 0; sent && at < l.n; at += p->n) {
		fill_page(p, &l, at);
		sent = send_page(ch, request, p);
	}
	free(p);
	free(l.rows);
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_LAST, request);
	if (sent && msg_end(&b, 0))
		sent = channel_send(ch, buf_span(&b), NULL, 0);
}
