#include "master/openmetrics.h"

#include <inttypes.h>

/* Counters that are a family of their own: a line for each service that counts. */
static const struct {
	enum counter counter;
	const char *name;
	const char *help;
} counters[] = {
	{ COUNTER_SESSIONS, "connections", "Connections that were accepted" },
	{ COUNTER_MESSAGES, "messages", "Messages that were taken" },
	{ COUNTER_REJECTS, "rejects", "Refusals that were logged" },
	{ COUNTER_REMOVED, "messages_removed", "Messages that are done with" },
	{ COUNTER_TLS, "tls_handshakes", "TLS handshakes that were done" },
	{ COUNTER_TLS_FAILED, "tls_handshake_failures",
	    "TLS handshakes that failed" },
	{ COUNTER_LOGINS, "logins", "Logins" },
	{ COUNTER_LOGINS_FAILED, "login_failures",
	    "Logins with a wrong name or password" },
	{ COUNTER_LINES, "log_lines", "Lines of the log" },
	{ COUNTER_LINES_LOST, "log_lines_lost",
	    "Lines of the log for which there was no room" },
};

static const struct {
	enum counter counter;
	const char *verdict;
} verdicts[] = {
	{ COUNTER_SENT, "sent" },
	{ COUNTER_DEFERRED, "deferred" },
	{ COUNTER_BOUNCED, "bounced" },
};

/* A label's value: what would end it has a backslash. */
static void
put_label(struct buf *out, const char *value)
{
	for (; *value; value++)
		if (*value == '\n')
			buf_put(out, SPAN("\\n"));
		else if (*value == '"' || *value == '\\')
			buf_putf(out, "\\%c", *value);
		else
			buf_put(out, (struct span){ value, 1 });
}

static void
put_family(struct buf *out, const char *name, const char *type,
    const char *help)
{
	buf_putf(out, "# TYPE postrider_%s %s\n", name, type);
	buf_putf(out, "# HELP postrider_%s %s.\n", name, help);
}

static void
put_labels(struct buf *out, const struct state_service *s)
{
	buf_put(out, SPAN("{service=\""));
	put_label(out, s->name);
	buf_put(out, SPAN("\",type=\""));
	put_label(out, s->type);
	buf_put(out, SPAN("\"}"));
}

static void
put_gauges(struct buf *out, const struct state *s)
{
	put_family(out, "workers", "gauge", "Processes of a service");
	for (size_t i = 0; i < s->n; i++) {
		buf_put(out, SPAN("postrider_workers"));
		put_labels(out, &s->services[i]);
		buf_putf(out, " %" PRIu64 "\n", s->services[i].workers);
	}
	put_family(out, "sessions", "gauge", "Sessions or deliveries now");
	for (size_t i = 0; i < s->n; i++) {
		buf_put(out, SPAN("postrider_sessions"));
		put_labels(out, &s->services[i]);
		buf_putf(out, " %" PRIu64 "\n", s->services[i].sessions);
	}
	put_family(out, "queue_files", "gauge",
	    "Files in a folder of the queue");
	for (size_t i = 0; i < STATE_FOLDERS; i++)
		buf_putf(out,
		    "postrider_queue_files{folder=\"%s\"} %" PRIu64 "\n",
		    state_folder(i), s->folders[i]);
}

static void
put_counters(struct buf *out, const struct state *s)
{
	for (size_t k = 0; k < COUNT_OF(counters); k++) {
		put_family(out, counters[k].name, "counter", counters[k].help);
		for (size_t i = 0; i < s->n; i++) {
			uint64_t n =
			    s->services[i].counters[counters[k].counter];

			if (n == 0)
				continue;
			buf_putf(out, "postrider_%s_total", counters[k].name);
			put_labels(out, &s->services[i]);
			buf_putf(out, " %" PRIu64 "\n", n);
		}
	}
}

static void
put_verdicts(struct buf *out, const struct state *s)
{
	put_family(out, "recipients", "counter",
	    "Recipients by what the queue manager put on record");
	for (size_t i = 0; i < COUNT_OF(verdicts); i++)
		buf_putf(out,
		    "postrider_recipients_total{verdict=\"%s\"} %" PRIu64 "\n",
		    verdicts[i].verdict, state_sum(s, verdicts[i].counter));
}

/* "deliveries.smtp.sent" */
static void
put_deliveries(struct buf *out, const struct state *s)
{
	put_family(out, "deliveries", "counter",
	    "Attempts for a recipient by transport and status");
	for (enum counter c = 0; c < COUNTERS_N; c++) {
		struct span rest = span_str(counter_name(c)), transport;

		if (!span_eq(span_cut(&rest, '.'), SPAN("deliveries")))
			continue;
		transport = span_cut(&rest, '.');
		buf_putf(out,
		    "postrider_deliveries_total{transport=\"%.*s\","
		    "status=\"%.*s\"} %" PRIu64 "\n",
		    (int)transport.n, transport.p, (int)rest.n, rest.p,
		    state_sum(s, c));
	}
}

/* "delay.0.5": its buckets count what the lower ones count, too. */
static void
put_delays(struct buf *out, const struct state *s)
{
	uint64_t n = 0, ms = state_sum(s, COUNTER_DELAY_MS);

	put_family(out, "delivery_delay_seconds", "histogram",
	    "Time from arrival to delivery of what was sent");
	for (enum counter c = COUNTER_DELAY_0; c < COUNTER_DELAY_MS; c++) {
		struct span le = span_str(counter_name(c));

		span_cut(&le, '.');
		n += state_sum(s, c);
		buf_putf(out,
		    "postrider_delivery_delay_seconds_bucket{le=\"%.*s%s\"}"
		    " %" PRIu64 "\n",
		    (int)le.n, le.p,
		    memchr(le.p, '.', le.n) || c == COUNTER_DELAY_MORE ? ""
								       : ".0",
		    n);
	}
	buf_putf(out,
	    "postrider_delivery_delay_seconds_sum %" PRIu64 ".%03" PRIu64
	    "\npostrider_delivery_delay_seconds_count %" PRIu64 "\n",
	    ms / 1000, ms % 1000, n);
}

void
openmetrics_put(struct buf *out, const struct state *s)
{
	put_gauges(out, s);
	put_counters(out, s);
	put_verdicts(out, s);
	put_deliveries(out, s);
	put_delays(out, s);
	buf_put(out, SPAN("# EOF\n"));
}
