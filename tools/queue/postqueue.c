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
#include "service/privs.h"
#include "tools/caller.h"
#include "tools/confdir.h"
#include "tools/queue/ask.h"
#include "tools/queue/view.h"
#include "tools/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	OUTPUT_BUFFER = 64 * 1024,
	ARENA_MAX = 256 << 20,
	SITE_MAX = 255,
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

static const char usage[] =
    "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p "
    "| postqueue -s site";

/* What is wanted: 'p', 'j', 'f', 'i' or 's', with `what` of the last two. */
struct request {
	char mode;
	const char *what;
};

static void
check_caller(const struct conf *c, const char *parameter, const char *what)
{
	struct why why;
	int may = caller_is_in(c, parameter, &why);

	if (may < 0)
		say_fatal(EX_CONFIG, "%s", why.text);
	if (!may)
		say_fatal(EX_NOPERM, "User %s(%ld) is not allowed to %s",
		    caller_name(), (long)getuid(), what);
}

/* From the queue manager. */

static void
show_message(struct view *v, const struct msg_in *in)
{
	struct span rest = in->fields;
	struct msg_in r;

	view_message(v,
	    &(struct view_message){
		.id = msg_str(in, MSG_FIELD_ID),
		.folder = msg_str(in, MSG_FIELD_QUEUE),
		.sender = msg_str(in, MSG_FIELD_SENDER),
		.size = msg_u64(in, MSG_FIELD_SIZE),
		.arrived = (int64_t)msg_u64(in, MSG_FIELD_ARRIVED),
		.forced = msg_u64(in, MSG_FIELD_FORCED) != 0,
	    });
	while (msg_next_group(&rest, MSG_FIELD_RCPT, &r))
		view_rcpt(v, msg_str(&r, MSG_FIELD_ADDR),
		    msg_str(&r, MSG_FIELD_TEXT));
}

static void
show_packed(struct view *v, const struct msg_in *in)
{
	struct span packet, rest = in->fields;
	struct msg_in one;

	while (msg_next(&rest, MSG_FIELD_MESSAGE, &packet))
		if (msg_read(packet, &one) && one.type == MSG_QUEUED)
			show_message(v, &one);
}

/* `what` is of the one message or site that is asked for, or NULL. */
static void
ask(int fd, enum msg_type type, enum msg_field field, const char *what)
{
	char packet[1024];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, type, 1);
	if (what)
		msg_put_str(&b, field, span_str(what));
	ask_send(fd, &b);
}

static void
show_from_qmgr(int fd, struct view *v)
{
	struct msg_in in;

	ask(fd, MSG_SHOWQ, MSG_FIELD_ID, NULL);
	for (in = ask_receive(fd); in.type != MSG_LAST; in = ask_receive(fd)) {
		if (in.type == MSG_QUEUED)
			show_message(v, &in);
		else if (in.type == MSG_PACKED)
			show_packed(v, &in);
		else
			say_fatal(EX_UNAVAILABLE,
			    "malformed showq server response");
	}
}

static void
flush(int fd, const struct request *r)
{
	struct msg_in in;
	struct span text;

	ask(fd, MSG_FLUSH, r->mode == 's' ? MSG_FIELD_SITE : MSG_FIELD_ID,
	    r->what);
	in = ask_receive(fd);
	text = msg_str(&in, MSG_FIELD_TEXT);
	if (text.n > 0)
		say_fatal(EX_UNAVAILABLE, "%.*s", (int)text.n, text.p);
}

/* From the files, with the suite down. */

struct folder {
	struct queue *queue;
	enum queue_place place;
	struct view *view;
};

static bool
show_file(const char *name, int64_t due, void *arg)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(ARENA_MAX);
	const struct folder *f = arg;
	struct queue_message m;

	(void)due;
	if (queue_load(f->queue, f->place, name, a, &m, NULL) < 0)
		return true;
	view_message(f->view,
	    &(struct view_message){
		.id = span_str(m.id.text),
		.folder = span_str(queue_place_name(f->place)),
		.sender = m.envelope.sender,
		.size = m.content_length,
		.arrived = m.envelope.arrived,
		.forced = queue_is_forced(&m),
	    });
	for (size_t i = 0; i < m.n; i++)
		if (queue_is_open(&m.states[i]))
			view_rcpt(f->view, m.rcpts[i].addr, m.states[i].text);
	return true;
}

/* What strangers had written into the queue root does not read. */
static void
become_owner(const struct conf *c)
{
	struct why why;
	struct privs p;
	const char *owner = conf_get(c, "mail_owner", &why);

	if (!owner || privs_find(owner, &p, &why) < 0)
		say_fatal(EX_CONFIG, "%s", why.text);
	/* For an ordinary user privs_find() finds himself, whatever the name. */
	if (getuid() != 0 && strcmp(caller_name(), owner) != 0)
		say_fatal(EX_UNAVAILABLE,
		    "Queue report unavailable - mail system is down");
	if (getuid() == 0 && privs_drop(&p, &why) < 0)
		say_fatal(EX_OSERR, "%s", why.text);
}

static void
show_from_files(const struct conf *c, int err, struct view *v)
{
	static const enum queue_place places[] = {
		QUEUE_INCOMING,
		QUEUE_DEFERRED,
		QUEUE_HOLD,
	};
	struct queue *q;
	struct why why;

	become_owner(c);
	say_warning("Mail system is down -- accessing queue directly (Connect "
		    "to the %s showq service: %s)",
	    conf_get(c, "mail_name", &why), strerror(-err));
	q = queue_open(".", QUEUE_OWN, false, &why);
	if (!q)
		say_fatal(EX_UNAVAILABLE, "%s", why.text);
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct folder f = { q, places[i], v };

		if (queue_scan(q, places[i], show_file, &f) < 0)
			say_fatal(EX_UNAVAILABLE, "cannot read the folder %s",
			    queue_place_name(places[i]));
	}
	queue_close(q);
}

static void
show(const struct conf *c, const struct request *r)
{
	static char buffer[OUTPUT_BUFFER];
	struct view view = { .json = r->mode == 'j' };
	int64_t long_ids;
	struct why why;
	int fd;

	check_caller(c, "authorized_mailq_users", "view the mail queue");
	if (conf_get_number(c, "enable_long_queue_ids", CONF_BOOL, &long_ids,
		&why) == 0)
		view.long_ids = long_ids;
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	fd = sock_unix_connect("public/showq");
	if (fd >= 0)
		show_from_qmgr(fd, &view);
	else
		show_from_files(c, fd, &view);
	view_end(&view);
	if (fflush(stdout) != 0)
		exit(EX_IOERR);
}

/* A domain, or an address in brackets. */
static bool
is_site(struct span s)
{
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		return true;
	if (s.n == 0 || s.n > SITE_MAX)
		return false;

	bool letters = false;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c <= ' ' || c == 0x7f || strchr("[]:/@<>,;\"\\", c))
			return false;
		letters = letters || !(c == '.' || (c >= '0' && c <= '9'));
	}
	return letters; /* a number is an address */
}

static void
check_request(const struct request *r)
{
	if (r->mode == 's' && !is_site(span_str(r->what)))
		say_fatal(EX_UNAVAILABLE,
		    "Cannot flush mail queue - invalid destination: \"%s\"",
		    r->what);
	if (r->mode == 'i' &&
	    r->what[strspn(r->what,
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz")] != '\0')
		say_fatal(EX_UNAVAILABLE,
		    "Cannot flush queue ID - invalid name: \"%s\"", r->what);
}

static void
try_now(const struct conf *c, const struct request *r)
{
	int fd;

	check_caller(c, "authorized_flush_users", "flush the mail queue");
	check_request(r);
	fd = sock_unix_connect("public/showq");
	if (fd < 0) {
		if (r->mode != 'f')
			say_warning("connect to public/showq: %s",
			    strerror(-fd));
		say_fatal(EX_UNAVAILABLE,
		    "Cannot flush mail queue - mail system is down");
	}
	flush(fd, r);
}

static int
run(const struct request *r, const char *dir)
{
	struct why why;
	struct conf *c = confdir_load(dir, &why);
	const char *queue = c ? conf_get(c, "queue_directory", &why) : NULL;

	if (!queue)
		say_fatal(EX_UNAVAILABLE, "%s", why.text);
	if (chdir(queue) < 0)
		say_fatal(EX_UNAVAILABLE, "chdir %s: %s", queue,
		    strerror(errno));
	if (r->mode == 'p' || r->mode == 'j')
		show(c, r);
	else
		try_now(c, r);
	conf_free(c);
	return EX_OK;
}

/* One thing at a time. */
static void
want(struct request *r, int option)
{
	if (r->mode != '\0')
		say_fatal(EX_UNAVAILABLE, "%s", usage);
	r->mode = (char)option;
	r->what = optarg;
}

int
main(int argc, char **argv)
{
	struct request r = { .mode = '\0' };
	static char own_name[] = "postqueue";
	const char *dir = NULL;
	int option;

	caller_reset_fds();
	if (confdir_is_privileged())
		caller_reset("MAIL_CONFIG TZ");
	if (argc < 1)
		return EX_USAGE;
	if (help_asked(argc, argv, help))
		return EX_OK;
	say_as(argv);
	if (strcmp(argv[0], "mailq") == 0) {
		r.mode = 'p';
		argv[0] = own_name; /* what it says is told the same way */
		say_as(argv);
	}
	while ((option = getopt(argc, argv, "c:fi:jps:v")) != -1)
		switch (option) {
		case 'c':
			dir = optarg;
			break;
		case 'f':
		case 'i':
		case 'j':
		case 'p':
		case 's':
			want(&r, option);
			break;
		case 'v':
			break;
		default:
			say_fatal(EX_UNAVAILABLE, "%s", usage);
		}
	if (r.mode == '\0' || optind < argc)
		say_fatal(EX_UNAVAILABLE, "%s", usage);
	_exit(run(&r, dir)); /* as say_fatal() does, and all is written */
}
