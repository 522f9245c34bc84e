/*
 * What a client says to a session over a mailbox with two messages. Whatever it
 * is, all that is answered are whole lines without NUL, and the session ends.
 */
#include "imapd/mailbox/imap.h"
#include "service/service.h"
#include "task/task.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct imap_params params = {
	.mail_special_folders = "Trash=\\Trash",
	.imapd_timeout = 30 * 60 * 1000,
	.imapd_idle_notify_interval = 120 * 1000,
	.imapd_write_timeout = 300 * 1000,
	.imapd_error_limit = 20,
	.virtual_mailbox_limit = 10000,
};

static struct {
	struct span says;
	struct session_in in;
	int fds[2];
	size_t heard;
	char tail[2];
} fx;

static struct bell stop_bell;

bool
service_stopping(void)
{
	return false;
}

struct bell *
service_stop_bell(void)
{
	return &stop_bell;
}

void
worker_log(const struct session_in *in, const char *fmt, ...)
{
	(void)in;
	(void)fmt;
}

bool
worker_watch(struct session_in *in, struct mbox *m, struct worker_news *news)
{
	(void)in;
	(void)m;
	(void)news;
	return false;
}

static void
session(void *arg)
{
	(void)arg;
	fx.in.stream = stream_new(fx.fds[0], 4096, 0);
	imap_serve(&fx.in, &params);
	fx.in.stream = stream_free(fx.in.stream);
}

static void
note_end(struct span s)
{
	must(!memchr(s.p, '\0', s.n));
	for (size_t i = s.n < 2 ? 0 : s.n - 2; i < s.n; i++) {
		fx.tail[0] = fx.tail[1];
		fx.tail[1] = s.p[i];
	}
	fx.heard += s.n;
}

static void
client(void *arg)
{
	struct stream *s CLEANUP(
	    stream_freep) = stream_new(fx.fds[1], 65536, 65536);
	struct span piece;

	(void)arg;
	if (stream_write(s, fx.says, TASK_NEVER) != STREAM_OK ||
	    stream_flush(s, TASK_NEVER) != STREAM_OK)
		return;
	shutdown(s->fd, SHUT_WR);
	while (stream_bytes(s, 65536, TASK_NEVER, &piece) == STREAM_OK)
		note_end(piece);
	must(fx.heard > 0 && fx.tail[0] == '\r' && fx.tail[1] == '\n');
}

static void
both(void *arg)
{
	(void)arg;
	bell_init(&stop_bell, "the end");
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fx.fds) == 0);
	must(task_spawn(session, NULL, "session"));
	must(task_spawn(client, NULL, "client"));
}

static void
append(struct store_user *u, struct span text)
{
	struct mbox_append_facts facts = { .date = 1000000000 };
	struct mbox_append *a;
	uint32_t uidvalidity, uid;

	must(mbox_append_begin(u, SPAN("INBOX"), &a) == STORE_OK);
	mbox_append_write(a, text);
	must(mbox_append_commit(a, &facts, &uidvalidity, &uid) == STORE_OK);
}

static void
fill(struct store *store)
{
	struct why why;
	struct store_user *u = store_user_open(store, SPAN("alice/"),
	    span_str(params.mail_special_folders), &why);

	must(u);
	append(u, SPAN("From: a@b\nSubject: one\n\nbody\n"));
	append(u,
	    SPAN("Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n"
		 "--x\nContent-Type: text/html\n\ntwo\n--x--\n"));
	store_user_close(u);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char dir[] = "/tmp/postrider-fuzz-XXXXXX";
	struct why why;
	struct store *store;

	if (n > 16384)
		return 0;
	must(mkdtemp(dir));
	store = store_open(dir, &why);
	must(store);
	fill(store);
	memset(&fx, 0, sizeof(fx));
	fx.says = (struct span){ (const char *)data, n };
	fx.in = (struct session_in){ .user = SPAN("alice@demo.test"),
		.name = SPAN("n"),
		.tag = SPAN("t"),
		.store = store,
		.mailbox = SPAN("alice/") };
	task_run_virtual(both, NULL);
	store_close(store);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
