#include "pop3d/mailbox.h"

#include "base/scan.h"
#include "pop3d/uidl.h"

#include <inttypes.h>

enum {
	/* Bytes of one row of LIST or UIDL, and of the end. */
	ROW_MAX = POP3_UIDL_MAX + 32,
};

static void
ok(struct pop3_mailbox *s, const char *text)
{
	buf_putf(s->out, "+OK%s%s\r\n", *text ? " " : "", text);
}

static void
error(struct pop3_mailbox *s, const char *text)
{
	if (++s->errors < s->errors_max) {
		buf_putf(s->out, "-ERR %s\r\n", text);
		return;
	}
	buf_put(s->out, SPAN("-ERR Too many errors.\r\n"));
	s->want = POP3_WANT_CLOSE;
}

void
pop3_begin(struct pop3_mailbox *s)
{
	ok(s, "Logged in.");
}

/* Of the messages that are not deleted. */
static size_t
count(const struct pop3_mailbox *s, uint64_t *size_r)
{
	*size_r = 0;
	for (size_t i = 0; i < s->n; i++)
		if (!s->messages[i].deleted)
			*size_r += s->messages[i].size;
	return s->n - s->deleted_n;
}

static void
put_row(struct pop3_mailbox *s, size_t i)
{
	const struct pop3_message *m = &s->messages[i];

	buf_putf(s->out, "%zu ", i + 1);
	if (s->is_uidl)
		pop3_uidl_put(s->out, s->uidl_format, s->uidvalidity, m->uid);
	else
		buf_putf(s->out, "%" PRIu64, m->size);
	buf_put(s->out, SPAN("\r\n"));
}

/* As many rows as there is room for. */
enum pop3_want
pop3_go_on(struct pop3_mailbox *s)
{
	for (; s->at < s->n && buf_room(s->out) >= ROW_MAX; s->at++)
		if (!s->messages[s->at].deleted)
			put_row(s, s->at);
	if (buf_room(s->out) < ROW_MAX) {
		s->want = POP3_WANT_ROOM;
	} else {
		buf_put(s->out, SPAN(".\r\n"));
		s->want = POP3_WANT_LINE;
	}
	return s->want;
}

/* Takes the number of a message that is there, or says why it is not. */
static bool
take_message(struct pop3_mailbox *s, struct span *arg, size_t *i_r)
{
	uint64_t number = 0;

	take_blanks(arg);
	if (!take_number(arg, UINT32_MAX, &number) ||
	    (arg->n > 0 && arg->p[0] != ' ')) {
		error(s, "Invalid message number.");
		return false;
	}
	take_blanks(arg);
	if (number == 0 || number > s->n) {
		error(s, "There is no message with that number.");
		return false;
	}
	if (s->messages[number - 1].deleted) {
		error(s, "Message is deleted.");
		return false;
	}
	*i_r = (size_t)number - 1;
	return true;
}

/* The same, where nothing may come behind it. */
static bool
take_only_message(struct pop3_mailbox *s, struct span arg, size_t *i_r)
{
	if (!take_message(s, &arg, i_r))
		return false;
	if (arg.n > 0)
		error(s, "Noise after message number.");
	return arg.n == 0;
}

static void
on_list(struct pop3_mailbox *s, struct span arg)
{
	uint64_t size;
	size_t i;

	take_blanks(&arg);
	if (arg.n > 0) {
		if (take_only_message(s, arg, &i)) {
			buf_put(s->out, SPAN("+OK "));
			put_row(s, i);
		}
		return;
	}
	i = count(s, &size);
	buf_putf(s->out, "+OK %zu messages (%" PRIu64 " octets)\r\n", i, size);
	s->at = 0;
	pop3_go_on(s);
}

static void
on_stat(struct pop3_mailbox *s)
{
	uint64_t size;
	size_t n = count(s, &size);

	buf_putf(s->out, "+OK %zu %" PRIu64 "\r\n", n, size);
}

static void
on_dele(struct pop3_mailbox *s, struct span arg)
{
	size_t i;

	if (!take_only_message(s, arg, &i))
		return;
	s->messages[i].deleted = true;
	s->deleted_n++;
	ok(s, "Marked to be deleted.");
}

static void
on_rset(struct pop3_mailbox *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->messages[i].deleted = false;
	s->deleted_n = 0;
	ok(s, "");
}

static void
on_retr(struct pop3_mailbox *s, struct span arg)
{
	if (!take_only_message(s, arg, &s->at))
		return;
	s->is_top = false;
	s->want = POP3_WANT_OPEN;
}

static void
on_top(struct pop3_mailbox *s, struct span arg)
{
	if (!take_message(s, &arg, &s->at))
		return;
	if (!take_number(&arg, UINT64_MAX, &s->lines) || arg.n > 0) {
		error(s, "Invalid number of lines.");
		return;
	}
	s->is_top = true;
	s->want = POP3_WANT_OPEN;
}

static void
on_quit(struct pop3_mailbox *s)
{
	if (s->deleted_n > 0) {
		s->want = POP3_WANT_DELETE;
		return;
	}
	ok(s, "Logging out.");
	s->want = POP3_WANT_CLOSE;
}

/* RFC 2449, section 5: what is still true after login. */
static void
capabilities(struct pop3_mailbox *s)
{
	ok(s, "");
	buf_put(s->out,
	    SPAN("CAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
		 "PIPELINING\r\n.\r\n"));
}

/* Commands without an argument. False: it is none of them. */
static bool
run_alone(struct pop3_mailbox *s, enum pop3_verb verb)
{
	switch (verb) {
	case POP3_CAPA:
		capabilities(s);
		return true;
	case POP3_NOOP:
		ok(s, "");
		return true;
	case POP3_QUIT:
		on_quit(s);
		return true;
	case POP3_RSET:
		on_rset(s);
		return true;
	case POP3_STAT:
		on_stat(s);
		return true;
	default:
		return false;
	}
}

enum pop3_want
pop3_line(struct pop3_mailbox *s, struct span line)
{
	struct span arg;
	enum pop3_verb verb = pop3_command(line, &arg);

	must(s->want == POP3_WANT_LINE);
	if (run_alone(s, verb))
		return s->want;
	s->is_uidl = verb == POP3_UIDL;
	switch (verb) {
	case POP3_DELE:
		on_dele(s, arg);
		break;
	case POP3_LIST:
	case POP3_UIDL:
		on_list(s, arg);
		break;
	case POP3_RETR:
		on_retr(s, arg);
		break;
	case POP3_TOP:
		on_top(s, arg);
		break;
	default:
		error(s, "Unknown command.");
		break;
	}
	return s->want;
}

enum pop3_want
pop3_opened(struct pop3_mailbox *s, enum pop3_opened how)
{
	must(s->want == POP3_WANT_OPEN);
	s->want = POP3_WANT_LINE;
	switch (how) {
	case POP3_OPENED:
		s->want = POP3_WANT_BODY;
		if (s->is_top)
			ok(s, "");
		else
			buf_putf(s->out, "+OK %" PRIu64 " octets\r\n",
			    s->messages[s->at].size);
		break;
	case POP3_GONE:
		buf_put(s->out, SPAN("-ERR Message is already expunged.\r\n"));
		break;
	case POP3_UNREADABLE:
		buf_put(s->out,
		    SPAN("-ERR [SYS/TEMP] Message cannot be read now.\r\n"));
		break;
	}
	return s->want;
}

enum pop3_want
pop3_sent(struct pop3_mailbox *s)
{
	must(s->want == POP3_WANT_BODY);
	s->want = POP3_WANT_LINE;
	return s->want;
}

enum pop3_want
pop3_deleted(struct pop3_mailbox *s, bool all)
{
	must(s->want == POP3_WANT_DELETE);
	if (all)
		ok(s, "Logging out, messages deleted.");
	else
		buf_put(s->out,
		    SPAN("-ERR [SYS/TEMP] Some deleted messages were not "
			 "removed.\r\n"));
	s->want = POP3_WANT_CLOSE;
	return s->want;
}
