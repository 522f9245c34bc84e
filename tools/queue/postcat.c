/*
 * postcat - shows a queue file: envelope, headers, body, what was tried.
 *
 * As Postfix's: names of files, or queue IDs with -q. Root becomes the owner of
 * the mail before it opens anything.
 */
#include "base/help.h"
#include "queue/queue.h"
#include "tools/queue/own.h"
#include "tools/say.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
	CHUNK = 65536,
	ARENA_MAX = 512 << 20,
};

static const char help[] =
    "usage: postcat [-behov] [-c DIR] [FILE ...]\n"
    "       postcat -q [-behov] [-c DIR] ID ...\n"
    "Shows files of the queue: envelope, head, body, and what was tried.\n"
    "\n"
    "  -q      names are queue IDs, not files\n"
    "  -e      only the envelope\n"
    "  -h      only the head\n"
    "  -b      only the body\n"
    "  -o      where in the file each thing stands\n"
    "  -v      more\n"
    "  -c DIR  the directory of main.cf\n"
    "More in postcat(1).\n";

static const char usage[] =
    "usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record "
    "type)] [-e (envelope records)] [-h (header text)] [-q (access queue)] "
    "[-v] [file(s)...]";

/* What is shown; nothing asked for is all. */
enum show {
	SHOW_ENVELOPE = BIT(0),
	SHOW_HEADER = BIT(1),
	SHOW_BODY = BIT(2),
	SHOW_ALL = SHOW_ENVELOPE | SHOW_HEADER | SHOW_BODY,
};

static struct options {
	unsigned show;
	bool offsets;
	bool ids;
	bool verbose;
} options;

static const char *const verdicts[] = {
	[QUEUE_PENDING] = "pending",
	[QUEUE_SENT] = "sent",
	[QUEUE_BOUNCED] = "bounced",
	[QUEUE_DELAYED] = "deferred",
	[QUEUE_EXPIRED] = "expired",
};

/* Control characters of mail do nothing to a terminal. */
static void
put_text(const char *name, const char *between, struct span s)
{
	printf("%s%s", name, between);
	for (size_t i = 0; i < s.n; i++)
		putchar((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? '?'
								      : s.p[i]);
	putchar('\n');
}

static void
put_field(const char *name, struct span s)
{
	put_text(name, ": ", s);
}

static void
put_optional(const char *name, struct span s)
{
	if (s.n == 0)
		return;
	fputs("named_attribute: ", stdout);
	put_text(name, "=", s);
}

static void
put_time(const char *name, int64_t micros)
{
	time_t seconds = (time_t)(micros / 1000000);
	struct tm tm;
	char text[64];

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
	printf("%s: %s\n", name, text);
}

static void
show_envelope(const struct queue_message *m, const char *name)
{
	const struct queue_envelope *e = &m->envelope;

	printf("*** ENVELOPE RECORDS %s ***\n", name);
	printf("message_size: %15" PRIu64 " %15" PRIu64 " %15zu\n",
	    m->content_length, m->content_offset, m->n);
	put_time("message_arrival_time", e->arrived);
	printf("create_time: %" PRId64 "\n", e->arrived / 1000000);
	put_optional("log_client_name", e->client_name);
	put_optional("log_client_address", e->client_addr);
	put_optional("log_client_port", e->client_port);
	put_optional("log_helo_name", e->helo);
	put_optional("log_protocol_name", e->proto);
	put_optional("sasl_method", e->sasl_method);
	put_optional("sasl_username", e->sasl_user);
	put_optional("content_filter", e->filter);
	put_optional("envelope_id", e->envid);
	if (options.verbose)
		printf("flags: %u ret: %u\n", e->flags, e->ret);
	put_field("sender", e->sender);
}

static void
show_rcpts(const struct queue_message *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct queue_rcpt *r = &m->rcpts[i];
		const struct queue_state *s = &m->states[i];
		bool done = s->verdict == QUEUE_SENT ||
		    s->verdict == QUEUE_BOUNCED || s->verdict == QUEUE_EXPIRED;

		if (r->orcpt.n)
			put_field("named_attribute: dsn_orig_rcpt", r->orcpt);
		if (r->orig.n)
			put_field("original_recipient", r->orig);
		put_field(done ? "done_recipient" : "recipient", r->addr);
		if (s->verdict == QUEUE_PENDING)
			continue;
		printf("status: %s", verdicts[s->verdict]);
		put_time(" at", s->time);
		put_field("dsn", s->dsn);
		put_field("reason", s->text);
	}
}

/* A stream of content that knows whether the header is over. */
struct content {
	uint64_t at;
	bool in_body;
	bool line_begins;
};

/* Shows a piece that ends with a line, or is a part of one. */
static void
show_piece(struct content *c, struct span s)
{
	unsigned want = c->in_body ? SHOW_BODY : SHOW_HEADER;

	if (!(options.show & want))
		return;
	if (options.offsets && c->line_begins)
		printf("%9" PRIu64 " ", c->at);
	fwrite(s.p, 1, s.n, stdout);
}

static void
show_chunk(struct content *c, struct span in)
{
	while (in.n) {
		const char *end = memchr(in.p, '\n', in.n);
		struct span s = { in.p, end ? (size_t)(end - in.p) + 1 : in.n };

		/* The empty line is the first that is none of the header. */
		if (c->line_begins && s.p[0] == '\n')
			c->in_body = true;
		show_piece(c, s);
		c->line_begins = end != NULL;
		c->at += s.n;
		in.p += s.n;
		in.n -= s.n;
	}
}

static bool
show_content(int fd, const struct queue_message *m)
{
	struct content c = { .at = m->content_offset, .line_begins = true };
	uint64_t end = m->content_offset + m->content_length;
	char *chunk = zalloc(CHUNK);

	while (c.at < end) {
		uint64_t left = end - c.at;
		ssize_t n = pread(fd, chunk,
		    left < CHUNK ? (size_t)left : CHUNK, (off_t)c.at);

		if (n <= 0)
			break;
		show_chunk(&c, (struct span){ chunk, (size_t)n });
	}
	free(chunk);
	return c.at == end;
}

static const char *
reason(int err)
{
	switch (err) {
	case -ENODATA:
		return "not a complete queue file";
	case -EBADMSG:
		return "not a queue file, or a damaged one";
	default:
		return strerror(-err);
	}
}

static bool
show_file(int fd, const char *name)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(ARENA_MAX);
	struct queue_message m;
	int err = queue_read(fd, a, &m);
	bool whole = true;

	if (err) {
		say_warning("%s: %s", name, reason(err));
		return false;
	}
	if (options.show & SHOW_ENVELOPE) {
		show_envelope(&m, name);
		printf("*** MESSAGE CONTENTS %s ***\n", name);
	}
	if (options.show & (SHOW_HEADER | SHOW_BODY))
		whole = show_content(fd, &m);
	if (options.show & SHOW_ENVELOPE) {
		printf("*** HEADER EXTRACTED %s ***\n", name);
		show_rcpts(&m);
		printf("*** MESSAGE FILE END %s ***\n", name);
	}
	if (!whole)
		say_warning("%s: cannot read it", name);
	return whole;
}

static bool
show_path(const char *path, const char *what)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		say_fatal(EXIT_FAILURE, "open %s%s: %s", what, path,
		    strerror(errno));
	bool fine = show_file(fd, path);
	close(fd);
	return fine;
}

static bool
show_id(struct queue *q, const char *id)
{
	enum queue_place place;
	struct queue_name name;
	char path[256];
	int err;

	if (strchr(id, '/') || id[0] == '\0')
		say_fatal(EXIT_FAILURE, "bad mail queue ID: %s", id);
	err = queue_find(q, id, &place, &name);
	if (err)
		say_fatal(EXIT_FAILURE, "open queue file %s: %s", id,
		    strerror(-err));
	snprintf(path, sizeof(path), "%s/%s", queue_place_name(place),
	    name.text);
	return show_path(path, "queue file ");
}

static const char *
read_options(int argc, char **argv)
{
	const char *dir = NULL;
	int c;

	while ((c = getopt(argc, argv, "bc:dehoqrs:v")) != -1) {
		switch (c) {
		case 'b':
			options.show |= SHOW_BODY;
			break;
		case 'c':
			dir = optarg;
			break;
		case 'e':
			options.show |= SHOW_ENVELOPE;
			break;
		case 'h':
			options.show |= SHOW_HEADER;
			break;
		case 'o':
			options.offsets = true;
			break;
		case 'q':
			options.ids = true;
			break;
		case 'v':
			options.verbose = true;
			break;
		case 's': /* there are no records to be skipped to */
			if (optarg[strspn(optarg, "0123456789")] != '\0')
				say_fatal(EXIT_FAILURE, "bad offset: %s",
				    optarg);
			break;
		case 'd': /* of Postfix; what they ask for is so here */
		case 'r':
			break;
		default:
			say_fatal(EXIT_FAILURE, "%s", usage);
		}
	}
	if (options.show == 0)
		options.show = SHOW_ALL;
	return dir;
}

int
main(int argc, char **argv)
{
	bool fine = true;

	if (help_asked(argc, argv, help))
		return EXIT_SUCCESS;

	say_as(argv);

	const char *dir = read_options(argc, argv);
	struct queue *q = options.ids && optind < argc
	    ? own_queue(dir, EXIT_FAILURE, false)
	    : NULL;

	if (optind == argc)
		fine = show_file(STDIN_FILENO, "stdin");
	for (int i = optind; i < argc; i++)
		if (!(q ? show_id(q, argv[i]) : show_path(argv[i], "")))
			fine = false;
	queue_close(q);
	return fine ? EXIT_SUCCESS : EX_DATAERR;
}
