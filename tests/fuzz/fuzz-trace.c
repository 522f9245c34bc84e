/*
 * A ring of events that is damaged while it is in use: what is read lies within
 * it, and each way through it ends. The input is a row of steps: add a packet of
 * these bytes, write a byte anywhere behind the first page, tell a story.
 */
#include "file.h"
#include "mail/maillog.h"
#include "trace/keys.h"
#include "trace/story.h"

#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	PAGE = 4096,
	COUNTS_AT = 48, /* in the head: what changes */
	STEPS_MAX = 300,
};

static const char *const asked[] = { "k", "AAAAAA", "c1", "a@x" };

struct input {
	const uint8_t *p;
	size_t n;
};

static unsigned
take(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

static void
add(struct trace_ring *r, struct input *in)
{
	size_t n = take(in) * 8u;
	struct span packet = { (const char *)in->p, n < in->n ? n : in->n };
	struct span keys[TRACE_KEYS_MAX] = { SPAN("k") };
	struct log_record rec;
	size_t keys_n = 1;

	if (log_decode(packet, &rec))
		keys_n = trace_keys(&rec, keys, COUNT_OF(keys));
	trace_ring_add(r, 1, packet, keys, keys_n);
	in->p += packet.n;
	in->n -= packet.n;
}

/* One like those of smtpd and qmgr. */
static void
add_event(struct trace_ring *r, unsigned which)
{
	char packet[512];
	struct log_record rec = { .event = MAILLOG_DELIVERY, .n = 3 };
	struct span keys[TRACE_KEYS_MAX];
	struct buf b;

	rec.fields[0] = (struct log_field){ which & 1 ? LOG_FIELD_ID
						      : MAILLOG_FIELD_NEW_ID,
		SPAN("AAAAAA") };
	rec.fields[1] = (struct log_field){ MAILLOG_FIELD_CONNECTION,
		which & 2 ? SPAN("c1") : SPAN("k") };
	rec.fields[2] = (struct log_field){ MAILLOG_FIELD_REASON,
		which & 4 ? SPAN("queued as BBBBBB") : SPAN("a@x") };
	buf_init(&b, packet, sizeof(packet));
	log_encode(&b, &rec);
	trace_ring_add(r, 1, buf_span(&b), keys,
	    trace_keys(&rec, keys, COUNT_OF(keys)));
}

static void
damage(int fd, struct input *in)
{
	unsigned where = take(in);
	off_t at = (off_t)(take(in) << 8 | take(in));
	char c = (char)take(in);
	struct stat st;

	must(fstat(fd, &st) == 0);
	if (where == 0) /* what changes in the head */
		at = COUNTS_AT + at % 16;
	else if (where & 1) /* the records */
		at += st.st_size - (1 << 20);
	else
		at += PAGE;
	if (at < st.st_size)
		must(pwrite(fd, &c, 1, at) == 1);
}

static void
tell(const struct trace_ring *r, unsigned which)
{
	struct arena *a = arena_new(1 << 20);
	struct trace_query q = {
		.key = span_str(asked[which % COUNT_OF(asked)]),
		.until = INT64_MAX,
		.max = 10,
	};

	(void)trace_tell(r, &q, a);
	arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	char path[] = "/tmp/postrider-fuzz-XXXXXX";
	struct trace_ring *r, *reader;
	struct why why;
	int fd = mkstemp(path);

	must(fd >= 0);
	close(fd);
	r = trace_ring_make(path, 0, &why);
	must(r);
	reader = trace_ring_open(path, &why);
	fd = open(path, O_RDWR | O_CLOEXEC);
	unlink(path);
	must(reader && fd >= 0);
	for (int i = 0; in.n > 0 && i < STEPS_MAX; i++) {
		unsigned step = take(&in);

		if (step % 4 == 0)
			add(r, &in);
		else if (step % 4 == 1)
			damage(fd, &in);
		else if (step % 4 == 2)
			add_event(r, step / 4);
		else
			tell(reader, step / 4);
	}
	close(fd);
	trace_ring_close(reader);
	trace_ring_close(r);
	return 0;
}
