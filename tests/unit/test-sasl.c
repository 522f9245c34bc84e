#include "tests/unit/test.h"

#include "base/base64.h"
#include "sasl/mech.h"
#include "sasl/scheme.h"
#include "sasl/user.h"

static void
base64_goes_there_and_back(void **state)
{
	static const struct {
		struct span bytes, text;
	} rows[] = {
		/* RFC 4648, section 10. */
		{ SPAN_INIT(""), SPAN_INIT("") },
		{ SPAN_INIT("f"), SPAN_INIT("Zg==") },
		{ SPAN_INIT("fo"), SPAN_INIT("Zm8=") },
		{ SPAN_INIT("foo"), SPAN_INIT("Zm9v") },
		{ SPAN_INIT("foob"), SPAN_INIT("Zm9vYg==") },
		{ SPAN_INIT("fooba"), SPAN_INIT("Zm9vYmE=") },
		{ SPAN_INIT("foobar"), SPAN_INIT("Zm9vYmFy") },
		{ SPAN_INIT("\xff\xfb\0"), SPAN_INIT("//sA") },
	};
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg===", "=",
		"====", "Zh==", "Zm9=", "Zg==Zg==", "Zm 9", "Zm9\n",
		"Z===", "Zm8==" };
	char bytes[64];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_init(&b, bytes, sizeof(bytes));
		base64_put(&b, rows[i].bytes);
		assert_span(buf_span(&b), rows[i].text);
		buf_init(&b, bytes, sizeof(bytes));
		assert_true(base64_take(guarded(rows[i].text), &b));
		assert_span(buf_span(&b), rows[i].bytes);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		buf_init(&b, bytes, sizeof(bytes));
		assert_false(base64_take(guarded(span_str(bad[i])), &b));
	}
	buf_init(&b, bytes, 2);
	assert_false(base64_take(SPAN("Zm9v"), &b));
}

/* As openssl passwd, doveadm pw and crypt(3) made them of "pass word". */
static const char *const hashes[] = {
	"{SHA512-CRYPT}$6$rjgL58xdfFfWlgY3$2eHNJoir3vHoLm6QisOJHHUd63jkcs9."
	"WasZ7O60knFYnG9XpV1MTvKJC.xD.E96bW00lDI1GndQHuVCaZJpG.",
	"{SHA256-CRYPT}$5$4HJqvFbfc9olPVKB$bYAQZGAmRAy1vidA3cLGgoixyaXtXtg/"
	"NekVwzYedc6",
	"{BLF-CRYPT}$2y$05$j2TEhXST3hhTABxwvQGnx.wh45u6y59jCErytuQWJ36xtfiR"
	"XGUSW",
	"{SSHA}EQpib4Bbg1sTFQijJAe5R+1D4Mmdq0tA",
	"{SHA}2oguq15ANCGsJCWKX31fllwpyEk=",
	"{crypt}$2y$05$hr0NxxmOqH1x1NY9c1lT5.rcSdoOFaOyGMFMcFwW/RjOKYXtsvM2"
	"i",
	"$6$abcdefgh$YN8B0zmx4g7gHNsAPRHBHL7/9D2xv7Ojh6WbPzJjQGPPjUs3FiTtHk"
	"Wxn/GwRo78ZpAtbvjbXJsaUxh7djdaf0",
	"$5$abcdefgh$.QMzy7v4vXPoalf3eRONDBUv8WZTVbTMR1FBCZC1/L2",
	"$1$abcdefgh$yTpYrEJJOuAsO2Aee15/D1",
	"$y$j9T$abcdefgh$53HXNxZB2a7VoI7YjlXnuqZl44ziJZfXwvfzovUJ6J6",
#ifdef HAVE_ARGON2
	"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$wMhllFCvhXvmvdCzzaG5HQ$o6"
	"Zf0IY7wB2l3nHpqeQ/cROnFag3DYffDf63P0SSmKQ",
#endif
	"{PLAIN}pass word",
};

static void
what_others_hashed_matches(void **state)
{
	struct why why;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(hashes); i++) {
		struct span h = span_str(hashes[i]);

		if (scheme_matches(h, SPAN("pass word"), &why) !=
		    SCHEME_MATCHES)
			fail_msg("%s", hashes[i]);
		assert_int_equal(scheme_matches(h, SPAN("pass worD"), &why),
		    SCHEME_DIFFERS);
		assert_int_equal(scheme_matches(h, SPAN("pass wor"), &why),
		    SCHEME_DIFFERS);
		assert_int_equal(scheme_matches(h, SPAN(""), &why),
		    SCHEME_DIFFERS);
		assert_int_equal(scheme_matches(h, SPAN("pass word\0"), &why),
		    SCHEME_DIFFERS);
	}
}

/* Nobody logs in with what is stored, nor with what is not understood. */
static void
what_is_no_hash_is_unusable(void **state)
{
	static const char *const bad[] = { "secret", "", "{}secret",
		"{NOPE}secret", "{PLAIN}", "{SHA512-CRYPT}secret",
		"{SHA512-CRYPT}$5$a$b", "{SSHA}secret", "{SSHA}c2VjcmV0",
		"{SHA}c2VjcmV0", "{ARGON2ID}$argon2i$v", "$argon2id$v=19$", "$",
		"$9$salt$hash", "{CRYPT}*", "{CRYPT}!", "{CRYPT}x",
		"PLAIN}secret", "{PLAIN" };
	struct why why;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (scheme_matches(guarded(span_str(bad[i])), SPAN("secret"),
			&why) != SCHEME_UNUSABLE)
			fail_msg("%s", bad[i]);
}

static void
what_is_made_matches(void **state)
{
	char names[256], bytes[SCHEME_STORED_MAX];
	struct span rest, name;
	struct buf b;
	struct why why;

	(void)state;
	buf_init(&b, names, sizeof(names));
	scheme_put_names(&b);
	rest = buf_span(&b);
	while (rest.n > 0) {
		name = span_cut(&rest, ' ');
		buf_init(&b, bytes, sizeof(bytes));
		assert_int_equal(scheme_make(name, SPAN("s3cret"), &b, &why),
		    0);
		assert_int_equal(scheme_matches(buf_span(&b), SPAN("s3cret"),
				     &why),
		    SCHEME_MATCHES);
		assert_int_equal(scheme_matches(buf_span(&b), SPAN("s3cre"),
				     &why),
		    SCHEME_DIFFERS);
	}
	buf_init(&b, bytes, sizeof(bytes));
	assert_true(scheme_make(SPAN(""), SPAN(""), &b, &why) < 0);
	assert_true(scheme_make(SPAN("NOPE"), SPAN("a"), &b, &why) < 0);
	buf_init(&b, bytes, sizeof(bytes));
	assert_int_equal(scheme_make(SPAN(""), SPAN("a"), &b, &why), 0);
	assert_memory_equal(b.p, "{SHA512-CRYPT}$6$", 17);
}

static void
a_value_is_a_hash_and_fields(void **state)
{
	static const char *const bad[] = { "", " ", "secret uid=1",
		"{PLAIN}a uid", "{PLAIN}a uid=x", "{PLAIN}a gid=-1",
		"{PLAIN}a uid=4294967295", "{PLAIN}a =x", "{PLAIN}a U=x",
		"{PLAIN}a uid=1 x" };
	struct user u;
	struct span v;
	struct why why;

	(void)state;
	assert_true(
	    user_parse(SPAN("{PLAIN}a  uid=7 \thome=/h/a=b "), &u, &why));
	assert_span(u.hash, SPAN("{PLAIN}a"));
	assert_true(sasl_field(u.fields, SPAN("uid"), &v));
	assert_span(v, SPAN("7"));
	assert_true(sasl_field(u.fields, SPAN("home"), &v));
	assert_span(v, SPAN("/h/a=b"));
	assert_false(sasl_field(u.fields, SPAN("gid"), &v));
	assert_true(user_may(&u, SPAN("smtp")));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (user_parse(guarded(span_str(bad[i])), &u, &why))
			fail_msg("%s", bad[i]);
}

static void
a_user_may_what_is_allowed(void **state)
{
	struct user u;
	struct why why;

	(void)state;
	assert_true(user_parse(SPAN("{PLAIN}a allow=imap,pop3"), &u, &why));
	assert_true(user_may(&u, SPAN("imap")));
	assert_true(user_may(&u, SPAN("POP3")));
	assert_false(user_may(&u, SPAN("smtp")));
	assert_false(user_may(&u, SPAN("imap,pop3")));
	assert_true(user_parse(SPAN("{PLAIN}a allow="), &u, &why));
	assert_false(user_may(&u, SPAN("imap")));
}

/* The result of PLAIN: R, or "user password". */
static const struct {
	struct span message;
	const char *user; /* NULL: it is refused */
	const char *password;
} plains[] = {
	{ SPAN_INIT("\0tim\0tanstaaftanstaaf"), "tim", "tanstaaftanstaaf" },
	{ SPAN_INIT("tim\0tim\0a"), "tim", "a" },
	{ SPAN_INIT("\0Tim@X.test\0a b\t"), "tim@x.test", "a b\t" },
	{ SPAN_INIT("ursel\0kurt\0xipj3plmq"), NULL, NULL },
	{ SPAN_INIT("Tim\0tim\0a"), NULL, NULL },
	{ SPAN_INIT(""), NULL, NULL },
	{ SPAN_INIT("tim"), NULL, NULL },
	{ SPAN_INIT("\0"), NULL, NULL },
	{ SPAN_INIT("\0tim"), NULL, NULL },
	{ SPAN_INIT("\0tim\0"), NULL, NULL },
	{ SPAN_INIT("\0\0a"), NULL, NULL },
	{ SPAN_INIT("\0tim\0a\0"), NULL, NULL },
	{ SPAN_INIT("\0tim\0a\0b"), NULL, NULL },
	{ SPAN_INIT("\0t im\0a"), NULL, NULL },
	{ SPAN_INIT("\0t\nim\0a"), NULL, NULL },
	{ SPAN_INIT("\0t(im\0a"), NULL, NULL },
	{ SPAN_INIT("\0t\xc3\xa9\0a"), NULL, NULL },
};

static void
plain_is_three_parts(void **state)
{
	char challenge[MECH_CHALLENGE_MAX];
	struct mech m;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(plains); i++)
		for (int later = 0; later < 2; later++) {
			struct span none = { 0 };
			enum mech_result r;

			buf_init(&b, challenge, sizeof(challenge));
			assert_true(mech_init(&m, SPAN("plain")));
			r = mech_start(&m,
			    later ? none : guarded(plains[i].message), &b);
			if (later) {
				assert_int_equal(r, MECH_CHALLENGE);
				assert_int_equal(b.n, 0);
				r = mech_step(&m, guarded(plains[i].message),
				    &b);
			}
			if (!plains[i].user) {
				assert_int_equal(r, MECH_REFUSED);
				assert_non_null(m.text);
				continue;
			}
			assert_int_equal(r, MECH_READY);
			assert_string_equal(m.user, plains[i].user);
			assert_string_equal(m.password, plains[i].password);
		}
}

static void
lengths_have_bounds(void **state)
{
	char bytes[1024] = { 0 }, challenge[MECH_CHALLENGE_MAX];
	struct mech m;
	struct buf b;

	(void)state;
	for (size_t user = MECH_USER_MAX - 1; user <= MECH_USER_MAX + 1; user++)
		for (size_t pass = SCHEME_PASSWORD_MAX - 1;
		     pass <= SCHEME_PASSWORD_MAX + 1; pass++) {
			struct span message = { bytes, 2 + user + pass };

			memset(bytes, 'a', sizeof(bytes));
			bytes[0] = bytes[1 + user] = '\0';
			buf_init(&b, challenge, sizeof(challenge));
			assert_true(mech_init(&m, SPAN("PLAIN")));
			assert_int_equal(mech_start(&m, message, &b),
			    user <= MECH_USER_MAX && pass <= SCHEME_PASSWORD_MAX
				? MECH_READY
				: MECH_REFUSED);
		}
}

static void
login_asks_twice(void **state)
{
	char challenge[2 * MECH_CHALLENGE_MAX];
	struct mech m;
	struct buf b;

	(void)state;
	assert_false(mech_init(&m, SPAN("CRAM-MD5")));
	assert_true(mech_init(&m, SPAN("Login")));
	buf_init(&b, challenge, sizeof(challenge));
	assert_int_equal(mech_start(&m, (struct span){ 0 }, &b),
	    MECH_CHALLENGE);
	assert_int_equal(mech_step(&m, SPAN("Tim"), &b), MECH_CHALLENGE);
	assert_span(buf_span(&b), SPAN("Username:Password:"));
	assert_int_equal(mech_step(&m, SPAN("pw"), &b), MECH_READY);
	assert_string_equal(m.user, "tim");
	assert_string_equal(m.password, "pw");
	mech_fini(&m);
	assert_int_equal(m.password[0], 0);

	assert_true(mech_init(&m, SPAN("LOGIN")));
	assert_int_equal(mech_start(&m, SPAN("tim"), &b), MECH_CHALLENGE);
	assert_int_equal(mech_step(&m, SPAN("p\0w"), &b), MECH_REFUSED);
	assert_true(mech_init(&m, SPAN("LOGIN")));
	assert_int_equal(mech_start(&m, SPAN(""), &b), MECH_REFUSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(base64_goes_there_and_back),
		TEST(what_others_hashed_matches),
		TEST(what_is_no_hash_is_unusable),
		TEST(what_is_made_matches),
		TEST(a_value_is_a_hash_and_fields),
		TEST(a_user_may_what_is_allowed),
		TEST(plain_is_three_parts),
		TEST(lengths_have_bounds),
		TEST(login_asks_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
