/*
 * The queue as mailq shows it.
 */
#include "qmgr/listing.h"

#include "service/msg.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	RCPTS_IN_A_PACKET = 40,
	TEXT_MAX = 256, /* of a reason */
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

	listing_make(&l);
	for (size_t at = 0; sent && page_fill(p, &l, at); at += p->n)
		sent = send_page(ch, request, p);
	page_free(p);
	listing_free(&l);
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_LAST, request);
	if (sent && msg_end(&b, 0))
		sent = channel_send(ch, buf_span(&b), NULL, 0);
}
