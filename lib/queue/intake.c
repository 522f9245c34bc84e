#include "queue/intake.h"

#include "base/base64.h"
#include "base/log.h"
#include "mail/date.h"
#include "mail/maillog.h"
#include "queue/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	NAME_MAX_BYTES = 200, /* of a person's */
	FEW = 16, /* recipients, which are simply compared */
};

/* The address of a recipient, of many. */
struct known {
	struct hash_link link;
	struct span addr; /* in small letters */
};

void
intake_flush(struct intake *in)
{
	int err = queue_flush(in->writer);

	if (err && !in->error)
		in->error = err;
}

/* There is no room: writes out. False: that failed. */
static bool
make_room(struct intake *in)
{
	if (in->error)
		return false;
	if (in->flush)
		in->flush(in);
	else
		intake_flush(in);
	return in->error == 0;
}

/*
 * For the scan of the head, too: takes what goes on. A field that was kept whole is
 * longer than what fits the memory at once.
 */
static bool
put(struct span piece, void *arg)
{
	struct intake *in = arg;

	while (!in->error && piece.n > 0) {
		struct span part = { piece.p,
			piece.n < INTAKE_MEMORY_MAX ? piece.n
						    : INTAKE_MEMORY_MAX };

		if (!queue_put(in->writer, part) && make_room(in) &&
		    !queue_put(in->writer, part))
			in->error = -EMSGSIZE;
		piece.p += part.n;
		piece.n -= part.n;
	}
	return in->error == 0;
}

void
intake_put(struct intake *in, struct span text)
{
	(void)put(text, in);
}

void
intake_put_id(struct intake *in)
{
	if (in->error || queue_put_id(in->writer))
		return;
	if (make_room(in) && !queue_put_id(in->writer))
		in->error = -EMSGSIZE;
}

struct span
intake_qualify(struct intake *in, struct span addr)
{
	struct span origin = span_str(in->conf->myorigin);
	char *text;

	if (addr.n == 0 || memchr(addr.p, '@', addr.n))
		return addr;
	text = arena_alloc(in->arena, addr.n + 1 + origin.n);
	if (!text)
		return addr;
	memcpy(text, addr.p, addr.n);
	text[addr.n] = '@';
	memcpy(text + addr.n + 1, origin.p, origin.n);
	return (struct span){ text, addr.n + 1 + origin.n };
}

/* What becomes of an address of the envelope. */
static struct span
rewrite(struct intake *in, enum rewrite_role role, struct span addr)
{
	struct span result = addr;
	struct why why;

	if (in->internal)
		return intake_qualify(in, addr);
	if (rewrite_address(in->conf->rewrite, role, false, addr, in->arena,
		&result, &why) == DICT_TEMPFAIL) {
		log_warning("%s", why.text);
		in->error = in->error ? in->error : -EAGAIN;
	}
	return result;
}

/* Tables are asked once, and by the task that owns them. */
static struct span
sender_of(struct intake *in)
{
	if (!in->has_from)
		in->from = rewrite(in, REWRITE_ENVELOPE_SENDER, in->sender);
	in->has_from = true;
	return in->from;
}

static bool
wants_field(struct span name, void *arg)
{
	const struct intake *in = arg;

	return !in->internal && rewrite_is_field(name) &&
	    rewrite_has_fields(in->conf->rewrite, in->complete);
}

static bool
change_field(struct span name, struct span value, struct span *value_r,
    void *arg)
{
	struct intake *in = arg;
	struct why why;
	enum dict_result r = rewrite_field(in->conf->rewrite, name,
	    in->complete, value, in->arena, value_r, &why);

	if (r == DICT_TEMPFAIL) {
		log_warning("%s", why.text);
		in->error = in->error ? in->error : -EAGAIN;
	}
	return r == DICT_FOUND;
}

/* "Message-ID: <20261121205758.ID@HOST>", as Postfix makes it. */
static void
add_id(struct header_scan *h, const char *resent)
{
	struct intake *in = h->arg;
	time_t t = (time_t)(in->arrived / 1000000);
	char text[512];
	struct tm tm;
	struct buf b;

	must(gmtime_r(&t, &tm));
	must(strftime(in->added_id, sizeof(in->added_id), "%Y%m%d%H%M%S", &tm));
	buf_init(&b, text, sizeof(text));
	buf_putf(&b, "%sMessage-Id: <%s.", resent, in->added_id);
	header_scan_add(h, buf_span(&b));
	intake_put_id(in);
	buf_init(&b, text, sizeof(text));
	buf_putf(&b, "@%s>\n", in->conf->myhostname);
	header_scan_add(h, buf_span(&b));
}

static void
add_date(struct header_scan *h, const char *resent)
{
	const struct intake *in = h->arg;
	char text[DATE_MAX + 32];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	buf_putf(&b, "%sDate: ", resent);
	date_put_header(&b, in->arrived);
	buf_put(&b, SPAN("\n"));
	header_scan_add(h, buf_span(&b));
}

/* Characters that a phrase may have without quotes (RFC 5322, 3.2.3). */
static bool
is_atom(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == ' ' ||
	    (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool
is_ascii(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 0x7e)
			return false;
	return true;
}

/* A person's name as a phrase: plain, in quotes, or encoded (RFC 2047). */
static void
put_name(struct buf *out, struct span name)
{
	bool plain = true;

	name.n = name.n < NAME_MAX_BYTES ? name.n : NAME_MAX_BYTES;
	if (!is_ascii(name)) {
		buf_put(out, SPAN("=?utf-8?B?"));
		base64_put(out, name);
		buf_put(out, SPAN("?= "));
		return;
	}
	for (size_t i = 0; i < name.n; i++)
		plain = plain && is_atom(name.p[i]);
	buf_put(out, plain ? SPAN("") : SPAN("\""));
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!plain && (c == '"' || c == '\\'))
			buf_put(out, SPAN("\\"));
		buf_put(out, c < ' ' ? SPAN("?") : (struct span){ &c, 1 });
	}
	buf_put(out, plain ? SPAN(" ") : SPAN("\" "));
}

static void
add_from(struct header_scan *h, const char *resent)
{
	struct intake *in = h->arg;
	struct span from = sender_of(in);
	char text[3 * NAME_MAX_BYTES];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	if (in->sender_name.n > 0)
		put_name(&b, in->sender_name);
	header_scan_add(h, span_str(resent));
	header_scan_add(h, SPAN("From: "));
	header_scan_add(h, buf_span(&b));
	header_scan_add(h, b.n ? SPAN("<") : SPAN(""));
	header_scan_add(h, from.n ? from : SPAN("MAILER-DAEMON"));
	header_scan_add(h, b.n ? SPAN(">\n") : SPAN("\n"));
}

/* What a mail of one of ours lacks is put behind what it has (RFC 6409, 8). */
static void
complete_head(struct header_scan *h)
{
	const struct intake *in = h->arg;
	bool resent = h->has & HEADER_HAS_RESENT;
	const char *prefix = resent ? "Resent-" : "";

	if (!in->complete)
		return;
	if (!(h->has & (resent ? HEADER_HAS_RESENT_ID : HEADER_HAS_ID)))
		add_id(h, prefix);
	if (!(h->has & (resent ? HEADER_HAS_RESENT_DATE : HEADER_HAS_DATE)))
		add_date(h, prefix);
	if (!(h->has & (resent ? HEADER_HAS_RESENT_FROM : HEADER_HAS_FROM)))
		add_from(h, prefix);
}

static struct span
known_key(struct hash_link *l)
{
	return container_of(l, struct known, link)->addr;
}

struct intake *
intake_new(const struct intake_conf *conf, int64_t arrived)
{
	struct intake *in = zalloc(sizeof(*in));

	in->conf = conf;
	in->arrived = arrived;
	in->scan.put = put;
	in->scan.end = complete_head;
	in->scan.wants = wants_field;
	in->scan.field = change_field;
	in->scan.arg = in;
	in->arena = arena_new(conf->memory ? conf->memory : INTAKE_RCPTS_LIMIT);
	hash_init(&in->known, known_key);
	in->writer = queue_writer_new(conf->queue, INTAKE_MEMORY_MAX);
	return in;
}

bool
intake_is_in_memory(const struct intake *in)
{
	return !queue_has_file(in->writer);
}

struct intake *
intake_free(struct intake *in)
{
	if (!in)
		return NULL;
	queue_writer_free(in->writer);
	header_scan_fini(&in->scan);
	hash_fini(&in->known);
	arena_free(in->arena);
	free(in);
	return NULL;
}

bool
intake_feed(struct intake *in, struct span piece)
{
	return !in->error &&
	    (piece.n == 0 || header_scan_feed(&in->scan, piece));
}

size_t
intake_count(const struct intake *in)
{
	return in->n;
}

/* Makes an address known. False: no room; *was_r: whether it was before. */
static bool
note_known(struct intake *in, struct span addr, bool *was_r)
{
	struct known *k = ARENA_NEW(in->arena, struct known);
	char *text = arena_dup(in->arena, addr);

	if (!k || !text)
		return false;
	for (size_t i = 0; i < addr.n; i++)
		text[i] = ascii_lower(text[i]);
	k->addr = (struct span){ text, addr.n };
	*was_r = hash_find(&in->known, k->addr) != NULL;
	if (!*was_r)
		hash_add(&in->known, &k->link);
	return true;
}

/* The same; few are simply compared. */
static bool
look_for(struct intake *in, struct span addr, bool *was_r)
{
	bool fits = true;

	*was_r = false;
	if (in->n < FEW) {
		for (size_t i = 0; i < in->n && !*was_r; i++)
			*was_r = span_ieq(in->rcpts[i].addr, addr);
		return true;
	}
	for (size_t i = in->known.n; i < FEW && fits; i++)
		fits = note_known(in, in->rcpts[i].addr, was_r);
	return fits && note_known(in, addr, was_r);
}

/* Room for one more. */
static bool
grow(struct intake *in)
{
	size_t max = in->max ? 2 * in->max : 4;
	struct queue_rcpt *more;

	if (in->n < in->max)
		return true;
	more = arena_alloc(in->arena, max * sizeof(*more));
	if (!more)
		return false;
	if (in->n)
		memcpy(more, in->rcpts, in->n * sizeof(*more));
	in->rcpts = more;
	in->max = max;
	return true;
}

/* Adds a recipient, unless it is one already. False: no room, and it is unknown. */
static bool
add_rcpt(struct intake *in, const struct queue_rcpt *r)
{
	bool was;

	if (!grow(in) || !look_for(in, r->addr, &was))
		return false;
	if (!was)
		in->rcpts[in->n++] = *r;
	return true;
}

static bool
add_list(struct intake *in, const struct queue_rcpt *given,
    const struct span *list, size_t n)
{
	struct queue_rcpt r = *given;

	r.orig = given->addr;
	for (size_t i = 0; i < n; i++) {
		r.addr = list[i];
		if (!add_rcpt(in, &r))
			return false;
	}
	return true;
}

/* One that is rewritten, and whatever it stands for. */
static enum intake_added
add_expanded(struct intake *in, const struct queue_rcpt *r,
    const struct queue_rcpt *given)
{
	const struct span *list;
	struct why why;
	size_t n;

	switch (routing_expand(in->conf->routing, r->addr, in->arena, &list, &n,
	    &why)) {
	case DICT_ABSENT:
		return add_rcpt(in, r) ? INTAKE_ADDED : INTAKE_UNKNOWN;
	case DICT_FOUND:
		return add_list(in, given, list, n) ? INTAKE_ADDED
						    : INTAKE_UNKNOWN;
	case DICT_TEMPFAIL:
		break;
	}
	log_warning("%s", why.text);
	return INTAKE_UNKNOWN;
}

/* Nobody is told of what becomes of a copy. */
static enum intake_added
add_copies(struct intake *in, enum dict_result found, const struct span *list,
    size_t n, const struct why *why)
{
	enum intake_added added = INTAKE_ADDED;

	if (found == DICT_TEMPFAIL) {
		log_warning("%s", why->text);
		return INTAKE_UNKNOWN;
	}
	for (size_t i = 0; i < n && added == INTAKE_ADDED; i++) {
		struct queue_rcpt copy = {
			.addr = list[i],
			.notify = QUEUE_NOTIFY_NEVER,
		};

		added = add_expanded(in, &copy, &copy);
	}
	return added;
}

static enum intake_added
add_copies_of_recipient(struct intake *in, struct span addr)
{
	const struct span *list;
	enum dict_result found;
	struct why why;
	size_t n;

	if (in->internal)
		return INTAKE_ADDED;
	found = rewrite_bcc_of_recipient(in->conf->rewrite, addr, in->arena,
	    &list, &n, &why);
	return add_copies(in, found, list, n, &why);
}

enum intake_added
intake_add(struct intake *in, const struct queue_rcpt *given)
{
	struct queue_rcpt r = *given;
	enum intake_added added;

	r.addr = rewrite(in, REWRITE_ENVELOPE_RECIPIENT, given->addr);
	if (in->error)
		return INTAKE_UNKNOWN;
	r.orig = (struct span){ 0 };
	if (!span_eq(r.addr, given->addr))
		r.orig = given->addr;
	added = add_expanded(in, &r, given);
	return added == INTAKE_ADDED ? add_copies_of_recipient(in, r.addr)
				     : added;
}

/* Those of the sender; and the sender is known from here on. */
static bool
add_copies_of_sender(struct intake *in)
{
	struct span from = sender_of(in);
	const struct span *list;
	enum dict_result found;
	struct why why;
	size_t n;

	if (in->internal)
		return true;
	found = rewrite_bcc_of_sender(in->conf->rewrite, from, in->arena, &list,
	    &n, &why);
	if (add_copies(in, found, list, n, &why) != INTAKE_ADDED)
		in->error = in->error ? in->error : -EAGAIN;
	return in->error == 0;
}

bool
intake_end(struct intake *in)
{
	return !in->error && header_scan_end(&in->scan) &&
	    add_copies_of_sender(in);
}

int
intake_commit(struct intake *in)
{
	if (in->error)
		return in->error;
	in->envelope.arrived = in->arrived;
	in->envelope.sender = sender_of(in);
	in->error = queue_commit(in->writer, &in->envelope, in->rcpts, in->n,
	    &in->id, &in->name);
	return in->error;
}

void
intake_log_id(const struct intake *in)
{
	struct span id = { in->scan.id, in->scan.id_n };
	char text[512];

	if (id.n == 0 && (!*in->added_id || in->scan.has & HEADER_HAS_RESENT)) {
		id = SPAN("<>");
	} else if (id.n == 0) {
		snprintf(text, sizeof(text), "<%s.%s@%s>", in->added_id,
		    in->id.text, in->conf->myhostname);
		id = span_str(text);
	}
	maillog_message_id(span_str(in->id.text), id);
}
