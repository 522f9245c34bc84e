/* What local recipients come to, over tables that stand in the tests. */
#include "test.h"

#include "base/buf.h"
#include "local/main/expand.h"

struct row {
	const char *key;
	const char *value;
};

/* What the machine's questions are answered by; lists end with a NULL key. */
struct world {
	const struct row *aliases;
	const struct row *forwards; /* by user, or "user+ext" */
	const struct row *includes;
	const char *away; /* an alias that cannot be looked up */
	const struct row *transports; /* by user; "*" is who is none */
	const char *relay;
};

static const char *
find(const struct row *rows, struct span key)
{
	for (; rows && rows->key; rows++)
		if (span_eq(key, span_str(rows->key)))
			return rows->value;
	return NULL;
}

static const struct expand_user users[] = {
	{ SPAN_INIT("ann"), 1, 1, SPAN_INIT("/h/ann"), SPAN_INIT("") },
	{ SPAN_INIT("ben"), 2, 2, SPAN_INIT("/h/ben"), SPAN_INIT("") },
	{ SPAN_INIT("carl"), 3, 3, SPAN_INIT("/h/carl"), SPAN_INIT("") },
};

static void
answer_text(struct expand *x, const char *text)
{
	if (text)
		expand_answer(x, EXPAND_YES, span_str(text));
	else
		expand_answer(x, EXPAND_NO, SPAN(""));
}

static void
answer_user(struct expand *x)
{
	for (size_t i = 0; i < COUNT_OF(users); i++)
		if (span_eq(users[i].name, x->key)) {
			expand_answer_user(x, EXPAND_YES, &users[i], SPAN(""));
			return;
		}
	expand_answer_user(x, EXPAND_NO, NULL, SPAN(""));
}

static void
answer_forward(const struct world *w, struct expand *x)
{
	char key[128];
	const char *text = NULL;

	if (x->key.n > 0) {
		snprintf(key, sizeof(key), "%.*s+%.*s", (int)x->user->name.n,
		    x->user->name.p, (int)x->key.n, x->key.p);
		text = find(w->forwards, span_str(key));
	}
	answer_text(x, text ? text : find(w->forwards, x->user->name));
}

static void
run(const struct world *w, struct expand *x)
{
	enum expand_want want;
	size_t steps = 0;

	while ((want = expand_step(x)) != EXPAND_DONE) {
		assert_true(++steps < 100000);
		switch (want) {
		case EXPAND_ALIAS:
			if (w->away && span_eq(x->key, span_str(w->away)))
				expand_answer(x, EXPAND_LATER, SPAN("away"));
			else
				answer_text(x, find(w->aliases, x->key));
			break;
		case EXPAND_DOMAIN:
			answer_text(x,
			    span_eq(x->key, SPAN("here")) ? "" : NULL);
			break;
		case EXPAND_USER:
			answer_user(x);
			break;
		case EXPAND_FORWARD:
			answer_forward(w, x);
			break;
		case EXPAND_INCLUDE:
			answer_text(x, find(w->includes, x->key));
			break;
		case EXPAND_TRANSPORT:
			answer_text(x,
			    find(w->transports,
				x->user ? x->user->name : SPAN("*")));
			break;
		case EXPAND_RELAY:
			answer_text(x, w->relay);
			break;
		case EXPAND_DONE:
			break;
		}
	}
}

static const struct expand_config config = {
	.delimiters = SPAN_INIT("+"),
	.origin = SPAN_INIT("here"),
	.commands = EXPAND_IN_ALIAS | EXPAND_IN_FORWARD,
	.files = EXPAND_IN_ALIAS | EXPAND_IN_FORWARD,
	.owner_request_special = true,
};

static void
put_leaf(struct buf *b, const struct leaf *l)
{
	static const char *const names[] = {
		[LEAF_MAILBOX] = "box",
		[LEAF_PASS] = "pass",
		[LEAF_ADDRESS] = "to",
		[LEAF_COMMAND] = "run",
		[LEAF_FILE] = "file",
		[LEAF_BOUNCE] = "never",
		[LEAF_DEFER] = "later",
	};

	buf_putf(b, "%s%s ", b->n ? "; " : "", names[l->kind]);
	if (l->kind == LEAF_MAILBOX)
		buf_put(b, l->user->name);
	else
		buf_put(b, l->text);
	if (l->kind == LEAF_COMMAND || l->kind == LEAF_FILE)
		buf_putf(b, " as %s", l->user ? l->user->name.p : "nobody");
	if (l->sender.n)
		buf_putf(b, " from %.*s", (int)l->sender.n, l->sender.p);
}

static void
check(const struct world *w, const struct expand_config *c, const char *addr,
    const char *leaves)
{
	struct arena *a = arena_new((size_t)16 << 20);
	char storage[2048];
	struct expand x;
	struct buf b;

	buf_init(&b, storage, sizeof(storage));
	expand_init(&x, c, a, span_str(addr));
	run(w, &x);
	for (size_t i = 0; i < x.n; i++)
		put_leaf(&b, &x.leaves[i]);
	assert_false(b.overflow);
	assert_span(buf_span(&b), span_str(leaves));
	arena_free(a);
}

static const struct row aliases[] = {
	{ "all", "ann, Ben, ann@here, carl@x" },
	{ "team", "all, |cmd, /file, :include:/list" },
	{ "ann", "ann" },
	{ "a", "b" },
	{ "b", "a" },
	{ "list", "carl@x, dan@x, ann" },
	{ "owner-list", "ben" },
	{ "list-request", "dan@x" },
	{ "owner-list-request", "ben" },
	{ "ben+work", "carl" },
	{ "bad", "@@, ann" },
	{ "again", ":include:/again" },
	{ "ran", ":include:/run" },
	{ "gone", ":include:/gone" },
	{ "straight", "\\carl" },
	{ "mixed", "carl, hidden" },
	{ NULL, NULL },
};
static const struct row forwards[] = {
	{ "carl", "# mine\ncarl, carl@y\n|cmd\n" },
	{ "carl+x", "/h/carl/x\n" },
	{ "ben", "" },
	{ NULL, NULL },
};
static const struct row includes[] = {
	{ "/list", "eve@x\n#no\nben\n" },
	{ "/again", ":include:/again\nann" },
	{ "/run", "|cmd" },
	{ NULL, NULL },
};
static const struct world world = {
	.aliases = aliases,
	.forwards = forwards,
	.includes = includes,
	.away = "hidden",
};

static void
recipients_come_to_what_tables_say(void **state)
{
	static const struct row rows[] = {
		{ "ben@here", "box ben" },
		{ "BEN@here", "box ben" },
		{ "ben+any@here", "box ben" },
		{ "zoe@here", "never unknown user: \"zoe\"" },
		{ "all@here", "box ben; to carl@x; box ann" },
		{ "team@here",
		    "run cmd as nobody; file /file as nobody; box ben; "
		    "to carl@x; to eve@x; box ann" },
		{ "ann@here", "box ann" },
		{ "a@here", "never unknown user: \"a\"" },
		{ "list@here",
		    "to carl@x from owner-list@here; "
		    "to dan@x from owner-list@here; "
		    "to ann@here from owner-list@here" },
		{ "list-request@here", "to dan@x" },
		{ "carl@here", "box carl; to carl@y; run cmd as carl" },
		{ "ben+work@here", "box carl; to carl@y; run cmd as carl" },
		{ "carl+x@here", "file /h/carl/x as carl" },
		{ "carl+y@here", "box carl; to carl@y; run cmd as carl" },
		{ "straight@here", "box carl" },
		{ "bad@here",
		    "never bad address syntax in an alias: \"@@\"; box ann" },
		{ "again@here", "never :include: loop: \"/again\"; box ann" },
		{ "ran@here", "never mail to command is restricted" },
		{ "gone@here", "later cannot open include file /gone" },
		{ "mixed@here",
		    "later away; box carl; to carl@y; run cmd as carl" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check(&world, &config, rows[i].key, rows[i].value);
}

static void
an_owner_may_stand_for_himself(void **state)
{
	struct expand_config c = config;

	(void)state;
	c.expand_owner_alias = true;
	check(&world, &c, "list@here",
	    "to carl@x from ben@here; to dan@x from ben@here; "
	    "to ann@here from ben@here");
}

/* What an alias of a list comes to need not be sent on because the list's is. */
static void
an_alias_in_a_list_may_be_its_own(void **state)
{
	static const struct row rows[] = {
		{ "list", "sub" },
		{ "owner-list", "ben" },
		{ "sub", "ann" },
		{ NULL, NULL },
	};
	const struct world w = { .aliases = rows };
	struct expand_config c = config;

	(void)state;
	check(&w, &c, "list@here", "to ann@here from owner-list@here");
	c.reset_owner_alias = true;
	check(&w, &c, "list@here", "box ann from owner-list@here");
	check(&w, &c, "sub@here", "box ann");
}

static void
another_transport_may_deliver(void **state)
{
	static const struct row transports[] = {
		{ "ann", "lmtp:a" },
		{ "*", "lmtp:any" },
		{ NULL, NULL },
	};
	const struct world w = {
		.aliases = aliases,
		.forwards = forwards,
		.transports = transports,
	};
	struct expand_config c = config;

	(void)state;
	check(&w, &c, "ann@here", "box ann");
	c.transports = true;
	check(&w, &c, "ann@here", "pass lmtp:a");
	check(&w, &c, "ann+x@here", "pass lmtp:a");
	check(&w, &c, "zoe@here", "pass lmtp:any");
	check(&w, &c, "all@here", "box ben; to carl@x; pass lmtp:a");
	check(&w, &c, "carl@here", "box carl; to carl@y; run cmd as carl");
}

static void
somebody_may_get_the_mail_of_nobody(void **state)
{
	struct world w = { .aliases = aliases, .relay = "ann" };
	struct expand_config c = config;

	(void)state;
	check(&w, &c, "zoe@here", "never unknown user: \"zoe\"");
	c.relay = true;
	check(&w, &c, "zoe@here", "box ann");
	check(&w, &c, "ben@here", "box ben");
	w.relay = "zoe@x";
	check(&w, &c, "zoe@here", "to zoe@x");
	w.relay = "|cmd";
	check(&w, &c, "zoe@here", "run cmd as nobody");
	w.relay = "zoe2@here";
	check(&w, &c, "zoe@here", "never unknown user: \"zoe2\"");
}

/* Each alias has the next one twice: that would be 2^n. */
static void
what_grows_without_end_is_put_off(void **state)
{
	static char keys[64][8], values[64][32];
	static struct row rows[65];
	const struct world w = { .aliases = rows };

	(void)state;
	for (int i = 0; i < 64; i++) {
		snprintf(keys[i], sizeof(keys[i]), "n%d", i);
		snprintf(values[i], sizeof(values[i]), "n%d, n%d", i + 1,
		    i + 1);
		rows[i] = (struct row){ keys[i], values[i] };
	}
	check(&w, &config, "n0@here", "later unreasonable alias expansion");
}

static void
a_chain_has_an_end(void **state)
{
	static char keys[200][8], values[200][8];
	static struct row rows[201];
	const struct world w = { .aliases = rows };

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(keys[i], sizeof(keys[i]), "n%d", i);
		snprintf(values[i], sizeof(values[i]), "n%d", i + 1);
		rows[i] = (struct row){ keys[i], values[i] };
	}
	check(&w, &config, "n150@here", "never unknown user: \"n200\"");
	check(&w, &config, "n0@here",
	    "never possible alias database loop for \"n100\"");
}

/* With too little memory it is put off, whatever it was about to say. */
static void
any_memory_will_do(void **state)
{
	(void)state;
	for (size_t limit = 4096; limit < 64 << 10; limit += 97) {
		struct arena *a = arena_new(limit);
		struct expand x;

		expand_init(&x, &config, a, SPAN("team@here"));
		run(&world, &x);
		assert_true(x.n == 6 || x.n <= 1);
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recipients_come_to_what_tables_say),
		cmocka_unit_test(an_owner_may_stand_for_himself),
		cmocka_unit_test(an_alias_in_a_list_may_be_its_own),
		cmocka_unit_test(another_transport_may_deliver),
		cmocka_unit_test(somebody_may_get_the_mail_of_nobody),
		cmocka_unit_test(what_grows_without_end_is_put_off),
		cmocka_unit_test(a_chain_has_an_end),
		cmocka_unit_test(any_memory_will_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
