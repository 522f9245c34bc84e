#include "tools/queue/borrow.h"

#include "base/sock.h"
#include "tools/queue/ask.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int qmgr = -1; /* -1: away */

void
borrow_begin(void)
{
	qmgr = sock_unix_connect("private/qmgr");
}

void
borrow_end(void)
{
	char packet[MSG_HEAD];
	struct buf b;

	if (qmgr < 0)
		return;
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_SCAN, 0);
	ask_send(qmgr, &b);
	close(qmgr);
	qmgr = -1;
}

static bool
is_managed(const struct named *row)
{
	return qmgr >= 0 && row->place != QUEUE_HOLD &&
	    row->place != QUEUE_CORRUPT;
}

/* Returns for how many. */
static size_t
ask_for(const struct named *rows, size_t n)
{
	static char packet[BORROW_MAX * (QUEUE_ID_MAX + 8)];
	size_t asked = 0;
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_BORROW, 1);
	for (size_t i = 0; i < n; i++)
		if (is_managed(&rows[i])) {
			msg_put_str(&b, MSG_FIELD_ID,
			    span_str(rows[i].id.text));
			asked++;
		}
	if (asked > 0)
		ask_send(qmgr, &b);
	return asked;
}

/* The answer is in the order of the question. */
static void
take_answer(const struct named *rows, size_t n, bool got[BORROW_MAX])
{
	struct msg_in in = ask_receive(qmgr);
	struct span id, rest = in.fields;
	size_t i = 0;

	while (in.type == MSG_LENT && msg_next(&rest, MSG_FIELD_ID, &id)) {
		while (i < n && !span_eq(id, span_str(rows[i].id.text)))
			i++;
		if (i < n)
			got[i++] = true;
	}
}

void
borrow(const struct named *rows, size_t n, bool got[BORROW_MAX])
{
	must(n <= BORROW_MAX);
	for (size_t i = 0; i < n; i++)
		got[i] = !is_managed(&rows[i]);
	if (ask_for(rows, n) > 0)
		take_answer(rows, n, got);
}

static void
add_active(struct names *l, const struct msg_in *in)
{
	struct span id = msg_str(in, MSG_FIELD_ID);
	struct named row = { 0 };

	if (in->type != MSG_QUEUED || id.n >= sizeof(row.id.text) ||
	    !span_eq(msg_str(in, MSG_FIELD_QUEUE), SPAN("active")))
		return;
	memcpy(row.id.text, id.p, id.n);
	names_add(l, &row);
}

static void
add_packed(struct names *l, const struct msg_in *in)
{
	struct span packet, rest = in->fields;
	struct msg_in one;

	while (msg_next(&rest, MSG_FIELD_MESSAGE, &packet))
		if (msg_read(packet, &one))
			add_active(l, &one);
}

void
borrow_active(struct names *l)
{
	int fd = sock_unix_connect("public/showq");
	char packet[MSG_HEAD];
	struct msg_in in;
	struct buf b;

	if (fd < 0)
		return; /* nobody has any */
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_SHOWQ, 1);
	ask_send(fd, &b);
	for (in = ask_receive(fd); in.type != MSG_LAST; in = ask_receive(fd)) {
		if (in.type == MSG_PACKED)
			add_packed(l, &in);
		else
			add_active(l, &in);
	}
	close(fd);
}
