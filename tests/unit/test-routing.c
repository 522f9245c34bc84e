#include "tests/unit/conf.h"

#include "base/buf.h"
#include "mail/routing.h"

static const char main_cf[] =
    "myhostname = mx.demo.test\n"
    "myorigin = demo.test\n"
    "mydestination = local.test\n"
    "local_recipient_maps = inline:{carol=x}\n"
    "recipient_delimiter = +\n"
    "relay_domains = relay.test\n"
    "relay_recipient_maps =\n"
    "relayhost = [smart.test]:587\n"
    "transport_maps = inline:{slow.test=slow: there.test=:[gate.test]"
    " keep.test=:}\n"
    "virtual_alias_domains = alias.test\n"
    "virtual_alias_maps = inline:{"
    " {one@alias.test=alice@demo.test}"
    " {two@alias.test=alice@demo.test, bob@demo.test, one@alias.test}"
    " {self@demo.test=self@demo.test, alice@demo.test}"
    " {loop@alias.test=pool@alias.test} {pool@alias.test=loop@alias.test}"
    " {info@demo.test=alice} {@all.test=@demo.test} {bad@demo.test=a b@}"
    " {void@demo.test=,} {part@demo.test=bob@demo.test, void@demo.test}}\n"
    "virtual_mailbox_base = /var/vmail\n"
    "virtual_mailbox_domains = demo.test\n"
    "virtual_mailbox_maps = inline:{alice@demo.test=demo/alice/"
    " bob@demo.test=demo/bob}\n"
    "virtual_uid_maps = inline:{alice@demo.test=5000 bob@demo.test=5}\n"
    "virtual_gid_maps = static:5000\n";

static struct conf *conf;
static struct routing *routing;
static struct arena *arena;
static struct why why;

static struct span
text_span(const char *text)
{
	return (struct span){ text, strlen(text) };
}

static void
every_address_has_a_route(void **state)
{
	static const struct {
		const char *addr;
		enum address_class class;
		const char *transport;
		const char *nexthop;
	} rows[] = {
		{ "x@local.test", CLASS_LOCAL, "local", "mx.demo.test" },
		{ "x@LOCAL.test", CLASS_LOCAL, "local", "mx.demo.test" },
		{ "x@[127.0.0.1]", CLASS_LOCAL, "local", "mx.demo.test" },
		{ "x@alias.test", CLASS_VIRTUAL_ALIAS, "error",
		    "5.1.1 User unknown in virtual alias table" },
		{ "alice@demo.test", CLASS_VIRTUAL_MAILBOX, "virtual",
		    "demo.test" },
		{ "alice", CLASS_VIRTUAL_MAILBOX, "virtual", "demo.test" },
		{ "x@relay.test", CLASS_RELAY, "relay", "relay.test" },
		{ "x@far.test", CLASS_DEFAULT, "smtp", "[smart.test]:587" },
		{ "x@slow.test", CLASS_DEFAULT, "slow", "slow.test" },
		{ "x@keep.test", CLASS_DEFAULT, "smtp", "[smart.test]:587" },
		{ "x@there.test", CLASS_DEFAULT, "smtp", "[gate.test]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct route r;

		print_message("# %s\n", rows[i].addr);
		assert_int_equal(routing_resolve(routing,
				     text_span(rows[i].addr), arena, &r, &why),
		    DICT_FOUND);
		assert_int_equal(r.class, rows[i].class);
		assert_string_equal(r.transport, rows[i].transport);
		assert_string_equal(r.nexthop, rows[i].nexthop);
	}
}

static void
who_is_known(void **state)
{
	static const struct {
		const char *addr;
		enum dict_result want;
		const char *text;
	} rows[] = {
		{ "alice@demo.test", DICT_FOUND, "" },
		{ "ALICE@Demo.Test", DICT_FOUND, "" },
		{ "alice+x@demo.test", DICT_FOUND, "" },
		{ "nobody@demo.test", DICT_ABSENT,
		    "User unknown in virtual mailbox table" },
		{ "info@demo.test", DICT_FOUND, "" },
		{ "one@alias.test", DICT_FOUND, "" },
		{ "nobody@alias.test", DICT_ABSENT,
		    "User unknown in virtual alias table" },
		{ "carol@local.test", DICT_FOUND, "" },
		{ "dave@local.test", DICT_ABSENT,
		    "User unknown in local recipient table" },
		{ "any@relay.test", DICT_FOUND, "" },
		{ "any@far.test", DICT_FOUND, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *text = "";

		print_message("# %s\n", rows[i].addr);
		assert_int_equal(routing_exists(routing,
				     text_span(rows[i].addr), arena, &text,
				     &why),
		    rows[i].want);
		if (rows[i].want == DICT_ABSENT)
			assert_string_equal(text, rows[i].text);
	}
}

static void
aliases_expand(void **state)
{
	static const struct {
		const char *addr;
		enum dict_result want;
		const char *list;
	} rows[] = {
		{ "alice@demo.test", DICT_ABSENT, "" },
		{ "one@alias.test", DICT_FOUND, "alice@demo.test " },
		{ "one+x@alias.test", DICT_FOUND, "alice+x@demo.test " },
		{ "two@alias.test", DICT_FOUND,
		    "alice@demo.test bob@demo.test " },
		{ "self@demo.test", DICT_FOUND,
		    "self@demo.test alice@demo.test " },
		{ "info@demo.test", DICT_FOUND, "alice@demo.test " },
		{ "x+y@all.test", DICT_FOUND, "x+y@demo.test " },
		{ "loop@alias.test", DICT_TEMPFAIL, "" },
		{ "bad@demo.test", DICT_TEMPFAIL, "" },
		{ "void@demo.test", DICT_TEMPFAIL, "" },
		{ "part@demo.test", DICT_TEMPFAIL, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct span *list;
		char text[512];
		struct buf b;
		size_t n = 0;
		enum dict_result r = routing_expand(routing,
		    text_span(rows[i].addr), arena, &list, &n, &why);

		print_message("# %s\n", rows[i].addr);
		assert_int_equal(r, rows[i].want);
		buf_init(&b, text, sizeof(text));
		for (size_t k = 0; r == DICT_FOUND && k < n; k++) {
			buf_put(&b, list[k]);
			buf_put(&b, SPAN(" "));
		}
		assert_span(buf_span(&b), text_span(rows[i].list));
	}
}

static void
mailboxes_have_a_place(void **state)
{
	struct mailbox_place p;

	(void)state;
	assert_int_equal(routing_mailbox(routing, SPAN("Alice+x@demo.test"),
			     arena, &p, &why),
	    DICT_FOUND);
	assert_string_equal(p.root, "/var/vmail");
	assert_string_equal(p.path, "demo/alice/");
	assert_int_equal(p.uid, 5000);
	assert_int_equal(p.gid, 5000);
	assert_int_equal(routing_mailbox(routing, SPAN("bob@demo.test"), arena,
			     &p, &why),
	    DICT_TEMPFAIL);
	assert_int_equal(routing_mailbox(routing, SPAN("x@demo.test"), arena,
			     &p, &why),
	    DICT_ABSENT);
}

static int
set_up(void **state)
{
	static const char *const names[] = { "main.cf", NULL };
	char dir[64];

	(void)state;
	snprintf(dir, sizeof(dir), "%s", temp_dir());
	temp_file(dir, "main.cf", main_cf);
	conf = conf_load(dir, NULL, 0, &why);
	temp_remove(dir, names);
	routing = conf ? routing_open(conf, &why) : NULL;
	if (!routing)
		print_error("%s\n", why.text);
	arena = arena_new(1 << 20);
	return routing ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	routing_close(routing);
	conf_free(conf);
	arena_free(arena);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(every_address_has_a_route),
		TEST(who_is_known),
		TEST(aliases_expand),
		TEST(mailboxes_have_a_place),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
