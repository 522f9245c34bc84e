/*
 * A queue file of any bytes: what is read lies within it. The first byte of the
 * input says whether its checksums are made right, so that what is behind them
 * is reached.
 */
#include "queue/record.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
touch(struct span s)
{
	volatile char c = 0;

	for (size_t i = 0; i < s.n; i++)
		c = (char)(c ^ s.p[i]);
}

static void
touch_message(const struct queue_message *m)
{
	touch(m->envelope.sender);
	touch(m->envelope.helo);
	for (size_t i = 0; i < m->n; i++) {
		must(m->rcpts[i].addr.n > 0);
		touch(m->rcpts[i].addr);
		touch(m->rcpts[i].orig);
		touch(m->rcpts[i].orcpt);
		touch(m->states[i].dsn);
		touch(m->states[i].relay);
		touch(m->states[i].text);
	}
}

/* Any bytes as content, envelope and states, with a head and trailer around. */
static void
write_with_sums(int fd, struct span in)
{
	size_t content = in.n > 0 ? (unsigned char)in.p[0] % in.n : 0;
	size_t rest = in.n - content;
	size_t envelope = in.n > 1 ? (unsigned char)in.p[1] % (rest + 1) : 0;
	struct record_head h = { content, envelope,
		(uint32_t)(in.n > 2 ? in.p[2] & 7 : 0) };
	struct span e = { in.p + content, envelope };
	char head[RECORD_HEAD], trailer[RECORD_TRAILER];

	record_put_head(head, &h);
	record_put_trailer(trailer, &h,
	    &(struct record_trailer){
		.checksum = record_checksum((struct span){ head, sizeof(head) },
		    e) });
	must(write(fd, head, sizeof(head)) == sizeof(head));
	must(write(fd, in.p, content + envelope) ==
	    (ssize_t)(content + envelope));
	must(write(fd, trailer, sizeof(trailer)) == sizeof(trailer));
	must(write(fd, in.p + content + envelope, rest - envelope) ==
	    (ssize_t)(rest - envelope));
}

static void
read_states(struct span in)
{
	struct queue_state s;

	while (record_take_state(&in, 4, &s)) {
		must(s.rcpt < 4);
		touch(s.text);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(1 << 24);
	struct span in = { (const char *)data, size };
	struct queue_message m;
	int fd = memfd_create("queue-file", MFD_CLOEXEC);

	must(fd >= 0);
	read_states(in);
	if (size > 0 && data[0] == 's')
		write_with_sums(fd, (struct span){ in.p + 1, in.n - 1 });
	else
		must(write(fd, in.p, in.n) == (ssize_t)in.n);
	if (queue_read(fd, a, &m) == 0)
		touch_message(&m);
	close(fd);
	arena_free(a);
	return 0;
}
