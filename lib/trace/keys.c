#include "trace/keys.h"

#include "base/scan.h"
#include "mail/maillog.h"
#include "trace/ring.h"

enum {
	ID_LEAST = 6, /* of what servers call a message */
	ID_MOST = 64,
};

static bool
is_id_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z');
}

/* "... queued as ID", "forwarded as ID": the message went on under another ID. */
static struct span
onward(struct span text)
{
	static const struct span words[] = { SPAN_INIT("queued as "),
		SPAN_INIT("forwarded as ") };

	for (; text.n > 0; text.p++, text.n--)
		for (size_t i = 0; i < COUNT_OF(words); i++) {
			struct span rest = text, id;

			if (!take_text(&rest, words[i]))
				continue;
			id = (struct span){ rest.p, 0 };
			while (id.n < rest.n && is_id_char(id.p[id.n]))
				id.n++;
			if (id.n >= ID_LEAST && id.n <= ID_MOST)
				return id;
		}
	return (struct span){ 0 };
}

static size_t
add(struct span *out, size_t n, size_t max, struct span s)
{
	if (s.n == 0 || n == max)
		return n;
	out[n] = s;
	return n + 1;
}

static struct span
queue_id(const struct log_record *r)
{
	struct span id = log_get(r, LOG_FIELD_ID);

	return span_eq(id, SPAN("NOQUEUE")) ? (struct span){ 0 } : id;
}

size_t
trace_names(const struct log_record *r, struct span names_r[TRACE_NAMES_MAX])
{
	struct span id = queue_id(r);
	size_t n = 0;

	n = add(names_r, n, TRACE_NAMES_MAX, id);
	if (id.n == 0)
		n = add(names_r, n, TRACE_NAMES_MAX,
		    log_get(r, MAILLOG_FIELD_CONNECTION));
	n = add(names_r, n, TRACE_NAMES_MAX, log_get(r, MAILLOG_FIELD_NEW_ID));
	if (r->event == MAILLOG_DELIVERY)
		n = add(names_r, n, TRACE_NAMES_MAX,
		    onward(log_get(r, MAILLOG_FIELD_REASON)));
	return add(names_r, n, TRACE_NAMES_MAX,
	    log_get(r, MAILLOG_FIELD_SESSION));
}

struct span
trace_connection(const struct log_record *r)
{
	return queue_id(r).n > 0 ? log_get(r, MAILLOG_FIELD_CONNECTION)
				 : (struct span){ 0 };
}

size_t
trace_keys(const struct log_record *r, struct span *keys_r, size_t max)
{
	static const uint8_t asked[] = { MAILLOG_FIELD_CONNECTION,
		MAILLOG_FIELD_FROM, MAILLOG_FIELD_TO, MAILLOG_FIELD_ORIG_TO,
		MAILLOG_FIELD_MESSAGE_ID, MAILLOG_FIELD_CLIENT_ADDR,
		MAILLOG_FIELD_SASL_USER, MAILLOG_FIELD_USER,
		MAILLOG_FIELD_RIP };
	struct span names[TRACE_NAMES_MAX];
	struct span host = log_get(r, MAILLOG_FIELD_CLIENT_NAME);
	size_t names_n = trace_names(r, names), n = 0;

	for (size_t i = 0; i < names_n; i++)
		n = add(keys_r, n, max, names[i]);
	for (size_t i = 0; i < COUNT_OF(asked); i++)
		n = add(keys_r, n, max, log_get(r, asked[i]));
	return span_eq(host, SPAN("unknown")) ? n : add(keys_r, n, max, host);
}

bool
trace_has_key(const struct log_record *r, struct span key)
{
	struct span keys[TRACE_KEYS_MAX];
	size_t n = trace_keys(r, keys, COUNT_OF(keys));

	for (size_t i = 0; i < n; i++)
		if (span_ieq(keys[i], key))
			return true;
	return false;
}
