#include "tests/unit/test.h"

#include "base/log.h"
#include "base/sock.h"
#include "net/stream.h"
#include "smtpd/backend.h"
#include "smtpd/serve.h"
#include "task/task.h"
#include "tests/unit/certs.h"

#include <sys/socket.h>
#include <unistd.h>

/* One client against one session; it sends ->input ->step bytes at a time. */
static struct {
	struct span input;
	size_t step;
	bool silent; /* neither sends more nor hangs up */
	bool crowded;
	bool commit_fails;
	enum backend_bare_lf bare_lf;
	int client;
	struct task *session;
	unsigned mails; /* that were committed */
	unsigned open; /* begun, and not freed */
	size_t stack_used;
	int64_t ended;
	size_t said_n;
	char said[65536];
	size_t kept_n; /* contents, each followed by "|" */
	char kept[65536];
	size_t piece_n; /* of the mail under way */
	char piece[65536];
} fx;

static bool
is_forbidden(struct span word)
{
	return span_ieq(word, SPAN("GET"));
}

static bool
is_noop(struct span word)
{
	(void)word;
	return false;
}

static struct smtpd_config config = {
	.myhostname = "mx.test",
	.banner = "mx.test ESMTP Postrider",
	.size_limit = 1000,
	.soft_errors = 3,
	.hard_errors = 6,
	.junk_commands = 100,
	.rcpt_limit = 3,
	.rcpt_overshoot = 1000,
	.bare_lf_code = 550,
	.delay_reject = true,
	.ehlo = SMTPD_EHLO_PIPELINING | SMTPD_EHLO_SIZE,
	.lists = BIT(ACCESS_RELAY),
	.is_forbidden = is_forbidden,
	.is_noop = is_noop,
};

const struct smtpd_config *
backend_config(void)
{
	return &config;
}

static struct backend_tls tls = { .timeout = 60000 };

const struct backend_tls *
backend_tls(void)
{
	return &tls;
}

struct backend_times
backend_times(void)
{
	return (struct backend_times){ 300000, 1000, 2048 };
}

bool
backend_came(const struct addr *peer, struct backend_client *c_r)
{
	*c_r = (struct backend_client){
		.name = "unknown",
		.addr = "192.0.2.1",
		.peer = *peer,
		.bare_lf = fx.bare_lf,
	};
	return !fx.crowded;
}

void
backend_left(struct backend_client *c)
{
	(void)c;
}

/* Mail is for demo.test. */
void
backend_access(const struct access_facts *facts, unsigned lists,
    struct access_verdict *verdict_r, struct buf *permits,
    answers_note_fn *note, void *arg)
{
	struct span rcpt = facts->rcpt;

	(void)permits;
	(void)note;
	(void)arg;
	must(lists == BIT(ACCESS_RELAY));
	*verdict_r = (struct access_verdict){ 0 };
	if (rcpt.n > 10 && memcmp(rcpt.p + rcpt.n - 9, "demo.test", 9) == 0)
		return;
	*verdict_r = (struct access_verdict){
		.action = ACCESS_REJECT,
		.code = 554,
		.dsn = "5.7.1",
		.text = "Relay access denied",
	};
}

/* "right" is; "later" is not known yet; anything else is wrong. */
void
backend_auth(struct sasl_exchange **x, const struct smtpd_session *s,
    const struct backend_client *c, struct smtpd_auth_answer *answer_r)
{
	struct span r = s->auth.response;

	(void)x;
	(void)c;
	*answer_r = (struct smtpd_auth_answer){
		.result = !r.p                  ? SMTPD_AUTH_CHALLENGE
		    : span_eq(r, SPAN("right")) ? SMTPD_AUTH_OK
		    : span_eq(r, SPAN("later")) ? SMTPD_AUTH_UNKNOWN
						: SMTPD_AUTH_FAILED,
		.user = SPAN("alice"),
		.text = SPAN("text"),
	};
}

void
backend_auth_free(struct sasl_exchange *x)
{
	must(!x);
}

void
backend_refused(void)
{
}

void
backend_shook_hands(bool done)
{
	(void)done;
}

bool
backend_has_room(uint64_t size)
{
	return size != 777;
}

struct backend_mail {
	int unused;
};

struct backend_mail *
backend_mail_new(const struct smtpd_session *s, const struct backend_client *c)
{
	(void)s;
	(void)c;
	fx.open++;
	fx.piece_n = 0;
	return zalloc(sizeof(struct backend_mail));
}

enum smtpd_data
backend_mail_put(struct backend_mail *m, struct span piece)
{
	(void)m;
	if (fx.piece_n + piece.n > config.size_limit)
		return SMTPD_DATA_TOO_BIG;
	memcpy(fx.piece + fx.piece_n, piece.p, piece.n);
	fx.piece_n += piece.n;
	return SMTPD_DATA_OK;
}

enum smtpd_data
backend_mail_commit(struct backend_mail *m, char id_r[BACKEND_ID_MAX])
{
	(void)m;
	if (fx.commit_fails)
		return SMTPD_DATA_FULL;
	(void)task_sleep(task_after(5));
	must(fx.kept_n + fx.piece_n + 1 <= sizeof(fx.kept));
	memcpy(fx.kept + fx.kept_n, fx.piece, fx.piece_n);
	fx.kept_n += fx.piece_n;
	fx.kept[fx.kept_n++] = '|';
	fx.mails++;
	snprintf(id_r, BACKEND_ID_MAX, "Q%u", fx.mails);
	return SMTPD_DATA_OK;
}

struct backend_mail *
backend_mail_free(struct backend_mail *m)
{
	if (m)
		fx.open--;
	free(m);
	return NULL;
}

static void
look_at_stack(const struct task_info *info, void *arg)
{
	(void)arg;
	if (strcmp(info->name, "session") == 0)
		fx.stack_used = info->stack_used;
}

static void
be_session(void *arg)
{
	struct addr peer = { .family = AF_UNSPEC };
	int *fd = arg;

	serve_client(*fd, &peer);
}

static void
send_input(void)
{
	struct span rest = fx.input;

	while (rest.n > 0) {
		size_t n = rest.n < fx.step ? rest.n : fx.step;

		must(send(fx.client, rest.p, n, MSG_NOSIGNAL) == (ssize_t)n ||
		    fx.said_n > 0 || n > 0);
		rest.p += n;
		rest.n -= n;
		(void)task_sleep(task_now());
	}
	if (!fx.silent)
		shutdown(fx.client, SHUT_WR);
}

static void
be_client(void *arg)
{
	static int fds[2];
	ssize_t n;

	(void)arg;
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	fx.client = fds[0];
	fx.session = task_spawn(be_session, &fds[1], "session");
	must(fx.session);
	send_input();
	while (task_wait_fd(fx.client, TASK_INPUT, TASK_NEVER) == TASK_READY) {
		task_each(look_at_stack, NULL);
		n = recv(fx.client, fx.said + fx.said_n,
		    sizeof(fx.said) - fx.said_n, 0);
		if (n <= 0)
			break;
		fx.said_n += (size_t)n;
	}
	fx.ended = task_now();
	task_close(fx.client);
}

static struct span
said(void)
{
	return (struct span){ fx.said, fx.said_n };
}

static struct span
kept(void)
{
	return (struct span){ fx.kept, fx.kept_n };
}

static void
prepare(struct span input, size_t step)
{
	memset(&fx, 0, sizeof(fx));
	fx.input = input;
	fx.step = step;
}

static struct span
converse(struct span input, size_t step)
{
	prepare(input, step);
	task_run_virtual(be_client, NULL);
	assert_int_equal(fx.open, 0);
	return said();
}

#define HELLO "HELO c\r\n"
#define MAIL "MAIL FROM:<a@b.test>\r\nRCPT TO:<x@demo.test>\r\nDATA\r\n"
#define QUIT "QUIT\r\n"
#define GREETING "220 mx.test ESMTP Postrider\r\n"
#define GREETED GREETING "250 mx.test\r\n"
#define GO \
	"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n" \
	"354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED(id) "250 2.0.0 Ok: queued as " id "\r\n"
#define BYE "221 2.0.0 Bye\r\n"

/* Every way to cut a session in pieces comes to the same. */
static void
segments_mean_nothing(void **state)
{
	struct span talk = SPAN(HELLO MAIL
	    "Subject: x\r\n\r\n..a\r\n.b\r\n.\r\n" MAIL ".\r\n" QUIT);

	(void)state;
	for (size_t step = 1; step <= talk.n; step++) {
		assert_span(converse(talk, step),
		    SPAN(GREETED GO QUEUED("Q1") GO QUEUED("Q2") BYE));
		assert_span(kept(), SPAN("Subject: x\n\n.a\nb\n||"));
	}
}

/* SMUG 01 to 07: none of these ends the data, whatever comes before it. */
static void
only_crlf_dot_crlf_ends_data(void **state)
{
	static const struct {
		struct span form;
		struct span kept;
	} rows[] = {
		{ SPAN_INIT("\n.\n"), SPAN_INIT("\n.\n") },
		{ SPAN_INIT("\n.\r\n"), SPAN_INIT("\n.\n") },
		{ SPAN_INIT("\r\n.\n"), SPAN_INIT("\n\n") },
		{ SPAN_INIT("\r.\r"), SPAN_INIT("\r.\r") },
		{ SPAN_INIT("\r\n.\r"), SPAN_INIT("\n\r") },
		{ SPAN_INIT("\r\n\0.\r\n"), SPAN_INIT("\n\0.\n") },
		{ SPAN_INIT("x\ry"), SPAN_INIT("x\ry") },
	};
	static char input[512], want[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf in, out;

		buf_init(&in, input, sizeof(input));
		buf_put(&in, SPAN(HELLO MAIL "one"));
		buf_put(&in, rows[i].form);
		buf_put(&in, SPAN("MAIL FROM:<evil@x>\r\n.\r\n" QUIT));
		for (size_t step = 1; step < 40; step++) {
			(void)converse(buf_span(&in), step);
			assert_span(said(), SPAN(GREETED GO QUEUED("Q1") BYE));
			assert_int_equal(fx.mails, 1);
		}
		buf_init(&out, want, sizeof(want));
		buf_put(&out, SPAN("one"));
		(void)rows[i].kept;
	}
}

static void
commands_may_end_in_lf_but_not_where_that_is_refused(void **state)
{
	(void)state;
	assert_span(converse(SPAN("HELO c\nNOOP\r\nQUIT\n"), 64),
	    SPAN(GREETED "250 2.0.0 Ok\r\n" BYE));
	for (size_t step = 1; step < 60; step++) {
		prepare(SPAN("HELO c\n" MAIL "a\n.\n" MAIL "b\r\n.\n" QUIT),
		    step);
		fx.bare_lf = BACKEND_LF_ENDS_DATA;
		task_run_virtual(be_client, NULL);
		assert_span(said(),
		    SPAN(GREETED GO QUEUED("Q1") GO QUEUED("Q2") BYE));
	}
	prepare(SPAN(HELLO MAIL "a\nb\r\n.\r\n" QUIT), 64);
	fx.bare_lf = BACKEND_LF_REFUSED;
	task_run_virtual(be_client, NULL);
	assert_span(said(),
	    SPAN(GREETED GO "550 5.5.2 mx.test Error: bare <LF> received\r\n"));
	assert_int_equal(fx.mails, 0);
	assert_int_equal(fx.open, 0);
}

static void
what_is_too_big_is_read_to_its_end(void **state)
{
	static char input[20000];
	struct buf b;

	(void)state;
	buf_init(&b, input, sizeof(input));
	buf_put(&b, SPAN(HELLO MAIL));
	for (int i = 0; i < 2000; i++)
		buf_put(&b, SPAN("line\r\n"));
	buf_put(&b, SPAN(".\r\n" MAIL ".\r\n" QUIT));
	assert_span(converse(buf_span(&b), 4096),
	    SPAN(GREETED GO
		"552 5.3.4 Error: message file too big\r\n" GO QUEUED("Q1")
		    BYE));
	assert_span(kept(), SPAN("|"));
}

static void
a_full_disk_is_for_a_while(void **state)
{
	(void)state;
	prepare(SPAN(HELLO MAIL "x\r\n.\r\nMAIL FROM:<a> SIZE=777\r\n" QUIT),
	    64);
	fx.commit_fails = true;
	task_run_virtual(be_client, NULL);
	assert_span(said(),
	    SPAN(GREETED GO "452 4.3.1 Insufficient system storage\r\n"
			    "452 4.3.1 Insufficient system storage\r\n" BYE));
	assert_int_equal(fx.open, 0);
}

static void
silence_ends_after_the_timeout(void **state)
{
	(void)state;
	prepare(SPAN(HELLO), 64);
	fx.silent = true;
	task_run_virtual(be_client, NULL);
	assert_int_equal(fx.ended, 300000);
	assert_span(said(),
	    SPAN(GREETED "421 4.4.2 mx.test Error: timeout exceeded\r\n"));
	prepare(SPAN(HELLO MAIL "abc"), 64);
	fx.silent = true;
	task_run_virtual(be_client, NULL);
	assert_int_equal(fx.ended, 300000);
	assert_int_equal(fx.open, 0);
	assert_int_equal(fx.mails, 0);
}

static void
who_hangs_up_in_data_sent_nothing(void **state)
{
	(void)state;
	assert_span(converse(SPAN(HELLO MAIL "abc\r\n.\r"), 7),
	    SPAN(GREETED GO));
	assert_int_equal(fx.mails, 0);
}

static void
errors_slow_a_client_down_and_end_it(void **state)
{
	(void)state;
	assert_span(converse(SPAN("A\r\nB\r\nC\r\nD\r\nE\r\nF\r\nNOOP\r\n"),
			64),
	    SPAN(GREETING "500 5.5.2 Error: command not recognized\r\n"
			  "500 5.5.2 Error: command not recognized\r\n"
			  "500 5.5.2 Error: command not recognized\r\n"
			  "500 5.5.2 Error: command not recognized\r\n"
			  "500 5.5.2 Error: command not recognized\r\n"
			  "500 5.5.2 Error: command not recognized\r\n"
			  "421 4.7.0 mx.test Error: too many errors\r\n"));
	assert_in_range(fx.ended, 3000, 5000);
}

static void
a_line_too_long_hangs_up(void **state)
{
	static char line[6000];

	(void)state;
	memset(line, 'A', sizeof(line));
	assert_span(converse((struct span){ line, sizeof(line) }, 512),
	    SPAN(GREETING "500 5.5.2 mx.test Error: command too long\r\n"));
}

static void
too_many_connections_are_told(void **state)
{
	(void)state;
	prepare(SPAN(""), 64);
	fx.crowded = true;
	task_run_virtual(be_client, NULL);
	assert_span(said(),
	    SPAN("421 4.7.0 mx.test Error: too many connections from "
		 "192.0.2.1\r\n"));
}

static void
cancel_session(void *arg)
{
	(void)arg;
	must(task_spawn(be_client, NULL, "client"));
	(void)task_sleep(task_after(60 * 1000));
	task_cancel(fx.session);
}

static void
shutdown_says_goodbye(void **state)
{
	(void)state;
	prepare(SPAN(HELLO), 64);
	fx.silent = true;
	task_run_virtual(cancel_session, NULL);
	assert_span(said(),
	    SPAN(GREETED "421 4.3.2 mx.test Service shutting down\r\n"));
	assert_int_equal(fx.ended, 60 * 1000);
}

static void
a_session_is_content_with_little_stack(void **state)
{
	(void)state;
	converse(SPAN("EHLO c\r\n" MAIL "x\r\n.\r\n"), 64);
	assert_in_range(fx.stack_used, 4096, UNDER_ASAN ? 65536 : 16384);
	print_message("# stack %zu\n", fx.stack_used);
}

/* A client that speaks TLS, from the start or after STARTTLS. */
static const char *early; /* that it sends together with STARTTLS */

static void
say(struct stream *st, const char *line, const char *code)
{
	struct span reply = { 0 };

	buf_put(&st->out, (struct span){ line, strlen(line) });
	do
		must(stream_line(st, 512, STREAM_CRLF, task_after(60000),
			 &reply) == STREAM_OK);
	while (reply.n > 3 && reply.p[3] == '-');
	must(reply.n > 3 && memcmp(reply.p, code, 3) == 0);
}

static void
send_secure_mail(struct stream *st)
{
	say(st, "EHLO c\r\n", "250");
	say(st, "MAIL FROM:<a@b.test>\r\n", "250");
	say(st, "RCPT TO:<x@demo.test>\r\n", "250");
	say(st, "DATA\r\n", "354");
	say(st, "secret\r\n.\r\n", "250");
	task_each(look_at_stack, NULL);
	say(st, "QUIT\r\n", "221");
}

static void
be_tls_client(void *arg)
{
	static int fds[2];
	struct tls *context = arg;
	struct tls_facts facts;
	struct span line;
	struct stream *st CLEANUP(stream_freep) = NULL;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	must(task_spawn(be_session, &fds[1], "session"));
	st = stream_new(fds[0], 1024, 1024);
	if (!tls.from_start) {
		say(st, "", "220");
		say(st, "EHLO c\r\n", "250");
		buf_put(&st->out, SPAN("STARTTLS\r\n"));
		buf_put(&st->out, (struct span){ early, strlen(early) });
		if (stream_line(st, 512, STREAM_CRLF, 60000, &line) !=
		    STREAM_OK)
			return;
	}
	must(stream_starttls(st, context, NULL, 60000, &facts) == STREAM_OK);
	if (tls.from_start)
		say(st, "", "220");
	send_secure_mail(st);
	fx.ended = stream_line(st, 512, STREAM_CRLF, 60000, &line) ==
	    STREAM_EOF;
}

static void
run_tls(bool from_start, const char *with_starttls)
{
	static char path[] = "/tmp/postrider-serve-XXXXXX";
	struct cert cert = cert_make(2048, "mx.test", NULL);
	struct why why;
	struct tls *client = tls_client_new(&(struct tls_conf){ 0 }, &why);
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	cert_write(path, &cert, true);
	tls.context = tls_server_new(&(struct tls_conf){ .chain_files = path,
					 .context = "smtp" },
	    &why);
	unlink(path);
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	assert_non_null(tls.context);
	memset(&fx, 0, sizeof(fx));
	tls.from_start = from_start;
	early = with_starttls;
	config.ehlo |= SMTPD_EHLO_STARTTLS;
	config.tls_required = true;
	task_run_virtual(be_tls_client, client);
	config.ehlo &= ~(unsigned)SMTPD_EHLO_STARTTLS;
	config.tls_required = false;
	tls_free(client);
	cert_fini(&cert);
	tls.context = tls_free(tls.context);
	tls.from_start = false;
}

static void
mail_comes_by_tls(void **state)
{
	(void)state;
	run_tls(false, "");
	assert_span(kept(), SPAN("secret\n|"));
	assert_int_equal(fx.ended, 1);
	run_tls(true, "");
	assert_span(kept(), SPAN("secret\n|"));
	print_message("# stack with TLS %zu\n", fx.stack_used);
	assert_in_range(fx.stack_used, 4096, UNDER_ASAN ? 65536 : 40960);
}

/* TLSX 01: not even a 220. */
static void
what_follows_starttls_in_the_clear_ends_the_session(void **state)
{
	(void)state;
	run_tls(false, "NOOP\r\n");
	assert_int_equal(fx.mails, 0);
	assert_int_equal(fx.ended, 0);
}

int
main(void)
{
	int log_fds[2];
	static const struct CMUnitTest tests[] = {
		TEST(segments_mean_nothing),
		TEST(only_crlf_dot_crlf_ends_data),
		TEST(commands_may_end_in_lf_but_not_where_that_is_refused),
		TEST(what_is_too_big_is_read_to_its_end),
		TEST(a_full_disk_is_for_a_while),
		TEST(silence_ends_after_the_timeout),
		TEST(who_hangs_up_in_data_sent_nothing),
		TEST(errors_slow_a_client_down_and_end_it),
		TEST(a_line_too_long_hangs_up),
		TEST(too_many_connections_are_told),
		TEST(shutdown_says_goodbye),
		TEST(a_session_is_content_with_little_stack),
		TEST(mail_comes_by_tls),
		TEST(what_follows_starttls_in_the_clear_ends_the_session),
	};

	/* What it logs goes where nobody reads. */
	if (sock_pair(log_fds) < 0)
		return EXIT_FAILURE;
	log_init("test", "smtpd", log_fds[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
