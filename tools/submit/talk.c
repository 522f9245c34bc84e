/*
 * sendmail -bs: SMTP on standard input and output. Each message goes through
 * postdrop, as any other, so it needs no running suite.
 */
#include "conf/conf.h"
#include "conf/environment.h"
#include "tools/submit/smtp.h"
#include "tools/submit/submit.h"

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static void
say(struct buf *out)
{
	while (out->n > 0) {
		ssize_t n = write(STDOUT_FILENO, out->p, out->n);

		if (n < 0 && errno != EINTR)
			exit(EX_IOERR);
		if (n > 0)
			buf_drop(out, (size_t)n);
	}
}

static enum smtp_done
result_of(int status)
{
	switch (status) {
	case EX_OK:
		return SMTP_DONE_OK;
	case EX_UNAVAILABLE: /* as postdrop has it */
		return SMTP_DONE_TOO_BIG;
	case EX_NOPERM:
		return SMTP_DONE_REFUSED;
	default:
		return SMTP_DONE_FAILED;
	}
}

/*
 * Takes a message up to its dot. What is cut short is none: the program that
 * spoke is gone, and will send it again.
 */
static void
take_message(struct smtp *s, struct buf *out)
{
	struct span piece;
	bool lf, begins = true;

	drop_start();
	options.dots = false;
	while (input_take(&piece, &lf)) {
		if (begins && piece.n > 0 && *piece.p == '.')
			piece = (struct span){ piece.p + 1, piece.n - 1 };
		drop_content(piece);
		if (lf)
			drop_content(SPAN("\n"));
		begins = lf;
	}
	options.dots = true;
	if (input_take_dot()) {
		smtp_done(s, result_of(drop_finish()), out);
	} else {
		drop_cancel();
		exit(EX_IOERR);
	}
	drop_reset();
}

static const char *
own_name(void)
{
	struct why why;
	struct conf *c = conf_load_command(options.dir, &why);
	const char *name = c ? conf_get(c, "myhostname", &why) : NULL;

	if (!name)
		submit_fail(EX_TEMPFAIL, why.text, "");
	return name; /* `c` lives as long as we do */
}

/* False: there is no more to be said. */
static bool
obey(struct smtp *s, enum smtp_want want, struct buf *out)
{
	switch (want) {
	case SMTP_WANT_LINE:
		break;
	case SMTP_WANT_SENDER:
		drop_reset();
		drop_add(DROP_SENDER, s->address);
		break;
	case SMTP_WANT_RCPT:
		drop_add(DROP_RCPT, s->address);
		break;
	case SMTP_WANT_DATA:
		say(out);
		take_message(s, out);
		break;
	case SMTP_WANT_CLOSE:
		say(out);
		return false;
	}
	say(out);
	return true;
}

int
talk_serve(void)
{
	static char storage[4 * SMTP_REPLY_MAX];
	bool lf, begins = true;
	struct span line;
	struct smtp s;
	struct buf out;

	buf_init(&out, storage, sizeof(storage));
	smtp_init(&s, own_name(), DROP_RCPTS_MAX, &out);
	say(&out);
	options.dots = true; /* no dot ends commands */
	while (input_take(&line, &lf)) {
		/* Of a line in pieces the first is too long, and that is all. */
		if (begins && !obey(&s, smtp_line(&s, line, &out), &out))
			return EX_OK;
		begins = lf;
	}
	return EX_OK;
}
