#include "pop3d/front/serve.h"

#include "task/task.h"

#include <stdlib.h>

/* Gives the session its next line. False: the client has no more to say. */
static bool
take_line(struct front_client *c, struct pop3_login *s)
{
	struct span line;
	enum stream_result r = stream_line(c->stream, POP3_LINE_MAX,
	    STREAM_CRLF, c->by, &line);

	if (r != STREAM_OK) {
		front_lost(c, r);
		return false;
	}
	pop3_login_line(s, line);
	return true;
}

static void
ask_auth(struct front_client *c, struct pop3_login *s)
{
	const struct front_question q = {
		.mech = s->method,
		.has_initial = true,
		.initial = s->response,
	};

	switch (front_auth(c, &q)) {
	case FRONT_OK:
		pop3_login_auth(s, POP3_LOGIN_OK);
		break;
	case FRONT_CONTINUE: /* of PLAIN there is no challenge */
	case FRONT_DENIED:
		pop3_login_auth(s, POP3_LOGIN_DENIED);
		break;
	case FRONT_UNKNOWN:
		pop3_login_auth(s, POP3_LOGIN_UNKNOWN);
		break;
	}
}

static bool
make_room(struct front_client *c)
{
	enum stream_result r = STREAM_OK;

	if (buf_room(&c->stream->out) < POP3_LOGIN_OUT)
		r = stream_flush(c->stream, c->by);
	front_lost(c, r);
	return r == STREAM_OK;
}

/* Does what the session wants until it, or the client, wants no more. */
static void
converse(struct front_client *c, struct pop3_login *s)
{
	while (make_room(c))
		switch (s->want) {
		case POP3_LOGIN_LINE:
			if (!take_line(c, s))
				return;
			break;
		case POP3_LOGIN_TLS:
			if (!front_starttls(c))
				return;
			pop3_login_tls(s, true);
			break;
		case POP3_LOGIN_AUTH:
			ask_auth(c, s);
			break;
		case POP3_LOGIN_HAND_OVER:
			if (front_hand_over(c, SPAN("")))
				return;
			pop3_login_refuse(s);
			break;
		case POP3_LOGIN_CLOSE:
			return;
		}
}

static void
note_reason(struct front_client *c, const struct pop3_login *s)
{
	c->told_clear = s->told_clear;
	if (c->reason || s->want != POP3_LOGIN_CLOSE)
		return;
	c->reason = s->logged_out ? "Aborted login by logging out"
				  : "Too many invalid commands";
}

void
pop3_front_serve(struct front_client *c)
{
	const struct front_settings *settings = front_settings();
	const struct pop3_login_config config = {
		.greeting = settings->banner,
		.has_tls = settings->has_tls,
		.clear_too = c->clear_too,
		.errors_max = settings->errors_max,
	};
	struct pop3_login *s = zalloc(sizeof(*s));

	pop3_login_init(s, &config, c->tls, &c->stream->out);
	converse(c, s);
	note_reason(c, s);
	pop3_login_fini(s);
	free(s);
}
