#include "tests/unit/test.h"

#include "auth/authd.h"
#include "sasl/client.h"
#include "tests/unit/record.h"

#include <fcntl.h>
#include <sys/socket.h>

/* Cache. */

static struct cache_key
key(const struct cache *c, const char *service, const char *user,
    const char *stored, const char *password)
{
	return cache_key(c, span_str(service), span_str(user), span_str(stored),
	    span_str(password));
}

static void
what_is_cached_is_for_one_login_only(void **state)
{
	struct cache_key k, other;
	struct cache c, d;

	(void)state;
	cache_init(&c, 10);
	k = key(&c, "smtp", "a", "h", "pw");
	cache_put(&c, &k, true, 100);
	assert_int_equal(cache_get(&c, &k, 99), CACHE_RIGHT);
	other = key(&c, "imap", "a", "h", "pw");
	assert_int_equal(cache_get(&c, &other, 99), CACHE_NONE);
	other = key(&c, "smtp", "b", "h", "pw");
	assert_int_equal(cache_get(&c, &other, 99), CACHE_NONE);
	other = key(&c, "smtp", "a", "g", "pw");
	assert_int_equal(cache_get(&c, &other, 99), CACHE_NONE);
	other = key(&c, "smtp", "a", "h", "pW");
	assert_int_equal(cache_get(&c, &other, 99), CACHE_NONE);
	other = key(&c, "smtpa", "", "h", "pw");
	assert_int_equal(cache_get(&c, &other, 99), CACHE_NONE);
	assert_int_equal(cache_get(&c, &k, 100), CACHE_NONE);
	assert_int_equal(c.entries.n, 0);

	/* Another process has another secret. */
	cache_init(&d, 10);
	other = key(&d, "smtp", "a", "h", "pw");
	assert_memory_not_equal(&k, &other, sizeof(k));
	cache_fini(&d);
	cache_fini(&c);
}

static void
a_full_cache_forgets_what_was_used_longest_ago(void **state)
{
	struct cache_key k[4];
	struct cache c;

	(void)state;
	cache_init(&c, 3);
	for (size_t i = 0; i < COUNT_OF(k); i++)
		k[i] = key(&c, "smtp", "a", "h",
		    (const char *[]){ "0", "1", "2", "3" }[i]);
	for (size_t i = 0; i < 3; i++)
		cache_put(&c, &k[i], i == 1, 100);
	assert_int_equal(cache_get(&c, &k[0], 0), CACHE_WRONG);
	cache_put(&c, &k[3], true, 100);
	assert_int_equal(cache_get(&c, &k[1], 0), CACHE_NONE);
	assert_int_equal(cache_get(&c, &k[0], 0), CACHE_WRONG);
	cache_put(&c, &k[0], true, 100);
	assert_int_equal(cache_get(&c, &k[0], 0), CACHE_RIGHT);
	assert_int_equal(c.entries.n, 3);
	cache_wipe(&c);
	assert_int_equal(cache_get(&c, &k[0], 0), CACHE_NONE);
	cache_fini(&c);
}

static void
a_cache_of_none_keeps_none(void **state)
{
	struct cache_key k;
	struct cache c;

	(void)state;
	cache_init(&c, 0);
	k = key(&c, "smtp", "a", "h", "pw");
	cache_put(&c, &k, true, 100);
	assert_int_equal(cache_get(&c, &k, 0), CACHE_NONE);
	cache_fini(&c);
}

/* Penalties. */

static const struct penalty_limits limits = { 1000, 15000, 600000, 2, 3 };

static void
each_failure_doubles_the_wait(void **state)
{
	static const int64_t waits[] = { 1000, 2000, 4000, 8000, 15000, 15000 };
	struct penalty_row *r;
	struct penalty p;

	(void)state;
	penalty_init(&p, &limits, 100);
	for (size_t i = 0; i < COUNT_OF(waits); i++) {
		r = penalty_enter(&p, SPAN("192.0.2.1"), 0);
		assert_int_equal(penalty_failed(&p, r, 0), waits[i]);
		assert_int_equal(penalty_again(&p, r), waits[i]);
		penalty_leave(&p, r);
	}
	r = penalty_enter(&p, SPAN("192.0.2.2"), 0);
	assert_int_equal(penalty_failed(&p, r, 0), 1000);
	penalty_leave(&p, r);
	r = penalty_enter(&p, SPAN("192.0.2.1"), 600000);
	assert_int_equal(penalty_failed(&p, r, 600000), 1000);
	penalty_leave(&p, r);
	penalty_fini(&p);
}

static void
an_address_has_so_many_attempts_under_way(void **state)
{
	struct penalty_row *r[3];
	struct penalty p;

	(void)state;
	penalty_init(&p, &limits, 2);
	r[0] = penalty_enter(&p, SPAN("a"), 0);
	r[1] = penalty_enter(&p, SPAN("a"), 0);
	assert_ptr_equal(r[0], r[1]);
	assert_null(penalty_enter(&p, SPAN("a"), 0));
	r[2] = penalty_enter(&p, SPAN("b"), 0);
	assert_non_null(r[2]);
	assert_null(penalty_enter(&p, SPAN("c"), 0));
	for (size_t i = 0; i < COUNT_OF(r); i++)
		penalty_leave(&p, r[i]);
	assert_int_equal(p.rows.n, 0);
	penalty_fini(&p);
}

static void
what_is_remembered_has_a_bound(void **state)
{
	struct penalty p;

	(void)state;
	penalty_init(&p, &limits, 4);
	for (char c = 'a'; c <= 'z'; c++) {
		struct penalty_row *r = penalty_enter(&p,
		    (struct span){ &c, 1 }, 0);

		(void)penalty_failed(&p, r, 0);
		penalty_leave(&p, r);
		assert_true(p.rows.n <= 4);
	}
	penalty_fini(&p);
}

static void
a_customer_of_ipv6_is_one_address(void **state)
{
	static const struct {
		const char *address;
		const char *key;
	} rows[] = {
		{ "2001:db8::1", "2001:db8::" },
		{ "2001:db8:0:0:1::", "2001:db8::" },
		{ "2001:db8:0:1::5", "2001:db8:0:1::" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "what", "what" },
	};
	char bytes[ADDR_TEXT_MAX];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_init(&b, bytes, sizeof(bytes));
		penalty_key(span_str(rows[i].address), &b);
		assert_span(buf_span(&b), span_str(rows[i].key));
	}
}

/* Turns. Each task notes its key when it begins to "hash" for a second. */

static struct fair fair;
static int64_t b_begun = -1;

static void
hash_a_second(void *arg)
{
	struct fair_lane *lane;

	if (fair_take(&fair, span_str(arg), task_after(60000), &lane) !=
	    TASK_READY) {
		note("-");
		return;
	}
	note(arg);
	if (*(const char *)arg == 'b' && b_begun < 0)
		b_begun = task_now();
	task_sleep(task_after(1000));
	fair_give(&fair, lane);
}

static char a[] = "a", b_[] = "b", c_[] = "c";

static void
flood_then_others(void *arg)
{
	(void)arg;
	for (int i = 0; i < 6; i++)
		spawn(hash_a_second, a);
	task_sleep(task_after(500));
	spawn(hash_a_second, b_);
	spawn(hash_a_second, b_);
	spawn(hash_a_second, c_);
	while (task_count() > 1)
		(void)!task_wait_end(TASK_NEVER);
}

static void
lanes_take_turns(void **state)
{
	(void)state;
	fair_init(&fair, 1);
	assert_span(run(flood_then_others), SPAN("abcabaaaa"));
	fair_fini(&fair);
}

/* With two places the second is free for others at once. */
static void
nobody_has_all_the_places(void **state)
{
	(void)state;
	fair_init(&fair, 2);
	b_begun = -1;
	assert_span(run(flood_then_others), SPAN("abcabaaaa"));
	assert_int_equal(b_begun, 500);
	assert_int_equal(fair.free, 2);
	fair_fini(&fair);
}

static void
give_up_waiting(void *arg)
{
	(void)arg;
	spawn(hash_a_second, a);
	spawn(hash_a_second, a);
	spawn(hash_a_second, b_);
	task_sleep(task_after(500));
	task_cancel_others();
	while (task_count() > 1)
		(void)!task_wait_end(TASK_NEVER);
	spawn(hash_a_second, c_);
}

static void
who_is_cancelled_leaves_nothing(void **state)
{
	(void)state;
	fair_init(&fair, 1);
	assert_span(run(give_up_waiting), SPAN("a-bc"));
	assert_int_equal(fair.free, 1);
	fair_fini(&fair);
}

/* The whole of it: a client, a connection, tables. */

static char dir[64], socket_path[80], users_path[80];
static int listener;
static char broker_path[80], main_cf_path[80];
static int broker_listener;
static struct conf *conf;
static size_t granted;
static const char *granted_service; /* that the broker is to be told of */

static void
serve_peer(void *arg)
{
	int *fd = arg;

	peer_serve(*fd);
	free(fd);
}

static void
accept_peers(void *arg)
{
	(void)arg;
	while (task_wait_fd(listener, TASK_INPUT, TASK_NEVER) == TASK_READY) {
		int *fd = zalloc(sizeof(*fd));

		*fd = accept4(listener, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		must(*fd >= 0);
		spawn(serve_peer, fd);
	}
}

/* Nobody gets a session for dan. */
static void
answer_grant(struct channel *ch, struct span packet)
{
	char answer[256];
	struct msg_in in;
	struct buf b;

	must(msg_read(packet, &in) && in.type == MSG_GRANT);
	must(msg_str(&in, MSG_FIELD_TOKEN).n == GRANT_TOKEN);
	must(span_eq(msg_str(&in, MSG_FIELD_SERVICE),
	    span_str(granted_service)));
	must(msg_u64(&in, MSG_FIELD_PID) == (uint64_t)getpid());
	must(span_eq(msg_str(&in, MSG_FIELD_ROOT), SPAN("/srv")));
	granted++;
	buf_init(&b, answer, sizeof(answer));
	msg_begin(&b, MSG_GRANTED, in.id);
	if (span_eq(msg_str(&in, MSG_FIELD_USER), SPAN("dan")))
		msg_put_str(&b, MSG_FIELD_TEXT, SPAN("not for dan"));
	must(msg_end(&b, 0) && channel_send(ch, buf_span(&b), NULL, 0));
}

static void
be_broker(void *arg)
{
	int fds[SOCK_FDS_MAX];
	struct span packet;
	struct channel *ch;
	size_t n;
	int fd;

	(void)arg;
	if (task_wait_fd(broker_listener, TASK_INPUT, TASK_NEVER) != TASK_READY)
		return;
	fd = accept4(broker_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	must(fd >= 0);
	ch = channel_new(fd, MSG_MAX, 1 << 16);
	while (channel_recv(ch, TASK_NEVER, &packet, fds, &n) == STREAM_OK)
		answer_grant(ch, packet);
	channel_free(ch);
}

static void
write_users(const char *text)
{
	char anew[96];
	FILE *f;

	snprintf(anew, sizeof(anew), "%s.new", users_path);
	f = fopen(anew, "we");
	must(f && fputs(text, f) >= 0 && fclose(f) == 0);
	must(rename(anew, users_path) == 0);
}

/* Where the mail of all of them lies, and who is told of it. */
static void
begin_places(void)
{
	struct places *p;
	struct why why;
	FILE *f;

	snprintf(broker_path, sizeof(broker_path), "%s/broker", dir);
	snprintf(main_cf_path, sizeof(main_cf_path), "%s/main.cf", dir);
	f = fopen(main_cf_path, "we");
	must(f &&
	    fputs("myhostname = mx.demo.test\nmydestination =\n"
		  "mail_location = /srv/%n\n"
		  "virtual_uid_maps = static:500\n"
		  "virtual_gid_maps = static:500\n",
		f) >= 0 &&
	    fclose(f) == 0);
	conf = conf_load(dir, NULL, 0, &why);
	assert_non_null(conf);
	p = places_open(conf, &why);
	assert_non_null(p);
	places_use(p);
	broker_listener = sock_unix_listen(broker_path, SOCK_SEQPACKET, 0600);
	assert_true(broker_listener >= 0);
	granted = 0;
	granted_service = "imap";
}

static void
end_places(void)
{
	close(broker_listener);
	unlink(broker_path);
	unlink(main_cf_path);
	places_fini();
	conf_free(conf);
}

static void
begin_authd(void)
{
	char list[96];
	struct why why;

	snprintf(dir, sizeof(dir), "/tmp/test-auth-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(socket_path, sizeof(socket_path), "%s/auth", dir);
	snprintf(users_path, sizeof(users_path), "%s/users", dir);
	write_users("tim {PLAIN}pw uid=7\nkim {PLAIN}pw allow=imap\n"
		    "eve pw\ndan {PLAIN}pw\nron {PLAIN}pw mail=no/where\n");
	begin_places();
	listener = sock_unix_listen(socket_path, SOCK_SEQPACKET, 0600);
	assert_true(listener >= 0);
	authd = (struct authd){
		.settings = { "", 5, 60000, 100, 3600000, 1000, 15000, 600000,
		    100, 0, 0 },
	};
	snprintf(list, sizeof(list), "texthash:%s", users_path);
	authd.users = users_open(list, &why);
	assert_non_null(authd.users);
	authd_init(1);
}

static void
end_authd(void)
{
	end_places();
	close(listener);
	unlink(socket_path);
	unlink(users_path);
	rmdir(dir);
	users_drop(authd.users);
	cache_fini(&authd.cache);
	penalty_fini(&authd.penalty);
	fair_fini(&authd.fair);
}

static const char *const letters[] = {
	[SASL_ANSWER_OK] = "o",
	[SASL_ANSWER_CONTINUE] = ">",
	[SASL_ANSWER_FAIL] = "f",
	[SASL_ANSWER_ABSENT] = "n",
	[SASL_ANSWER_TEMPFAIL] = "t",
};

/* Notes what comes of it, and for a failure how many seconds it took. */
static void
login(const char *service, struct span message)
{
	struct sasl_exchange *x = sasl_new();
	const struct sasl_question q = {
		.service = span_str(service),
		.mech = SPAN("PLAIN"),
		.has_initial = true,
		.initial = message,
		.remote = SPAN("192.0.2.1"),
	};
	int64_t begun = task_now();
	enum sasl_result r = sasl_start(x, &q, task_after(60000));
	char seconds[24];

	note(letters[r]);
	snprintf(seconds, sizeof(seconds), "%lld",
	    (long long)(task_now() - begun) / 1000);
	if (r == SASL_ANSWER_FAIL)
		note(seconds);
	sasl_free(x);
}

#define PLAIN(user, password) SPAN("\0" user "\0" password)

static void
find(const char *user)
{
	struct sasl_exchange *x = sasl_new();

	note(letters[sasl_find_user(x, span_str(user), SPAN("smtp"),
	    task_after(1000))]);
	sasl_free(x);
}

static void
ask_all(void *arg)
{
	(void)arg;
	spawn(accept_peers, NULL);
	spawn(be_broker, NULL);
	spawn(grant_serve, broker_path);
	spawn(sasl_serve, socket_path);
	login("smtp", PLAIN("tim", "pw"));
	must(granted == 0);
	login("smtp", PLAIN("TIM", "pw"));
	login("smtp", PLAIN("tim", "no")); /* 1 s */
	login("smtp", PLAIN("tim", "no")); /* again: still 1 s */
	login("smtp", PLAIN("tim", "No")); /* 2 s */
	login("smtp", PLAIN("nobody", "pw")); /* 4 s */
	login("smtp", PLAIN("eve", "pw")); /* 8 s */
	login("smtp", PLAIN("tim", "pw")); /* who is right never waits */
	login("imap", PLAIN("kim", "pw"));
	login("imap", PLAIN("dan", "pw")); /* refused by the broker */
	login("imap", PLAIN("ron", "pw")); /* whose mail lies nowhere */
	login("smtp", PLAIN("kim", "pw")); /* 15 s */
	login("smtp", SPAN("x")); /* malformed: at once */
	note(" ");
	find("tim");
	find("nobody");
	find("eve");
	note(" ");
	/* What was changed counts at once. */
	write_users("tim {PLAIN}other uid=7\n");
	login("smtp", PLAIN("tim", "pw"));
	login("smtp", PLAIN("tim", "other"));
	find("kim");
	task_cancel_others();
}

static void
authd_knows_who_may(void **state)
{
	(void)state;
	begin_authd();
	assert_span(run(ask_all), SPAN("oof1f1f2f4f8oottf15f0 ont f15on"));
	end_authd();
}

static void
find_inbox(const char *addr)
{
	struct sasl_exchange *x = sasl_new();
	enum sasl_result r = sasl_find_inbox(x, span_str(addr),
	    task_after(1000));

	must((r == SASL_ANSWER_OK) == (x->token.n == GRANT_TOKEN));
	note(letters[r]);
	sasl_free(x);
}

/* Without a table of mailboxes the users are who there is. */
static void
ask_for_inboxes(void *arg)
{
	char name[SASL_USER_MAX + 2];

	(void)arg;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	spawn(accept_peers, NULL);
	spawn(be_broker, NULL);
	spawn(grant_serve, broker_path);
	spawn(sasl_serve, socket_path);
	granted_service = "lmtp";
	find_inbox("tim");
	find_inbox("TIM");
	must(granted == 2);
	find_inbox("nobody");
	find_inbox("dan"); /* refused by the broker */
	find_inbox("ron"); /* whose mail lies nowhere */
	find_inbox("eve"); /* whose entry is broken */
	find_inbox(name);
	note(" ");
	write_users("new {PLAIN}other uid=7\n");
	find_inbox("new");
	find_inbox("tim");
	task_cancel_others();
}

static void
authd_knows_whose_mailbox_it_is(void **state)
{
	(void)state;
	begin_authd();
	assert_span(run(ask_for_inboxes), SPAN("oontttn on"));
	end_authd();
}

/* LOGIN, step by step; and a client that goes in the middle of it. */
static void
converse(void *arg)
{
	struct sasl_exchange *x = sasl_new();
	struct sasl_question q = {
		.service = SPAN("imap"),
		.mech = SPAN("LOGIN"),
		.remote = SPAN("192.0.2.1"),
	};
	struct span value;

	(void)arg;
	spawn(accept_peers, NULL);
	spawn(be_broker, NULL);
	spawn(grant_serve, broker_path);
	spawn(sasl_serve, socket_path);
	note(letters[sasl_start(x, &q, task_after(1000))]);
	must(span_eq(x->challenge, SPAN("Username:")));
	note(letters[sasl_respond(x, SPAN("tim"), task_after(1000))]);
	must(span_eq(x->challenge, SPAN("Password:")));
	note(letters[sasl_respond(x, SPAN("pw"), task_after(1000))]);
	must(span_eq(x->user, SPAN("tim")));
	must(x->token.n == GRANT_TOKEN && granted == 1);
	must(sasl_field(x->fields, SPAN("uid"), &value) &&
	    span_eq(value, SPAN("7")));
	/* An exchange that is over takes no response. */
	note(letters[sasl_respond(x, SPAN("pw"), task_after(1000))]);
	note(letters[sasl_start(x, &q, task_after(1000))]);
	note(letters[sasl_start(x, &q, task_after(1000))]);
	sasl_free(x);
	/* The answer comes too late for who waits so long. */
	x = sasl_new();
	q.mech = SPAN("PLAIN");
	q.has_initial = true;
	q.initial = PLAIN("tim", "no");
	note(letters[sasl_start(x, &q, task_after(500))]);
	sasl_free(x);
	q.mech = SPAN("CRAM-MD5");
	x = sasl_new();
	note(letters[sasl_start(x, &q, task_after(500))]);
	sasl_free(x);
	task_cancel_others();
}

static void
an_exchange_goes_step_by_step(void **state)
{
	(void)state;
	begin_authd();
	assert_span(run(converse), SPAN(">>ot>>tf"));
	end_authd();
}

/* No session without the broker, whoever it is. */
static void
ask_without_broker(void *arg)
{
	(void)arg;
	spawn(accept_peers, NULL);
	spawn(grant_serve, broker_path);
	spawn(sasl_serve, socket_path);
	must(unlink(broker_path) == 0);
	login("smtp", PLAIN("tim", "pw"));
	login("imap", PLAIN("tim", "pw"));
	task_cancel_others();
}

static void
the_broker_away_is_for_a_while(void **state)
{
	(void)state;
	begin_authd();
	assert_span(run(ask_without_broker), SPAN("ot"));
	end_authd();
}

static void
ask_nobody(void *arg)
{
	(void)arg;
	spawn(sasl_serve, socket_path);
	login("smtp", PLAIN("tim", "pw"));
	spawn(accept_peers, NULL);
	login("smtp", PLAIN("tim", "pw"));
	task_cancel_others();
}

static void
authd_away_is_for_a_while(void **state)
{
	(void)state;
	begin_authd();
	must(rename(socket_path, users_path) == 0);
	assert_span(run(ask_nobody), SPAN("tt"));
	end_authd();
}

/* What is no message ends the connection, and no more. */
static void
talk_nonsense(void *arg)
{
	int fd;

	(void)arg;
	spawn(accept_peers, NULL);
	fd = sock_unix_connect(socket_path);
	must(fd >= 0 && sock_send(fd, SPAN("nonsense"), NULL, 0) == 0);
	(void)!task_wait_fd(fd, TASK_INPUT, task_after(1000));
	char bytes[16];
	note(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) == 0 ? "closed"
							       : "open");
	task_close(fd);
	task_cancel_others();
}

static void
a_stranger_is_hung_up_on(void **state)
{
	(void)state;
	begin_authd();
	assert_span(run(talk_nonsense), SPAN("closed"));
	end_authd();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_cached_is_for_one_login_only),
		TEST(a_full_cache_forgets_what_was_used_longest_ago),
		TEST(a_cache_of_none_keeps_none),
		TEST(each_failure_doubles_the_wait),
		TEST(an_address_has_so_many_attempts_under_way),
		TEST(what_is_remembered_has_a_bound),
		TEST(a_customer_of_ipv6_is_one_address),
		TEST(lanes_take_turns),
		TEST(nobody_has_all_the_places),
		TEST(who_is_cancelled_leaves_nothing),
		TEST(authd_knows_who_may),
		TEST(authd_knows_whose_mailbox_it_is),
		TEST(an_exchange_goes_step_by_step),
		TEST(the_broker_away_is_for_a_while),
		TEST(authd_away_is_for_a_while),
		TEST(a_stranger_is_hung_up_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
