/*
 * IDLE (RFC 2177): news of the mailbox as they come, until the client says DONE.
 */
#include "imapd/mailbox/private.h"

#include "service/service.h"

enum {
	LOOK_MS = 5 * 1000, /* where a mailbox cannot be watched */
	DONE_MS = 60 * 1000, /* for the rest of a line that has begun */
};

struct idle {
	bool watched;
	int64_t look; /* when next, if it is not */
	int64_t notify; /* when the next "Still here" is due */
	int64_t end; /* of patience */
};

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
next_moment(const struct idle *i)
{
	int64_t next = least(i->notify, i->end);

	return i->watched ? next : least(next, i->look);
}

/* The client has sent something: it can only be DONE. */
static enum imap_done
take_done(struct imap *s, const char **text_r)
{
	enum frame_result outcome;
	enum stream_result r;

	room_take(s);
	s->room->frame.literals = false;
	r = room_next(s, task_after(DONE_MS), &outcome);
	if (r != STREAM_OK)
		return imap_end_for(s, r);
	s->room->frame.literals = true;
	if (outcome == FRAME_COMMAND &&
	    span_ieq(buf_span(&s->room->frame.text), SPAN("DONE"))) {
		*text_r = "Idle completed.";
		return IMAP_DONE_OK;
	}
	*text_r = "Expected DONE";
	return IMAP_DONE_BAD;
}

/* A bell has rung, or a moment has come. */
static enum imap_done
tell_news(struct imap *s, struct idle *i, const char **text_r)
{
	room_take(s);
	s->news.pending = false;
	if (s->mbox && !imap_sync(s, 0, false, text_r))
		return IMAP_DONE_CLOSE;
	i->look = task_after(LOOK_MS);
	if (task_now() >= i->notify) {
		imap_say(s, "* OK Still here\r\n");
		i->notify = task_after(s->params->imapd_idle_notify_interval);
	}
	return IMAP_DONE_OK;
}

/* OK: it is to be gone on. */
static enum imap_done
wait_for_news(struct imap *s, struct idle *i, bool *input_r,
    const char **text_r)
{
	bool rung;
	enum stream_result r = room_wait(s, &s->news, next_moment(i), &rung);

	*input_r = r == STREAM_OK && !rung;
	if (service_stopping())
		*text_r = "Server shutting down.";
	else if (r == STREAM_TIMEOUT && task_now() >= i->end)
		*text_r = "Disconnected for inactivity.";
	if (*text_r)
		return imap_end(s, *text_r);
	if (r != STREAM_OK && r != STREAM_TIMEOUT)
		return imap_end_for(s, r);
	return IMAP_DONE_OK;
}

enum imap_done
imap_idle(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct idle i = {
		.look = task_after(LOOK_MS),
		.notify = task_after(s->params->imapd_idle_notify_interval),
		.end = task_after(s->params->imapd_timeout),
	};
	enum imap_done done = IMAP_DONE_OK;
	bool input = false;

	(void)c;
	i.watched = !s->mbox || worker_watch(s->in, s->mbox, &s->news);
	imap_say(s, "+ idling\r\n");
	/* What came before the watch is told now. */
	done = tell_news(s, &i, text_r);
	while (done == IMAP_DONE_OK && !input) {
		done = wait_for_news(s, &i, &input, text_r);
		if (done == IMAP_DONE_OK && !input)
			done = tell_news(s, &i, text_r);
	}
	if (s->mbox)
		mbox_unwatch(s->mbox);
	room_take(s);
	return done == IMAP_DONE_OK ? take_done(s, text_r) : done;
}
