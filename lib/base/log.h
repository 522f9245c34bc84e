/*
 * log.h - what a process has to say, on its way to postlogd.
 *
 * A line is a packet of fields on a stream that master made and all processes
 * inherited; postlogd makes text or JSON of it and owns syslog and the files.
 * One line is one write that never waits: lines for which there is no room are
 * counted, and the count is told with the next line that goes through. So
 * logging is allowed in tasks and in offload.
 *
 * Here are the lines for people: log_error() if somebody must act, _warning()
 * if it will be tried again, _info(), and _debug() for dialogues. What happens
 * to mail is logged by lib/mail/maillog, which calls log_event(). A password is
 * in none of them.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/buf.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_FATAL, /* of postlog's callers, as PANIC is */
	LOG_LEVEL_PANIC,
};

enum {
	LOG_PACKET_MAX = 8192, /* what does not fit is cut, and ends in "..." */
	LOG_FIELDS_MAX = 32,
	LOG_VERSION = 1,
};

/* Names of fields that every event may have; an event's own begin at 16. */
enum log_field_name {
	LOG_FIELD_TAG = 1, /* "postrider/smtpd" */
	LOG_FIELD_ID, /* the queue ID */
	LOG_FIELD_TEXT,
	LOG_FIELD_LOST, /* how many lines there was no room for */
	LOG_FIELD_OWN = 16,
};

enum {
	LOG_EVENT_TEXT = 0, /* all it has is LOG_FIELD_TEXT */
};

struct log_field {
	uint8_t name;
	struct span value;
};

/* A line as postlogd gets it; spans point into the packet. */
struct log_record {
	enum log_level level;
	uint8_t event;
	uint32_t pid;
	int64_t time; /* wall clock, microseconds */
	size_t n;
	struct log_field fields[LOG_FIELDS_MAX];
};

/*
 * Says who we are: tags are `name`/`service`, as "postrider/smtpd"; a command has
 * no service, and its name alone. Lines go to
 * `fd`, a seqpacket socket, which stays the caller's; if it is -1 they go to
 * stderr, as all do before this call.
 */
void log_init(const char *name, const char *service, int fd);

/* Whether there is a stream: then stderr is nobody's. */
bool log_is_open(void);

/* From here on debug lines are sent too. */
void log_set_debug(bool on);

void log_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* The same about the message with this queue ID: "ID: text". */
void log_about(enum log_level level, const char *id, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/*
 * Sends an event. `service` replaces ours in the tag, as tools look for some
 * lines under another name; NULL: ours. Fields with an empty value may be left
 * out by the caller. Before log_init() it prints the fields to stderr.
 */
void log_event(uint8_t event, enum log_level level, const char *service,
    const struct log_field *fields, size_t n);

/* The same under a tag that is not of our name: "dovecot". */
void log_event_as(uint8_t event, enum log_level level, const char *tag,
    const struct log_field *fields, size_t n);

/*
 * Lines of this thread between the two go out together, in one system call. Who
 * holds them must not wait, and no other process may speak of the same before.
 */
void log_hold(void);
void log_release(void);

/*
 * The next line of this thread may stay here, and go out with the thread's next
 * or with log_flush(): no other process speaks of what it says after it. That is so
 * only where log_on_linger() has named who calls log_flush() soon: `arrange` is
 * called when a line stays and none did.
 */
void log_linger(void);
void log_on_linger(void (*arrange)(void));
void log_flush(void);

/* The codec: a packet into `out`, and back. False: it is not one of ours. */
void log_encode(struct buf *out, const struct log_record *r);
MUST_USE bool log_decode(struct span packet, struct log_record *record_r);

/* The value of a field, or an empty span with ->p NULL. */
struct span log_get(const struct log_record *r, uint8_t name);

/* "error: ", "warning: ", "" or "debug: ": how a line of text begins. */
struct span log_level_prefix(enum log_level level);

#endif
