/*
 * Feeds a session of LMTP the lines of the input. The first byte of each decides
 * what is answered to what the session wants. The must()s of the session and the
 * sanitizers are what is tested, and that replies have a reply's form.
 */
#include "lmtp/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_replies(struct buf *out)
{
	struct span s = buf_span(out);

	must(!out->overflow && s.n >= 5);
	must(memcmp(s.p + s.n - 2, "\r\n", 2) == 0);
	while (s.n > 0) {
		struct span line = span_cut(&s, '\n');

		must(line.n >= 5 && line.p[0] >= '2' && line.p[0] <= '5');
	}
	buf_drop(out, out->n);
}

static void
deliver(struct lmtp_session *s, unsigned how)
{
	for (struct lmtp_rcpt *r = s->rcpts; r; r = r->next)
		r->outcome = (struct lmtp_outcome){
			.sent = how % 2,
			.dsn = how % 3 ? SPAN("4.2.2") : SPAN(""),
			.text = r->addr,
		};
}

static void
settle(struct lmtp_session *s, unsigned how)
{
	while (s->want != LMTP_WANT_LINE && s->want != LMTP_WANT_CLOSE) {
		if (s->out->n > 0)
			check_replies(s->out);
		if (s->want == LMTP_WANT_RCPT) {
			lmtp_rcpt(s, how % (LMTP_TEMPFAIL + 1));
		} else if (s->want == LMTP_WANT_DATA) {
			lmtp_data(s, how % (LMTP_DATA_FULL + 1));
		} else if (s->want == LMTP_WANT_DELIVERY) {
			deliver(s, how);
			lmtp_delivered(s);
		} else {
			lmtp_reply(s);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct lmtp_config config = {
		.myhostname = "mx.test",
		.banner = "mx.test LMTP",
		.size_limit = 1000,
		.rcpt_limit = 10,
		.errors_max = 20,
	};
	struct arena *arena CLEANUP(arena_freep) = arena_new(2048);
	struct span rest = { (const char *)data, size };
	char storage[LMTP_REPLY_MAX];
	struct lmtp_session s;
	struct buf out;

	buf_init(&out, storage, sizeof(storage));
	lmtp_init(&s, &config, arena, &out);
	check_replies(&out);
	while (rest.n > 0 && s.want == LMTP_WANT_LINE) {
		struct span line = span_cut(&rest, '\n');
		unsigned how = line.n ? (uint8_t)line.p[0] : 0;

		if (line.n > 0) {
			line.p++;
			line.n--;
		}
		lmtp_line(&s, line);
		settle(&s, how);
		check_replies(&out);
	}
	return 0;
}
