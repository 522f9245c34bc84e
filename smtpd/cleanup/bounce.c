/*
 * Reports to senders: the queue manager names the recipients and gives the file;
 * what comes of it is a message of its own in the queue, before it is told so.
 */
#include "smtpd/cleanup/cleanup.h"

#include "base/log.h"
#include "mail/maillog.h"
#include "net/channel.h"
#include "service/msg.h"
#include "service/service.h"
#include "smtpd/cleanup/report.h"
#include "smtpd/notify.h"
#include "task/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	KEEP_MAX = 1 << 20,
	COPY_MAX = 8192, /* bytes of the mail that are read at once */
	SECRET = 12, /* bytes in a boundary */
	BOUNDARY_MAX = 2 * SECRET + 3,
	ADDR_MAX = 1500,
};

/* One report that is being made. */
struct job {
	const struct msg_in *asked;
	struct report report;
	struct intake *in;
	char boundary[BOUNDARY_MAX];
	struct span from; /* of its envelope */
	int fd; /* of the mail */
	uint64_t at, left; /* what of it is to be copied */
	int error;
};

static void
put(struct span piece, void *arg)
{
	(void)intake_feed(arg, piece);
}

/* No mail can have it in itself: nobody knows it before. */
static bool
make_boundary(char text[BOUNDARY_MAX])
{
	unsigned char bytes[SECRET];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

static void
each_rcpt(struct job *j,
    void (*fn)(const struct report *r, const struct report_rcpt *rcpt))
{
	struct span rest = j->asked->fields;
	struct msg_in r;

	while (msg_next_group(&rest, MSG_FIELD_RCPT, &r))
		fn(&j->report,
		    &(struct report_rcpt){
			.addr = msg_str(&r, MSG_FIELD_ADDR),
			.orig = msg_str(&r, MSG_FIELD_ORIG),
			.orcpt = msg_str(&r, MSG_FIELD_ORCPT),
			.dsn = msg_str(&r, MSG_FIELD_DSN),
			.relay = msg_str(&r, MSG_FIELD_RELAY),
			.text = msg_str(&r, MSG_FIELD_TEXT),
		    });
}

/* How much of the head is in `text`; all of it: *over_r. */
static size_t
head_length(struct span text, bool *begins, bool *over_r)
{
	for (size_t i = 0; i < text.n; i++) {
		if (*begins && text.p[i] == '\n') {
			*over_r = true;
			return i;
		}
		*begins = text.p[i] == '\n';
	}
	return text.n;
}

/* Copies the mail, or its head, by way of `bytes`. */
static int
copy(struct job *j, char *bytes)
{
	bool begins = true, over = false;

	while (j->left > 0 && !over) {
		size_t want = j->left < COPY_MAX ? (size_t)j->left : COPY_MAX;
		ssize_t n = pread(j->fd, bytes, want, (off_t)j->at);
		struct span piece = { bytes, (size_t)n };

		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		j->at += (uint64_t)n;
		j->left -= (uint64_t)n;
		if (j->report.head_only)
			piece.n = head_length(piece, &begins, &over);
		if (!intake_feed(j->in, piece))
			return j->in->error;
	}
	return 0;
}

/* Offloaded: the rest, durable. */
static void
finish(void *arg)
{
	struct job *j = arg;
	char *bytes = zalloc(COPY_MAX);

	j->in->flush = NULL; /* here it may block */
	j->error = copy(j, bytes);
	free(bytes);
	if (j->error)
		return;
	report_end(&j->report);
	if (!intake_end(j->in))
		j->error = j->in->error ? j->in->error : -EIO;
	else
		j->error = intake_commit(j->in);
}

/* Offloaded. */
static void
drop(void *arg)
{
	intake_free(arg);
}

static void
compose(struct job *j)
{
	cleanup_received(j->in, "");
	report_head(&j->report);
	each_rcpt(j, report_rcpt);
	report_status(&j->report);
	each_rcpt(j, report_rcpt_status);
	report_original(&j->report);
}

/* Returns 0, or -errno: it is not in the queue. */
static int
make(struct job *j)
{
	struct queue_rcpt to = { .addr = j->report.to };

	if (!make_boundary(j->boundary))
		return -EIO;
	j->report.boundary = j->boundary;
	j->in->flush = cleanup_flush;
	j->in->complete = true;
	j->in->sender = j->from;
	if (intake_add(j->in, &to) != INTAKE_ADDED)
		return -EAGAIN;
	compose(j);
	task_offload(TASK_DISK, finish, j);
	return j->error;
}

static const struct template *
template_of(enum report_kind kind)
{
	switch (kind) {
	case REPORT_NONE:
	case REPORT_FAILURE:
		break;
	case REPORT_DELAY:
		return &cleanup_templates.of[TEMPLATE_DELAY];
	case REPORT_SUCCESS:
		return &cleanup_templates.of[TEMPLATE_SUCCESS];
	case REPORT_TRACE:
		return &cleanup_templates.of[TEMPLATE_VERIFY];
	}
	return &cleanup_templates.of[TEMPLATE_FAILURE];
}

static void
describe(struct job *j, const struct msg_in *m)
{
	uint64_t length = msg_u64(m, MSG_FIELD_LENGTH);
	uint64_t ret = msg_u64(m, MSG_FIELD_RET);
	bool is_large = length > (uint64_t)params.bounce_size;

	j->asked = m;
	j->at = msg_u64(m, MSG_FIELD_OFFSET);
	j->left = length;
	j->report = (struct report){
		.template = template_of(
		    (enum report_kind)msg_u64(m, MSG_FIELD_REPORT)),
		.put = put,
		.arg = j->in,
		.kind = (enum report_kind)msg_u64(m, MSG_FIELD_REPORT),
		.is_8bit = msg_u64(m, MSG_FIELD_FLAGS) & QUEUE_8BIT,
		.verify = msg_u64(m, MSG_FIELD_FLAGS) & QUEUE_VERIFY,
		.myhostname = params.myhostname,
		.myorigin = params.myorigin,
		.id = msg_str(m, MSG_FIELD_ID),
		.sender = msg_str(m, MSG_FIELD_SENDER),
		.envid = msg_str(m, MSG_FIELD_ENVID),
		.arrived = (int64_t)msg_u64(m, MSG_FIELD_ARRIVED),
		.lifetime = params.lifetime / 1000,
	};
	/* RFC 3461, section 5.2.4: only of failures the whole comes back. */
	j->report.head_only = j->report.kind != REPORT_FAILURE ||
	    ret == QUEUE_RET_HDRS || (is_large && ret != QUEUE_RET_FULL);
}

/* Makes a report to `to` and logs it. Returns 0 or -errno. May sleep. */
static int
send_report(const struct msg_in *m, int fd, struct span to, struct span from,
    bool for_postmaster, struct queue_id *id_r)
{
	struct job j = {
		.in = intake_new(&intake_conf, service_wall()),
		.from = from,
		.fd = fd,
	};
	int err;

	j.in->internal = true;
	describe(&j, m);
	j.report.to = to;
	if (for_postmaster) {
		j.report.for_postmaster = true;
		/* Of what nobody else is told he needs all. */
		j.report.head_only |= j.report.sender.n > 0;
	}
	err = make(&j);
	if (!err) {
		*id_r = j.in->id;
		maillog_notification(j.report.id, report_name(&j.report),
		    span_str(j.in->id.text));
		intake_log_id(j.in);
		notify_new(span_str(j.in->name.text));
	}
	task_offload(TASK_DISK, drop, j.in);
	return err;
}

/* The sender of notices to the postmaster, which nobody is told of. */
static struct span
double_sender(char text[ADDR_MAX])
{
	snprintf(text, ADDR_MAX, "%s%s%s", params.double_sender,
	    strchr(params.double_sender, '@') ? "" : "@",
	    strchr(params.double_sender, '@') ? "" : params.myorigin);
	return span_str(text);
}

static struct span
notice_recipient(enum report_kind kind, bool is_double)
{
	if (is_double)
		return span_str(params.double_recipient);
	return span_str(kind == REPORT_DELAY ? params.delay_recipient
					     : params.bounce_recipient);
}

/* Whether somebody but the sender is told, by notify_classes. */
static bool
is_noticed(enum report_kind kind, bool is_double)
{
	if (kind == REPORT_SUCCESS || kind == REPORT_TRACE ||
	    (kind == REPORT_DELAY && is_double))
		return false;
	return conf_list_has(params.notify_classes,
	    is_double                  ? "2bounce"
		: kind == REPORT_DELAY ? "delay"
				       : "bounce");
}

/*
 * To the sender; a mail without one is a report itself, of which the postmaster
 * may be told, and of that nobody. So nothing goes round.
 */
static int
tell(const struct msg_in *m, int fd, struct queue_id *id_r)
{
	enum report_kind kind = (enum report_kind)msg_u64(m, MSG_FIELD_REPORT);
	struct span sender = msg_str(m, MSG_FIELD_SENDER), id;
	char text[ADDR_MAX];
	struct span from = double_sender(text);
	int err = 0;

	if (kind < REPORT_FAILURE || kind > REPORT_TRACE)
		return -EINVAL;
	if (span_ieq(sender, from)) {
		id = msg_str(m, MSG_FIELD_ID);
		log_warning("%.*s: undeliverable notice to the postmaster is "
			    "discarded",
		    (int)id.n, id.p);
		return 0;
	}
	if (sender.n > 0)
		err = send_report(m, fd, sender, SPAN(""), false, id_r);
	if (!err && is_noticed(kind, sender.n == 0))
		err = send_report(m, fd, notice_recipient(kind, sender.n == 0),
		    from, true, id_r);
	return err;
}

static void
answer(struct channel *ch, struct buf *b)
{
	if (!msg_end(b, 0) || !channel_send(ch, buf_span(b), NULL, 0))
		log_warning("who asked is gone before the answer");
}

static void
report(const struct msg_in *m, int fd, struct buf *b)
{
	struct queue_id id = { .text = "" };
	int err = tell(m, fd, &id);

	msg_begin(b, err ? MSG_TEMPFAIL : MSG_BOUNCED, m->id);
	if (err)
		msg_put_str(b, MSG_FIELD_TEXT, span_str(strerror(-err)));
	else
		msg_put_opt(b, MSG_FIELD_ID, span_str(id.text));
}

static void
converse(struct channel *ch)
{
	int fds[SOCK_FDS_MAX];
	struct msg_in in = { 0 };
	char storage[1024];
	struct span packet;
	struct buf b;
	size_t n;

	while (channel_recv(ch, TASK_NEVER, &packet, fds, &n) == STREAM_OK) {
		bool good = msg_read(packet, &in);

		buf_init(&b, storage, sizeof(storage));
		if (good && in.type == MSG_BOUNCE && n == 1)
			report(&in, fds[0], &b);
		else if (good && in.type == MSG_FORWARD && n == 2)
			forward_message(&in, fds, &b);
		else {
			msg_begin(&b, MSG_TEMPFAIL, in.id);
			msg_put_str(&b, MSG_FIELD_TEXT, SPAN("a bad request"));
		}
		while (n > 0)
			task_close(fds[--n]);
		answer(ch, &b);
	}
}

void
bounce_client(void *conn)
{
	struct service_conn *c CLEANUP(service_conn_freep) = conn;
	struct channel *ch CLEANUP(channel_freep) = NULL;

	ch = channel_new(c->fd, MSG_MAX, KEEP_MAX);
	c->fd = -1; /* the channel's */
	converse(ch);
}
