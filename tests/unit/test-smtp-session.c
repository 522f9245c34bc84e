/*
 * Dialogues of the SMTP client: what a server says, a line each, with what we
 * said between, and what came of the recipients.
 */
#include "smtp/session.h"

#include "queue/notify.h"
#include "smtp/target.h"
#include "smtp/wire.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	RCPTS = 3,
	TURNS_MAX = 40,
};

struct dialogue {
	const char *title;
	/*
	 * "S: " is a line of the server's, and "+ " one that has more behind it; "C: "
	 * is what we must have said, with | for line ends; "TLS", "CONTENT"; "LOST" and
	 * "LATE" end the connection.
	 */
	const char *turns[TURNS_MAX];
	size_t rcpts;
	const char *fates; /* of each: S sent, B bounced, D deferred, O open */
	const char *text; /* of the first, up to its length */
	const char *dsn;
	bool lmtp;
	enum smtp_level level;
	bool auth;
	bool no_plaintext;
	bool keeps; /* the session can be used again */
	bool stale;
	bool site;
	uint64_t size;
	bool is_8bit;
	bool is_utf8;
};

#define HELLO "S: 220 hi", "C: EHLO me|", "S: 250-hop"
#define BARE "S: 220 hi", "C: EHLO me|", "S: 250 hop"
#define PIPE HELLO, "S: 250 PIPELINING"
#define TOGETHER "C: MAIL FROM:<s@a>|RCPT TO:<r0@b>|RCPT TO:<r1@b>|DATA|"

static const struct dialogue dialogues[] = {
	{ "one after the other",
	    { BARE, "C: MAIL FROM:<s@a>|", "S: 250 ok", "C: RCPT TO:<r0@b>|",
		"S: 250 ok", "C: DATA|", "S: 354 go", "CONTENT",
		"S: 250 2.6.0 in" },
	    1, "S", "250 2.6.0 in", "2.6.0", .keeps = true },
	{ "all together",
	    { PIPE, TOGETHER, "+ 250 ok", "+ 250 ok", "+ 250 ok", "S: 354 go",
		"CONTENT", "S: 250 in" },
	    2, "SS", "250 in", "2.0.0", .keeps = true },
	{ "a recipient is refused, another is full",
	    { PIPE, TOGETHER, "S: 250 ok", "S: 550 5.1.1 no",
		"S: 452 4.2.2 full", "S: 554 no recipients" },
	    2, "BD",
	    "host hop[1.2.3.4] said: 550 5.1.1 no (in reply to RCPT TO "
	    "command)",
	    "5.1.1", .keeps = true },
	{ "nobody is left, and the server goes on",
	    { PIPE, TOGETHER, "S: 250 ok", "S: 550 no", "S: 550 no",
		"S: 354 go", "C: .|", "S: 250 ok" },
	    2, "BB", "host hop[1.2.3.4] said: 550 no", "5.0.0", .keeps = true },
	{ "nobody is left, one after the other",
	    { BARE, "C: MAIL FROM:<s@a>|", "S: 250 ok", "C: RCPT TO:<r0@b>|",
		"S: 550 5.1.1 no" },
	    1, "B", "host", "5.1.1", .keeps = true },
	{ "the sender is refused",
	    { BARE, "C: MAIL FROM:<s@a>|", "S: 550 5.7.1 no" }, 2, "BB",
	    "host hop[1.2.3.4] said: 550 5.7.1 no (in reply to MAIL "
	    "FROM command)",
	    "5.7.1", .keeps = true },
	{ "the sender is refused, all together",
	    { PIPE, TOGETHER, "S: 450 later", "S: 503 mail first",
		"S: 503 mail first", "S: 503 mail first" },
	    2, "DD", "host hop[1.2.3.4] said: 450 later (in reply to MAIL",
	    "4.0.0", .keeps = true },
	{ "552 to RCPT says not so many at once",
	    { BARE, "C: MAIL FROM:<s@a>|", "S: 250 ok", "C: RCPT TO:<r0@b>|",
		"S: 552 5.5.3 too many" },
	    1, "D", "host", "4.5.3", .keeps = true },
	{ "552 to RCPT may be a full mailbox",
	    { BARE, "C: MAIL FROM:<s@a>|", "S: 250 ok", "C: RCPT TO:<r0@b>|",
		"S: 552 5.2.2 full" },
	    1, "B", "host", "5.2.2", .keeps = true },
	{ "421 ends the session",
	    { BARE, "C: MAIL FROM:<s@a>|", "S: 421 4.3.2 going down" }, 1, "D",
	    "host hop[1.2.3.4] said: 421", "4.3.2", .site = false },
	{ "421 to a recipient is for all",
	    { PIPE, TOGETHER, "S: 250 ok", "S: 250 ok", "S: 421 bye" }, 2, "DD",
	    "host hop[1.2.3.4] said: 421 bye (in reply to RCPT", "4.0.0",
	    .site = false },
	{ "DATA is refused",
	    { PIPE, TOGETHER, "S: 250 ok", "S: 250 ok", "S: 250 ok",
		"S: 451 4.3.0 no" },
	    2, "DD",
	    "host hop[1.2.3.4] said: 451 4.3.0 no (in reply to DATA "
	    "command)",
	    "4.3.0", .keeps = true },
	{ "DATA is answered as if it were done",
	    { PIPE, TOGETHER, "S: 250 ok", "S: 250 ok", "S: 250 ok",
		"S: 250 in" },
	    2, "DD", "host", "4.0.0", .keeps = true },
	{ "the content is refused",
	    { BARE, "C: MAIL FROM:<s@a>|", "S: 250 ok", "C: RCPT TO:<r0@b>|",
		"S: 250 ok", "C: DATA|", "S: 354 go", "CONTENT",
		"S: 554 5.7.1 spam" },
	    1, "B",
	    "host hop[1.2.3.4] said: 554 5.7.1 spam (in reply to end of "
	    "DATA command)",
	    "5.7.1", .keeps = true },
	{ "the connection ends in the content",
	    { BARE, "C: MAIL FROM:<s@a>|", "S: 250 ok", "C: RCPT TO:<r0@b>|",
		"S: 250 ok", "C: DATA|", "S: 354 go", "LOST" },
	    1, "D",
	    "lost connection with hop[1.2.3.4] while sending message "
	    "body",
	    "4.4.2", .site = true },
	{ "a greeting that does not come", { "LATE" }, 1, "D",
	    "conversation with hop[1.2.3.4] timed out while "
	    "receiving the initial server greeting",
	    "4.4.2", .site = true },
	{ "a greeting for the time being", { "S: 421 4.3.2 busy" }, 1, "D",
	    "host hop[1.2.3.4] refused to talk to me: 421 4.3.2 busy", "4.3.2",
	    .site = true },
	{ "a greeting for good is not for good", { "S: 554 no" }, 1, "D",
	    "host hop[1.2.3.4] refused to talk to me: 554 no", "4.0.0",
	    .site = true },
	{ "HELO where EHLO is not known",
	    { "S: 220 hi", "C: EHLO me|", "S: 502 what", "C: HELO me|",
		"S: 250 hop", "C: MAIL FROM:<s@a>|", "LOST" },
	    1, "D", "lost connection with hop[1.2.3.4] while sending MAIL FROM",
	    "4.4.2", .site = true },
	{ "neither is known",
	    { "S: 220 hi", "C: EHLO me|", "S: 502 what", "C: HELO me|",
		"S: 502 what" },
	    1, "B", "host hop[1.2.3.4] refused to talk to me: 502 what",
	    "5.0.0", .site = true },
	{ "more than the greeting", { "+ 220 hi" }, 1, "D",
	    "host hop[1.2.3.4] sent a reply that was not asked for", "4.5.0",
	    .site = true },
	{ "a second reply to MAIL", { BARE, "C: MAIL FROM:<s@a>|", "+ 250 ok" },
	    1, "D", "host hop[1.2.3.4] sent a reply that was not asked for",
	    "4.5.0", .site = true },
	{ "more replies than commands together",
	    { PIPE, TOGETHER, "+ 250 ok", "+ 250 ok", "+ 250 ok", "+ 354 go" },
	    2, "DD", "host hop[1.2.3.4] sent a reply that was not asked for",
	    "4.5.0", .site = true },
	{ "what comes behind the last reply makes it unfit",
	    { BARE, "C: MAIL FROM:<s@a>|", "S: 250 ok", "C: RCPT TO:<r0@b>|",
		"S: 250 ok", "C: DATA|", "S: 354 go", "CONTENT", "+ 250 in" },
	    1, "S", "250 in", "2.0.0", .site = false },
	{ "no code", { "S: hello" }, 1, "D",
	    "host hop[1.2.3.4] does not speak SMTP: hello", "4.5.0",
	    .site = true },
	{ "an empty line", { "S: " }, 1, "D", "host", "4.5.0", .site = true },
	{ "a code that is none", { "S: 999 hi" }, 1, "D", "host", "4.5.0",
	    .site = true },
	{ "a code and nothing else",
	    { "S: 220", "C: EHLO me|", "S: 250", "C: MAIL FROM:<s@a>|" }, 1,
	    "O", "", "", .site = false },
	{ "many lines are one reply",
	    { "S: 220-hi", "S: 220-there", "S: 220 you", "C: EHLO me|" }, 1,
	    "O", "", "", .site = false },
	{ "codes of other classes than their reply's are not believed",
	    { BARE, "C: MAIL FROM:<s@a>|", "S: 550 4.1.1 no" }, 1, "B", "host",
	    "5.0.0", .keeps = true },
	{ "control characters are not shown",
	    { BARE, "C: MAIL FROM:<s@a>|", "S: 550 a\x1b[2Jb" }, 1, "B",
	    "host hop[1.2.3.4] said: 550 a?[2Jb", "5.0.0", .keeps = true },
	{ "SIZE is told, and minded",
	    { HELLO, "S: 250-SIZE 1000", "S: 250 8BITMIME",
		"C: MAIL FROM:<s@a> SIZE=999 BODY=8BITMIME|" },
	    1, "O", "", "", .size = 999, .is_8bit = true },
	{ "what is too large is not sent", { HELLO, "S: 250 SIZE 1000" }, 1,
	    "B",
	    "message size 1001 exceeds size limit 1000 of server hop[1.2.3.4]",
	    "5.3.4", .size = 1001, .keeps = true },
	{ "SIZE without a number is no limit",
	    { HELLO, "S: 250 SIZE", "C: MAIL FROM:<s@a> SIZE=5|" }, 1, "O", "",
	    "", .size = 5 },
	{ "SMTPUTF8 is told",
	    { HELLO, "S: 250 SMTPUTF8", "C: MAIL FROM:<s@a> SMTPUTF8|" }, 1,
	    "O", "", "", .is_utf8 = true },
	{ "SMTPUTF8 is needed", { HELLO, "S: 250 PIPELINING" }, 1, "B",
	    "SMTPUTF8 is required, but was not offered by host hop[1.2.3.4]",
	    "5.6.7", .is_utf8 = true, .keeps = true },
	{ "TLS, and then anew",
	    { HELLO, "S: 250-SIZE 5", "S: 250 STARTTLS", "C: STARTTLS|",
		"S: 220 go", "TLS", "C: EHLO me|", "S: 250 hop",
		"C: MAIL FROM:<s@a>|" },
	    1, "O", "", "", .level = SMTP_TLS_MAY },
	{ "TLS is not used if it is not wanted",
	    { HELLO, "S: 250 STARTTLS", "C: MAIL FROM:<s@a>|" }, 1, "O", "", "",
	    .site = false },
	{ "TLS may be refused",
	    { HELLO, "S: 250 STARTTLS", "C: STARTTLS|", "S: 454 no",
		"C: MAIL FROM:<s@a>|" },
	    1, "O", "", "", .level = SMTP_TLS_MAY },
	{ "TLS must not be refused",
	    { HELLO, "S: 250 STARTTLS", "C: STARTTLS|", "S: 454 4.7.0 no" }, 1,
	    "D",
	    "TLS is required, but host hop[1.2.3.4] refused to start TLS: "
	    "454 4.7.0 no",
	    "4.7.0", .level = SMTP_TLS_ENCRYPT, .site = true },
	{ "TLS is not offered", { BARE }, 1, "D",
	    "TLS is required, but was not offered by host hop[1.2.3.4]",
	    "4.7.4", .level = SMTP_TLS_ENCRYPT, .site = true },
	{ "more behind the answer to STARTTLS",
	    { HELLO, "S: 250 STARTTLS", "C: STARTTLS|", "+ 220 go" }, 1, "D",
	    "host hop[1.2.3.4] sent a reply that was not asked for", "4.5.0",
	    .level = SMTP_TLS_MAY, .site = true },
	{ "PLAIN",
	    { HELLO, "S: 250 AUTH LOGIN PLAIN", "C: AUTH PLAIN AHUAcA==|",
		"S: 235 ok", "C: MAIL FROM:<s@a>|" },
	    1, "O", "", "", .auth = true },
	{ "LOGIN",
	    { HELLO, "S: 250 AUTH=LOGIN", "C: AUTH LOGIN|",
		"S: 334 VXNlcjo=", "C: dQ==|", "S: 334 UGFzcw==", "C: cA==|",
		"S: 235 ok", "C: MAIL FROM:<s@a>|" },
	    1, "O", "", "", .auth = true },
	{ "LOGIN that asks for ever",
	    { HELLO, "S: 250 AUTH LOGIN", "C: AUTH LOGIN|", "S: 334 a",
		"C: dQ==|", "S: 334 b", "C: cA==|", "S: 334 c" },
	    1, "D",
	    "SASL authentication failed; server hop[1.2.3.4] said: 334 c",
	    "4.0.0", .auth = true, .site = true },
	{ "a wrong password",
	    { HELLO, "S: 250 AUTH PLAIN", "C: AUTH PLAIN AHUAcA==|",
		"S: 535 5.7.8 no" },
	    1, "D",
	    "SASL authentication failed; server hop[1.2.3.4] said: 535 5.7.8 no",
	    "4.7.8", .auth = true, .site = true },
	{ "no mechanism that may be used", { HELLO, "S: 250 AUTH PLAIN LOGIN" },
	    1, "D",
	    "SASL authentication failed; cannot authenticate to server "
	    "hop[1.2.3.4]: no mechanism available",
	    "4.7.0", .auth = true, .no_plaintext = true, .site = true },
	{ "LMTP: an answer for each that was taken",
	    { "S: 220 hi", "C: LHLO me|", "S: 250-hop", "S: 250 PIPELINING",
		"C: MAIL FROM:<s@a>|RCPT TO:<r0@b>|RCPT TO:<r1@b>|"
		"RCPT TO:<r2@b>|DATA|",
		"S: 250 ok", "S: 250 ok", "S: 550 no", "S: 250 ok", "S: 354 go",
		"CONTENT", "+ 250 2.1.5 in", "S: 452 4.2.2 full" },
	    3, "SBD", "250 2.1.5 in", "2.1.5", .lmtp = true, .keeps = true },
	{ "LMTP: too few answers",
	    { "S: 220 hi", "C: LHLO me|", "S: 250-hop", "S: 250 PIPELINING",
		TOGETHER, "S: 250 ok", "S: 250 ok", "S: 250 ok", "S: 354 go",
		"CONTENT", "S: 250 in", "LATE" },
	    2, "SD", "250 in", "2.0.0", .lmtp = true, .site = true },
	{ "LMTP: too many answers",
	    { "S: 220 hi", "C: LHLO me|", "S: 250-hop", "S: 250 PIPELINING",
		TOGETHER, "S: 250 ok", "S: 250 ok", "S: 250 ok", "S: 354 go",
		"CONTENT", "+ 250 in", "+ 250 in" },
	    2, "SS", "250 in", "2.0.0", .lmtp = true },
};

struct play {
	struct smtp_session s;
	struct smtp_config config;
	struct smtp_mail mail;
	struct smtp_rcpt rcpts[RCPTS];
	struct buf out;
	char bytes[SMTP_OUT_MAX];
};

static void
take_turn(struct play *p, const char *title, const char *turn)
{
	struct span line = span_str(turn);

	if (strncmp(turn, "S: ", 3) == 0 || strncmp(turn, "+ ", 2) == 0) {
		bool more = *turn == '+';

		line.p += more ? 2 : 3;
		line.n -= more ? 2 : 3;
		if (p->s.want != SMTP_WANT_LINE)
			fail_msg("%s: it wants no line before \"%s\"", title,
			    turn);
		session_line(&p->s, line, more);
	} else if (strncmp(turn, "C: ", 3) == 0) {
		char said[1024];
		size_t n = 0;

		for (size_t i = 0; i < p->out.n && n < sizeof(said) - 1; i++)
			if (p->out.p[i] != '\r')
				said[n++] = (char)(p->out.p[i] == '\n'
					? '|'
					: p->out.p[i]);
		said[n] = '\0';
		if (strcmp(said, turn + 3) != 0)
			fail_msg("%s: said \"%s\", not \"%s\"", title, said,
			    turn + 3);
		buf_drop(&p->out, p->out.n);
	} else if (strcmp(turn, "TLS") == 0) {
		session_tls(&p->s);
	} else if (strcmp(turn, "CONTENT") == 0) {
		session_content(&p->s);
	} else {
		session_broken(&p->s,
		    strcmp(turn, "LOST") == 0 ? SMTP_LOST : SMTP_TIMED_OUT);
	}
}

static void
begin(struct play *p, const struct dialogue *d)
{
	static const char *const names[] = { "r0@b", "r1@b", "r2@b" };

	*p = (struct play){ 0 };
	p->config = (struct smtp_config){
		.lmtp = d->lmtp,
		.helo = SPAN("me"),
		.peer = SPAN("hop[1.2.3.4]"),
		.level = d->level,
		.skip_5xx_greeting = true,
		.auth_soft = true,
		.with_auth = d->auth,
		.no_plaintext = d->no_plaintext,
		.user = SPAN("u"),
		.password = SPAN("p"),
	};
	p->mail = (struct smtp_mail){
		.arena = arena_new(65536),
		.sender = SPAN("s@a"),
		.size = d->size,
		.is_8bit = d->is_8bit,
		.is_utf8 = d->is_utf8,
		.rcpts = p->rcpts,
		.n = d->rcpts,
	};
	for (size_t i = 0; i < d->rcpts; i++)
		p->rcpts[i] = (struct smtp_rcpt){
			.addr = span_str(names[i]),
			.text = "",
		};
	buf_init(&p->out, p->bytes, sizeof(p->bytes));
	session_init(&p->s, &p->config, &p->mail, &p->out);
}

static void
check_fates(const struct play *p, const struct dialogue *d)
{
	static const char letters[] = { [SMTP_OPEN] = 'O',
		[SMTP_ACCEPTED] = 'A',
		[SMTP_SENT] = 'S',
		[SMTP_BOUNCED] = 'B',
		[SMTP_SOFT] = 'D' };

	for (size_t i = 0; i < d->rcpts; i++)
		if (letters[p->rcpts[i].fate] != d->fates[i] &&
		    d->fates[0] != 'O')
			fail_msg("%s: recipient %zu is %c, not %c: %s",
			    d->title, i, letters[p->rcpts[i].fate], d->fates[i],
			    p->rcpts[i].text);
	if (strncmp(p->rcpts[0].text, d->text, strlen(d->text)) != 0)
		fail_msg("%s: \"%s\"", d->title, p->rcpts[0].text);
	if (strcmp(p->rcpts[0].dsn, d->dsn) != 0)
		fail_msg("%s: %s, not %s", d->title, p->rcpts[0].dsn, d->dsn);
}

static void
dialogues_end_as_told(void **state)
{
	struct play *p = zalloc(sizeof(*p));

	(void)state;
	for (size_t i = 0; i < COUNT_OF(dialogues); i++) {
		const struct dialogue *d = &dialogues[i];

		begin(p, d);
		for (size_t k = 0; k < TURNS_MAX && d->turns[k]; k++)
			take_turn(p, d->title, d->turns[k]);
		check_fates(p, d);
		if (d->fates[0] != 'O' && p->s.want != SMTP_WANT_NOTHING)
			fail_msg("%s: it wants more", d->title);
		if (p->s.reusable != d->keeps)
			fail_msg("%s: reusable %d", d->title, p->s.reusable);
		if (p->s.site != d->site)
			fail_msg("%s: site %d", d->title, p->s.site);
		arena_free(p->mail.arena);
	}
	free(p);
}

/* Drops the connection after the first `n` turns. */
static void
check_drop(struct play *p, const struct dialogue *d, size_t n)
{
	bool sent[RCPTS];

	begin(p, d);
	for (size_t k = 0; k < n; k++)
		take_turn(p, d->title, d->turns[k]);
	for (size_t i = 0; i < d->rcpts; i++)
		sent[i] = p->rcpts[i].fate == SMTP_SENT;
	session_broken(&p->s, SMTP_LOST);
	if (p->s.want != SMTP_WANT_NOTHING || p->s.reusable)
		fail_msg("%s: goes on after turn %zu", d->title, n);
	for (size_t i = 0; i < d->rcpts; i++)
		if (p->rcpts[i].fate <= SMTP_ACCEPTED ||
		    (p->rcpts[i].fate == SMTP_SENT) != sent[i] ||
		    p->rcpts[i].text[0] == '\0')
			fail_msg("%s: recipient %zu after turn %zu", d->title,
			    i, n);
	arena_free(p->mail.arena);
}

static void
a_connection_that_drops_anywhere_leaves_no_doubt(void **state)
{
	struct play *p = zalloc(sizeof(*p));

	(void)state;
	for (size_t i = 0; i < COUNT_OF(dialogues); i++)
		for (size_t n = 0; n < TURNS_MAX && dialogues[i].turns[n]; n++)
			check_drop(p, &dialogues[i], n);
	free(p);
}

static void
carry_one(struct play *p)
{
	static const char *const turns[] = { "S: 220 hi", "S: 250-hop",
		"S: 250 PIPELINING", "S: 250 ok", "S: 250 ok", "S: 354 go",
		"CONTENT", "S: 250 in" };

	begin(p, &(const struct dialogue){ .rcpts = 1 });
	for (size_t i = 0; i < COUNT_OF(turns); i++)
		take_turn(p, "the first mail", turns[i]);
	assert_true(p->s.reusable);
	buf_drop(&p->out, p->out.n);
	p->rcpts[0].fate = SMTP_OPEN;
	session_again(&p->s, &p->mail);
	take_turn(p, "the second mail",
	    "C: RSET|MAIL FROM:<s@a>|RCPT TO:<r0@b>|DATA|");
}

static void
a_session_carries_another_mail(void **state)
{
	struct play *p = zalloc(sizeof(*p));

	(void)state;
	carry_one(p);
	take_turn(p, "again", "S: 250 ok");
	take_turn(p, "again", "S: 250 ok");
	take_turn(p, "again", "S: 250 ok");
	take_turn(p, "again", "S: 354 go");
	take_turn(p, "again", "CONTENT");
	take_turn(p, "again", "S: 250 in too");
	assert_int_equal(p->rcpts[0].fate, SMTP_SENT);
	assert_string_equal(p->rcpts[0].text, "250 in too");
	arena_free(p->mail.arena);
	free(p);
}

static void
a_kept_session_that_ends_says_nothing_of_the_mail(void **state)
{
	static const char *const ends[] = { "LOST",
		"S: 421 idle for too long" };
	struct play *p = zalloc(sizeof(*p));

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		carry_one(p);
		take_turn(p, "a stale one", ends[i]);
		assert_true(p->s.stale);
		assert_false(p->s.reusable);
		assert_int_equal(p->rcpts[0].fate, SMTP_OPEN);
		arena_free(p->mail.arena);
	}
	free(p);
}

static void
a_long_reply_keeps_its_beginning(void **state)
{
	struct play *p = zalloc(sizeof(*p));

	(void)state;
	begin(p, &(const struct dialogue){ .rcpts = 1 });
	take_turn(p, "long", "S: 220 hi");
	take_turn(p, "long", "S: 250 hop");
	for (unsigned i = 0; i < 100000; i++)
		take_turn(p, "long", "S: 550-5.7.1 no and no and no and no");
	assert_int_equal(p->s.want, SMTP_WANT_LINE);
	take_turn(p, "long", "S: 550 5.7.1 enough");
	assert_int_equal(p->rcpts[0].fate, SMTP_BOUNCED);
	assert_true(strlen(p->rcpts[0].text) < SMTP_TEXT_MAX);
	arena_free(p->mail.arena);
	free(p);
}

static void
dsn_is_passed_on_where_it_is_known(void **state)
{
	struct play *p = zalloc(sizeof(*p));

	(void)state;
	begin(p, &(const struct dialogue){ .rcpts = 1 });
	p->mail.ret = 2;
	p->mail.envid = SPAN("QQ314159");
	p->rcpts[0].notify = QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY;
	p->rcpts[0].orcpt = SPAN("rfc822;r+0@b");
	take_turn(p, "dsn", "S: 220 hi");
	buf_drop(&p->out, p->out.n);
	take_turn(p, "dsn", "S: 250-hop");
	take_turn(p, "dsn", "S: 250-PIPELINING");
	take_turn(p, "dsn", "S: 250 DSN");
	take_turn(p, "dsn",
	    "C: MAIL FROM:<s@a> RET=HDRS ENVID=QQ314159|RCPT TO:<r0@b> "
	    "NOTIFY=FAILURE,DELAY ORCPT=rfc822;r+2B0@b|DATA|");
	arena_free(p->mail.arena);
	free(p);
}

static void
who_brought_it_is_told_who_wants_to_know(void **state)
{
	struct play *p = zalloc(sizeof(*p));

	(void)state;
	begin(p, &(const struct dialogue){ .rcpts = 1 });
	p->config.xforward = true;
	p->mail.client_name = SPAN("unknown");
	p->mail.client_addr = SPAN("192.0.2.1");
	p->mail.proto = SPAN("ESMTP");
	p->mail.helo = SPAN("a+b");
	take_turn(p, "xforward", "S: 220 hi");
	buf_drop(&p->out, p->out.n);
	take_turn(p, "xforward", "S: 250-hop");
	take_turn(p, "xforward", "S: 250 XFORWARD NAME ADDR HELO SOURCE PORT");
	take_turn(p, "xforward",
	    "C: XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.1 HELO=a+2Bb "
	    "SOURCE=REMOTE|");
	/* That it is refused does not keep the mail. */
	take_turn(p, "xforward", "S: 501 no");
	take_turn(p, "xforward", "C: MAIL FROM:<s@a>|");
	take_turn(p, "xforward", "S: 250 ok");
	take_turn(p, "xforward", "C: RCPT TO:<r0@b>|");
	take_turn(p, "xforward", "S: 550 5.1.1 no");
	assert_int_equal(p->s.want, SMTP_WANT_NOTHING);
	assert_true(p->s.reusable);
	session_again(&p->s, &p->mail);
	p->rcpts[0].fate = SMTP_OPEN;
	take_turn(p, "xforward", "C: RSET|");
	take_turn(p, "xforward", "S: 250 ok");
	assert_int_equal(p->s.stage, SMTP_AT_XFORWARD);
	arena_free(p->mail.arena);
	free(p);
}

static void
next_hops_are_read(void **state)
{
	static const struct {
		const char *text;
		bool lmtp;
		enum target_kind kind;
		const char *host;
		const char *port;
	} rows[] = {
		{ "b.test", false, TARGET_DOMAIN, "b.test", "" },
		{ "b.test:587", false, TARGET_DOMAIN, "b.test", "587" },
		{ "[mx.b.test]", false, TARGET_HOST, "mx.b.test", "" },
		{ "[mx.b.test]:submission", false, TARGET_HOST, "mx.b.test",
		    "submission" },
		{ "[192.0.2.1]:25", false, TARGET_HOST, "192.0.2.1", "25" },
		{ "[IPv6:2001:db8::1]:25", false, TARGET_HOST, "2001:db8::1",
		    "25" },
		{ "2001:db8::1", false, TARGET_DOMAIN, "2001:db8::1", "" },
		{ "[2001:db8::1]", false, TARGET_HOST, "2001:db8::1", "" },
		{ "unix:/run/lmtp", true, TARGET_UNIX, "/run/lmtp", "" },
		{ "unix:private/lmtp", true, TARGET_UNIX, "private/lmtp", "" },
		{ "inet:host:24", true, TARGET_HOST, "host", "24" },
		{ "inet:[::1]:24", true, TARGET_HOST, "::1", "24" },
		{ "host", true, TARGET_HOST, "host", "" },
		{ "[broken", false, TARGET_DOMAIN, "[broken", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span list = span_str(rows[i].text);
		struct target t;

		assert_true(target_next(&list, rows[i].lmtp, &t));
		assert_int_equal(t.kind, rows[i].kind);
		assert_span(t.host, span_str(rows[i].host));
		assert_span(t.port, span_str(rows[i].port));
		assert_false(target_next(&list, rows[i].lmtp, &t));
	}
}

static void
several_next_hops_come_in_their_order(void **state)
{
	struct span list = SPAN(" a.test, [b.test]:1\tc.test ,");
	struct target t;

	(void)state;
	assert_true(target_next(&list, false, &t));
	assert_span(t.host, SPAN("a.test"));
	assert_true(target_next(&list, false, &t));
	assert_span(t.host, SPAN("b.test"));
	assert_true(target_next(&list, false, &t));
	assert_span(t.host, SPAN("c.test"));
	assert_false(target_next(&list, false, &t));
}

/* With `room` bytes at a time, which must make no difference. */
static void
check_wire(const char *in, size_t line_max, const char *want, size_t room)
{
	struct wire w = { .line_max = line_max };
	struct span rest = span_str(in);
	char got[512], bytes[512];
	size_t n = 0;
	struct buf b;

	while (rest.n > 0) {
		buf_init(&b, bytes, room);
		wire_put(&w, &rest, &b);
		assert_true(b.n > 0);
		memcpy(got + n, b.p, b.n);
		n += b.n;
	}
	buf_init(&b, bytes, sizeof(bytes));
	wire_end(&w, &b);
	memcpy(got + n, b.p, b.n);
	got[n + b.n] = '\0';
	assert_string_equal(got, want);
}

static void
content_goes_out_by_the_rules(void **state)
{
	static const struct {
		const char *in;
		size_t line_max;
		const char *out;
	} rows[] = {
		{ "", 0, ".\r\n" },
		{ "a\n", 0, "a\r\n.\r\n" },
		{ "a", 0, "a\r\n.\r\n" },
		{ ".\n", 0, "..\r\n.\r\n" },
		{ ".a\n..b\nc.\n", 0, "..a\r\n...b\r\nc.\r\n.\r\n" },
		{ "\n\n", 0, "\r\n\r\n.\r\n" },
		{ "a\r\nb\rc\n", 0, "a \r\nb c\r\n.\r\n" },
		{ "a\r.\r\nQUIT\n", 0, "a . \r\nQUIT\r\n.\r\n" },
		{ "\r\n.\n", 0, " \r\n..\r\n.\r\n" },
		{ "abcdef\n", 4, "abcd\r\n ef\r\n.\r\n" },
		{ "abcd\nef\n", 4, "abcd\r\nef\r\n.\r\n" },
		{ "abc.ef.h\n", 3, "abc\r\n .e\r\n f.\r\n h\r\n.\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t room = WIRE_ROOM; room < 40; room++)
			check_wire(rows[i].in, rows[i].line_max, rows[i].out,
			    room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(dialogues_end_as_told),
		TEST(a_connection_that_drops_anywhere_leaves_no_doubt),
		TEST(a_session_carries_another_mail),
		TEST(a_kept_session_that_ends_says_nothing_of_the_mail),
		TEST(a_long_reply_keeps_its_beginning),
		TEST(dsn_is_passed_on_where_it_is_known),
		TEST(who_brought_it_is_told_who_wants_to_know),
		TEST(next_hops_are_read),
		TEST(several_next_hops_come_in_their_order),
		TEST(content_goes_out_by_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
