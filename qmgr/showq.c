/*
 * The queue as mailq shows it.
 */
#include "qmgr/listing.h"

#include "base/log.h"
#include "service/msg.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	RCPTS_IN_A_PACKET = 40,
	TEXT_MAX = 256, /* of a reason */
	PACKED_MAX = 4096, /* a larger message travels alone */
	FIELD_ROOM = 8, /* what stands before a field */
	SEND_MS = 60 * 1000,
};

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
	if (queue_is_forced(q))
		msg_put_u64(b, MSG_FIELD_FORCED, 1);
	for (; *next_r < q->n && put < RCPTS_IN_A_PACKET; ++*next_r) {
		if (!queue_is_open(&q->states[*next_r]))
			continue;
		put_rcpt(b, q, *next_r);
		put++;
	}
}

/* Messages on their way: many small ones go in one packet. */
struct outlet {
	struct channel *ch;
	uint32_t request;
	struct buf b; /* a PACKED that was begun, or empty */
	char packet[MSG_MAX];
};

static bool
send_packed(struct outlet *o)
{
	bool sent = o->b.n == 0 ||
	    (msg_end(&o->b, 0) &&
		channel_send(o->ch, buf_span(&o->b), NULL, 0));

	buf_init(&o->b, o->packet, sizeof(o->packet));
	return sent;
}

static bool
pack(struct outlet *o, struct span message)
{
	if (buf_room(&o->b) < message.n + FIELD_ROOM && !send_packed(o))
		return false;
	if (o->b.n == 0)
		msg_begin(&o->b, MSG_PACKED, o->request);
	msg_put_str(&o->b, MSG_FIELD_MESSAGE, message);
	return true;
}

static bool
send_message(struct outlet *o, const struct shown *s)
{
	static char packet[MSG_MAX];
	const struct queue_message *q = &s->message;
	const char *folder = folder_of(s->at);
	size_t next = 0;

	do {
		struct buf b;

		buf_init(&b, packet, sizeof(packet));
		put_message(&b, o->request, q, folder, &next);
		if (!msg_end(&b, 0))
			return false;
		if (b.n <= PACKED_MAX ? !pack(o, buf_span(&b))
				      : !send_packed(o) ||
			    !channel_send(o->ch, buf_span(&b), NULL, 0))
			return false;
	} while (next < q->n);
	return true;
}

static bool
send_page(struct outlet *o, struct page *p)
{
	bool sent = true;

	for (size_t i = 0; i < p->n; i++) {
		if (sent && p->rows[i].err == 0)
			sent = send_message(o, &p->rows[i]);
	}
	return sent && channel_flush(o->ch, task_after(SEND_MS)) == STREAM_OK;
}

static bool
send_last(struct outlet *o)
{
	msg_begin(&o->b, MSG_LAST, o->request);
	return send_packed(o);
}

void
showq_send(struct channel *ch, uint32_t request)
{
	struct outlet *o = zalloc(sizeof(*o));
	struct page *p = zalloc(sizeof(*p));
	struct listing l = { 0 };
	bool sent = true;

	o->ch = ch;
	o->request = request;
	buf_init(&o->b, o->packet, sizeof(o->packet));
	listing_make(&l);
	for (size_t at = 0; sent && page_fill(p, &l, at); at += p->n)
		sent = send_page(o, p);
	page_free(p);
	listing_free(&l);
	if (!sent || !send_packed(o) || !send_last(o))
		log_debug("who wanted to see the queue is gone");
	free(o);
}
