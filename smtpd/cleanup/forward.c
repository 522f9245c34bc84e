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
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
	COPY_MAX = 64 << 10, /* bytes of the mail that are read at once */
	LIST_MAX = 16 << 20, /* of addresses; local has 5000 at most */
	TEXT_MAX = 300,
};

/* A mail that goes on. */
struct passage {
	const struct msg_in *asked;
	struct intake *in;
	int fd;
	int list_fd;
	struct buf list; /* of addresses, each with a NUL behind it */
	char *piece; /* of the mail */
	size_t piece_n;
	uint64_t at; /* behind it */
	uLong sum;
	int err; /* of the last step */
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

/* Offloaded. All at once, as it is that long in local's memory, too. */
static void
read_list(void *arg)
{
	struct passage *p = arg;
	struct stat st;
	ssize_t n;

	p->err = -EBADMSG;
	if (fstat(p->list_fd, &st) < 0 || st.st_size <= 0 ||
	    st.st_size > LIST_MAX)
		return;
	buf_init(&p->list, zalloc((size_t)st.st_size), (size_t)st.st_size);
	n = pread(p->list_fd, p->list.storage, p->list.max, 0);
	if (n != st.st_size || p->list.storage[n - 1] != '\0')
		return;
	buf_grow(&p->list, (size_t)n);
	p->err = 0;
}

/* Offloaded: the next piece; none is the end. */
static void
read_piece(void *arg)
{
	struct passage *p = arg;
	uint64_t left = msg_u64(p->asked, MSG_FIELD_OFFSET) +
	    msg_u64(p->asked, MSG_FIELD_LENGTH) - p->at;
	size_t want = left < COPY_MAX ? (size_t)left : COPY_MAX;
	ssize_t n = pread(p->fd, p->piece, want, (off_t)p->at);

	p->err = n < 0 ? -errno : n == 0 && want > 0 ? -EBADMSG : 0;
	p->piece_n = n > 0 ? (size_t)n : 0;
	p->at += p->piece_n;
	p->sum = crc32_z(p->sum, (const unsigned char *)p->piece, p->piece_n);
}

/*
 * Only what is on disk is offloaded: the head's addresses ask tables, which are
 * the loop's. Returns 0 or -errno; -EBADMSG is damage.
 */
static int
take_in(struct passage *p)
{
	do {
		task_offload(TASK_DISK, read_piece, p);
		if (p->err)
			return p->err;
		if (!intake_feed(p->in, (struct span){ p->piece, p->piece_n }))
			return p->in->error ? p->in->error : -EIO;
	} while (p->piece_n > 0);
	if (p->sum != msg_u64(p->asked, MSG_FIELD_CHECKSUM))
		return -EBADMSG;
	return intake_end(p->in) ? 0 : p->in->error ? p->in->error : -EIO;
}

/* Offloaded: whether the mail has been where it comes from; or -errno. */
static void
find_loop(void *arg)
{
	struct passage *p = arg;
	struct span addr = msg_str(p->asked, MSG_FIELD_ADDR);
	char *head = zalloc(DELIVERED_HEAD_MAX);

	p->err = delivered_find(p->fd, msg_u64(p->asked, MSG_FIELD_OFFSET),
	    msg_u64(p->asked, MSG_FIELD_LENGTH), addr, head);
	free(head);
}

/* Such mail is not sent round once more. */
static bool
may_go_on(struct passage *p)
{
	struct span addr = msg_str(p->asked, MSG_FIELD_ADDR);

	p->err = 0;
	if (addr.n > 0)
		task_offload(TASK_DISK, find_loop, p);
	if (p->err < 0)
		end_with(p, DELIVERY_DEFERRED, "4.3.0", strerror(-p->err));
	if (p->err > 0) {
		end_with(p, DELIVERY_BOUNCED, "5.4.6", "");
		snprintf(p->text, sizeof(p->text),
		    "mail forwarding loop for %.*s",
		    (int)(addr.n < TEXT_MAX ? addr.n : TEXT_MAX), addr.p);
	}
	return p->err == 0;
}

/* Offloaded: durable. */
static void
commit(void *arg)
{
	struct passage *p = arg;

	p->err = intake_commit(p->in);
}

static void
finish(struct passage *p)
{
	uint64_t length = msg_u64(p->asked, MSG_FIELD_LENGTH);
	int err;

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
	if (!err) {
		task_offload(TASK_DISK, commit, p);
		err = p->err;
	}
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
	struct span rest = buf_span(&p->list);
	struct intake *in = p->in;

	in->sender = msg_str(p->asked, MSG_FIELD_SENDER);
	in->envelope.envid = msg_str(p->asked, MSG_FIELD_ENVID);
	in->envelope.ret = (unsigned)msg_u64(p->asked, MSG_FIELD_RET);
	in->envelope.flags = msg_u64(p->asked, MSG_FIELD_FLAGS) & QUEUE_8BIT;
	while (rest.n > 0) {
		struct queue_rcpt to = {
			.addr = intake_qualify(in, span_cut(&rest, '\0')),
		};

		if (intake_add(in, &to) != INTAKE_ADDED)
			return false;
	}
	return intake_count(in) > 0;
}

void
forward_message(const struct msg_in *asked, const int fds[2],
    struct buf *answer)
{
	struct passage p = {
		.asked = asked,
		.in = intake_new(&intake_conf, service_wall()),
		.fd = fds[0],
		.list_fd = fds[1],
		.at = msg_u64(asked, MSG_FIELD_OFFSET),
		.piece = zalloc(COPY_MAX),
	};

	p.in->flush = cleanup_flush;
	end_with(&p, DELIVERY_DEFERRED, "4.3.0", "an address cannot be mapped");
	task_offload(TASK_DISK, read_list, &p);
	if (!p.err && put_envelope(&p)) {
		put_head(&p);
		finish(&p);
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
	free(p.list.storage);
	free(p.piece);
}
