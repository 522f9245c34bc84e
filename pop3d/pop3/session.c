#include "pop3d/pop3/session.h"

#include "login/worker.h"
#include "pop3d/mailbox.h"
#include "pop3d/stuff.h"
#include "service/service.h"
#include "store/store.h"
#include "task/task.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ERRORS_MAX = 20, /* refusals in a session */
	PIECE_MAX = 32768, /* of a message's file */
	GOODBYE_MS = 5000,
};

struct pop3_settings pop3_settings;

/* How it ended, in the words of the log. */
static const char logged_out[] = "Logged out";
static const char inactive[] = "Disconnected for inactivity";
static const char closed[] = "Connection closed";
static const char shut_down[] = "Server shutting down";
static const char too_many_errors[] = "Too many bad commands";
static const char broken[] = "Internal error occurred";

struct pop3 {
	struct session_in *in;
	struct store_user *user;
	struct mbox *mbox;
	struct pop3_mailbox core;
	struct uidset seen; /* what RETR has sent */
	const char *ended;
	uint64_t size; /* of all that was there */
	size_t tops, retrs;
	uint64_t top_bytes; /* that were read for them */
	uint64_t retr_bytes;
	struct why why;
};

/* Offloaded: the view is what the session sees to its end. */
static void
open_inbox(void *arg)
{
	struct pop3 *p = arg;
	struct span special = span_str(pop3_settings.special_folders);
	const struct mbox_message *m;

	p->user = store_user_open(p->in->store, p->in->mailbox, special,
	    &p->why);
	if (!p->user)
		return;
	if (mbox_open(p->user, SPAN("INBOX"), 0, &p->mbox) != STORE_OK) {
		why_set(&p->why, EIO, NULL, 0, "INBOX cannot be opened");
		return;
	}
	m = mbox_messages(p->mbox, &p->core.n);
	p->core.messages = zalloc((p->core.n + 1) * sizeof(*p->core.messages));
	for (size_t i = 0; i < p->core.n; i++) {
		p->core.messages[i].uid = m[i].uid;
		p->core.messages[i].size = m[i].size;
		p->size += m[i].size;
	}
	p->core.uidvalidity = mbox_uidvalidity(p->mbox);
}

/* Offloaded. */
static void
close_inbox(void *arg)
{
	struct pop3 *p = arg;

	p->mbox = mbox_close(p->mbox);
	p->user = store_user_close(p->user);
}

/* Offloaded: one go, so that clients see all of it or nothing. */
static void
mark_seen(void *arg)
{
	struct pop3 *p = arg;

	/* That it was read is a hint for others; the mail is there. */
	(void)!mbox_store_flags(p->mbox, &p->seen, MBOX_FLAGS_ADD, STORE_SEEN,
	    0, NULL);
}

struct deletion {
	struct pop3 *p;
	bool done;
};

/* Offloaded. */
static void
delete_all(void *arg)
{
	struct deletion *d = arg;
	struct pop3_mailbox *core = &d->p->core;
	struct uidset gone CLEANUP(uidset_finip) = { 0 };

	for (size_t i = 0; i < core->n; i++)
		if (core->messages[i].deleted)
			uidset_add(&gone, core->messages[i].uid,
			    core->messages[i].uid);
	d->done = mbox_store_flags(d->p->mbox, &gone, MBOX_FLAGS_ADD,
		      STORE_DELETED, 0, NULL) == STORE_OK &&
	    mbox_expunge(d->p->mbox, &gone) == STORE_OK;
}

/* A message's file that is being sent. */
struct body {
	struct pop3 *p;
	struct stuff stuff;
	int fd;
	enum store_result result;
	uint64_t at;
	ssize_t n; /* bytes of ->piece; 0: the end */
	char piece[PIECE_MAX];
};

/* Offloaded. */
static void
open_body(void *arg)
{
	struct body *b = arg;
	struct pop3_mailbox *core = &b->p->core;
	uint64_t size;

	b->result = mbox_body(b->p->mbox, core->messages[core->at].uid, &b->fd,
	    &size);
}

/* Offloaded. */
static void
read_piece(void *arg)
{
	struct body *b = arg;

	do
		b->n = pread(b->fd, b->piece, sizeof(b->piece), (off_t)b->at);
	while (b->n < 0 && errno == EINTR);
	if (b->n > 0)
		b->at += (uint64_t)b->n;
}

static int64_t
deadline(void)
{
	return task_after(pop3_settings.timeout);
}

static enum stream_result
send_piece(struct body *b)
{
	struct stream *s = b->p->in->stream;
	struct span piece = { b->piece, (size_t)b->n };
	enum stream_result r = STREAM_OK;

	while (piece.n > 0 && r == STREAM_OK) {
		stuff_put(&b->stuff, &piece, &s->out);
		if (piece.n > 0 || buf_room(&s->out) < STUFF_ROOM)
			r = stream_flush(s, deadline());
	}
	return r;
}

/* What cannot be sent whole must not look as if it were: it is cut off. */
static enum stream_result
send_body(struct body *b)
{
	enum stream_result r = STREAM_OK;

	do {
		task_offload(TASK_DISK, read_piece, b);
		if (b->n < 0)
			return STREAM_FAILED;
		r = send_piece(b);
	} while (r == STREAM_OK && b->n > 0 && !b->stuff.ended);
	if (r == STREAM_OK && buf_room(&b->p->in->stream->out) < STUFF_ROOM)
		r = stream_flush(b->p->in->stream, deadline());
	if (r == STREAM_OK)
		stuff_end(&b->stuff, &b->p->in->stream->out);
	return r;
}

static void
count_body(struct pop3 *p, const struct body *b)
{
	const struct pop3_message *m = &p->core.messages[p->core.at];

	if (p->core.is_top) {
		p->tops++;
		p->top_bytes += b->at;
	} else {
		p->retrs++;
		p->retr_bytes += m->size;
		uidset_add(&p->seen, m->uid, m->uid);
	}
}

static enum stream_result
send_message(struct pop3 *p)
{
	struct body *b = zalloc(sizeof(*b));
	enum stream_result r = STREAM_OK;

	b->p = p;
	b->fd = -1;
	if (p->core.is_top)
		stuff_top(&b->stuff, p->core.lines);
	else
		stuff_all(&b->stuff);
	task_offload(TASK_DISK, open_body, b);
	switch (b->result) {
	case STORE_OK:
		pop3_opened(&p->core, POP3_OPENED);
		r = send_body(b);
		if (r == STREAM_OK)
			pop3_sent(&p->core);
		count_body(p, b);
		task_close(b->fd);
		break;
	case STORE_ABSENT:
		pop3_opened(&p->core, POP3_GONE);
		break;
	default:
		pop3_opened(&p->core, POP3_UNREADABLE);
		break;
	}
	free(b);
	return r;
}

/* Waits until the client says something; meanwhile there are no buffers. */
static enum stream_result
wait_for_client(struct pop3 *p)
{
	struct stream *s = p->in->stream;
	enum stream_result r = stream_flush(s, deadline());
	bool rung;

	if (r == STREAM_OK && stream_resize(s, 0, 0)) {
		r = stream_wait_also(s, service_stop_bell(), deadline(), &rung);
		must(stream_resize(s, POP3_IN_MAX, POP3_STREAM_OUT_MAX));
	}
	if (r == STREAM_OK && service_stopping()) {
		buf_put(&s->out,
		    SPAN("-ERR [SYS/TEMP] Server shutting down.\r\n"));
		p->ended = shut_down;
		return STREAM_CANCELLED;
	}
	return r;
}

/* Gives the next line to the core; or the session has to end. */
static enum stream_result
take_line(struct pop3 *p)
{
	struct stream *s = p->in->stream;
	enum stream_result r = STREAM_OK;
	struct span line;

	if (stream_pending(s) == 0)
		r = wait_for_client(p);
	if (r == STREAM_OK)
		r = stream_line(s, POP3_LINE_MAX, STREAM_CRLF, deadline(),
		    &line);
	if (r == STREAM_OK)
		pop3_line(&p->core, line);
	return r;
}

static void
delete_messages(struct pop3 *p)
{
	struct deletion d = { .p = p };

	task_offload(TASK_DISK, delete_all, &d);
	if (!d.done)
		worker_log(p->in, "Some deleted messages were not removed");
	pop3_deleted(&p->core, d.done);
}

static enum stream_result
step(struct pop3 *p)
{
	enum stream_result r = STREAM_OK;

	/* Room for what any answer needs. */
	if (buf_room(&p->in->stream->out) < POP3_MAILBOX_OUT)
		r = stream_flush(p->in->stream, deadline());
	if (r != STREAM_OK)
		return r;
	switch (p->core.want) {
	case POP3_WANT_LINE:
		return take_line(p);
	case POP3_WANT_ROOM:
		r = stream_flush(p->in->stream, deadline());
		pop3_go_on(&p->core);
		return r;
	case POP3_WANT_OPEN:
		return send_message(p);
	case POP3_WANT_DELETE:
		delete_messages(p);
		return STREAM_OK;
	case POP3_WANT_BODY: /* never seen here: send_message() sends it */
	case POP3_WANT_CLOSE:
		break;
	}
	return STREAM_OK;
}

static void
say_why(struct pop3 *p, enum stream_result r)
{
	if (p->ended)
		return;
	p->ended = closed;
	if (r == STREAM_OK) {
		p->ended = p->core.errors >= ERRORS_MAX ? too_many_errors
							: logged_out;
	} else if (r == STREAM_TIMEOUT) {
		p->ended = inactive;
		buf_put(&p->in->stream->out,
		    SPAN("-ERR Disconnected for inactivity.\r\n"));
	} else if (r == STREAM_TOO_LONG) {
		p->ended = too_many_errors;
		buf_put(&p->in->stream->out,
		    SPAN("-ERR Input line is too long.\r\n"));
	}
}

static void
converse(struct pop3 *p)
{
	enum stream_result r = STREAM_OK;

	pop3_begin(&p->core);
	while (r == STREAM_OK && p->core.want != POP3_WANT_CLOSE)
		r = step(p);
	if (p->seen.n > 0)
		task_offload(TASK_DISK, mark_seen, p);
	say_why(p, r);
}

static void
log_end(const struct pop3 *p)
{
	worker_log(p->in,
	    "Disconnected: %s top=%zu/%" PRIu64 ", retr=%zu/%" PRIu64
	    ", del=%zu/%zu, size=%" PRIu64,
	    p->ended, p->tops, p->top_bytes, p->retrs, p->retr_bytes,
	    p->ended == logged_out ? p->core.deleted_n : 0, p->core.n, p->size);
}

/* RFC 2449, section 8.1.1 */
static void
refuse_crowd(struct session_in *in)
{
	worker_log(in,
	    "Disconnected: too many sessions from this address "
	    "(mail_max_userip_connections)");
	buf_put(&in->stream->out,
	    SPAN("-ERR [IN-USE] Maximum number of connections from your "
		 "address exceeded.\r\n"));
	stream_finish(in->stream, task_after(GOODBYE_MS));
}

void
pop3_serve(struct session_in *in)
{
	struct pop3 *p = zalloc(sizeof(*p));

	if (in->too_many) {
		refuse_crowd(in);
		free(p);
		return;
	}
	p->in = in;
	p->core.out = &in->stream->out;
	p->core.errors_max = ERRORS_MAX;
	p->core.uidl_format = pop3_settings.uidl_format;
	task_offload(TASK_DISK, open_inbox, p);
	if (p->mbox) {
		converse(p);
	} else {
		worker_log(in, "%s", p->why.text);
		p->ended = broken;
		buf_put(&in->stream->out,
		    SPAN("-ERR [SYS/TEMP] The mailbox cannot be opened "
			 "now.\r\n"));
	}
	/* Before the last answer: who logs in again finds it free. */
	task_offload(TASK_DISK, close_inbox, p);
	log_end(p);
	stream_finish(in->stream, task_after(GOODBYE_MS));
	uidset_fini(&p->seen);
	free(p->core.messages);
	free(p);
}
