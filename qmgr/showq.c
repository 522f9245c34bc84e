/*
 * The queue as mailq shows it, from the files; what is active is known to us.
 */
#include "qmgr/qmgr.h"

#include "service/msg.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	BATCH = 16, /* messages read by one offload */
	RCPTS_IN_A_PACKET = 40,
	TEXT_MAX = 256, /* of a reason */
	SEND_MS = 60 * 1000,
	ARENA_MAX = 256 << 20,
};

static const enum queue_place places[] = {
	QUEUE_INCOMING,
	QUEUE_DEFERRED,
	QUEUE_HOLD,
};

struct listing {
	enum queue_place place;
	struct queue_name *names;
	size_t n;
	size_t max;
};

/* What one offload reads. */
struct page {
	const struct listing *listing;
	size_t first;
	size_t n;
	struct arena *arenas[BATCH];
	struct queue_message messages[BATCH];
	int err[BATCH];
};

static bool
collect(const char *name, int64_t due, void *arg)
{
	struct listing *l = arg;
	size_t len = strlen(name);

	(void)due;
	if (len >= QUEUE_NAME_MAX)
		return true;
	if (l->n == l->max) {
		l->max = l->max ? 2 * l->max : 256;
		l->names = reallocarray(l->names, l->max, sizeof(*l->names));
		if (!l->names)
			die("out of memory: %zu names", l->max);
	}
	memcpy(l->names[l->n++].text, name, len + 1);
	return true;
}

/* Offloaded. A folder that cannot be read is shown as empty, and logged. */
static void
list_names(void *arg)
{
	struct listing *l = arg;

	if (queue_scan(qmgr.queue, l->place, collect, l) < 0)
		l->n = 0;
}

/* Offloaded. */
static void
read_page(void *arg)
{
	struct page *p = arg;

	for (size_t i = 0; i < p->n; i++) {
		p->arenas[i] = arena_new(ARENA_MAX);
		p->err[i] = queue_load(qmgr.queue, p->listing->place,
		    p->listing->names[p->first + i].text, p->arenas[i],
		    &p->messages[i], NULL);
	}
}

static const char *
folder_of(const struct queue_message *q, enum queue_place place)
{
	const struct message *m = qmgr_find(q->id.text);

	if (m &&
	    (m->phase == MESSAGE_ACTIVE || m->phase == MESSAGE_ENDING ||
		m->phase == MESSAGE_LOADING))
		return "active";
	return queue_place_name(place);
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
send_message(struct channel *ch, uint32_t request,
    const struct queue_message *q, enum queue_place place)
{
	static char packet[MSG_MAX];
	const char *folder = folder_of(q, place);
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
		if (sent && p->err[i] == 0)
			sent = send_message(ch, request, &p->messages[i],
			    p->listing->place);
		arena_free(p->arenas[i]);
	}
	return sent && channel_flush(ch, task_after(SEND_MS)) == STREAM_OK;
}

static bool
send_folder(struct channel *ch, uint32_t request, enum queue_place place,
    struct page *p)
{
	struct listing l = { .place = place };
	bool sent = true;

	task_offload(TASK_DISK, list_names, &l);
	*p = (struct page){ .listing = &l };
	for (; sent && p->first < l.n; p->first += p->n) {
		p->n = l.n - p->first < BATCH ? l.n - p->first : BATCH;
		task_offload(TASK_DISK, read_page, p);
		sent = send_page(ch, request, p);
	}
	free(l.names);
	return sent;
}

void
showq_send(struct channel *ch, uint32_t request)
{
	struct page *p = zalloc(sizeof(*p));
	char packet[64];
	bool sent = true;
	struct buf b;

	for (size_t i = 0; sent && i < COUNT_OF(places); i++)
		sent = send_folder(ch, request, places[i], p);
	free(p);
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_LAST, request);
	if (sent && msg_end(&b, 0))
		sent = channel_send(ch, buf_span(&b), NULL, 0);
}
