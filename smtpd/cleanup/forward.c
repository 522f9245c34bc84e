/*
 * What aliases and users of the machine send on: local names the addresses and
 * gives the file; it comes into the queue as all mail does.
 */
#include "smtpd/cleanup/cleanup.h"

#include "base/log.h"
#include "mail/delivered.h"
#include "mail/maillog.h"
#include "service/service.h"
#include "smtpd/notify.h"
#include "task/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum {
	COPY_MAX = 64 << 10, /* bytes of the mail that are read at once */
	TEXT_MAX = 300,
};

/* A mail that goes on. */
struct passage {
	const struct msg_in *asked;
	struct intake *in;
	int fd;
	enum delivery_status status;
	const char *dsn;
	char text[TEXT_MAX];
};

static void
end_with(struct passage *p, enum delivery_status status, const char *dsn,
    const char *text)
{
	p->status = status;
	p->dsn = dsn;
	snprintf(p->text, sizeof(p->text), "%s%s",
	    status == DELIVERY_SENT ? "" : "unable to forward message: ", text);
}

/* Returns 0 or -errno; -EBADMSG is damage. */
static int
copy(struct passage *p, char *bytes)
{
	uint64_t left = msg_u64(p->asked, MSG_FIELD_LENGTH);
	uint64_t at = msg_u64(p->asked, MSG_FIELD_OFFSET);
	uLong sum = 0;

	while (left > 0) {
		size_t want = left < COPY_MAX ? (size_t)left : COPY_MAX;
		ssize_t n = pread(p->fd, bytes, want, (off_t)at);

		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		sum = crc32_z(sum, (const unsigned char *)bytes, (size_t)n);
		at += (uint64_t)n;
		left -= (uint64_t)n;
		if (!intake_feed(p->in, (struct span){ bytes, (size_t)n }))
			return p->in->error;
	}
	return sum == msg_u64(p->asked, MSG_FIELD_CHECKSUM) ? 0 : -EBADMSG;
}

static int
take_in(struct passage *p)
{
	char *bytes = zalloc(COPY_MAX);
	int err = copy(p, bytes);

	free(bytes);
	if (!err && !intake_end(p->in))
		err = p->in->error ? p->in->error : -EIO;
	return err;
}

/* Mail that has been where it comes from is not sent round once more. */
static bool
may_go_on(struct passage *p)
{
	struct span addr = msg_str(p->asked, MSG_FIELD_ADDR);
	char *head = zalloc(DELIVERED_HEAD_MAX);
	int looped = 0;

	if (addr.n > 0)
		looped = delivered_find(p->fd,
		    msg_u64(p->asked, MSG_FIELD_OFFSET),
		    msg_u64(p->asked, MSG_FIELD_LENGTH), addr, head);
	free(head);
	if (looped < 0)
		end_with(p, DELIVERY_DEFERRED, "4.3.0", strerror(-looped));
	if (looped > 0) {
		end_with(p, DELIVERY_BOUNCED, "5.4.6", "");
		snprintf(p->text, sizeof(p->text),
		    "mail forwarding loop for %.*s",
		    (int)(addr.n < TEXT_MAX ? addr.n : TEXT_MAX), addr.p);
	}
	return looped == 0;
}

/* Offloaded: content, durable. */
static void
finish(void *arg)
{
	struct passage *p = arg;
	uint64_t length = msg_u64(p->asked, MSG_FIELD_LENGTH);
	int err;

	p->in->flush = NULL; /* here it may block */
	if (!may_go_on(p))
		return;
	err = take_in(p);
	if (!err && p->in->scan.received > (uint64_t)params.hopcount_limit) {
		end_with(p, DELIVERY_BOUNCED, "5.4.6", "too many hops");
		return;
	}
	if (!err && params.size_limit > 0 &&
	    length > (uint64_t)params.size_limit) {
		end_with(p, DELIVERY_BOUNCED, "5.3.4",
		    "message size exceeds limit");
		return;
	}
	if (!err)
		err = intake_commit(p->in);
	if (err)
		end_with(p, DELIVERY_DEFERRED, "4.3.0",
		    err == -EBADMSG ? "the queue file is damaged"
				    : strerror(-err));
	else
		end_with(p, DELIVERY_SENT, "2.0.0", "forwarded as ");
}

/* Offloaded. */
static void
drop(void *arg)
{
	intake_free(arg);
}

static void
put_head(struct passage *p)
{
	struct span addr = msg_str(p->asked, MSG_FIELD_ADDR);

	cleanup_received(p->in, "");
	if (addr.n == 0 || memchr(addr.p, '\n', addr.n))
		return;
	intake_put(p->in, SPAN("Delivered-To: "));
	intake_put(p->in, addr);
	intake_put(p->in, SPAN("\n"));
}

static bool
put_envelope(struct passage *p)
{
	struct span rest = p->asked->fields, addr;
	struct intake *in = p->in;

	in->sender = msg_str(p->asked, MSG_FIELD_SENDER);
	in->envelope.envid = msg_str(p->asked, MSG_FIELD_ENVID);
	in->envelope.ret = (unsigned)msg_u64(p->asked, MSG_FIELD_RET);
	in->envelope.flags = msg_u64(p->asked, MSG_FIELD_FLAGS) & QUEUE_8BIT;
	while (msg_next(&rest, MSG_FIELD_VALUE, &addr)) {
		struct queue_rcpt to = { .addr = intake_qualify(in, addr) };

		if (intake_add(in, &to) != INTAKE_ADDED)
			return false;
	}
	return intake_count(in) > 0;
}

void
forward_message(const struct msg_in *asked, int fd, struct buf *answer)
{
	struct passage p = {
		.asked = asked,
		.in = intake_new(&intake_conf, service_wall()),
		.fd = fd,
	};

	p.in->flush = cleanup_flush;
	end_with(&p, DELIVERY_DEFERRED, "4.3.0", "an address cannot be mapped");
	if (put_envelope(&p)) {
		put_head(&p);
		task_offload(TASK_DISK, finish, &p);
	}
	msg_begin(answer, MSG_ERRAND_DONE, asked->id);
	msg_put_u64(answer, MSG_FIELD_STATUS, p.status);
	msg_put_str(answer, MSG_FIELD_DSN, span_str(p.dsn));
	if (p.status == DELIVERY_SENT) {
		intake_log_id(p.in);
		notify_new(span_str(p.in->name.text));
		msg_put_str(answer, MSG_FIELD_ID, span_str(p.in->id.text));
		snprintf(p.text, sizeof(p.text), "forwarded as %s",
		    p.in->id.text);
	}
	msg_put_str(answer, MSG_FIELD_TEXT, span_str(p.text));
	task_offload(TASK_DISK, drop, p.in);
}
