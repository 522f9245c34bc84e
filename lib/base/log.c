#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TAG_MAX = 64,
	TEXT_MAX = 2048, /* of one line for people */
	HELD_MAX = 16, /* lines */
	HELD_LEAST = LOG_PACKET_MAX / 4, /* room for one of them */
};

/* What stands before the fields of a packet, in the machine's byte order. */
struct head {
	uint8_t version;
	uint8_t level;
	uint8_t event;
	uint8_t fields_n;
	uint32_t pid;
	int64_t time;
};

/* What stands before the bytes of a field. */
struct field_head {
	uint8_t name;
	uint8_t zero;
	uint16_t len;
};

static struct {
	char name[TAG_MAX / 2];
	char service[TAG_MAX / 2];
	int fd;
	uint32_t pid; /* asked for once; 0: not yet */
	bool debug;
} own = { .name = "postrider", .service = "?", .fd = -1 };

static atomic_uint lost; /* lines for which there was no room */

void
log_init(const char *name, const char *service, int fd)
{
	snprintf(own.name, sizeof(own.name), "%s", name);
	snprintf(own.service, sizeof(own.service), "%s", service);
	own.fd = fd;
	own.pid = (uint32_t)getpid();
}

bool
log_is_open(void)
{
	return own.fd >= 0;
}

void
log_set_debug(bool on)
{
	own.debug = on;
}

struct span
log_level_prefix(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return SPAN("error: ");
	case LOG_LEVEL_WARNING:
		return SPAN("warning: ");
	case LOG_LEVEL_DEBUG:
		return SPAN("debug: ");
	case LOG_LEVEL_FATAL:
		return SPAN("fatal: ");
	case LOG_LEVEL_PANIC:
		return SPAN("panic: ");
	case LOG_LEVEL_INFO:
		break;
	}
	return SPAN("");
}

struct span
log_get(const struct log_record *r, uint8_t name)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->fields[i].name == name)
			return r->fields[i].value;
	return (struct span){ 0 };
}

/* A field that does not fit is cut, and ends in "..."; later ones still go. */
static void
put_field(struct buf *out, const struct log_field *f)
{
	static const struct span dots = SPAN_INIT("...");
	struct field_head h = { .name = f->name };
	struct span v = f->value;
	bool cut = false;

	if (buf_room(out) < sizeof(h) + dots.n)
		return;
	if (v.n > buf_room(out) - sizeof(h)) {
		v.n = buf_room(out) - sizeof(h) - dots.n;
		cut = true;
	}
	h.len = (uint16_t)(v.n + (cut ? dots.n : 0));
	buf_put(out, (struct span){ (const char *)&h, sizeof(h) });
	buf_put(out, v);
	if (cut)
		buf_put(out, dots);
}

void
log_encode(struct buf *out, const struct log_record *r)
{
	struct head h = {
		.version = LOG_VERSION,
		.level = (uint8_t)r->level,
		.event = r->event,
		.fields_n = (uint8_t)r->n,
		.pid = r->pid,
		.time = r->time,
	};

	must(r->n <= LOG_FIELDS_MAX);
	buf_put(out, (struct span){ (const char *)&h, sizeof(h) });
	for (size_t i = 0; i < r->n; i++)
		put_field(out, &r->fields[i]);
}

static bool
take_bytes(struct span *in, void *to, size_t n)
{
	if (in->n < n)
		return false;
	memcpy(to, in->p, n);
	in->p += n;
	in->n -= n;
	return true;
}

bool
log_decode(struct span packet, struct log_record *record_r)
{
	struct log_record r = { 0 };
	struct field_head f;
	struct head h;

	if (!take_bytes(&packet, &h, sizeof(h)))
		return false;
	if (h.version != LOG_VERSION || h.level > LOG_LEVEL_PANIC)
		return false;
	r.level = (enum log_level)h.level;
	r.event = h.event;
	r.pid = h.pid;
	r.time = h.time;
	while (packet.n > 0) {
		if (r.n == LOG_FIELDS_MAX ||
		    !take_bytes(&packet, &f, sizeof(f)) || f.len > packet.n)
			return false;
		r.fields[r.n++] = (struct log_field){
			f.name,
			{ packet.p, f.len },
		};
		packet.p += f.len;
		packet.n -= f.len;
	}
	*record_r = r;
	return true;
}

/* Before there is a stream: for whoever started us. */
static void
print(const struct log_record *r)
{
	struct span prefix = log_level_prefix(r->level);
	char line[TEXT_MAX + TAG_MAX];
	struct buf b;

	buf_init(&b, line, sizeof(line));
	buf_put(&b, log_get(r, LOG_FIELD_TAG));
	buf_put(&b, SPAN(": "));
	buf_put(&b, prefix);
	for (size_t i = 0; i < r->n; i++) {
		if (r->fields[i].name == LOG_FIELD_TAG)
			continue;
		buf_put(&b, r->fields[i].value);
		if (r->fields[i].name == LOG_FIELD_ID)
			buf_put(&b, SPAN(": "));
	}
	buf_put(&b, SPAN("\n"));
	if (write(STDERR_FILENO, b.p, b.n) < 0)
		return; /* there is nobody else to tell */
}

/* Records of a thread on their way; more than one if some are held or linger. */
static _Thread_local struct {
	char bytes[LOG_PACKET_MAX];
	size_t used;
	struct iovec packets[HELD_MAX];
	unsigned n;
	bool hold;
	bool linger; /* the next one may */
	void (*arrange)(void); /* for their end */
} out;

/* Returns how many were not taken. */
static unsigned
send_packets(void)
{
	struct mmsghdr all[HELD_MAX] = { 0 };
	unsigned n = out.n;
	int sent;

	out.n = 0;
	out.used = 0;
	if (n == 1)
		return send(own.fd, out.packets[0].iov_base,
			   out.packets[0].iov_len,
			   MSG_DONTWAIT | MSG_NOSIGNAL) < 0;
	for (unsigned i = 0; i < n; i++) {
		all[i].msg_hdr.msg_iov = &out.packets[i];
		all[i].msg_hdr.msg_iovlen = 1;
	}
	sent = n > 0 ? sendmmsg(own.fd, all, n, MSG_DONTWAIT | MSG_NOSIGNAL)
		     : 0;
	return sent < 0 ? n : n - (unsigned)sent;
}

/* Whether the last record does not go out by now. */
static bool
stays(void)
{
	bool linger = out.linger && out.arrange;

	out.linger = false;
	if (linger && out.n == 1)
		out.arrange();
	return linger;
}

/* Returns how many lines were lost: this one, or some that were held. */
static unsigned
send_record(const struct log_record *r)
{
	unsigned missing = 0;
	struct buf b;

	if (out.n == HELD_MAX || sizeof(out.bytes) - out.used < HELD_LEAST)
		missing = send_packets();
	buf_init(&b, out.bytes + out.used, sizeof(out.bytes) - out.used);
	log_encode(&b, r);
	out.packets[out.n++] = (struct iovec){ b.storage, b.n };
	out.used += b.n;
	bool stay = stays() || out.hold;
	return stay ? missing : missing + send_packets();
}

void
log_hold(void)
{
	out.hold = true;
}

void
log_release(void)
{
	out.hold = false;
	log_flush();
}

void
log_linger(void)
{
	out.linger = true;
}

void
log_on_linger(void (*arrange)(void))
{
	out.arrange = arrange;
}

void
log_flush(void)
{
	int error = errno;

	if (out.n > 0)
		atomic_fetch_add(&lost, send_packets());
	errno = error;
}

static struct log_record
make_record(uint8_t event, enum log_level level, struct span tag)
{
	return (struct log_record){
		.level = level,
		.event = event,
		.pid = own.pid ? own.pid : (uint32_t)getpid(),
		.time = clock_wall(),
		.n = 1,
		.fields = { { LOG_FIELD_TAG, tag } },
	};
}

/* Tells how many lines were lost, if that can be told by now. */
static void
tell_lost(struct span tag)
{
	unsigned n = atomic_exchange(&lost, 0);
	char text[64];

	if (n == 0)
		return;
	struct log_record r = make_record(LOG_EVENT_TEXT, LOG_LEVEL_WARNING,
	    tag);
	int len = snprintf(text, sizeof(text), "%u log lines were lost", n);

	r.fields[r.n++] = (struct log_field){
		LOG_FIELD_TEXT,
		{ text, (size_t)len },
	};
	r.fields[r.n++] = (struct log_field){
		LOG_FIELD_LOST,
		{ text, strcspn(text, " ") },
	};
	if (send_record(&r) > 0)
		atomic_fetch_add(&lost, n);
}

void
log_event_as(uint8_t event, enum log_level level, const char *tag_text,
    const struct log_field *fields, size_t n)
{
	struct span tag = span_str(tag_text);
	struct log_record r = make_record(event, level, tag);
	int error = errno;

	must(n < LOG_FIELDS_MAX);
	for (size_t i = 0; i < n; i++)
		r.fields[r.n++] = fields[i];
	if (own.fd < 0) {
		print(&r);
	} else {
		tell_lost(tag);
		atomic_fetch_add(&lost, send_record(&r));
	}
	errno = error;
}

void
log_event(uint8_t event, enum log_level level, const char *service,
    const struct log_field *fields, size_t n)
{
	char tag[TAG_MAX + 2];

	service = service ? service : own.service;
	snprintf(tag, sizeof(tag), "%s%s%s", own.name, *service ? "/" : "",
	    service);
	log_event_as(event, level, tag, fields, n);
}

/* A client must not be able to begin a line of its own. */
static void
blunt(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

static void say(enum log_level level, const char *id, const char *fmt,
    va_list ap) PRINTF_LIKE(3, 0);

static void
say(enum log_level level, const char *id, const char *fmt, va_list ap)
{
	struct log_field fields[2];
	char text[TEXT_MAX];
	size_t n = 0;
	int len = vsnprintf(text, sizeof(text), fmt, ap);

	must(len >= 0);
	blunt(text);
	if (id)
		fields[n++] = (struct log_field){
			LOG_FIELD_ID,
			{ id, strlen(id) },
		};
	fields[n++] = (struct log_field){
		LOG_FIELD_TEXT,
		{ text, strlen(text) },
	};
	log_event(LOG_EVENT_TEXT, level, NULL, fields, n);
}

#define SAY(level, id) \
	do { \
		va_list ap; \
\
		va_start(ap, fmt); \
		say((level), (id), fmt, ap); \
		va_end(ap); \
	} while (0)

void
log_error(const char *fmt, ...)
{
	SAY(LOG_LEVEL_ERROR, NULL);
}

void
log_warning(const char *fmt, ...)
{
	SAY(LOG_LEVEL_WARNING, NULL);
}

void
log_info(const char *fmt, ...)
{
	SAY(LOG_LEVEL_INFO, NULL);
}

void
log_debug(const char *fmt, ...)
{
	if (own.debug)
		SAY(LOG_LEVEL_DEBUG, NULL);
}

void
log_about(enum log_level level, const char *id, const char *fmt, ...)
{
	if (level != LOG_LEVEL_DEBUG || own.debug)
		SAY(level, id);
}
