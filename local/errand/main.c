/*
 * errand - does for local what has to be done as somebody else.
 *
 * Local has made us that user for good before we began. We hear one channel, do
 * one thing at a time, and end with the channel. What we run has to be able to
 * run set-gid programs, so there is no sandbox here but the user's own rights.
 */
#include "local/errand/errand.h"

#include "base/help.h"
#include "base/log.h"
#include "base/sock.h"
#include "conf/conf.h"
#include "dict/dict.h"
#include "service/fds.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	HEAR_MS = 3600 * 1000,
};

static const char help[] =
    "errand - does for local what has to be done as another user\n"
    "It is started by local. More in errand(8).\n";

static bool
is_complete(const struct errand *e)
{
	switch (e->kind) {
	case ERRAND_READ:
		return true;
	case ERRAND_MAILDIR:
	case ERRAND_MBOX:
	case ERRAND_FILE:
	case ERRAND_COMMAND:
		return e->fd >= 0;
	default:
		return false;
	}
}

/* Mail that has been where it is to go is not sent round once more. */
static bool
may_go_on(const struct errand *e, struct errand_result *r)
{
	struct span addr = msg_str(&e->in, MSG_FIELD_ADDR);
	int looped;

	if (!is_complete(e)) {
		errand_fail(r, DELIVERY_DEFERRED, "4.3.0", "a bad request");
		return false;
	}
	if (e->kind == ERRAND_READ)
		return true;
	looped = errand_has_looped(e);
	if (looped > 0)
		errand_fail(r, DELIVERY_BOUNCED, "5.4.6",
		    "mail forwarding loop for %.*s",
		    (int)(addr.n < 300 ? addr.n : 300), addr.p);
	else if (looped < 0)
		errand_fail(r, DELIVERY_DEFERRED, "4.3.0",
		    "the queue file cannot be read: %s", strerror(-looped));
	return looped == 0;
}

static void
do_it(struct errand *e, struct errand_result *r, struct buf *out)
{
	if (!may_go_on(e, r))
		return;
	if (e->kind == ERRAND_READ || msg_has(&e->in, MSG_FIELD_FORWARD)) {
		errand_read(e, r, out);
		if (e->kind == ERRAND_READ || r->status != DICT_ABSENT) {
			e->kind = ERRAND_READ;
			return;
		}
	}
	switch (e->kind) {
	case ERRAND_READ:
		break;
	case ERRAND_MAILDIR:
		errand_maildir(e, r);
		break;
	case ERRAND_MBOX:
	case ERRAND_FILE:
		errand_mbox(e, r);
		break;
	case ERRAND_COMMAND:
		errand_command(e, r);
		break;
	}
}

/* A READ that did not end well has no items. */
static bool
answer(const struct errand *e, const struct errand_result *r, struct buf *out)
{
	bool has_items = e->kind == ERRAND_READ && r->status == DICT_FOUND;

	if (out->overflow || !has_items) {
		out->n = 0;
		out->overflow = false;
		msg_begin(out, MSG_ERRAND_DONE, e->in.id);
	}
	msg_put_u64(out, MSG_FIELD_STATUS, r->status);
	msg_put_u64(out, MSG_FIELD_KIND, e->kind);
	msg_put_opt(out, MSG_FIELD_DSN, span_str(r->dsn));
	msg_put_opt(out, MSG_FIELD_TEXT, span_str(r->text));
	if (r->uid) {
		msg_put_opt(out, MSG_FIELD_MAILBOX,
		    msg_str(&e->in, MSG_FIELD_FILE));
		msg_put_u64(out, MSG_FIELD_UIDVALIDITY, r->uidvalidity);
		msg_put_u64(out, MSG_FIELD_MAILBOX_UID, r->uid);
	}
	return msg_end(out, 0) &&
	    sock_send(FDS_PARENT, buf_span(out), NULL, 0) == 0;
}

/* False: local is gone, or says what we do not know. */
static bool
serve_one(char *packet, char *storage)
{
	struct errand e = { .fd = -1 };
	struct errand_result r = { .status = DICT_TEMPFAIL, .dsn = "" };
	int fds[SOCK_FDS_MAX];
	struct buf out;
	size_t n = 0;
	ssize_t len;
	bool done;

	if (!sock_wait_input(FDS_PARENT, HEAR_MS))
		return false;
	len = sock_recv(FDS_PARENT, packet, MSG_MAX, fds, &n);
	if (len <= 0 ||
	    !msg_read((struct span){ packet, (size_t)len }, &e.in) ||
	    e.in.type != MSG_ERRAND)
		return false;
	if (n > 0)
		e.fd = fds[--n];
	while (n > 0)
		close(fds[--n]);
	e.kind = (enum errand_kind)msg_u64(&e.in, MSG_FIELD_KIND);
	e.arena = arena_new(ERRAND_MEMORY_MAX);
	buf_init(&out, storage, MSG_MAX);
	msg_begin(&out, MSG_ERRAND_DONE, e.in.id);
	do_it(&e, &r, &out);
	done = answer(&e, &r, &out);
	arena_free(e.arena);
	if (e.fd >= 0)
		close(e.fd);
	return done;
}

int
main(int argc, char **argv)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	const char *name = NULL;
	char *packet, *storage;
	int c;

	if (help_asked(argc, argv, help))
		return EX_OK;
	/* -c says whose we are, to who looks at the list of processes. */
	while ((c = getopt(argc, argv, "c:n:")) > 0)
		if (c == 'n')
			name = optarg;
		else if (c != 'c')
			return EX_USAGE;
	if (!name) {
		fprintf(stderr, "errand: it is started by local\n");
		return EX_USAGE;
	}
	/* exec() has made it so that its user could look into it. */
	must(prctl(PR_SET_DUMPABLE, 0) == 0);
	log_init(name, "local", FDS_LOG);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	packet = zalloc(MSG_MAX);
	storage = zalloc(MSG_MAX);
	while (serve_one(packet, storage))
		continue;
	free(packet);
	free(storage);
	return EX_OK;
}
