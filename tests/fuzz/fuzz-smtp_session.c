/*
 * Feeds a session the lines of the input. The first byte of each decides what
 * is answered to what the session wants. The must()s of the session and the
 * sanitizers are what is tested, and that replies have a reply's form.
 */
#include "smtpd/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
no_word(struct span word)
{
	return span_ieq(word, SPAN("GET"));
}

static void
settle(struct smtpd_session *s, unsigned how)
{
	struct access_verdict v = {
		.action = how % 3,
		.code = how % 5 ? 450 : 421,
		.dsn = "4.7.1",
		.text = "later",
	};

	while (s->want != SMTPD_WANT_LINE && s->want != SMTPD_WANT_CLOSE) {
		buf_drop(s->out, s->out->n);
		if (s->want == SMTPD_WANT_ACCESS)
			session_access(s, &v);
		else if (s->want == SMTPD_WANT_SPACE)
			session_space(s, how % 7);
		else if (s->want == SMTPD_WANT_TLS)
			session_tls(s, how % 2);
		else if (s->want == SMTPD_WANT_AUTH)
			session_auth(s,
			    &(struct smtpd_auth_answer){ .result = how %
				    (SMTPD_AUTH_UNKNOWN + 1),
				.user = SPAN("alice"),
				.text = SPAN("a text") });
		else if (s->want == SMTPD_WANT_DATA)
			session_data(s, how % (SMTPD_DATA_BARE_LF + 1));
		else
			session_committed(s, how % SMTPD_DATA_BARE_LF,
			    SPAN("ID"));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct smtpd_config config = {
		.myhostname = "mx.test",
		.banner = "mx.test ESMTP",
		.size_limit = 1000,
		.soft_errors = 10,
		.hard_errors = 20,
		.junk_commands = 100,
		.rcpt_limit = 10,
		.rcpt_overshoot = 10,
		.bare_lf_code = 550,
		.ehlo = 255,
		.auth = true,
		.auth_limit = 1000,
		.auth_mechs = "PLAIN LOGIN",
		.auth_tls_mechs = "PLAIN",
		.lists = BIT(ACCESS_LISTS) - 1,
		.is_forbidden = no_word,
		.is_noop = no_word,
	};
	struct access_facts facts = { .client_addr = SPAN("192.0.2.1") };
	struct arena *arena CLEANUP(arena_freep) = arena_new(2048);
	struct span rest = { (const char *)data, size };
	char storage[SMTPD_REPLY_MAX];
	struct smtpd_session s;
	struct buf out;

	buf_init(&out, storage, sizeof(storage));
	session_init(&s, &config, &facts, arena, &out);
	settle(&s, 1);
	while (rest.n > 0 && s.want == SMTPD_WANT_LINE) {
		struct span line = span_cut(&rest, '\n');
		unsigned how = line.n ? (uint8_t)line.p[0] : 0;

		if (line.n > 0) {
			line.p++;
			line.n--;
		}
		buf_drop(&out, out.n);
		session_line(&s, line);
		settle(&s, how);
		must(out.n >= 5 && out.p[0] >= '2' && out.p[0] <= '5');
		must(memcmp(out.p + out.n - 2, "\r\n", 2) == 0);
	}
	return 0;
}
