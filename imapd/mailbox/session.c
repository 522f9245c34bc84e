#include "imapd/mailbox/private.h"

#include "service/service.h"

#include <stdlib.h>

enum {
	GOODBYE_MS = 2 * 1000, /* for the client to read our last line */
};

/* "* BYE reason", and the end. */
static bool
say_goodbye(struct imap *s, const char *reason)
{
	imap_end(s, reason);
	if (s->lost)
		return false;
	room_take(s);
	imap_answer(s, IMAP_DONE_CLOSE, s->reason);
	return false;
}

/* The connection is over, or nobody has used it for too long. */
static bool
end_for(struct imap *s, enum stream_result r)
{
	imap_end_for(s, r);
	if (r == STREAM_TIMEOUT || r == STREAM_CANCELLED)
		return say_goodbye(s, s->reason);
	return false;
}

static bool
refuse(struct imap *s, const char *error)
{
	s->errors++;
	imap_answer(s, IMAP_DONE_BAD, error);
	return true;
}

static bool
run_text(struct imap *s)
{
	struct imap_command c;
	const char *error = NULL;
	enum imap_parsed parsed = imap_parse(buf_span(&s->room->frame.text),
	    s->arena, &c, &error);

	if (!imap_keep_tag(s, c.tag))
		return refuse(s, "Tag is too long");
	switch (parsed) {
	case IMAP_OK:
		break;
	case IMAP_BAD:
		return refuse(s, error);
	case IMAP_LIMIT:
		imap_answer(s, IMAP_DONE_NO, "[LIMIT] Command is too large");
		return true;
	}
	return imap_run(s, &c);
}

/* Between two commands, with nothing in hand. */
static bool
wait_for_command(struct imap *s, int64_t deadline)
{
	bool rung;
	enum stream_result r;

	do {
		if (service_stopping())
			return say_goodbye(s, "Server shutting down.");
		r = room_wait(s, NULL, deadline, &rung);
	} while (r == STREAM_OK && rung);
	if (r != STREAM_OK)
		return end_for(s, r);
	room_take(s);
	return true;
}

/* False: the session is over. */
static bool
serve_one(struct imap *s)
{
	int64_t deadline = task_after(s->params->imapd_timeout);
	enum frame_result outcome;
	enum stream_result r;

	if (!wait_for_command(s, deadline))
		return false;
	r = room_next(s, deadline, &outcome);
	if (r != STREAM_OK)
		return end_for(s, r);
	switch (outcome) {
	case FRAME_COMMAND:
		if (!run_text(s))
			return false;
		break;
	case FRAME_APPEND:
		if (!imap_append(s))
			return false;
		break;
	case FRAME_CLOSE:
		return say_goodbye(s, s->room->frame.error);
	case FRAME_BAD:
		s->tag = frame_tag(&s->room->frame);
		refuse(s, s->room->frame.error);
		break;
	case FRAME_MORE:
	case FRAME_LITERAL:
		break;
	}
	if (s->arena)
		arena_reset(s->arena);
	if (s->errors >= s->params->imapd_error_limit)
		return say_goodbye(s, "Too many invalid IMAP commands.");
	return !s->lost;
}

struct user_step {
	struct imap *s;
	struct why why;
};

static void
open_user(void *arg)
{
	struct user_step *step = arg;
	struct imap *s = step->s;

	s->user = store_user_open(s->in->store, s->in->mailbox,
	    span_str(s->params->mail_special_folders), &step->why);
}

static void
close_user(void *arg)
{
	struct imap *s = arg;

	s->mbox = mbox_close(s->mbox);
	s->user = store_user_close(s->user);
}

/* Answers the command that has logged in, whose tag came with the session. */
static bool
greet(struct imap *s)
{
	struct user_step step = { .s = s };

	room_take(s);
	s->tag = s->in->tag.n ? s->in->tag : SPAN("*");
	if (s->in->too_many) {
		imap_answer(s, IMAP_DONE_NO,
		    "[LIMIT] Maximum number of connections from user+IP "
		    "exceeded (mail_max_userip_connections)");
		return say_goodbye(s, "Too many connections.");
	}
	task_offload(TASK_DISK, open_user, &step);
	if (!s->user) {
		worker_log(s->in, "Error: cannot open the mail: %s",
		    step.why.text);
		imap_answer(s, IMAP_DONE_NO,
		    "[UNAVAILABLE] The mail cannot be opened now");
		return say_goodbye(s, "Temporary failure, try again later.");
	}
	out_put(&s->out, s->tag);
	imap_say(s, " OK [CAPABILITY ");
	out_put(&s->out, imap_capabilities);
	imap_say(s, "] Logged in\r\n");
	return true;
}

/*
 * imap(alice@demo.test)<123><session>: Disconnected: Logged out in=1 out=2
 * deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 ...
 */
static void
log_end(const struct imap *s)
{
	const struct imap_counts *c = &s->counts;

	worker_log(s->in,
	    "Disconnected: %s in=%llu out=%llu deleted=%llu expunged=%llu"
	    " trashed=%llu hdr_count=%llu hdr_bytes=%llu body_count=%llu"
	    " body_bytes=%llu",
	    s->reason ? s->reason : "Connection closed",
	    (unsigned long long)c->in, (unsigned long long)c->out,
	    (unsigned long long)c->deleted, (unsigned long long)c->expunged,
	    (unsigned long long)c->trashed, (unsigned long long)c->hdr_count,
	    (unsigned long long)c->hdr_bytes, (unsigned long long)c->body_count,
	    (unsigned long long)c->body_bytes);
}

static void
put_out(struct span piece, void *arg)
{
	struct imap *s = arg;

	if (s->lost)
		return;
	s->counts.out += piece.n;
	while (piece.n > buf_room(&s->stream->out) && !s->lost) {
		struct span head = { piece.p, buf_room(&s->stream->out) };

		buf_put(&s->stream->out, head);
		piece = (struct span){ piece.p + head.n, piece.n - head.n };
		imap_flush(s);
	}
	if (!s->lost)
		buf_put(&s->stream->out, piece);
}

void
imap_serve(struct session_in *in, const struct imap_params *params)
{
	struct imap s = {
		.params = params,
		.in = in,
		.stream = in->stream,
		.out = { .put = put_out, .arg = &s },
	};
	bool go_on;

	bell_init(&s.news.bell, "news of a mailbox");
	go_on = greet(&s);
	while (go_on)
		go_on = serve_one(&s);
	/* The last words go out while the store is closed. */
	imap_flush(&s);
	task_offload(TASK_DISK, close_user, &s);
	log_end(&s);
	if (!s.lost)
		stream_finish(s.stream, task_after(GOODBYE_MS));
	room_free(&s);
}
