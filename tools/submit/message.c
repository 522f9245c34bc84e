/*
 * A message on standard input, to recipients of the command line or the head.
 */
#include "tools/submit/head.h"
#include "tools/submit/submit.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	INPUT_MAX = 64 * 1024,
	HEAD_MAX = 1 << 20, /* that is looked at for addresses */
	LOGIN_MAX = 256,
};

static struct {
	char sender[DROP_TEXT_MAX]; /* as it stands in the envelope */
} own;

static bool
add_rcpt(struct span address, void *arg)
{
	(void)arg;
	drop_add(DROP_RCPT, address);
	return true;
}

static bool
set_sender(struct span address, void *sender)
{
	buf_put(sender, address);
	return false; /* the first is it */
}

/* Returns how many of the text's addresses were none. */
static size_t
each_address(struct span text, head_address_fn *fn, void *arg)
{
	size_t max = 2 * text.n + 64;
	char *scratch = zalloc(max);
	size_t wrong = head_addresses(text, scratch, max, fn, arg);

	free(scratch);
	return wrong;
}

static void
add_sender(void)
{
	const struct passwd *pw = options.sender ? NULL : getpwuid(getuid());
	char text[DROP_TEXT_MAX];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	if (!options.sender && !pw)
		submit_fail(EX_OSERR, "this user has no name", "");
	if (each_address(span_str(pw ? pw->pw_name : options.sender),
		set_sender, &b) > 0 ||
	    b.overflow)
		submit_fail(EX_TEMPFAIL,
		    "bad sender address: ", options.sender);
	drop_add(DROP_SENDER, buf_span(&b));
	snprintf(own.sender, sizeof(own.sender), "%.*s", (int)b.n, b.p);
}

/* What stands in one line of an envelope; what would break it is left out. */
static void
add_text(enum drop_type type, const char *text)
{
	char line[DROP_TEXT_MAX];
	size_t n = 0;

	for (; *text && n < sizeof(line); text++)
		if (*text != '\r' && *text != '\n')
			line[n++] = *text;
	if (n > 0)
		drop_add(type, (struct span){ line, n });
}

/* The first part of what the system knows of a person: & is the login. */
static void
add_person(void)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *known = getenv("NAME");
	char text[LOGIN_MAX];
	struct buf b;

	if (options.person)
		known = options.person;
	if (known || options.sender || !pw) {
		if (known)
			add_text(DROP_NAME, known);
		return;
	}
	buf_init(&b, text, sizeof(text) - 1);
	for (const char *p = pw->pw_gecos; *p && *p != ','; p++)
		buf_put(&b,
		    *p == '&' ? span_str(pw->pw_name) : (struct span){ p, 1 });
	text[b.n] = '\0';
	add_text(DROP_NAME, text);
}

static void
add_envelope(char **rcpts)
{
	char number[2] = "";

	add_sender();
	add_person();
	if (options.envid)
		add_text(DROP_ENVID, options.envid);
	if (options.ret) {
		number[0] = (char)('0' + options.ret);
		drop_add(DROP_RET, span_str(number));
	}
	if (options.notify) {
		char digits[16];

		snprintf(digits, sizeof(digits), "%u", options.notify);
		drop_add(DROP_NOTIFY, span_str(digits));
	}
	if (options.trace)
		drop_add(DROP_TRACE,
		    options.trace == 1 ? SPAN("1") : SPAN("2"));
	for (; *rcpts; rcpts++)
		if (each_address(span_str(*rcpts), add_rcpt, NULL) > 0)
			submit_fail(EX_TEMPFAIL,
			    "bad recipient address: ", *rcpts);
}

/* The start of the message, which the head is a part of. */
static struct {
	char *p;
	size_t n;
	bool over; /* and there is no more of the message */
} start;

static bool
begins_mailbox(void)
{
	return start.n >= 5 && memcmp(start.p, "From ", 5) == 0;
}

/* Reads up to the first empty line, or as much of it as is looked at. */
static void
read_head(void)
{
	struct span piece;
	bool lf, begins = true;

	start.p = zalloc(HEAD_MAX + INPUT_MAX + 2);
	while (start.n < HEAD_MAX) {
		if (!input_take(&piece, &lf)) {
			start.over = true;
			return;
		}
		memcpy(start.p + start.n, piece.p, piece.n);
		start.n += piece.n;
		if (lf)
			start.p[start.n++] = '\n';
		if (begins && lf && piece.n == 0)
			return;
		if (begins && lf && begins_mailbox())
			start.n = 0; /* how a line of an mbox begins */
		begins = lf;
	}
	if (options.from_head)
		submit_fail(EX_DATAERR,
		    "the message's head is too large for -t", "");
}

/* What is only to be looked at needs no message. */
static void
begin_probe(void)
{
	static const char text[] = "Subject: probe\n\n";

	start.p = zalloc(sizeof(text));
	start.n = sizeof(text) - 1;
	start.over = true;
	memcpy(start.p, text, start.n);
}

/* With Resent- fields these count, and the others are of a former way. */
static void
add_head_rcpts(bool resent)
{
	struct span in = { start.p, start.n };
	struct head_field f;

	while (head_next(&in, &f)) {
		enum head_role role = head_role(f.name);
		bool is_resent = role == HEAD_RESENT_TO ||
		    role == HEAD_RESENT_BCC;

		if (role != HEAD_OTHER && is_resent == resent &&
		    each_address(f.value, add_rcpt, NULL) > 0)
			fprintf(stderr,
			    "%s: warning: bad address in %.*s: is left out\n",
			    program, (int)f.name.n, f.name.p);
	}
}

static bool
is_resent(void)
{
	struct span in = { start.p, start.n };
	struct head_field f;

	while (head_next(&in, &f))
		if (head_role(f.name) >= HEAD_RESENT_TO)
			return true;
	return false;
}

/* Nobody but the sender knows who got a copy in secret. */
static void
send_start(void)
{
	struct span in = { start.p, start.n };
	struct head_field f;

	while (head_next(&in, &f)) {
		enum head_role role = head_role(f.name);

		if (role != HEAD_BCC && role != HEAD_RESENT_BCC)
			drop_content(f.all);
	}
	drop_content(in);
}

static void
send_rest(void)
{
	struct span piece;
	bool lf;

	while (!start.over && input_take(&piece, &lf)) {
		drop_content(piece);
		if (lf)
			drop_content(SPAN("\n"));
	}
}

static _Noreturn void
fail_without_rcpts(void)
{
	const struct passwd *pw = getpwuid(getuid());
	char who[LOGIN_MAX];

	snprintf(who, sizeof(who), "%s(%ld): ", pw ? pw->pw_name : "unknown",
	    (long)getuid());
	submit_fail(EX_TEMPFAIL, who,
	    options.from_head ? "No recipient addresses found in message header"
			      : "Recipient addresses must be specified on the "
				"command line or via the -t option");
}

/* Whoever asked for a report is told where it goes. */
static int
end_message(void)
{
	int status = drop_finish();

	if (status == EX_OK && options.trace)
		printf("Mail Delivery Status Report will be mailed to <%s>.\n",
		    own.sender);
	return status;
}

int
message_submit(char **rcpts)
{
	add_envelope(rcpts);
	if (options.trace == 2)
		begin_probe();
	else
		read_head();
	if (options.from_head)
		add_head_rcpts(is_resent());
	if (drop_rcpts() == 0)
		fail_without_rcpts();
	drop_start();
	send_start();
	send_rest();
	return end_message();
}
