#include "tools/submit/smtp.h"

#include "base/scan.h"
#include "mail/address.h"

typedef enum smtp_want command_fn(struct smtp *s, struct span arg,
    struct buf *out);

static enum smtp_want
reply(struct buf *out, const char *text)
{
	buf_put(out, span_str(text));
	buf_put(out, SPAN("\r\n"));
	return SMTP_WANT_LINE;
}

static void
forget(struct smtp *s)
{
	s->has_sender = false;
	s->rcpts = 0;
}

void
smtp_init(struct smtp *s, const char *myhostname, size_t rcpts_max,
    struct buf *out)
{
	*s = (struct smtp){
		.myhostname = myhostname,
		.rcpts_max = rcpts_max,
	};
	buf_putf(out, "220 %s ESMTP\r\n", myhostname);
}

static enum smtp_want
cmd_helo(struct smtp *s, struct span arg, struct buf *out)
{
	if (arg.n == 0)
		return reply(out, "501 Syntax: HELO hostname");
	forget(s);
	buf_putf(out, "250 %s\r\n", s->myhostname);
	return SMTP_WANT_LINE;
}

static enum smtp_want
cmd_ehlo(struct smtp *s, struct span arg, struct buf *out)
{
	if (arg.n == 0)
		return reply(out, "501 Syntax: EHLO hostname");
	forget(s);
	buf_putf(out,
	    "250-%s\r\n250-PIPELINING\r\n250-SIZE\r\n"
	    "250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n",
	    s->myhostname);
	return SMTP_WANT_LINE;
}

/* A path in its canonical form, in ->text. */
static bool
take_address(struct smtp *s, struct span *arg)
{
	struct address address;
	struct buf b;

	if (!take_path(arg, ADDRESS_UTF8, &address) ||
	    (arg->n > 0 && *arg->p != ' ' && *arg->p != '\t'))
		return false;
	buf_init(&b, s->text, sizeof(s->text));
	address_put(&address, &b);
	s->address = buf_span(&b);
	return !b.overflow;
}

/* SIZE and BODY say what is seen anyway; others would be lost. */
static bool
knows_params(struct span rest)
{
	struct span word;

	for (take_blanks(&rest); take_word(&rest, &word); take_blanks(&rest))
		if (!take_text(&word, SPAN("SIZE=")) &&
		    !span_ieq(word, SPAN("BODY=8BITMIME")) &&
		    !span_ieq(word, SPAN("BODY=7BIT")))
			return false;
	return true;
}

static enum smtp_want
cmd_mail(struct smtp *s, struct span arg, struct buf *out)
{
	if (s->has_sender)
		return reply(out, "503 5.5.1 Error: nested MAIL command");
	if (!take_text(&arg, SPAN("FROM:")) || arg.n == 0)
		return reply(out, "501 5.5.4 Syntax: MAIL FROM:<address>");
	if (!take_address(s, &arg))
		return reply(out, "501 5.1.7 Bad sender address syntax");
	if (!knows_params(arg))
		return reply(out, "555 5.5.4 Unsupported option");
	s->has_sender = true;
	reply(out, "250 2.1.0 Ok");
	return SMTP_WANT_SENDER;
}

static enum smtp_want
cmd_rcpt(struct smtp *s, struct span arg, struct buf *out)
{
	if (!s->has_sender)
		return reply(out, "503 5.5.1 Error: need MAIL command");
	if (!take_text(&arg, SPAN("TO:")) || arg.n == 0)
		return reply(out, "501 5.5.4 Syntax: RCPT TO:<address>");
	if (!take_address(s, &arg) || s->address.n == 0)
		return reply(out, "501 5.1.3 Bad recipient address syntax");
	take_blanks(&arg);
	if (arg.n > 0)
		return reply(out, "555 5.5.4 Unsupported option");
	if (s->rcpts >= s->rcpts_max)
		return reply(out, "452 4.5.3 Error: too many recipients");
	s->rcpts++;
	reply(out, "250 2.1.5 Ok");
	return SMTP_WANT_RCPT;
}

static enum smtp_want
cmd_data(struct smtp *s, struct span arg, struct buf *out)
{
	if (!s->has_sender)
		return reply(out, "503 5.5.1 Error: need RCPT command");
	if (s->rcpts == 0)
		return reply(out, "554 5.5.1 Error: no valid recipients");
	if (arg.n > 0)
		return reply(out, "501 5.5.4 Syntax: DATA");
	reply(out, "354 End data with <CR><LF>.<CR><LF>");
	return SMTP_WANT_DATA;
}

static enum smtp_want
cmd_rset(struct smtp *s, struct span arg, struct buf *out)
{
	if (arg.n > 0)
		return reply(out, "501 5.5.4 Syntax: RSET");
	forget(s);
	return reply(out, "250 2.0.0 Ok");
}

static enum smtp_want
cmd_noop(struct smtp *s, struct span arg, struct buf *out)
{
	(void)s;
	(void)arg;
	return reply(out, "250 2.0.0 Ok");
}

static enum smtp_want
cmd_vrfy(struct smtp *s, struct span arg, struct buf *out)
{
	(void)s;
	if (arg.n == 0)
		return reply(out, "501 5.5.4 Syntax: VRFY address");
	return reply(out, "252 2.0.0 It is found out when mail is sent");
}

static enum smtp_want
cmd_quit(struct smtp *s, struct span arg, struct buf *out)
{
	(void)s;
	(void)arg;
	reply(out, "221 2.0.0 Bye");
	return SMTP_WANT_CLOSE;
}

enum smtp_want
smtp_line(struct smtp *s, struct span line, struct buf *out)
{
	static const struct {
		struct span verb;
		command_fn *run;
	} commands[] = {
		{ SPAN_INIT("HELO"), cmd_helo },
		{ SPAN_INIT("EHLO"), cmd_ehlo },
		{ SPAN_INIT("MAIL"), cmd_mail },
		{ SPAN_INIT("RCPT"), cmd_rcpt },
		{ SPAN_INIT("DATA"), cmd_data },
		{ SPAN_INIT("RSET"), cmd_rset },
		{ SPAN_INIT("NOOP"), cmd_noop },
		{ SPAN_INIT("VRFY"), cmd_vrfy },
		{ SPAN_INIT("QUIT"), cmd_quit },
	};
	struct span verb;

	take_blanks(&line);
	if (line.n > SMTP_LINE_MAX)
		return reply(out, "500 5.5.2 Error: command too long");
	if (!take_word(&line, &verb))
		return reply(out, "500 5.5.2 Error: bad syntax");
	take_blanks(&line);
	while (line.n > 0 && is_white(line.p[line.n - 1]))
		line.n--;
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (span_ieq(verb, commands[i].verb))
			return commands[i].run(s, line, out);
	return reply(out, "500 5.5.2 Error: command not recognized");
}

void
smtp_done(struct smtp *s, enum smtp_done result, struct buf *out)
{
	forget(s);
	switch (result) {
	case SMTP_DONE_OK:
		reply(out, "250 2.0.0 Ok: queued");
		break;
	case SMTP_DONE_TOO_BIG:
		reply(out, "552 5.3.4 Error: message file too big");
		break;
	case SMTP_DONE_REFUSED:
		reply(out, "554 5.7.1 Error: this user may not submit mail");
		break;
	case SMTP_DONE_FAILED:
		reply(out, "451 4.3.0 Error: queue file write error");
		break;
	}
}
