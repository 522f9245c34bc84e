#include "tools/queue/view.h"

#include "tools/json_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	RCPT_COLUMN = 41, /* where senders and recipients stand */
	RCPT_COLUMN_LONG = 47, /* beside long IDs */
	REASON_END = 78,
};

static void
put(struct span s)
{
	fwrite_unlocked(s.p, 1, s.n, stdout);
}

static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

/* Control characters of mail do nothing to a terminal. */
static void
put_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		putchar_unlocked(is_control(s.p[i]) ? '?' : s.p[i]);
}

static const char *
mark_of(const struct view_message *m)
{
	if (span_eq(m->folder, SPAN("active")))
		return m->forced ? "*#" : "*";
	if (span_eq(m->folder, SPAN("hold")))
		return m->forced ? "!#" : "!";
	return m->forced ? "#" : "";
}

static void
begin_text(const struct view *v, const struct view_message *m)
{
	char id[QUEUE_ID_MAX + 3], when[64];
	time_t t = (time_t)(m->arrived / 1000000);
	struct tm tm;

	if (v->count == 1)
		puts(v->long_ids
			? "----Queue ID----- --Size-- ---Arrival Time---- "
			  "--Sender/Recipient------"
			: "-Queue ID-  --Size-- ----Arrival Time---- "
			  "-Sender/Recipient-------");
	snprintf(id, sizeof(id), "%s%s", v->id, mark_of(m));
	localtime_r(&t, &tm);
	strftime(when, sizeof(when), "%a %b %e %H:%M:%S ", &tm);
	if (v->long_ids)
		printf("%-17s %8" PRIu64 " %19.19s ", id, m->size, when);
	else
		printf("%-11s %7" PRIu64 " %20.20s ", id, m->size, when);
	put_text(m->sender.n > 0 ? m->sender : SPAN("MAILER-DAEMON"));
	putchar_unlocked('\n');
}

static void
begin_json(const struct view_message *m)
{
	put(SPAN("{\"queue_name\": "));
	json_out(m->folder);
	put(SPAN(", \"queue_id\": "));
	json_out(m->id);
	printf(", \"arrival_time\": %" PRId64 ", \"message_size\": %" PRIu64
	       ", \"forced_expire\": %s, \"sender\": ",
	    m->arrived / 1000000, m->size, m->forced ? "true" : "false");
	json_out(m->sender.n > 0 ? m->sender : SPAN("MAILER-DAEMON"));
	put(SPAN(", \"recipients\": ["));
}

static void
end_message(struct view *v)
{
	if (v->id[0] == '\0')
		return;
	put(v->json ? SPAN("]}\n") : SPAN("\n"));
	v->id[0] = '\0';
}

void
view_message(struct view *v, const struct view_message *m)
{
	if (m->id.n >= sizeof(v->id))
		return;
	if (strlen(v->id) == m->id.n && memcmp(v->id, m->id.p, m->id.n) == 0)
		return;
	end_message(v);
	memcpy(v->id, m->id.p, m->id.n);
	v->id[m->id.n] = '\0';
	v->count++;
	v->size += m->size;
	v->in_list = false;
	v->reason = SPAN("");
	if (v->json)
		begin_json(m);
	else
		begin_text(v, m);
}

/* Several that wait for the same have it in front of the first. */
static void
put_reason(struct view *v, struct span reason)
{
	int gap = REASON_END - (int)reason.n - 2;

	if (reason.n >= sizeof(v->reason_storage) || span_eq(v->reason, reason))
		return;
	memcpy(v->reason_storage, reason.p, reason.n);
	v->reason = (struct span){ v->reason_storage, reason.n };
	if (reason.n == 0)
		return;
	printf("%*s(", gap > 0 ? gap : 0, "");
	put_text(reason);
	put(SPAN(")\n"));
}

static void
put_json_rcpt(struct view *v, struct span addr, struct span reason)
{
	put(v->in_list ? SPAN(", {\"address\": ") : SPAN("{\"address\": "));
	json_out(addr);
	if (reason.n > 0) {
		put(SPAN(", \"delay_reason\": "));
		json_out(reason);
	}
	putchar_unlocked('}');
	v->in_list = true;
}

void
view_rcpt(struct view *v, struct span addr, struct span reason)
{
	if (v->json) {
		put_json_rcpt(v, addr, reason);
		return;
	}
	put_reason(v, reason);
	printf("%*s", v->long_ids ? RCPT_COLUMN_LONG : RCPT_COLUMN, "");
	put_text(addr);
	putchar_unlocked('\n');
}

void
view_end(struct view *v)
{
	end_message(v);
	if (v->json)
		return;
	if (v->count == 0)
		puts("Mail queue is empty");
	else
		printf("-- %" PRIu64 " Kbytes in %u Request%s.\n",
		    v->size / 1024, v->count, v->count == 1 ? "" : "s");
}
