#include "tests/unit/conf.h"

#include "mail/place.h"

static struct arena *arena;
static struct why why;

static const struct place_user alice = {
	.name = SPAN_INIT("Alice@demo.test"),
	.home = SPAN_INIT("/home/alice"),
};

static void
locations_have_a_root_and_a_path(void **state)
{
	static const struct {
		const char *location;
		const char *base;
		const char *root;
		const char *path;
	} rows[] = {
		{ "/srv/mail/%d/%n", "", "/srv/mail", "demo.test/alice/" },
		{ "maildir:/srv/mail/%d/%n/", "", "/srv/mail",
		    "demo.test/alice/" },
		{ "/srv/mail/%d/%n", "/srv", "/srv", "mail/demo.test/alice/" },
		{ "/srvx/%u", "/srv", "/srvx", "alice@demo.test/" },
		{ "/%u", "", "/", "alice@demo.test/" },
		{ "/srv/box", "", "/srv", "box/" },
		{ "/srv/box///", "", "/srv", "box/" },
		{ "/box", "", "/", "box/" },
		{ "~/Maildir", "", "/home/alice", "Maildir/" },
		{ "%h/mail/%n%%", "/home", "/home/alice", "mail/alice%/" },
		{ "/srv/m-%n", "", "/srv", "m-alice/" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct mailbox_place p = { 0 };

		print_row(span_str(rows[i].location));
		assert_true(place_expand(guarded(span_str(rows[i].location)),
		    &alice, rows[i].base, arena, &p, &why));
		assert_string_equal(p.root, rows[i].root);
		assert_string_equal(p.path, rows[i].path);
	}
}

static void
what_leads_out_is_refused(void **state)
{
	static const struct {
		const char *location;
		const char *name;
		const char *home;
	} rows[] = {
		{ "/srv/%n", "../x@demo.test", "" },
		{ "/srv/%n", "..@demo.test", "" },
		{ "/srv/%n/x", ".@demo.test", "" },
		{ "/srv/%d/%n", "alice", "" },
		{ "/srv/%d/%n", "alice@..", "" },
		{ "/srv/%u", "a/b", "" },
		{ "~/x", "alice", "" },
		{ "~/x", "alice", "home" },
		{ "srv/%n", "alice", "" },
		{ "", "alice", "" },
		{ "/", "alice", "" },
		{ "~/", "alice", "/home/alice" },
		{ "/srv/%x", "alice", "" },
		{ "/srv/%", "alice", "" },
		{ "mbox:/srv/%n", "alice", "" },
		{ "maildir:/srv/%n:LAYOUT=fs", "alice", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct place_user u = {
			.name = span_str(rows[i].name),
			.home = span_str(rows[i].home),
		};
		struct mailbox_place p;

		print_row(span_str(rows[i].location));
		why.text[0] = '\0';
		assert_false(place_expand(guarded(span_str(rows[i].location)),
		    &u, "", arena, &p, &why));
		assert_true(why.text[0] != '\0');
	}
}

static struct routing *
open_routing(const char *text)
{
	const char *dir = temp_dir();
	static const char *const names[] = { "main.cf", NULL };
	struct routing *r;
	struct conf *c;

	temp_file(dir, "main.cf", text);
	c = conf_load(dir, NULL, 0, &why);
	assert_non_null(c);
	r = routing_open(c, &why);
	assert_non_null(r);
	conf_free(c);
	temp_remove(dir, names);
	return r;
}

#define COMMON \
	"myhostname = mx.demo.test\nmyorigin = demo.test\nmydestination =\n" \
	"virtual_mailbox_domains = demo.test\nrecipient_delimiter = +\n" \
	"virtual_uid_maps = static:5000\nvirtual_gid_maps = static:5001\n"

static void
the_user_comes_before_the_tables(void **state)
{
	struct routing *r = open_routing(COMMON
	    "virtual_mailbox_base = /var/vmail\nhome_mailbox = Maildir/\n"
	    "virtual_mailbox_maps = inline:{alice@demo.test=d/alice/"
	    " bob@demo.test=d/bob}\n");
	struct place_user u = { .name = SPAN("alice@demo.test") };
	struct mailbox_place p;

	(void)state;
	assert_int_equal(place_find(r, &u, arena, &p, &why), DICT_FOUND);
	assert_string_equal(p.root, "/var/vmail");
	assert_string_equal(p.path, "d/alice/");
	assert_int_equal(p.uid, 5000);
	assert_int_equal(p.gid, 5001);
	u.name = SPAN("alice");
	assert_int_equal(place_find(r, &u, arena, &p, &why), DICT_FOUND);
	u.mail = SPAN("maildir:/srv/%n");
	u.uid = SPAN("700");
	assert_int_equal(place_find(r, &u, arena, &p, &why), DICT_FOUND);
	assert_string_equal(p.root, "/srv");
	assert_int_equal(p.uid, 700);
	assert_int_equal(p.gid, 5001);
	u.gid = SPAN("x");
	assert_int_equal(place_find(r, &u, arena, &p, &why), DICT_TEMPFAIL);
	/* A file of messages, and nobody. */
	u = (struct place_user){ .name = SPAN("bob@demo.test") };
	assert_int_equal(place_find(r, &u, arena, &p, &why), DICT_TEMPFAIL);
	u.name = SPAN("carol@demo.test");
	assert_int_equal(place_find(r, &u, arena, &p, &why), DICT_ABSENT);
	u.home = SPAN("/home/carol");
	assert_int_equal(place_find(r, &u, arena, &p, &why), DICT_FOUND);
	assert_string_equal(p.root, "/home/carol");
	assert_string_equal(p.path, "Maildir/");
	routing_close(r);
}

/* Who logs in finds what was delivered. */
static void
deliveries_and_logins_agree(void **state)
{
	static const char *const texts[] = {
		COMMON "mail_location = maildir:/srv/%d/%n\n",
		COMMON "mail_location = /srv/%d/%n\n"
		       "virtual_mailbox_base = /srv\n"
		       "virtual_mailbox_maps = inline:{alice@demo.test=x/}\n",
		COMMON "virtual_mailbox_base = /srv\n"
		       "virtual_mailbox_maps = inline:{alice@demo.test=x/}\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct place_user u = { .name = SPAN("alice@demo.test") };
		struct routing *r = open_routing(texts[i]);
		struct mailbox_place to, from;

		print_row(span_str(texts[i]));
		assert_int_equal(routing_mailbox(r, SPAN("Alice+tag@demo.test"),
				     arena, &to, &why),
		    DICT_FOUND);
		assert_int_equal(place_find(r, &u, arena, &from, &why),
		    DICT_FOUND);
		assert_string_equal(to.root, from.root);
		assert_string_equal(to.path, from.path);
		assert_int_equal(to.uid, from.uid);
		assert_int_equal(to.gid, from.gid);
		assert_int_equal(routing_mailbox(r, SPAN("x@demo.test"), arena,
				     &to, &why),
		    i == 0 ? DICT_FOUND : DICT_ABSENT);
		routing_close(r);
	}
}

static void
without_a_base_the_folder_is_the_root(void **state)
{
	struct routing *r = open_routing(COMMON
	    "virtual_mailbox_maps = inline:{alice@demo.test=/srv/m/alice/}\n");
	struct place_user u = { .name = SPAN("alice@demo.test") };
	struct mailbox_place p;

	(void)state;
	assert_int_equal(place_find(r, &u, arena, &p, &why), DICT_FOUND);
	assert_string_equal(p.root, "/srv/m");
	assert_string_equal(p.path, "alice/");
	routing_close(r);
}

static int
make_arena(void **state)
{
	(void)state;
	arena = arena_new(1 << 20);
	return 0;
}

static int
free_arena(void **state)
{
	(void)state;
	arena = arena_free(arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(locations_have_a_root_and_a_path),
		TEST(what_leads_out_is_refused),
		TEST(the_user_comes_before_the_tables),
		TEST(deliveries_and_logins_agree),
		TEST(without_a_base_the_folder_is_the_root),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
