/*
 * postqueue - what lies in the queue, and "try it now". As mailq: postqueue -p.
 *
 * A program that may be set-gid: it reads main.cf and speaks to the queue
 * manager, and links neither tables nor a network library. With the suite down
 * it reads the queue files, which only root and the owner of the mail may.
 */
#include "base/help.h"
#include "base/sock.h"
#include "conf/conf.h"
#include "queue/queue.h"
#include "service/msg.h"
#include "tools/confdir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
	ANSWER_MS = 60 * 1000,
	COLUMNS = 41, /* where senders and recipients stand */
	REASON_END = 78,
	ARENA_MAX = 256 << 20,
};

/* The queue as it is shown: a message a call, some recipients of it at a time. */
struct view {
	bool json;
	bool in_object; /* one has begun, and its recipients are listed */
	char id[QUEUE_ID_MAX];
	struct span reason; /* printed last; empty: none */
	char reason_storage[512];
	uint64_t size;
	unsigned count;
};

struct shown {
	struct span id;
	struct span folder;
	struct span sender;
	uint64_t size;
	int64_t arrived; /* microseconds */
};

static const char help[] =
    "usage: postqueue -p | -j | -f | -i ID | -s SITE [-c DIR] [-v]\n"
    "       mailq\n"
    "Shows the queue, or has it tried now. mailq is postqueue -p.\n"
    "\n"
    "  -p      shows what waits, for people\n"
    "  -j      shows what waits, a JSON object a line\n"
    "  -f      tries all deferred mail now\n"
    "  -i ID   tries this message now\n"
    "  -s SITE tries what waits for this domain now\n"
    "  -c DIR  the directory of main.cf\n"
    "More in postqueue(1).\n";

static const char *const usage =
    "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p "
    "| postqueue -s site";

static _Noreturn void
fail(int status, const char *text, const char *detail)
{
	fprintf(stderr, "postqueue: fatal: %s%s\n", text, detail);
	exit(status);
}

/* JSON strings: what is no ASCII goes as it is, controls as \u. */
static void
put_json(struct span s)
{
	putchar('"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c == 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
put_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		putchar((unsigned char)s.p[i] < ' ' ? '?' : s.p[i]);
}

static char
mark_of(struct span folder)
{
	if (span_eq(folder, SPAN("active")))
		return '*';
	return span_eq(folder, SPAN("hold")) ? '!' : '\0';
}

static void
begin_text(const struct view *v, const struct shown *m)
{
	char id[QUEUE_ID_MAX + 2], when[64];
	time_t t = (time_t)(m->arrived / 1000000);
	struct tm tm;

	if (v->count == 1)
		puts("-Queue ID-  --Size-- ----Arrival Time---- "
		     "-Sender/Recipient-------");
	snprintf(id, sizeof(id), "%s%c", v->id, mark_of(m->folder));
	localtime_r(&t, &tm);
	strftime(when, sizeof(when), "%a %b %e %H:%M:%S ", &tm);
	printf("%-11s %7" PRIu64 " %-20.20s ", id, m->size, when);
	if (m->sender.n > 0)
		put_text(m->sender);
	else
		fputs("MAILER-DAEMON", stdout);
	putchar('\n');
}

static void
begin_json(const struct shown *m)
{
	printf("{\"queue_name\": ");
	put_json(m->folder);
	printf(", \"queue_id\": ");
	put_json(m->id);
	printf(", \"arrival_time\": %" PRId64 ", \"message_size\": %" PRIu64
	       ", \"forced_expire\": false, \"sender\": ",
	    m->arrived / 1000000, m->size);
	put_json(m->sender.n > 0 ? m->sender : SPAN("MAILER-DAEMON"));
	printf(", \"recipients\": [");
}

static void
end_message(struct view *v)
{
	if (v->id[0] == '\0')
		return;
	fputs(v->json ? "]}\n" : "\n", stdout);
	v->id[0] = '\0';
}

/* Begins a message, unless it is the one whose recipients go on. */
static void
begin_message(struct view *v, const struct shown *m)
{
	if (m->id.n >= sizeof(v->id))
		return;
	if (strlen(v->id) == m->id.n && memcmp(v->id, m->id.p, m->id.n) == 0)
		return;
	end_message(v);
	memcpy(v->id, m->id.p, m->id.n);
	v->id[m->id.n] = '\0';
	v->count++;
	v->size += m->size;
	v->in_object = false;
	v->reason = SPAN("");
	if (v->json)
		begin_json(m);
	else
		begin_text(v, m);
}

static void
put_reason(struct view *v, struct span reason)
{
	int gap = REASON_END - (int)reason.n - 2;

	if (reason.n >= sizeof(v->reason_storage) || span_eq(v->reason, reason))
		return;
	memcpy(v->reason_storage, reason.p, reason.n);
	v->reason = (struct span){ v->reason_storage, reason.n };
	if (reason.n == 0)
		return;
	printf("%*s(", gap > 0 ? gap : 0, "");
	put_text(reason);
	puts(")");
}

static void
put_rcpt(struct view *v, struct span addr, struct span reason)
{
	if (!v->json) {
		put_reason(v, reason);
		printf("%*s", COLUMNS, "");
		put_text(addr);
		putchar('\n');
		return;
	}
	printf("%s{\"address\": ", v->in_object ? ", " : "");
	put_json(addr);
	if (reason.n > 0) {
		printf(", \"delay_reason\": ");
		put_json(reason);
	}
	putchar('}');
	v->in_object = true;
}

static int
end_view(struct view *v)
{
	end_message(v);
	if (v->json)
		return EX_OK;
	if (v->count == 0)
		puts("Mail queue is empty");
	else
		printf("-- %" PRIu64 " Kbytes in %u Request%s.\n",
		    v->size / 1024, v->count, v->count == 1 ? "" : "s");
	return EX_OK;
}

/* From the queue manager. */

static void
show_message(struct view *v, const struct msg_in *in)
{
	struct span rest = in->fields;
	struct msg_in r;

	begin_message(v,
	    &(struct shown){
		.id = msg_str(in, MSG_FIELD_ID),
		.folder = msg_str(in, MSG_FIELD_QUEUE),
		.sender = msg_str(in, MSG_FIELD_SENDER),
		.size = msg_u64(in, MSG_FIELD_SIZE),
		.arrived = (int64_t)msg_u64(in, MSG_FIELD_ARRIVED),
	    });
	while (msg_next_group(&rest, MSG_FIELD_RCPT, &r))
		put_rcpt(v, msg_str(&r, MSG_FIELD_ADDR),
		    msg_str(&r, MSG_FIELD_TEXT));
}

/* Receives a message; what is none ends the program. */
static struct msg_in
receive(int fd)
{
	static char packet[MSG_MAX];
	int fds[SOCK_FDS_MAX];
	struct msg_in in;
	size_t fds_n;
	ssize_t n;

	if (!sock_wait_input(fd, ANSWER_MS))
		fail(EX_TEMPFAIL, "the queue manager does not answer", "");
	n = sock_recv(fd, packet, sizeof(packet), fds, &fds_n);
	while (fds_n > 0)
		close(fds[--fds_n]);
	if (n <= 0 || !msg_read((struct span){ packet, (size_t)n }, &in))
		fail(EX_TEMPFAIL, "the queue manager went away", "");
	return in;
}

/* `what` is of the one message or site that is asked for, or NULL. */
static void
request(int fd, enum msg_type type, enum msg_field field, const char *what)
{
	char packet[1024];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, type, 1);
	if (what)
		msg_put_str(&b, field, span_str(what));
	if (!msg_end(&b, 0) || sock_send(fd, buf_span(&b), NULL, 0) < 0)
		fail(EX_TEMPFAIL, "the queue manager takes no request", "");
}

static int
show_from_qmgr(int fd, struct view *v)
{
	struct msg_in in;

	request(fd, MSG_SHOWQ, MSG_FIELD_ID, NULL);
	for (in = receive(fd); in.type == MSG_QUEUED; in = receive(fd))
		show_message(v, &in);
	return end_view(v);
}

static int
flush(int fd, enum msg_field field, const char *what)
{
	struct msg_in in;

	request(fd, MSG_FLUSH, field, what);
	in = receive(fd);

	struct span text = msg_str(&in, MSG_FIELD_TEXT);

	if (text.n == 0)
		return EX_OK;
	fprintf(stderr, "postqueue: fatal: %.*s\n", (int)text.n, text.p);
	return EX_UNAVAILABLE;
}

/* From the files, with the suite down. */

struct folder {
	struct queue *queue;
	enum queue_place place;
	struct view *view;
};

static bool
is_open(const struct queue_state *s)
{
	return s->verdict != QUEUE_SENT &&
	    (!s->told || s->verdict == QUEUE_DELAYED);
}

static bool
show_file(const char *name, int64_t due, void *arg)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(ARENA_MAX);
	const struct folder *f = arg;
	const char *folder = queue_place_name(f->place);
	struct queue_message m;

	(void)due;
	if (queue_load(f->queue, f->place, name, a, &m, NULL) < 0)
		return true;
	begin_message(f->view,
	    &(struct shown){
		.id = { m.id.text, strlen(m.id.text) },
		.folder = { folder, strlen(folder) },
		.sender = m.envelope.sender,
		.size = m.content_length,
		.arrived = m.envelope.arrived,
	    });
	for (size_t i = 0; i < m.n; i++)
		if (is_open(&m.states[i]))
			put_rcpt(f->view, m.rcpts[i].addr, m.states[i].text);
	return true;
}

static int
show_from_files(const char *dir, struct view *v)
{
	static const enum queue_place places[] = {
		QUEUE_INCOMING,
		QUEUE_DEFERRED,
		QUEUE_HOLD,
	};
	struct why why;
	struct queue *q = queue_open(dir, QUEUE_OWN, false, &why);

	if (!q)
		fail(EX_UNAVAILABLE,
		    "Queue report unavailable - mail system is down: ",
		    why.text);
	fprintf(stderr,
	    "postqueue: warning: Mail system is down -- accessing queue "
	    "directly\n");
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct folder f = { q, places[i], v };

		if (queue_scan(q, places[i], show_file, &f) < 0)
			fail(EX_UNAVAILABLE, "cannot read the folder ",
			    queue_place_name(places[i]));
	}
	queue_close(q);
	return end_view(v);
}

static int
run(char mode, const char *what, const char *dir)
{
	struct view view = { .json = mode == 'j' };
	struct conf *c;
	const char *queue;
	char path[512];
	struct why why;
	int fd, status;

	c = confdir_load(dir, &why);
	if (!c)
		fail(EX_CONFIG, why.text, "");
	queue = conf_get(c, "queue_directory", &why);
	if (!queue)
		fail(EX_CONFIG, why.text, "");
	snprintf(path, sizeof(path), "%s/public/showq", queue);
	fd = sock_unix_connect(path);
	if (fd >= 0)
		status = mode == 'p' || mode == 'j'
		    ? show_from_qmgr(fd, &view)
		    : flush(fd, mode == 's' ? MSG_FIELD_SITE : MSG_FIELD_ID,
			  what);
	else if (mode == 'p' || mode == 'j')
		status = show_from_files(queue, &view);
	else
		fail(EX_UNAVAILABLE,
		    "Cannot flush mail queue - mail system "
		    "is down",
		    "");
	conf_free(c);
	return status;
}

static bool
is_mailq(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strcmp(slash ? slash + 1 : program, "mailq") == 0;
}

int
main(int argc, char **argv)
{
	char mode = is_mailq(argv[0]) ? 'p' : '\0';
	const char *what = NULL, *dir = NULL;
	int option;

	if (help_asked(argc, argv, help))
		return EX_OK;
	while ((option = getopt(argc, argv, "c:fi:jps:v")) != -1)
		switch (option) {
		case 'c':
			dir = optarg;
			break;
		case 'i':
		case 's':
			what = optarg;
			mode = (char)option;
			break;
		case 'f':
		case 'j':
		case 'p':
			mode = (char)option;
			break;
		case 'v':
			break;
		default:
			fail(EX_USAGE, usage, "");
		}
	if (mode == '\0' || optind < argc)
		fail(EX_USAGE, usage, "");
	return run(mode, what, dir);
}
