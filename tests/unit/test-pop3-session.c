#include "tests/unit/mail.h"

#include "login/worker.h"
#include "pop3d/pop3/session.h"
#include "pop3d/uidl.h"
#include "service/service.h"
#include "task/task.h"

#include <stdarg.h>
#include <sys/socket.h>

/* The frame of the daemon is the test's own. */
static struct bell stop;
static bool stopping;
static char logged[1024];

bool
service_stopping(void)
{
	return stopping;
}

struct bell *
service_stop_bell(void)
{
	return &stop;
}

void
worker_log(const struct session_in *in, const char *fmt, ...)
{
	va_list ap;

	(void)in;
	va_start(ap, fmt);
	vsnprintf(logged, sizeof(logged), fmt, ap);
	va_end(ap);
}

/* One client against one session. */
static struct {
	const char *says;
	bool hangs_up; /* at the end of it; or else it waits */
	bool stop; /* told once the greeting is there */
	struct session_in in;
	int client;
	size_t heard_n;
	char heard[1 << 20];
} fx;

static void
session(void *arg)
{
	(void)arg;
	pop3_serve(&fx.in);
	stream_free(fx.in.stream);
}

static void
stop_all(void)
{
	stopping = true;
	bell_ring(&stop);
}

static void
client(void *arg)
{
	struct stream *s = stream_new(fx.client, 65536, 1024);
	struct span piece;

	(void)arg;
	must(stream_write(s, span_str(fx.says), TASK_NEVER) == STREAM_OK);
	must(stream_flush(s, TASK_NEVER) == STREAM_OK);
	if (fx.hangs_up)
		shutdown(s->fd, SHUT_WR);
	while (stream_bytes(s, 65536, TASK_NEVER, &piece) == STREAM_OK) {
		must(fx.heard_n + piece.n <= sizeof(fx.heard));
		memcpy(fx.heard + fx.heard_n, piece.p, piece.n);
		fx.heard_n += piece.n;
		if (fx.stop)
			stop_all();
	}
	stream_free(s);
}

static void
both(void *arg)
{
	int pair[2];

	(void)arg;
	bell_init(&stop, "the end");
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	fx.client = pair[1];
	fx.in.stream = stream_new(pair[0], POP3_IN_MAX, POP3_STREAM_OUT_MAX);
	must(task_spawn(session, NULL, "session"));
	must(task_spawn(client, NULL, "client"));
}

static struct span
talk(const char *says, bool hangs_up)
{
	fx.says = says;
	fx.hangs_up = hangs_up;
	fx.heard_n = 0;
	stopping = false;
	logged[0] = '\0';
	task_run(both, NULL);
	return (struct span){ fx.heard, fx.heard_n };
}

static int
begin(void **state)
{
	spool_setup(state);
	mail_open(SPAN(""));
	fx.in = (struct session_in){
		.user = SPAN("alice@demo.test"),
		.name = SPAN("n"),
		.store = mail_store,
		.mailbox = SPAN("alice/"),
	};
	fx.stop = false;
	pop3_settings = (struct pop3_settings){
		.timeout = 60000,
		.uidl_format = "%u",
		.special_folders = "",
	};
	(void)mail_append("INBOX", 0, "Subject: 1\n\none\n");
	(void)mail_append("INBOX", 0, "Subject: 2\n\n.two\nand more\n");
	return 0;
}

static int
end(void **state)
{
	mail_close();
	spool_teardown(state);
	return 0;
}

static size_t
count_left(uint32_t *flags_r)
{
	struct mbox *m;
	size_t n;

	mail_open_box("INBOX", MBOX_READ_ONLY, &m);
	const struct mbox_message *v = mbox_messages(m, &n);
	*flags_r = n > 0 ? v[0].flags : 0;
	mbox_close(m);
	return n;
}

static void
mail_is_read_and_marked(void **state)
{
	uint32_t flags;

	(void)state;
	assert_span(talk("STAT\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nQUIT\r\n",
			false),
	    SPAN("+OK Logged in.\r\n+OK 2 49\r\n"
		 "+OK 2 messages (49 octets)\r\n1 1\r\n2 2\r\n.\r\n"
		 "+OK 19 octets\r\nSubject: 1\r\n\r\none\r\n.\r\n"
		 "+OK\r\nSubject: 2\r\n\r\n..two\r\n.\r\n"
		 "+OK Logging out.\r\n"));
	assert_int_equal(count_left(&flags), 2);
	assert_int_equal(flags, STORE_SEEN);
	assert_string_equal(logged,
	    "Disconnected: Logged out top=1/26, retr=1/19, del=0/2, size=49");
}

static void
quit_deletes(void **state)
{
	uint32_t flags;

	(void)state;
	assert_span(talk("DELE 1\r\nQUIT\r\n", false),
	    SPAN("+OK Logged in.\r\n+OK Marked to be deleted.\r\n"
		 "+OK Logging out, messages deleted.\r\n"));
	assert_int_equal(count_left(&flags), 1);
	assert_span(talk("UIDL\r\nQUIT\r\n", false),
	    SPAN("+OK Logged in.\r\n+OK 1 messages (30 octets)\r\n1 2\r\n"
		 ".\r\n+OK Logging out.\r\n"));
}

/* RFC 1939, section 6: nothing is deleted then. */
static void
nothing_else_deletes(void **state)
{
	uint32_t flags;

	(void)state;
	(void)talk("DELE 1\r\nDELE 2\r\n", true);
	assert_int_equal(count_left(&flags), 2);
	assert_string_equal(logged,
	    "Disconnected: Connection closed top=0/0, retr=0/0, del=0/2, "
	    "size=49");
	(void)talk("DELE 1\r\nQUI", true);
	assert_int_equal(count_left(&flags), 2);
	fx.stop = true;
	assert_span(talk("", false),
	    SPAN("+OK Logged in.\r\n-ERR [SYS/TEMP] Server shutting "
		 "down.\r\n"));
	assert_int_equal(count_left(&flags), 2);
}

static void
what_others_delete_is_gone(void **state)
{
	struct uidset all CLEANUP(uidset_finip) = { 0 };
	struct mbox *m;
	struct span heard;

	(void)state;
	uidset_add(&all, 1, 1);
	mail_open_box("INBOX", 0, &m);
	assert_int_equal(mbox_store_flags(m, &all, MBOX_FLAGS_ADD,
			     STORE_DELETED, 0, NULL),
	    STORE_OK);
	/* A session whose view has it, and whose file goes: by a fresh one. */
	assert_int_equal(mbox_expunge(m, NULL), STORE_OK);
	mbox_close(m);
	heard = talk("RETR 2\r\nQUIT\r\n", false);
	assert_span(heard,
	    SPAN("+OK Logged in.\r\n-ERR There is no message with that "
		 "number.\r\n+OK Logging out.\r\n"));
}

/* More than any buffer holds, in lines of every kind. */
static void
large_mail_comes_whole(void **state)
{
	static char mail[200001], want[400000];
	struct span heard;
	size_t n = 0;

	(void)state;
	memcpy(mail, "S: x\n\n", 6);
	for (size_t i = 6; i < sizeof(mail) - 1; i++)
		mail[i] = i % 79 == 0 ? '\n' : i % 13 == 0 ? '.' : 'x';
	mail[sizeof(mail) - 2] = '\n';
	for (size_t i = 0; i < sizeof(mail) - 1; i++) {
		if (mail[i] == '\n')
			want[n++] = '\r';
		else if (mail[i] == '.' && (i == 0 || mail[i - 1] == '\n'))
			want[n++] = '.';
		want[n++] = mail[i];
	}
	(void)mail_append("INBOX", 0, mail);
	heard = talk("RETR 3\r\nQUIT\r\n", false);
	heard.p = memchr(heard.p, 'S', heard.n);
	assert_non_null(heard.p);
	assert_memory_equal(heard.p, want, n);
	assert_memory_equal(heard.p + n, ".\r\n+OK Logging out.\r\n", 22);
}

static void
a_mailbox_that_cannot_be_opened_is_told(void **state)
{
	FILE *f = fopen(spool_path("mail/file"), "w");

	(void)state;
	assert_non_null(f);
	fclose(f);
	fx.in.mailbox = SPAN("file/");
	assert_span(talk("STAT\r\n", false),
	    SPAN("-ERR [SYS/TEMP] The mailbox cannot be opened now.\r\n"));
}

static void
formats_of_unique_ids(void **state)
{
	static const struct {
		const char *format;
		const char *text; /* NULL: it is none */
	} rows[] = {
		{ "%v.%u", "305419896.2748" },
		{ "%08Xu%08Xv", "00000ABC12345678" },
		{ "%xu-%xv", "abc-12345678" },
		{ "u%010u%v", "u0000002748305419896" },
		{ "%u", NULL },
		{ "%v", NULL },
		{ "", NULL },
		{ "%", NULL },
		{ "%u%v%", NULL },
		{ "%u %v", NULL },
		{ "%11u%v", NULL },
		{ "%5u%v", NULL },
		{ "%m%u%v", NULL },
		{ "%u%v0123456789012345678901234567890123456789"
		  "0123456789012345678901234567890123456789",
		    NULL },
	};
	char text[POP3_UIDL_MAX];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		print_row(span_str(rows[i].format));
		assert_int_equal(pop3_uidl_check(rows[i].format),
		    rows[i].text != NULL);
		if (!rows[i].text)
			continue;
		buf_init(&b, text, sizeof(text));
		pop3_uidl_put(&b, rows[i].format, 0x12345678, 0xabc);
		assert_span(buf_span(&b), span_str(rows[i].text));
	}
}

#define WITH_MAIL(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_MAIL(mail_is_read_and_marked),
		WITH_MAIL(quit_deletes),
		WITH_MAIL(nothing_else_deletes),
		WITH_MAIL(what_others_delete_is_gone),
		WITH_MAIL(large_mail_comes_whole),
		WITH_MAIL(a_mailbox_that_cannot_be_opened_is_told),
		TEST(formats_of_unique_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
