#include "smtpd/cleanup/report.h"

#include "base/scan.h"
#include "mail/date.h"
#include "mail/field_addrs.h"

#include <inttypes.h>

enum {
	LINE_MAX_LEN = 78, /* RFC 5322, section 2.1.1 */
	PIECE_MAX = 256,
	FROM_MAX = 2048,
};

/* What the kinds of report say. */
static const struct words {
	struct span name, postmaster_name;
	struct span action;
	struct span original;
} words[] = {
	[REPORT_FAILURE] = {
		SPAN_INIT("sender non-delivery notification"),
		SPAN_INIT("postmaster non-delivery notification"),
		SPAN_INIT("failed"),
		SPAN_INIT("Undelivered Message"),
	},
	[REPORT_DELAY] = {
		SPAN_INIT("sender delay notification"),
		SPAN_INIT("postmaster delay notification"),
		SPAN_INIT("delayed"),
		SPAN_INIT("Undelivered Message"),
	},
	[REPORT_SUCCESS] = {
		SPAN_INIT("sender delivery status notification"),
		SPAN_INIT("sender delivery status notification"),
		SPAN_INIT("delivered"),
		SPAN_INIT("Message"),
	},
	[REPORT_TRACE] = {
		SPAN_INIT("sender delivery status notification"),
		SPAN_INIT("sender delivery status notification"),
		SPAN_INIT(""),
		SPAN_INIT("Message"),
	},
};

static void
put(const struct report *r, struct span text)
{
	if (text.n > 0)
		r->put(text, r->arg);
}

static void
put_str(const struct report *r, const char *text)
{
	put(r, span_str(text));
}

/* What is not ours, as one line of visible ASCII. */
static void
put_foreign(const struct report *r, struct span text)
{
	char piece[PIECE_MAX];
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		piece[n++] = c < ' ' || c > '~' ? '?' : c;
		if (n == sizeof(piece)) {
			put(r, (struct span){ piece, n });
			n = 0;
		}
	}
	put(r, (struct span){ piece, n });
}

/* The same in lines, broken at blanks where that can be. */
static void
put_folded(const struct report *r, struct span text, size_t column)
{
	struct span word;
	bool first = true;

	for (take_blanks(&text); take_word(&text, &word); take_blanks(&text)) {
		if (!first && column + 1 + word.n > LINE_MAX_LEN) {
			put_str(r, "\n    ");
			column = 4;
		} else if (!first) {
			put_str(r, " ");
			column++;
		}
		put_foreign(r, word);
		column += word.n;
		first = false;
	}
}

struct span
report_name(const struct report *r)
{
	const struct words *w = &words[r->kind];

	return r->for_postmaster ? w->postmaster_name : w->name;
}

static const char headers_only[] = "text/rfc822-headers";

static void
put_part(const struct report *r, struct span description, const char *type,
    const char *charset)
{
	put_str(r, "\n--");
	put_str(r, r->boundary);
	put_str(r, "\nContent-Description: ");
	put(r, description);
	if (strcmp(type, headers_only) == 0)
		put_str(r, " Headers");
	put_str(r, "\nContent-Type: ");
	put_str(r, type);
	if (charset) {
		put_str(r, "; charset=");
		put_str(r, charset);
	}
	put_str(r, "\n");
}

/* Postmasters write in any language. */
static bool
text_is_8bit(const struct report *r)
{
	struct span text = r->template->text;

	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] >= 0x80)
			return !r->for_postmaster;
	return false;
}

static const char is_8bit[] = "Content-Transfer-Encoding: 8bit\n";

static void
put_mime_head(const struct report *r)
{
	put_str(r,
	    r->for_postmaster ? "Auto-Submitted: auto-generated\n"
			      : "Auto-Submitted: auto-replied\n");
	put_str(r,
	    "MIME-Version: 1.0\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\n"
	    "\tboundary=\"");
	put_str(r, r->boundary);
	put_str(r, "\"\n");
	if (r->is_8bit || text_is_8bit(r))
		put_str(r, is_8bit);
	put_str(r, "\nThis message has several parts in MIME format.\n");
}

/* The postmaster knows what such mail is. */
static void
put_text(const struct report *r)
{
	if (!r->for_postmaster) {
		put(r, r->template->text);
		return;
	}
	put_str(r, "This is the mail system on ");
	put_str(r, r->myhostname);
	put_str(r,
	    r->kind == REPORT_DELAY
		? ".\n\nA message is late.\n"
		: ".\n\nA message could not be delivered to the recipients "
		  "below.\n");
}

/* Who stands there without a domain is here. */
static bool
complete(struct span addr, struct buf *out, void *arg)
{
	const char *const *myorigin = arg;

	if (memchr(addr.p, '@', addr.n))
		return false;
	buf_put(out, addr);
	buf_putf(out, "@%s", *myorigin);
	return true;
}

static void
put_from(const struct report *r)
{
	struct span from = span_str(r->template->from);
	const char *myorigin = r->myorigin;
	char text[FROM_MAX];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	if (field_addrs(from, complete, &myorigin, &b))
		from = buf_span(&b);
	put_str(r, "From: ");
	put(r, from);
}

void
report_head(const struct report *r)
{
	const struct template *t = r->template;

	put_from(r);
	put_str(r, "\nSubject: ");
	put_str(r,
	    r->for_postmaster && t->postmaster_subject ? t->postmaster_subject
						       : t->subject);
	put_str(r, "\nTo: ");
	put_foreign(r, r->to);
	if (!memchr(r->to.p, '@', r->to.n)) {
		put_str(r, "@");
		put_str(r, r->myorigin);
	}
	put_str(r, "\n");
	put_mime_head(r);
	put_part(r, SPAN("Notification"), "text/plain", t->charset);
	if (text_is_8bit(r))
		put_str(r, is_8bit);
	put_str(r, "\n");
	put_text(r);
}

/* By whom it was delivered here. Returns how much that is. */
static size_t
put_way(const struct report *r, const struct report_rcpt *rcpt)
{
	static const struct span by = SPAN_INIT("delivery via ");

	if (r->kind != REPORT_SUCCESS || rcpt->relay.n == 0 ||
	    rcpt->text.n == 0)
		return 0;
	put(r, by);
	put_foreign(r, rcpt->relay);
	put_str(r, ": ");
	return by.n + rcpt->relay.n + 2;
}

void
report_rcpt(const struct report *r, const struct report_rcpt *rcpt)
{
	size_t column = rcpt->addr.n + 4;

	put_str(r, "\n<");
	put_foreign(r, rcpt->addr);
	put_str(r, ">");
	if (rcpt->orig.n > 0 && !span_eq(rcpt->orig, rcpt->addr)) {
		put_str(r, " (expanded from <");
		put_foreign(r, rcpt->orig);
		put_str(r, ">)");
		column += rcpt->orig.n + 19;
	}
	put_str(r, ": ");
	column += put_way(r, rcpt);
	put_folded(r, rcpt->text, column);
	put_str(r, "\n");
}

/* "Name: rfc822; ADDRESS". */
static void
put_address(const struct report *r, const char *name, struct span addr)
{
	put_str(r, name);
	put_str(r, ": rfc822; ");
	put_foreign(r, addr);
	put_str(r, "\n");
}

static void
put_date(const struct report *r, const char *name, int64_t wall)
{
	char text[DATE_MAX];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	date_put_header(&b, wall);
	put_str(r, name);
	put_str(r, ": ");
	put(r, buf_span(&b));
	put_str(r, "\n");
}

void
report_status(const struct report *r)
{
	put_part(r, SPAN("Delivery report"), "message/delivery-status", NULL);
	put_str(r, "\nReporting-MTA: dns; ");
	put_str(r, r->myhostname);
	put_str(r, "\n");
	if (r->envid.n > 0) {
		put_str(r, "Original-Envelope-Id: ");
		put_foreign(r, r->envid);
		put_str(r, "\n");
	}
	put_str(r, "X-Postrider-Queue-ID: ");
	put_foreign(r, r->id);
	put_str(r, "\n");
	if (r->sender.n > 0)
		put_address(r, "X-Postrider-Sender", r->sender);
	put_date(r, "Arrival-Date", r->arrived);
}

/* "mx.a.test" of "mx.a.test[192.0.2.1]:25". False: it was no server. */
static bool
take_host(struct span relay, struct span *host_r)
{
	struct span host = span_cut(&relay, '[');

	if (host.n == 0 || relay.n == 0 || !memchr(relay.p, ']', relay.n))
		return false;
	*host_r = host;
	return true;
}

static bool
is_code(struct span s)
{
	return s.n >= 4 && s.p[0] >= '2' && s.p[0] <= '5' && s.p[1] >= '0' &&
	    s.p[1] <= '9' && s.p[2] >= '0' && s.p[2] <= '9' && s.p[3] == ' ';
}

/*
 * What the server itself said, of "host NAME said: 550 TEXT (in reply to RCPT TO
 * command)". False: it said nothing.
 */
static bool
take_reply(struct span text, struct span *reply_r)
{
	static const struct span said = SPAN_INIT(" said: ");
	static const struct span end = SPAN_INIT(" (in reply to ");
	struct span reply = { 0 };

	if (!take_text(&text, SPAN("host ")))
		return false;
	for (size_t i = 0; i + said.n <= text.n && !reply.p; i++)
		if (memcmp(text.p + i, said.p, said.n) == 0)
			reply = (struct span){ text.p + i + said.n,
				text.n - i - said.n };
	if (!reply.p || !is_code(reply))
		return false;
	for (size_t i = reply.n; i-- > 0;)
		if (reply.n - i >= end.n &&
		    memcmp(reply.p + i, end.p, end.n) == 0)
			reply.n = i;
	*reply_r = reply;
	return true;
}

/* A status of the class that the action has: a bounce is never 4.x.x. */
static struct span
status_of(const struct report *r, struct span dsn, char text[32])
{
	if (dsn.n < 5 || dsn.n >= 32)
		return r->kind == REPORT_FAILURE ? SPAN("5.0.0")
		    : r->kind == REPORT_DELAY    ? SPAN("4.0.0")
						 : SPAN("2.0.0");
	memcpy(text, dsn.p, dsn.n);
	return (struct span){ text, dsn.n };
}

/* Of a trace it depends on the recipient (RFC 3464, section 2.3.3). */
static struct span
action_of(const struct report *r, struct span status, bool is_remote)
{
	char class = r->kind == REPORT_TRACE ? status.p[0] : '2';

	if (r->kind == REPORT_TRACE && class != '2')
		return class == '4' ? SPAN("delayed")
		    : r->verify     ? SPAN("undeliverable")
				    : SPAN("failed");
	if (r->verify)
		return SPAN("deliverable");
	/* What another server does with it is for that one to tell. */
	if (r->kind == REPORT_SUCCESS || r->kind == REPORT_TRACE)
		return is_remote ? SPAN("relayed") : SPAN("delivered");
	return words[r->kind].action;
}

static void
put_diagnostic(const struct report *r, const struct report_rcpt *rcpt,
    bool is_remote)
{
	struct span reply = rcpt->text;
	size_t column = 30;

	if (take_reply(rcpt->text, &reply) || (is_remote && is_code(reply))) {
		put_str(r, "Diagnostic-Code: smtp; ");
	} else {
		put_str(r, "Diagnostic-Code: X-Postrider; ");
		column += put_way(r, rcpt);
	}
	put_folded(r, reply, column);
	put_str(r, "\n");
}

void
report_rcpt_status(const struct report *r, const struct report_rcpt *rcpt)
{
	struct span host, dsn;
	bool is_remote = take_host(rcpt->relay, &host);
	char status[32];

	put_str(r, "\n");
	if (rcpt->orcpt.n > 0) {
		put_str(r, "Original-Recipient: ");
		put_foreign(r, rcpt->orcpt);
		put_str(r, "\n");
	} else if (rcpt->orig.n > 0) {
		put_address(r, "Original-Recipient", rcpt->orig);
	}
	put_address(r, "Final-Recipient", rcpt->addr);
	dsn = status_of(r, rcpt->dsn, status);
	put_str(r, "Action: ");
	put(r, action_of(r, dsn, is_remote));
	put_str(r, "\nStatus: ");
	put_foreign(r, dsn);
	put_str(r, "\n");
	if (is_remote) {
		put_str(r, "Remote-MTA: dns; ");
		put_foreign(r, host);
		put_str(r, "\n");
	}
	if (rcpt->text.n == 0)
		return;
	put_diagnostic(r, rcpt, is_remote);
	if (r->kind == REPORT_DELAY)
		put_date(r, "Will-Retry-Until",
		    r->arrived + r->lifetime * 1000000);
}

void
report_original(const struct report *r)
{
	put_part(r, words[r->kind].original,
	    r->head_only ? headers_only : "message/rfc822", NULL);
	if (r->is_8bit)
		put_str(r, is_8bit);
	put_str(r, "\nReturn-Path: <");
	put_foreign(r, r->sender);
	put_str(r, ">\n");
}

void
report_end(const struct report *r)
{
	put_str(r, "\n--");
	put_str(r, r->boundary);
	put_str(r, "--\n");
}
