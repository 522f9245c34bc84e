#include "imapd/mailbox/private.h"

#include "service/service.h"

#include <stdlib.h>

void
room_take(struct imap *s)
{
	if (s->room)
		return;
	s->room = zalloc(sizeof(*s->room));
	frame_init(&s->room->frame, s->room->text, sizeof(s->room->text));
	s->arena = arena_new(IMAP_ARENA_MAX);
	must(stream_resize(s->stream, IMAP_IN_MAX, IMAP_OUT_MAX));
}

void
room_give(struct imap *s)
{
	if (s->room && stream_resize(s->stream, 0, 0))
		room_free(s);
}

void
room_free(struct imap *s)
{
	if (!s->room)
		return;
	s->arena = arena_free(s->arena);
	explicit_bzero(s->room->text, s->room->frame.text.n);
	free(s->room);
	s->room = NULL;
}

static int64_t
write_deadline(const struct imap *s)
{
	return task_after(s->params->imapd_write_timeout);
}

/* What could not be sent will never be. */
static bool
note_write(struct imap *s, enum stream_result r)
{
	if (r == STREAM_OK)
		return true;
	s->lost = true;
	buf_drop(&s->stream->out, s->stream->out.n);
	if (r == STREAM_TIMEOUT)
		imap_end(s,
		    "Disconnected for inactivity in reading our output.");
	else
		imap_end_for(s, r);
	return false;
}

bool
imap_flush(struct imap *s)
{
	return !s->lost &&
	    note_write(s, stream_flush(s->stream, write_deadline(s)));
}

enum stream_result
room_bytes(struct imap *s, size_t max, int64_t deadline, struct span *bytes_r)
{
	enum stream_result r;

	if (stream_pending(s->stream) == 0 && !imap_flush(s))
		return STREAM_FAILED;
	r = stream_bytes(s->stream, max, deadline, bytes_r);
	if (r == STREAM_OK)
		s->counts.in += bytes_r->n;
	return r;
}

enum stream_result
room_next(struct imap *s, int64_t deadline, enum frame_result *outcome_r)
{
	struct frame *f = &s->room->frame;
	struct span bytes;

	do {
		enum stream_result r = room_bytes(s, IMAP_IN_MAX, deadline,
		    &bytes);

		if (r != STREAM_OK)
			return r;
		*outcome_r = frame_feed(f, &bytes);
		stream_unread(s->stream, bytes.n);
		s->counts.in -= bytes.n;
		if (*outcome_r == FRAME_LITERAL)
			imap_say(s, "+ OK\r\n");
	} while (*outcome_r == FRAME_MORE || *outcome_r == FRAME_LITERAL);
	return STREAM_OK;
}

enum stream_result
room_wait(struct imap *s, struct worker_news *news, int64_t deadline,
    bool *rung_r)
{
	struct bell *bells[] = { service_stop_bell(), NULL };

	*rung_r = false;
	if (stream_pending(s->stream) > 0)
		return STREAM_OK;
	if (!imap_flush(s))
		return STREAM_FAILED;
	/* While that was sent others ran, and the bell may have rung. */
	*rung_r = service_stopping() || (news && news->pending);
	if (*rung_r)
		return STREAM_OK;
	room_give(s);
	if (news)
		bells[1] = &news->bell;
	return stream_wait_bells(s->stream, bells, news ? 2 : 1, deadline,
	    rung_r);
}

enum imap_done
imap_end(struct imap *s, const char *reason)
{
	if (!s->reason)
		s->reason = reason;
	return IMAP_DONE_CLOSE;
}

enum imap_done
imap_end_for(struct imap *s, enum stream_result r)
{
	if (r == STREAM_TIMEOUT)
		return imap_end(s, "Disconnected for inactivity.");
	if (r == STREAM_CANCELLED)
		return imap_end(s, "Server shutting down.");
	return imap_end(s, "Connection closed");
}
