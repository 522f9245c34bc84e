#include "tests/unit/test.h"

#include "base/scan.h"
#include "net/stream.h"
#include "net/tls_private.h"
#include "task/task.h"
#include "tests/unit/certs.h"

#include <errno.h>
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BIG = 3 << 20,
	IDLE_MAX = 40 * 1024,
	STACK_MAX = 40 * 1024,
};

static char dir[] = "/tmp/postrider-tls-XXXXXX";
static char paths[8][64];
enum {
	CA,
	ONE,
	TWO,
	SLOW,
	OTHER_CA,
	KEYLESS,
	MIXED,
	GARBAGE
};

/* What the client wants, for more than one conversation; NULL: a name. */
static const struct tls_want *client_wants;
static struct cert ca, other_ca, one, two, slow;

/* What each end is to do, and what came of it. */
static struct {
	struct tls *server;
	struct tls *client;
	const char *host;
	size_t step; /* bytes that go through at a time; 0: no relay */
	enum stream_result server_result, client_result;
	struct tls_facts server_facts, client_facts;
	char said[64];
	size_t stack;
	size_t received;
	int64_t ended;
	bool ok;
} fx;

static int server_fd, client_fd;
static int relay_fds[2];

static int
make_files(void **state)
{
	static const char *const names[] = { "ca", "one", "two", "slow",
		"other", "keyless", "mixed", "garbage" };
	FILE *f;

	(void)state;
	must(mkdtemp(dir));
	for (size_t i = 0; i < COUNT_OF(names); i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/%s.pem", dir,
		    names[i]);
	ca = cert_make(0, NULL, NULL);
	other_ca = cert_make(0, NULL, NULL);
	one = cert_make(0, "one.test", &ca);
	two = cert_make(2048, "two.test", &ca);
	slow = cert_make(3072, "slow.test", &ca);
	cert_write(paths[CA], &ca, false);
	cert_write(paths[OTHER_CA], &other_ca, false);
	cert_write(paths[ONE], &one, true);
	cert_write(paths[TWO], &two, true);
	cert_write(paths[SLOW], &slow, true);
	cert_write(paths[KEYLESS], &one, false);
	f = fopen(paths[MIXED], "w");
	must(f && PEM_write_PrivateKey(f, two.key, NULL, NULL, 0, NULL, NULL) &&
	    PEM_write_X509(f, one.x509) && fclose(f) == 0);
	f = fopen(paths[GARBAGE], "w");
	must(f && fputs("no PEM here\n", f) >= 0 && fclose(f) == 0);
	return 0;
}

static int
remove_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(paths); i++)
		unlink(paths[i]);
	rmdir(dir);
	cert_fini(&ca);
	cert_fini(&other_ca);
	cert_fini(&one);
	cert_fini(&two);
	cert_fini(&slow);
	return 0;
}

static struct tls *
make_server(const char *files)
{
	struct why why = { 0 };
	struct tls *t = tls_server_new(
	    &(struct tls_conf){
		.chain_files = files,
		.context = "smtp",
		.alpn = "smtp",
	    },
	    &why);

	if (!t)
		print_error("%s\n", why.text);
	assert_non_null(t);
	return t;
}

static struct tls *
make_client(const char *ca_file, const char *alpn)
{
	struct why why;
	struct tls *t = tls_client_new(&(struct tls_conf){ .ca_file = ca_file,
					   .alpn = alpn },
	    &why);

	assert_non_null(t);
	return t;
}

static void
note_stack(const struct task_info *i, void *arg)
{
	(void)arg;
	if (i->stack_used > fx.stack)
		fx.stack = i->stack_used;
}

/* Greets in the clear, takes a line, goes over to TLS, and echoes a line. */
static void
serve(void *arg)
{
	struct stream *s CLEANUP(
	    stream_freep) = stream_new(server_fd, 256, 256);
	struct span line;
	enum stream_result r;

	(void)arg;
	buf_put(&s->out, SPAN("220 hello\r\n"));
	r = stream_line(s, 256, STREAM_CRLF, task_after(1000), &line);
	if (r == STREAM_OK) {
		buf_put(&s->out, SPAN("220 go on\r\n"));
		r = stream_starttls(s, fx.server, NULL, task_after(60000),
		    &fx.server_facts);
	}
	fx.server_result = r;
	fx.ended = task_now();
	if (r != STREAM_OK)
		return;
	while (stream_line(s, 256, STREAM_CRLF, task_after(60000), &line) ==
	    STREAM_OK) {
		buf_put(&s->out, line);
		buf_put(&s->out, SPAN("\r\n"));
	}
	task_each(note_stack, NULL);
	stream_finish(s, task_after(1000));
}

static bool
expect_line(struct stream *s, struct span wanted)
{
	struct span line;

	return stream_line(s, 256, STREAM_CRLF, task_after(60000), &line) ==
	    STREAM_OK &&
	    span_eq(line, wanted);
}

static void
talk(void *arg)
{
	struct stream *s CLEANUP(
	    stream_freep) = stream_new(client_fd, 256, 256);
	struct span line;

	(void)arg;
	must(expect_line(s, SPAN("220 hello")));
	buf_put(&s->out, SPAN("STARTTLS\r\n"));
	must(expect_line(s, SPAN("220 go on")));
	fx.client_result = client_wants
	    ? stream_starttls_wanting(s, fx.client, client_wants,
		  task_after(60000), &fx.client_facts)
	    : stream_starttls(s, fx.client, fx.host, task_after(60000),
		  &fx.client_facts);
	if (fx.client_result != STREAM_OK)
		return;
	buf_put(&s->out, SPAN("under TLS\r\nand again\r\n"));
	must(stream_line(s, 256, STREAM_CRLF, task_after(60000), &line) ==
	    STREAM_OK);
	snprintf(fx.said, sizeof(fx.said), "%.*s", (int)line.n, line.p);
	must(expect_line(s, SPAN("and again")));
	task_each(note_stack, NULL);
	stream_finish(s, task_after(60000));
	fx.ok = true;
}

/* Passes bytes on, at most fx.step at a time, until its end closes. */
struct way {
	int from, to;
};

static void
relay(void *arg)
{
	const struct way *w = arg;
	char bytes[256];
	ssize_t n;

	while (task_wait_fd(w->from, TASK_INPUT, TASK_NEVER) == TASK_READY) {
		n = recv(w->from, bytes, fx.step, MSG_DONTWAIT);
		if (n <= 0)
			break;
		must(send(w->to, bytes, (size_t)n, MSG_NOSIGNAL) == n ||
		    errno == EPIPE);
		task_sleep(task_now());
	}
	shutdown(w->to, SHUT_WR);
}

static struct way ways[2];

static void
start_both(void *arg)
{
	(void)arg;
	must(task_spawn(serve, NULL, "server"));
	must(task_spawn(talk, NULL, "client"));
	if (fx.step == 0)
		return;
	ways[0] = (struct way){ relay_fds[0], relay_fds[1] };
	ways[1] = (struct way){ dup(relay_fds[1]), dup(relay_fds[0]) };
	must(task_spawn(relay, &ways[0], "to client"));
	must(task_spawn(relay, &ways[1], "to server"));
}

static void
make_sockets(void)
{
	int a[2], b[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0);
	server_fd = a[0];
	client_fd = a[1];
	relay_fds[0] = relay_fds[1] = -1;
	if (fx.step == 0)
		return;
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, b) == 0);
	relay_fds[0] = a[1];
	relay_fds[1] = b[0];
	client_fd = b[1];
}

static void
run(task_fn *fn)
{
	make_sockets();
	task_run_virtual(fn, NULL);
	for (int i = 0; i < 2 && fx.step; i++) {
		close(relay_fds[i]);
		close(ways[1].from);
		close(ways[1].to);
	}
}

/* Speaks with a server and a client made of these; both are freed. */
static void
converse(struct tls *server, struct tls *client, const char *host, size_t step)
{
	memset(&fx, 0, sizeof(fx));
	fx.server = server;
	fx.client = client;
	fx.host = host;
	fx.step = step;
	run(start_both);
	fx.server = tls_free(fx.server);
	fx.client = tls_free(fx.client);
}

static void
records_do_not_depend_on_how_they_come(void **state)
{
	(void)state;
	for (size_t step = 1; step < 80; step += step < 8 ? 1 : 7) {
		converse(make_server(paths[ONE]), make_client(paths[CA], NULL),
		    "one.test", step);
		assert_true(fx.ok);
		assert_string_equal(fx.said, "under TLS");
		assert_true(fx.client_facts.verified);
	}
}

static void
the_facts_are_what_postfix_logs(void **state)
{
	static const char expected[] =
	    "Anonymous TLS connection established from mx.test[192.0.2.1]: "
	    "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) "
	    "key-exchange X25519 server-signature RSA-PSS (2048 bits) "
	    "server-digest SHA256";
	static const char ec[] =
	    "Verified TLS connection established to one.test[192.0.2.1]: "
	    "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) "
	    "key-exchange X25519 server-signature ECDSA (prime256v1) "
	    "server-digest SHA256";
	char text[1024];
	struct buf b;

	(void)state;
	converse(make_server(paths[TWO]), make_client("", "smtp"), "two.test",
	    0);
	assert_true(fx.ok);
	buf_init(&b, text, sizeof(text));
	tls_facts_log(&b, &fx.server_facts, true, SPAN("mx.test"),
	    SPAN("192.0.2.1"));
	assert_span(buf_span(&b),
	    ((struct span){ expected, sizeof(expected) - 1 }));
	assert_string_equal(fx.server_facts.alpn, "smtp");
	assert_false(fx.client_facts.trusted);

	converse(make_server(paths[ONE]), make_client(paths[CA], NULL),
	    "one.test", 0);
	buf_init(&b, text, sizeof(text));
	tls_facts_log(&b, &fx.client_facts, false, SPAN("one.test"),
	    SPAN("192.0.2.1"));
	assert_span(buf_span(&b), ((struct span){ ec, sizeof(ec) - 1 }));
	assert_int_equal(strlen(fx.client_facts.fingerprint), 95);
}

static void
a_certificate_of_another_name_or_issuer_is_not_verified(void **state)
{
	(void)state;
	converse(make_server(paths[ONE]), make_client(paths[CA], NULL),
	    "two.test", 0);
	assert_true(fx.ok);
	assert_true(fx.client_facts.trusted);
	assert_false(fx.client_facts.verified);
	assert_string_equal(fx.client_facts.peer_name, "one.test");

	/* A name that cannot be asked for is nobody's. */
	converse(make_server(paths[ONE]), make_client(paths[CA], NULL), "", 0);
	assert_true(fx.ok);
	assert_false(fx.client_facts.verified);

	converse(make_server(paths[ONE]), make_client(paths[OTHER_CA], NULL),
	    "one.test", 0);
	assert_true(fx.ok);
	assert_false(fx.client_facts.trusted);
	assert_false(fx.client_facts.verified);

	converse(make_server(paths[ONE]), make_client(paths[CA], NULL),
	    "192.0.2.1", 0);
	assert_true(fx.client_facts.trusted);
	assert_false(fx.client_facts.verified);
}

/* The bytes of "AA:BB". */
static struct span
bytes_of(const char *print, char *bytes)
{
	size_t n = 0;

	for (const char *p = print; *p; p += p[2] ? 3 : 2)
		bytes[n++] = (char)(hex_value(p[0]) << 4 | hex_value(p[1]));
	return (struct span){ bytes, n };
}

static void
what_is_wanted_of_a_server_decides_whether_it_is_verified(void **state)
{
	static const struct span here = SPAN_INIT("one.test");
	static const struct span below = SPAN_INIT(".test");
	static const struct span there = SPAN_INIT("two.test");
	static char print[32], other[32];
	const struct tls_record leaf = { 3, 0, 1, { print, 32 } };
	const struct tls_record stranger = { 3, 0, 1, { other, 32 } };
	const struct tls_record own = { 3, 0, TLS_MATCHING_OWN, { print, 32 } };
	const struct {
		struct tls_want want;
		bool with_ca;
		bool verified;
	} rows[] = {
		{ { .names = &here, .names_n = 1 }, true, true },
		{ { .names = &below, .names_n = 1 }, true, true },
		{ { .names = &there, .names_n = 1 }, true, false },
		{ { .names = &here, .names_n = 1 }, false, false },
		{ { .names = NULL }, true, true },
		/* A record needs no issuer, and one that is no match has none. */
		{ { .records = &leaf, .records_n = 1 }, false, true },
		{ { .records = &own, .records_n = 1 }, false, true },
		{ { .records = &leaf,
		      .records_n = 1,
		      .names = &there,
		      .names_n = 1 },
		    false, true },
		{ { .records = &stranger, .records_n = 1 }, true, false },
	};

	(void)state;
	converse(make_server(paths[ONE]), make_client(paths[CA], NULL),
	    "one.test", 0);
	bytes_of(fx.client_facts.fingerprint, print);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		client_wants = &rows[i].want;
		converse(make_server(paths[ONE]),
		    make_client(paths[rows[i].with_ca ? CA : OTHER_CA], NULL),
		    NULL, 0);
		if (fx.client_facts.trusted != rows[i].verified)
			print_error("row %zu\n", i);
		assert_true(fx.ok);
		assert_int_equal(fx.client_facts.trusted, rows[i].verified);
	}
	client_wants = NULL;
}

static void
a_record_has_to_be_as_long_as_its_digest(void **state)
{
	static const struct {
		struct tls_record record;
		bool usable;
	} rows[] = {
		{ { 3, 1, 1, SPAN_INIT("0123456789abcdef0123456789abcdef") },
		    true },
		{ { 2, 0, TLS_MATCHING_OWN,
		      SPAN_INIT("0123456789abcdef0123456789abcdef") },
		    true },
		{ { 3, 1, 2, SPAN_INIT("0123456789abcdef0123456789abcdef") },
		    false },
		{ { 3, 1, 1, SPAN_INIT("short") }, false },
		{ { 1, 1, 1, SPAN_INIT("0123456789abcdef0123456789abcdef") },
		    false },
		{ { 3, 2, 1, SPAN_INIT("0123456789abcdef0123456789abcdef") },
		    false },
		{ { 3, 1, 9, SPAN_INIT("0123456789abcdef0123456789abcdef") },
		    false },
		{ { 2, 0, 0, SPAN_INIT("no certificate") }, false },
		{ { 2, 1, 0, SPAN_INIT("no key") }, false },
	};
	struct tls *client = make_client(NULL, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(tls_record_is_usable(&rows[i].record, client),
		    rows[i].usable);
	tls_free(client);
}

static void
a_name_chooses_a_certificate(void **state)
{
	static const struct {
		const char *asked, *chosen;
		bool is_two;
	} rows[] = {
		{ "two.test", "two.test", true },
		{ "TWO.test", "two.test", true },
		{ "one.test", "", false },
		{ "a.b.sub.test", "a.b.sub.test", true },
		{ "sub.test", "", false },
	};
	struct tls_conf conf = { .context = "smtp" };
	struct why why;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tls *t = make_server(paths[ONE]);

		assert_int_equal(tls_server_add_name(t, SPAN("two.test"),
				     paths[TWO], &conf, &why),
		    0);
		assert_int_equal(tls_server_add_name(t, SPAN(".sub.test"),
				     paths[TWO], &conf, &why),
		    0);
		converse(t, make_client(paths[CA], NULL), rows[i].asked, 0);
		assert_true(fx.ok);
		assert_string_equal(fx.server_facts.sni, rows[i].chosen);
		assert_int_equal(strncmp(fx.server_facts.signature, "RSA", 3) ==
			0,
		    rows[i].is_two);
	}
}

static void
long_keys_sign_in_offload(void **state)
{
	struct tls *t = make_server(paths[SLOW]);

	(void)state;
	assert_true(t->is_slow);
	converse(t, make_client(paths[CA], NULL), "slow.test", 0);
	assert_true(fx.ok);
	assert_true(fx.client_facts.verified);
	t = make_server(paths[TWO]);
	assert_false(t->is_slow);
	tls_free(t);
}

static void
another_protocol_by_alpn_is_refused(void **state)
{
	struct why why;
	struct tls *t;

	(void)state;
	converse(make_server(paths[ONE]), make_client(NULL, "http/1.1 h2"),
	    "one.test", 0);
	assert_int_equal(fx.server_result, STREAM_FAILED);
	assert_int_equal(fx.client_result, STREAM_FAILED);
	assert_non_null(strstr(fx.client_facts.error, "application protocol"));

	/* Also where a name chose another certificate. */
	t = make_server(paths[ONE]);
	assert_int_equal(tls_server_add_name(t, SPAN("two.test"), paths[TWO],
			     &(struct tls_conf){ .context = "smtp" }, &why),
	    0);
	converse(t, make_client(NULL, "http/1.1"), "two.test", 0);
	assert_int_equal(fx.server_result, STREAM_FAILED);
}

/* Sends what it is given after the greeting, and then waits for the end. */
static struct span early[2];

static void
talk_early(void *arg)
{
	char byte;

	(void)arg;
	for (int i = 0; i < 2; i++) {
		(void)!send(client_fd, early[i].p, early[i].n, MSG_NOSIGNAL);
		task_sleep(task_after(10));
	}
	while (task_wait_fd(client_fd, TASK_INPUT, task_after(120000)) ==
		TASK_READY &&
	    recv(client_fd, &byte, 1, MSG_DONTWAIT) > 0)
		fx.received++;
	task_close(client_fd);
}

static void
start_early(void *arg)
{
	(void)arg;
	must(task_spawn(serve, NULL, "server"));
	must(task_spawn(talk_early, NULL, "client"));
}

static void
be_early(struct span first, struct span second)
{
	memset(&fx, 0, sizeof(fx));
	early[0] = first;
	early[1] = second;
	fx.server = make_server(paths[ONE]);
	run(start_early);
	fx.server = tls_free(fx.server);
}

static void
what_comes_with_starttls_ends_the_connection(void **state)
{
	(void)state;
	be_early(SPAN("STARTTLS\r\nNOOP\r\n"), SPAN("x"));
	assert_int_equal(fx.server_result, STREAM_EARLY_DATA);
	assert_int_equal(fx.received, strlen("220 hello\r\n"));
	be_early(SPAN("STARTTLS\r\n"), SPAN("MAIL FROM:<a@b.test>\r\n"));
	assert_int_equal(fx.server_result, STREAM_FAILED);
	assert_true(*fx.server_facts.error);
}

/* TLSX 02: the same for what a server says. */
static void
say_early(void *arg)
{
	(void)arg;
	must(send(server_fd, early[0].p, early[0].n, MSG_NOSIGNAL) ==
	    (ssize_t)early[0].n);
	task_sleep(1000);
	task_close(server_fd);
}

static void
hear_early(void *arg)
{
	struct stream *s CLEANUP(
	    stream_freep) = stream_new(client_fd, 256, 256);

	(void)arg;
	must(task_spawn(say_early, NULL, "server"));
	must(expect_line(s, SPAN("220 go on")));
	fx.client_result = stream_starttls(s, fx.client, "one.test", 1000,
	    &fx.client_facts);
}

static void
what_a_server_says_with_its_220_ends_the_connection(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	early[0] = SPAN("220 go on\r\n250 injected\r\n");
	fx.client = make_client(NULL, NULL);
	run(hear_early);
	fx.client = tls_free(fx.client);
	assert_int_equal(fx.client_result, STREAM_EARLY_DATA);
}

static void
silence_ends_a_handshake_in_time(void **state)
{
	(void)state;
	be_early(SPAN("STARTTLS\r\n"), SPAN("\x16\x03\x01"));
	assert_int_equal(fx.server_result, STREAM_TIMEOUT);
	assert_int_equal(fx.ended, 60000);
	assert_string_equal(fx.server_facts.error, "timeout");
}

static void
start_and_cancel(void *arg)
{
	struct task *t = task_spawn(serve, NULL, "server");

	(void)arg;
	must(t && task_spawn(talk_early, NULL, "client"));
	task_sleep(task_after(1000));
	task_cancel(t);
}

static void
a_cancelled_handshake_ends(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	early[0] = SPAN("STARTTLS\r\n");
	early[1] = SPAN("\x16");
	fx.server = make_server(paths[ONE]);
	run(start_and_cancel);
	fx.server = tls_free(fx.server);
	assert_int_equal(fx.server_result, STREAM_CANCELLED);
	assert_int_equal(fx.ended, 1000);
}

/* Much data in both directions at once: no wait of one end is for the other. */
static unsigned char
byte_at(size_t i)
{
	return (unsigned char)(i * 7 + (i >> 11));
}

static void
send_big(void *arg)
{
	struct stream *s = arg;
	char piece[1000];
	size_t sent = 0;

	while (sent < BIG) {
		size_t n = BIG - sent < sizeof(piece) ? BIG - sent
						      : sizeof(piece);

		for (size_t i = 0; i < n; i++)
			piece[i] = (char)byte_at(sent + i);
		must(stream_write(s, (struct span){ piece, n },
			 task_after(60000)) == STREAM_OK);
		sent += n;
	}
	must(stream_flush(s, task_after(60000)) == STREAM_OK);
}

static void
receive_big(void *arg)
{
	struct stream *s = arg;
	struct span got;

	while (fx.received < BIG) {
		must(stream_bytes(s, 4096, task_after(60000), &got) ==
		    STREAM_OK);
		for (size_t i = 0; i < got.n; i++)
			must((unsigned char)got.p[i] ==
			    byte_at(fx.received + i));
		fx.received += got.n;
	}
}

static void
big_server(void *arg)
{
	struct stream *s CLEANUP(
	    stream_freep) = stream_new(server_fd, 4096, 4096);

	(void)arg;
	must(stream_starttls(s, fx.server, NULL, 1000, &fx.server_facts) ==
	    STREAM_OK);
	send_big(s);
	stream_finish(s, task_after(60000));
}

static void
big_client(void *arg)
{
	struct stream *s CLEANUP(
	    stream_freep) = stream_new(client_fd, 4096, 4096);
	struct span got;

	(void)arg;
	must(stream_starttls(s, fx.client, NULL, 1000, &fx.client_facts) ==
	    STREAM_OK);
	receive_big(s);
	fx.ok = stream_bytes(s, 1, task_after(1000), &got) == STREAM_EOF;
}

static void
start_big(void *arg)
{
	(void)arg;
	must(task_spawn(big_server, NULL, "server"));
	must(task_spawn(big_client, NULL, "client"));
}

static void
much_data_arrives_as_it_was(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.server = make_server(paths[ONE]);
	fx.client = make_client(NULL, NULL);
	/* It must end as TLS ends, not only as TCP does. */
	SSL_CTX_clear_options(fx.client->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	run(start_big);
	fx.server = tls_free(fx.server);
	fx.client = tls_free(fx.client);
	assert_true(fx.ok);
	assert_int_equal(fx.received, BIG);
}

/* A record that never ends is waited for, once, and not looked at all the time. */
static void
wait_for_rest(void *arg)
{
	struct stream *s CLEANUP(
	    stream_freep) = stream_new(server_fd, 256, 256);
	struct span line;

	(void)arg;
	must(stream_starttls(s, fx.server, NULL, 1000, &fx.server_facts) ==
	    STREAM_OK);
	fx.server_result = stream_line(s, 256, STREAM_CRLF, 60000, &line);
	fx.ended = task_now();
}

static void
send_part(void *arg)
{
	struct stream *s CLEANUP(
	    stream_freep) = stream_new(client_fd, 256, 256);
	static const char part[] = "\x17\x03\x03\x00\x64 a part";

	(void)arg;
	must(stream_starttls(s, fx.client, NULL, 1000, &fx.client_facts) ==
	    STREAM_OK);
	must(send(client_fd, part, sizeof(part), MSG_NOSIGNAL) ==
	    (ssize_t)sizeof(part));
	task_sleep(100000);
}

static void
start_part(void *arg)
{
	(void)arg;
	must(task_spawn(wait_for_rest, NULL, "server"));
	must(task_spawn(send_part, NULL, "client"));
}

static void
half_a_record_is_waited_for_until_the_deadline(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.server = make_server(paths[ONE]);
	fx.client = make_client(NULL, NULL);
	run(start_part);
	fx.server = tls_free(fx.server);
	fx.client = tls_free(fx.client);
	assert_int_equal(fx.server_result, STREAM_TIMEOUT);
	assert_int_equal(fx.ended, 60000);
}

/* Many idle sessions, and what the server's end of each holds. */
enum {
	IDLE_PAIRS = 50
};

static struct stream *idle[2 * IDLE_PAIRS];
static int idle_fds[IDLE_PAIRS][2];

static void
idle_server(void *arg)
{
	size_t i = (size_t)((struct stream **)arg - idle);
	struct tls_facts facts;
	struct span line;

	must(stream_starttls(idle[i], fx.server, NULL, 1000, &facts) ==
	    STREAM_OK);
	must(stream_line(idle[i], 256, STREAM_CRLF, 1000, &line) == STREAM_OK);
	buf_put(&idle[i]->out, SPAN("ok\r\n"));
	(void)!stream_line(idle[i], 256, STREAM_CRLF, 5000, &line);
}

static void
idle_client(void *arg)
{
	size_t i = (size_t)((struct stream **)arg - idle);
	struct tls_facts facts;
	struct span line;

	must(stream_starttls(idle[i], fx.client, NULL, 1000, &facts) ==
	    STREAM_OK);
	buf_put(&idle[i]->out, SPAN("hello\r\n"));
	must(stream_line(idle[i], 256, STREAM_CRLF, 1000, &line) == STREAM_OK);
	(void)!stream_line(idle[i], 256, STREAM_CRLF, 5000, &line);
}

static void
start_idle(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < IDLE_PAIRS; i++) {
		idle[i] = stream_new(idle_fds[i][0], 4096, 2048);
		idle[IDLE_PAIRS + i] = stream_new(idle_fds[i][1], 4096, 2048);
		must(task_spawn(idle_server, &idle[i], "server"));
		must(task_spawn(idle_client, &idle[IDLE_PAIRS + i], "client"));
		task_sleep(task_after(1));
	}
	task_sleep(3000);
	task_each(note_stack, NULL);
}

static void
an_idle_session_holds_little(void **state)
{
	size_t held;

	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.server = make_server(paths[TWO]);
	fx.client = make_client(NULL, NULL);
	for (size_t i = 0; i < IDLE_PAIRS; i++)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0,
				     idle_fds[i]),
		    0);
	task_run_virtual(start_idle, NULL);
	held = mallinfo2().uordblks;
	for (size_t i = 0; i < IDLE_PAIRS; i++)
		idle[i] = stream_free(idle[i]);
	held -= mallinfo2().uordblks;
	for (size_t i = IDLE_PAIRS; i < COUNT_OF(idle); i++)
		idle[i] = stream_free(idle[i]);
	fx.server = tls_free(fx.server);
	fx.client = tls_free(fx.client);
	held /= IDLE_PAIRS;
	print_message("# an idle server: %zu bytes; a stack: %zu bytes\n", held,
	    fx.stack);
	if (UNDER_ASAN)
		return; /* it measures something else */
	/* The stack of who waits is given back but for a page or two. */
	assert_in_range(held, 8192, IDLE_MAX - 2 * 4096);
	assert_true(fx.stack > 0 && fx.stack < STACK_MAX);
}

/* Whether `b` takes a ticket of `a`, straight by OpenSSL. */
static SSL *
raw_connection(SSL_CTX *ctx, SSL_CTX *client_ctx, SSL_SESSION *ticket,
    SSL **server_r)
{
	SSL *client = SSL_new(client_ctx), *server = SSL_new(ctx);
	BIO *x, *y;
	char byte;

	must(client && server && BIO_new_bio_pair(&x, 0, &y, 0));
	SSL_set_bio(client, x, x);
	SSL_set_bio(server, y, y);
	if (ticket)
		must(SSL_set_session(client, ticket));
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	(void)SSL_read(client, &byte, 1); /* takes the ticket */
	*server_r = server;
	return client;
}

static bool
resumes(struct tls *a, struct tls *b)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *server, *client = raw_connection(a->ctx, ctx, NULL, &server);
	SSL_SESSION *ticket = SSL_get1_session(client);
	bool reused;

	SSL_shutdown(client);
	SSL_free(client);
	SSL_free(server);
	client = raw_connection(b->ctx, ctx, ticket, &server);
	reused = SSL_session_reused(client);
	must(SSL_is_init_finished(client));
	SSL_shutdown(client);
	SSL_free(client);
	SSL_free(server);
	SSL_SESSION_free(ticket);
	SSL_CTX_free(ctx);
	return reused;
}

static void
a_ticket_is_for_the_service_that_gave_it(void **state)
{
	struct tls *smtp = make_server(paths[ONE]);
	struct tls *again = make_server(paths[ONE]);
	struct tls *imap;
	unsigned char keys[80];
	struct why why;

	(void)state;
	imap = tls_server_new(&(struct tls_conf){ .chain_files = paths[ONE],
				  .context = "imap" },
	    &why);
	assert_non_null(imap);
	assert_true(resumes(smtp, smtp));
	assert_false(resumes(smtp, again));
	/* Nor if both had the same keys for tickets. */
	must(SSL_CTX_get_tlsext_ticket_keys(smtp->ctx, keys, sizeof(keys)));
	must(SSL_CTX_set_tlsext_ticket_keys(imap->ctx, keys, sizeof(keys)));
	must(SSL_CTX_set_tlsext_ticket_keys(again->ctx, keys, sizeof(keys)));
	assert_true(resumes(smtp, again));
	assert_false(resumes(smtp, imap));
	tls_free(smtp);
	tls_free(again);
	tls_free(imap);
}

static void
files_that_do_not_fit_are_refused(void **state)
{
	static const struct {
		int file;
		const char *says;
	} rows[] = {
		{ KEYLESS, "a certificate without a key" },
		{ MIXED, "not for the key" },
		{ GARBAGE, "no key in it" },
	};
	struct why why;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tls_conf conf = { .chain_files = paths[rows[i].file],
			.context = "smtp" };

		assert_null(tls_server_new(&conf, &why));
		assert_non_null(strstr(why.text, rows[i].says));
		assert_non_null(strstr(why.text, paths[rows[i].file]));
	}
	assert_null(
	    tls_server_new(&(struct tls_conf){ .chain_files =
						   "/nonexistent/key.pem" },
		&why));
	assert_non_null(strstr(why.text, "No such file"));
	assert_null(tls_server_new(&(struct tls_conf){ 0 }, &why));
	assert_non_null(strstr(why.text, "no certificate"));
}

static void
a_pair_of_files_is_a_chain(void **state)
{
	struct why why;
	struct tls_conf conf = {
		.pairs = { { paths[KEYLESS], paths[ONE] },
		    { paths[TWO], NULL } },
		.context = "smtp",
	};
	struct tls *t = tls_server_new(&conf, &why);

	(void)state;
	assert_non_null(t);
	converse(t, make_client(paths[CA], NULL), "one.test", 0);
	assert_true(fx.ok && fx.client_facts.verified);
}

static void
protocols_are_as_postfix_has_them(void **state)
{
	static const struct {
		const char *text;
		long min, max; /* 0: refused */
		bool no_12;
	} rows[] = {
		{ "", TLS1_2_VERSION, TLS1_3_VERSION, false },
		{ ">=TLSv1.2", TLS1_2_VERSION, TLS1_3_VERSION, false },
		{ ">=TLSv1", TLS1_VERSION, TLS1_3_VERSION, false },
		{ ">=TLSv1, <=TLSv1.2", TLS1_VERSION, TLS1_2_VERSION, false },
		{ "!SSLv2, !SSLv3", TLS1_VERSION, TLS1_3_VERSION, false },
		{ "TLSv1.3", TLS1_3_VERSION, TLS1_3_VERSION, true },
		{ "TLSv1.1:TLSv1.3", TLS1_1_VERSION, TLS1_3_VERSION, true },
		{ "!TLSv1.2", SSL3_VERSION, TLS1_3_VERSION, true },
		{ "tlsv1.2", TLS1_2_VERSION, TLS1_2_VERSION, false },
		{ "TLSv1.4", 0, 0, false },
		{ "!>=TLSv1.2", 0, 0, false },
		{ ">=TLSv1.3 <=TLSv1.2", 0, 0, false },
		{ "SSLv2", 0, 0, false },
		{ ">TLSv1", 0, 0, false },
		{ "!", 0, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tls_conf conf = { .protocols = rows[i].text };
		struct why why;
		struct tls *t = tls_client_new(&conf, &why);

		assert_int_equal(t != NULL, rows[i].min != 0);
		if (!t)
			continue;
		assert_int_equal(SSL_CTX_get_min_proto_version(t->ctx),
		    rows[i].min);
		assert_int_equal(SSL_CTX_get_max_proto_version(t->ctx),
		    rows[i].max);
		assert_int_equal((SSL_CTX_get_options(t->ctx) &
				     SSL_OP_NO_TLSv1_2) != 0,
		    rows[i].no_12);
		tls_free(t);
	}
}

static size_t noted;

static void
note_file(const char *path)
{
	noted += strncmp(path, dir, strlen(dir)) == 0;
}

static void
each_file_that_is_read_is_told(void **state)
{
	char both[160];
	struct why why;
	struct tls_conf conf = { .chain_files = both, .on_file = note_file };

	(void)state;
	snprintf(both, sizeof(both), "%s, %s", paths[ONE], paths[TWO]);
	tls_free(tls_server_new(&conf, &why));
	assert_int_equal(noted, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(protocols_are_as_postfix_has_them),
		cmocka_unit_test(files_that_do_not_fit_are_refused),
		cmocka_unit_test(each_file_that_is_read_is_told),
		cmocka_unit_test(a_pair_of_files_is_a_chain),
		cmocka_unit_test(records_do_not_depend_on_how_they_come),
		cmocka_unit_test(the_facts_are_what_postfix_logs),
		cmocka_unit_test(
		    a_certificate_of_another_name_or_issuer_is_not_verified),
		cmocka_unit_test(
		    what_is_wanted_of_a_server_decides_whether_it_is_verified),
		cmocka_unit_test(a_record_has_to_be_as_long_as_its_digest),
		cmocka_unit_test(a_name_chooses_a_certificate),
		cmocka_unit_test(long_keys_sign_in_offload),
		cmocka_unit_test(another_protocol_by_alpn_is_refused),
		cmocka_unit_test(what_comes_with_starttls_ends_the_connection),
		cmocka_unit_test(
		    what_a_server_says_with_its_220_ends_the_connection),
		cmocka_unit_test(silence_ends_a_handshake_in_time),
		cmocka_unit_test(a_cancelled_handshake_ends),
		cmocka_unit_test(much_data_arrives_as_it_was),
		cmocka_unit_test(
		    half_a_record_is_waited_for_until_the_deadline),
		cmocka_unit_test(an_idle_session_holds_little),
		cmocka_unit_test(a_ticket_is_for_the_service_that_gave_it),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
