#include "imapd/front/serve.h"

#include "task/task.h"

#include <stdlib.h>

/* Gives the session what has come. False: the client has no more to say. */
static bool
take_input(struct front_client *c, struct imap_login *s)
{
	struct span in;
	enum stream_result r = stream_bytes(c->stream, IMAP_FRONT_IN, c->by,
	    &in);

	if (r != STREAM_OK) {
		front_lost(c, r);
		return false;
	}
	imap_login_feed(s, &in);
	/* What is left is for the next step, or for the mailbox's side. */
	stream_unread(c->stream, in.n);
	return true;
}

static void
ask_auth(struct front_client *c, struct imap_login *s)
{
	const struct front_question q = {
		.mech = s->mech,
		.has_initial = s->has_response,
		.initial = s->response,
	};

	switch (s->began ? front_auth(c, &q) : front_respond(c, s->response)) {
	case FRONT_OK:
		imap_login_auth(s, IMAP_LOGIN_OK, SPAN(""));
		break;
	case FRONT_CONTINUE:
		imap_login_auth(s, IMAP_LOGIN_CONTINUE, c->challenge);
		break;
	case FRONT_DENIED:
		imap_login_auth(s, IMAP_LOGIN_DENIED, SPAN(""));
		break;
	case FRONT_UNKNOWN:
		imap_login_auth(s, IMAP_LOGIN_UNKNOWN, SPAN(""));
		break;
	}
}

static bool
make_room(struct front_client *c)
{
	enum stream_result r = STREAM_OK;

	if (buf_room(&c->stream->out) < IMAP_LOGIN_OUT)
		r = stream_flush(c->stream, c->by);
	front_lost(c, r);
	return r == STREAM_OK;
}

/* Does what the session wants until it, or the client, wants no more. */
static void
converse(struct front_client *c, struct imap_login *s)
{
	while (make_room(c))
		switch (s->want) {
		case IMAP_LOGIN_INPUT:
			if (!take_input(c, s))
				return;
			break;
		case IMAP_LOGIN_TLS:
			if (!front_starttls(c))
				return;
			imap_login_tls(s, true);
			break;
		case IMAP_LOGIN_AUTH:
			ask_auth(c, s);
			break;
		case IMAP_LOGIN_HAND_OVER:
			if (front_hand_over(c, s->tag))
				return;
			imap_login_refuse(s);
			break;
		case IMAP_LOGIN_CLOSE:
			return;
		}
}

static void
note_reason(struct front_client *c, const struct imap_login *s)
{
	c->told_clear = s->told_clear;
	if (c->reason || s->want != IMAP_LOGIN_CLOSE)
		return;
	c->reason = s->logged_out ? "Aborted login by logging out"
				  : "Too many invalid commands";
}

void
imap_front_serve(struct front_client *c)
{
	const struct front_settings *settings = front_settings();
	const struct imap_login_config config = {
		.greeting = settings->banner,
		.has_tls = settings->has_tls,
		.clear_too = c->clear_too,
		.errors_max = settings->errors_max,
	};
	struct imap_login *s = zalloc(sizeof(*s));

	imap_login_init(s, &config, c->tls, &c->stream->out);
	converse(c, s);
	note_reason(c, s);
	imap_login_fini(s);
	free(s);
}
