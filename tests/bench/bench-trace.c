/*
 * What the ring of events costs: fills one with a million events as mail makes
 * them, then asks for stories. Prints the time of an event that is added, and for
 * each kind of question the slowest answer.
 *
 * Usage: bench-trace [EVENTS [FILE]]
 */
#include "base/clock.h"
#include "mail/maillog.h"
#include "trace/keys.h"
#include "trace/story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS = 1000 * 1000,
	EVENT_SPACE = 480, /* bytes in the ring, more than any here needs */
	TEXT_MAX = 256,
	ROUNDS = 50,
	MEMORY_MAX = 256 << 20,
	USERS = 5000,
	CLIENTS = 800,
};

/* One message and what is said of it. */
struct mail {
	char id[TEXT_MAX];
	char message_id[TEXT_MAX];
	char from[TEXT_MAX];
	char to[TEXT_MAX];
	char client[TEXT_MAX];
	char addr[TEXT_MAX];
	char connection[TEXT_MAX];
	char text[TEXT_MAX];
	char relay[TEXT_MAX]; /* who logged in: the same for all */
};

static struct trace_ring *ring;
static int64_t now = 1790000000000000;
static uint64_t events;
static double spent; /* CPU seconds in adding */

static double
cpu(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
put(uint8_t event, const struct log_field *fields, size_t n)
{
	static char packet[LOG_PACKET_MAX];
	struct log_record rec = { .level = LOG_LEVEL_INFO,
		.event = event,
		.pid = 4242,
		.time = now += 137,
		.n = 1,
		.fields = { { LOG_FIELD_TAG, SPAN_INIT("postrider/smtpd") } } };
	struct span keys[TRACE_KEYS_MAX];
	struct log_record read;
	struct buf b;

	for (size_t i = 0; i < n; i++)
		if (fields[i].value.n > 0)
			rec.fields[rec.n++] = fields[i];
	buf_init(&b, packet, sizeof(packet));
	log_encode(&b, &rec);
	/* As postlogd does it. */
	if (log_decode(buf_span(&b), &read))
		trace_ring_add(ring, read.time, buf_span(&b), keys,
		    trace_keys(&read, keys, COUNT_OF(keys)));
	events++;
}

#define F(name, text) \
	{ \
		MAILLOG_FIELD_##name, span_str(text) \
	}
#define PUT(event, ...) \
	put(MAILLOG_##event, (const struct log_field[]){ __VA_ARGS__ }, \
	    COUNT_OF(((const struct log_field[]){ __VA_ARGS__ })))

static void
make_mail(struct mail *m, unsigned n)
{
	unsigned r = n * 2654435761u;

	snprintf(m->id, TEXT_MAX, "%05X%07X", n % 0xfffff, n);
	snprintf(m->message_id, TEXT_MAX, "<%08x.%u@mail%u.example.org>", r, n,
	    r % CLIENTS);
	snprintf(m->from, TEXT_MAX, "sender%u@domain%u.example.org",
	    r / 7 % (USERS * 20), r % CLIENTS);
	snprintf(m->to, TEXT_MAX, "user%u@example.com", r / 3 % USERS);
	snprintf(m->client, TEXT_MAX, "mail%u.example.org", r % CLIENTS);
	snprintf(m->addr, TEXT_MAX, "192.0.%u.%u", r % CLIENTS / 256,
	    r % CLIENTS % 256);
	snprintf(m->connection, TEXT_MAX, "%x.%x", 0x65000000 + n, 4242);
	snprintf(m->relay, TEXT_MAX, "relay@example.org");
	snprintf(m->text, TEXT_MAX, "delivered to maildir");
}

/* Seven events, as of a message to one recipient here. */
static void
put_mail(const struct mail *m)
{
	const struct log_field id = { LOG_FIELD_ID, span_str(m->id) };
	const struct log_field name = F(CLIENT_NAME, m->client);
	const struct log_field addr = F(CLIENT_ADDR, m->addr);
	const struct log_field conn = F(CONNECTION, m->connection);

	PUT(CONNECT, name, addr, conn);
	PUT(CLIENT, id, name, addr, conn, F(SASL_USER, m->relay));
	PUT(MESSAGE_ID, id, F(MESSAGE_ID, m->message_id));
	PUT(ACTIVE, id, F(FROM, m->from), F(SIZE, "4242"), F(NRCPT, "1"));
	PUT(DELIVERY, id, F(TO, m->to), F(RELAY, "virtual"), F(DELAY, "0.04"),
	    F(DELAYS, "0.02/0/0/0.01"), F(DSN, "2.0.0"), F(STATUS, "sent"),
	    F(REASON, m->text), F(MAILBOX, "example.com/user/"),
	    F(UIDVALIDITY, "1790000000"), F(MAILBOX_UID, "17"));
	PUT(REMOVED, id);
	PUT(DISCONNECT, name, addr, conn,
	    F(COUNTS, "ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"));
}

static void
fill(uint64_t total)
{
	struct mail m;
	double begun = cpu(), made;

	for (unsigned n = 0; events < total; n++) {
		make_mail(&m, n);
		put_mail(&m);
	}
	made = cpu() - begun;
	/* The same without the ring, to be taken off. */
	begun = cpu();
	for (unsigned n = 0; n < total / 7; n++)
		make_mail(&m, n);
	spent = made - (cpu() - begun);
}

static void
ask(const char *path, const char *kind, size_t field, unsigned mails,
    int64_t until)
{
	double slowest = 0, all = 0;
	size_t told = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct why why;
		struct mail m;
		struct trace_ring *r;
		struct arena *a = arena_new(MEMORY_MAX);
		double begun, took;

		make_mail(&m, mails - 1 - i * (mails / ROUNDS));
		begun = cpu();
		r = trace_ring_open(path, &why);
		must(r);
		told += trace_tell(r,
		    &(struct trace_query){ .until = until,
			.max = 100,
			.key = span_str((const char *)&m + field) },
		    a)
			    .n;
		trace_ring_close(r);
		took = cpu() - begun;
		arena_free(a);
		all += took;
		slowest = took > slowest ? took : slowest;
	}
	printf("%-12s %6zu events an answer, %7.3f ms, slowest %7.3f ms\n",
	    kind, told / ROUNDS, all * 1e3 / ROUNDS, slowest * 1e3);
}

int
main(int argc, char **argv)
{
	uint64_t total = argc > 1 ? strtoull(argv[1], NULL, 10) : EVENTS;
	char own[] = "/var/tmp/bench-trace-XXXXXX";
	const char *path = argc > 2 ? argv[2] : own;
	struct why why;
	unsigned mails;
	int64_t begun = now + 1000 * 1000; /* a second of it */

	if (argc <= 2)
		close(mkstemp(own));
	unlink(path);
	ring = trace_ring_make(path, total * EVENT_SPACE, &why);
	if (!ring) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	fill(total);
	mails = (unsigned)(events / 7);
	printf("%" PRIu64 " events, %.0f ns each to encode, decode and add\n",
	    events, spent * 1e9 / (double)events);
	ask(path, "queue ID", offsetof(struct mail, id), mails, INT64_MAX);
	ask(path, "message ID", offsetof(struct mail, message_id), mails,
	    INT64_MAX);
	ask(path, "sender", offsetof(struct mail, from), mails, INT64_MAX);
	ask(path, "recipient", offsetof(struct mail, to), mails, INT64_MAX);
	ask(path, "client", offsetof(struct mail, addr), mails, INT64_MAX);
	ask(path, "all's user", offsetof(struct mail, relay), mails, INT64_MAX);
	ask(path, "all, of old", offsetof(struct mail, relay), mails, begun);
	ask(path, "nobody", offsetof(struct mail, text), mails, INT64_MAX);
	trace_ring_close(ring);
	unlink(path);
	return 0;
}
