#include "tests/unit/test.h"

#include "mail/addrlist.h"
#include "mail/charset.h"
#include "mail/codec.h"
#include "mail/encoded_word.h"
#include "mail/mime.h"

#include <time.h>

struct row {
	struct span in;
	struct span want;
};

/* Parameters as name=value, by blanks. */
static const struct row params[] = {
	{ SPAN_INIT("; a=b"), SPAN_INIT("a=b ") },
	{ SPAN_INIT(""), SPAN_INIT("") },
	{ SPAN_INIT(";"), SPAN_INIT("") },
	{ SPAN_INIT(";;;a=b;;"), SPAN_INIT("a=b ") },
	{ SPAN_INIT("; A=\"x;y\"; c=d"), SPAN_INIT("A=x;y c=d ") },
	{ SPAN_INIT("; a=\"\\\"\\\\\""), SPAN_INIT("a=\"\\ ") },
	{ SPAN_INIT("; a=\"\\"), SPAN_INIT("a=\\ ") },
	{ SPAN_INIT("; a=\"b"), SPAN_INIT("a=b ") },
	{ SPAN_INIT("; a=\"\""), SPAN_INIT("a= ") },
	{ SPAN_INIT("; a=; b=c"), SPAN_INIT("b=c ") },
	{ SPAN_INIT("; (x(y)z) a (1) = (2) b (3) ; c=d"),
	    SPAN_INIT("a=b c=d ") },
	{ SPAN_INIT("; a=b junk; c=d"), SPAN_INIT("a=b c=d ") },
	{ SPAN_INIT("junk; c=d"), SPAN_INIT("c=d ") },
	{ SPAN_INIT("; (open"), SPAN_INIT("") },
	{ SPAN_INIT("; a*0=b; a*1=c"), SPAN_INIT("a=bc ") },
	{ SPAN_INIT("; a*1=c; a*0=b"), SPAN_INIT("a=bc ") },
	{ SPAN_INIT("; a*0*=u''%41; a*1=b%"), SPAN_INIT("a*=u''%41b%25 ") },
	{ SPAN_INIT("; a*0=b; a*1*=%41"), SPAN_INIT("a*=''b%41 ") },
	{ SPAN_INIT("; a*=u''b"), SPAN_INIT("a*=u''b ") },
	{ SPAN_INIT("; a*2=c"), SPAN_INIT("a*2=c ") },
	{ SPAN_INIT("; a*2*=c"), SPAN_INIT("a*2*=c ") },
	{ SPAN_INIT("; a*0=b; A*1=c; a*0=d"), SPAN_INIT("a=bc a=d ") },
	{ SPAN_INIT("; *=b; *0=c; **=d"), SPAN_INIT("*=b *0=c **=d ") },
	{ SPAN_INIT("; a*99999999999999999999=b"),
	    SPAN_INIT("a*99999999999999999999=b ") },
};

static void
parameters_are_read_as_they_come(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(params); i++) {
		struct arena *a CLEANUP(arena_freep) = arena_new(65536);
		struct mime_param *p = mime_params(guarded(params[i].in), a);
		char storage[256];
		struct buf out;

		print_row(params[i].in);
		buf_init(&out, storage, sizeof(storage));
		for (; p; p = p->next) {
			buf_put(&out, p->name);
			buf_put(&out, SPAN("="));
			buf_put(&out, p->value);
			buf_put(&out, SPAN(" "));
		}
		assert_span(buf_span(&out), params[i].want);
	}
}

static void
no_arena_is_too_small_for_parameters(void **state)
{
	(void)state;
	for (size_t max = 0; max < 600; max++) {
		struct arena *a CLEANUP(arena_freep) = arena_new(max);
		struct mime_param *p =
		    mime_params(SPAN("; a=\"b\"; c*0=d; c*1*=e; f*=g"), a);

		for (; p; p = p->next)
			assert_non_null(p->name.p);
	}
}

/* name|route|mailbox|domain of each, by blanks; {..} around a group. */
static const struct row addresses[] = {
	{ SPAN_INIT("a@b"), SPAN_INIT("-|-|a|b ") },
	{ SPAN_INIT(""), SPAN_INIT("") },
	{ SPAN_INIT(" , ,"), SPAN_INIT("") },
	{ SPAN_INIT("X Y <a@b>, c@d"), SPAN_INIT("X Y|-|a|b -|-|c|d ") },
	{ SPAN_INIT("\"X, Y\" <a@b>"), SPAN_INIT("X, Y|-|a|b ") },
	{ SPAN_INIT("a@b (c (d) e)"), SPAN_INIT("c (d) e|-|a|b ") },
	{ SPAN_INIT("a@b (c\\)d)"), SPAN_INIT("c)d|-|a|b ") },
	{ SPAN_INIT("<@x,@y:a@b>"), SPAN_INIT("-|@x,@y|a|b ") },
	{ SPAN_INIT("g:;"), SPAN_INIT("{g } ") },
	{ SPAN_INIT("g: a@b, c@d ;, e@f"),
	    SPAN_INIT("{g -|-|a|b -|-|c|d } -|-|e|f ") },
	{ SPAN_INIT("g: a@b"), SPAN_INIT("{g -|-|a|b } ") },
	{ SPAN_INIT("g: h: a@b;"), SPAN_INIT("{g -|-|h|- } ") },
	{ SPAN_INIT("a"), SPAN_INIT("-|-|a|- ") },
	{ SPAN_INIT("<a"), SPAN_INIT("-|-|a|- ") },
	{ SPAN_INIT("<>"), SPAN_INIT("-|-||- ") },
	{ SPAN_INIT("a . b @ c . d"), SPAN_INIT("-|-|a.b|c.d ") },
	{ SPAN_INIT("\"a . b\"@c"), SPAN_INIT("-|-|a . b|c ") },
	{ SPAN_INIT("a@[1.2.3.4]"), SPAN_INIT("-|-|a|[1.2.3.4] ") },
	{ SPAN_INIT("a@[1.2"), SPAN_INIT("-|-|a|[1.2 ") },
	{ SPAN_INIT("\"a\\"), SPAN_INIT("-|-|a\\|- ") },
	{ SPAN_INIT("(c"), SPAN_INIT("") },
	{ SPAN_INIT("a\0b@c"), SPAN_INIT("-|-|a b|c ") },
	{ SPAN_INIT("@"), SPAN_INIT("-|-||- ") },
	{ SPAN_INIT("a@b c@d, e@f"), SPAN_INIT("-|-|a|b -|-|e|f ") },
};

static void
put_part(struct buf *out, struct span s)
{
	buf_put(out, s.p ? s : SPAN("-"));
}

static void
addresses_are_told_one_by_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(addresses); i++) {
		char scratch[256], storage[256];
		struct addrlist list;
		struct addrlist_item item;
		struct buf out;

		print_row(addresses[i].in);
		buf_init(&out, storage, sizeof(storage));
		addrlist_init(&list, guarded(addresses[i].in), scratch,
		    sizeof(scratch));
		while (addrlist_next(&list, &item)) {
			if (item.kind == ADDRLIST_GROUP)
				buf_put(&out, SPAN("{"));
			if (item.kind == ADDRLIST_GROUP)
				buf_put(&out, item.mailbox);
			if (item.kind == ADDRLIST_GROUP_END)
				buf_put(&out, SPAN("}"));
			if (item.kind == ADDRLIST_MAILBOX) {
				put_part(&out, item.name);
				buf_put(&out, SPAN("|"));
				put_part(&out, item.route);
				buf_put(&out, SPAN("|"));
				put_part(&out, item.mailbox);
				buf_put(&out, SPAN("|"));
				put_part(&out,
				    item.domain.n ? item.domain
						  : (struct span){ 0 });
			}
			buf_put(&out, SPAN(" "));
		}
		assert_span(buf_span(&out), addresses[i].want);
	}
}

static const struct row words[] = {
	{ SPAN_INIT("plain text"), SPAN_INIT("plain text") },
	{ SPAN_INIT("=?utf-8?q?a_b=C3=A9?="), SPAN_INIT("a b\xc3\xa9") },
	{ SPAN_INIT("=?UTF-8?B?w6k=?= x"), SPAN_INIT("\xc3\xa9 x") },
	{ SPAN_INIT("=?UTF-8?B?w6k?="), SPAN_INIT("\xc3\xa9") },
	{ SPAN_INIT("=?iso-8859-1?q?=E9?="), SPAN_INIT("\xc3\xa9") },
	{ SPAN_INIT("a =?utf-8?q?b?= =?utf-8?q?c?= d"), SPAN_INIT("a bc d") },
	{ SPAN_INIT("=?utf-8?q?b?=\t =?utf-8?q?c?="), SPAN_INIT("bc") },
	{ SPAN_INIT("=?utf-8*en?q?b?="), SPAN_INIT("b") },
	{ SPAN_INIT("(=?utf-8?q?b?=)"), SPAN_INIT("(b)") },
	{ SPAN_INIT("=?nope?q?b?="), SPAN_INIT("=?nope?q?b?=") },
	{ SPAN_INIT("=?utf-8//IGNORE?q?b?="),
	    SPAN_INIT("=?utf-8//IGNORE?q?b?=") },
	{ SPAN_INIT("=?utf-8?x?b?="), SPAN_INIT("=?utf-8?x?b?=") },
	{ SPAN_INIT("=?utf-8?q?b"), SPAN_INIT("=?utf-8?q?b") },
	{ SPAN_INIT("=?utf-8?q?b?"), SPAN_INIT("=?utf-8?q?b?") },
	{ SPAN_INIT("=?utf-8?q?=FF?="), SPAN_INIT("\xef\xbf\xbd") },
	{ SPAN_INIT("=?utf-8?q?a=00b?="), SPAN_INIT("ab") },
	{ SPAN_INIT("=?utf-8?q?=?="), SPAN_INIT("=") },
	{ SPAN_INIT("=?"), SPAN_INIT("=?") },
	{ SPAN_INIT("=?iso-2022-jp?b?GyRCJWYbKEI=?="),
	    SPAN_INIT("\xe3\x83\xa6") },
};

static void
encoded_words_become_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		char storage[256];
		struct buf out;

		print_row(words[i].in);
		buf_init(&out, storage, sizeof(storage));
		encoded_words(guarded(words[i].in), &out);
		assert_span(buf_span(&out), words[i].want);
	}
}

static const struct row qps[] = {
	{ SPAN_INIT("a=3Db\n"), SPAN_INIT("a=b\n") },
	{ SPAN_INIT("a=\nb"), SPAN_INIT("ab") },
	{ SPAN_INIT("a=\r\nb\r\n"), SPAN_INIT("ab\r\n") },
	{ SPAN_INIT("a  \nb"), SPAN_INIT("a\nb") },
	{ SPAN_INIT("a \t\r\nb"), SPAN_INIT("a\r\nb") },
	{ SPAN_INIT("a b\rc"), SPAN_INIT("a b\rc") },
	{ SPAN_INIT("=3d=c3=A9"), SPAN_INIT("=\xc3\xa9") },
	{ SPAN_INIT("=zz=4=41"), SPAN_INIT("=zz=4A") },
	{ SPAN_INIT("=="), SPAN_INIT("==") },
	{ SPAN_INIT("a="), SPAN_INIT("a=") },
	{ SPAN_INIT("a  "), SPAN_INIT("a") },
};

static void
quoted_printable_is_undone_in_any_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(qps); i++)
		for (size_t step = 1; step <= qps[i].in.n; step++) {
			char storage[256];
			struct qp q = { .word = false };
			struct buf out;

			buf_init(&out, storage, sizeof(storage));
			for (size_t at = 0; at < qps[i].in.n; at += step) {
				size_t n = qps[i].in.n - at;
				struct span in = guarded((struct span){
				    qps[i].in.p + at, n < step ? n : step });

				qp_feed(&q, &in, &out);
				assert_int_equal(in.n, 0);
			}
			qp_end(&q, &out);
			assert_span(buf_span(&out), qps[i].want);
		}
}

static const struct row base64s[] = {
	{ SPAN_INIT("aGVsbG8="), SPAN_INIT("hello") },
	{ SPAN_INIT("aGVs\r\nbG8=\r\n"), SPAN_INIT("hello") },
	{ SPAN_INIT("YQ==YQ=="), SPAN_INIT("aa") },
	{ SPAN_INIT("Y-Q=\n=YWI="), SPAN_INIT("aab") },
	{ SPAN_INIT("===="), SPAN_INIT("") },
	{ SPAN_INIT("////"), SPAN_INIT("\xff\xff\xff") },
};

static void
base64_is_undone_in_any_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(base64s); i++)
		for (size_t step = 1; step <= base64s[i].in.n; step++) {
			char storage[256];
			struct base64 b = { 0 };
			struct buf out;

			buf_init(&out, storage, sizeof(storage));
			for (size_t at = 0; at < base64s[i].in.n; at += step) {
				size_t n = base64s[i].in.n - at;
				struct span in = guarded(
				    (struct span){ base64s[i].in.p + at,
					n < step ? n : step });

				base64_feed(&b, &in, &out);
				assert_int_equal(in.n, 0);
			}
			assert_span(buf_span(&out), base64s[i].want);
		}
}

/* Feeds `text` so many times. */
static void
feed_many(struct mime_parser *m, struct span text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mime_feed(m, text);
}

static unsigned
count_parts(const struct mime_part *part)
{
	unsigned n = 1;

	for (const struct mime_part *p = part->parts; p; p = p->next)
		n += count_parts(p);
	return n;
}

/* DOS 01: each ends soon, with no more memory than the arena has. */
static void
bombs_are_bounded(void **state)
{
	static const struct {
		struct span head;
		struct span again;
		size_t n;
		unsigned parts;
	} bombs[] = {
		{ SPAN_INIT("To: "), SPAN_INIT("a@demo.test, "), 1000000, 1 },
		{ SPAN_INIT(""), SPAN_INIT("To: a@demo.test\n"), 1000000, 1 },
		{ SPAN_INIT("Content-Type: multipart/mixed; boundary=b\n\n"),
		    SPAN_INIT("--b\n\nx\n"), 100000, MIME_PARTS_MAX },
		{ SPAN_INIT(""), SPAN_INIT("Content-Type: message/rfc822\n\n"),
		    10000, MIME_DEPTH_MAX + 1 },
		{ SPAN_INIT(""),
		    SPAN_INIT("Content-Type: multipart/mixed; boundary=b\n\n"
			      "--b\n"),
		    10000, MIME_PARTS_MAX },
		{ SPAN_INIT("Content-Type: text/plain"), SPAN_INIT("; a*1*=b"),
		    1000000, 1 },
		{ SPAN_INIT("Content-Type: text/plain"), SPAN_INIT("; (("),
		    1000000, 1 },
		{ SPAN_INIT("Content-Type: multipart/mixed; boundary=b\n\n"),
		    SPAN_INIT("--b\nContent-Type: text/plain;a=b;c=d;e=\"f\""
			      "\nContent-ID: <xxxxxxxxxxxxxxxxxxxxxxxxxx>\n"
			      "\n"),
		    100000, MIME_PARTS_MAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bombs); i++) {
		struct arena *a CLEANUP(arena_freep) = arena_new(
		    MIME_ARENA_MAX);
		struct mime_parser *m CLEANUP(mime_freep) = mime_new(a);
		struct mime_part *root;
		struct timespec t0, t1;
		double took;

		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
		mime_feed(m, bombs[i].head);
		feed_many(m, bombs[i].again, bombs[i].n);
		root = mime_end(m);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
		took = (double)(t1.tv_sec - t0.tv_sec) +
		    (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
		print_message("# bomb %zu: %.3f s, %u parts\n", i, took,
		    count_parts(root));
		assert_int_equal(count_parts(root), bombs[i].parts);
		assert_int_equal(root->end.at,
		    bombs[i].head.n + bombs[i].n * bombs[i].again.n);
		assert_true(took < 10);
	}
}

static void
every_limit_of_memory_leaves_a_tree(void **state)
{
	static const struct span text = SPAN_INIT(
	    "From: a@b\nTo: c\nTo: d\nContent-Type: multipart/mixed;\n"
	    " boundary=b\n\n--b\nContent-Type: message/rfc822\n\nTo: x\n\ny\n"
	    "--b\nContent-Disposition: attachment; filename*0=x\n\nz\n--b--\n");

	(void)state;
	for (size_t max = 0; max < 8192; max += 8) {
		struct arena *a CLEANUP(arena_freep) = arena_new(max);
		struct mime_parser *m CLEANUP(mime_freep) = mime_new(a);
		struct mime_part *root;

		mime_feed(m, text);
		root = mime_end(m);
		if (!root)
			continue;
		assert_int_equal(root->end.at, text.n);
		if (root->kind == MIME_MESSAGE)
			assert_non_null(root->parts->envelope);
		if (max + 8 >= 8192)
			assert_int_equal(count_parts(root), 4);
	}
}

static void
numbers_lead_to_parts(void **state)
{
	static const struct span text = SPAN_INIT(
	    "Content-Type: multipart/mixed; boundary=b\n\n"
	    "--b\n\none\n"
	    "--b\nContent-Type: message/rfc822\n\n"
	    "Content-Type: multipart/mixed; boundary=c\n\n"
	    "--c\n\nin\n--c\nContent-Type: text/html\n\nin\n--c--\n"
	    "--b\nContent-Type: message/rfc822\n\nSubject: x\n\nalone\n"
	    "--b--\n");
	static const struct {
		uint32_t numbers[4];
		size_t n;
		unsigned depth; /* 99: none */
		enum mime_kind kind;
	} rows[] = {
		{ { 0 }, 0, 0, MIME_MULTIPART },
		{ { 1 }, 1, 1, MIME_TEXT },
		{ { 2 }, 1, 1, MIME_MESSAGE },
		{ { 2, 1 }, 2, 3, MIME_TEXT },
		{ { 2, 2 }, 2, 3, MIME_TEXT },
		{ { 3, 1 }, 2, 2, MIME_TEXT },
		{ { 1, 1 }, 2, 99, MIME_TEXT },
		{ { 3, 1, 1 }, 3, 99, MIME_TEXT },
		{ { 3, 2 }, 2, 99, MIME_TEXT },
		{ { 2, 3 }, 2, 99, MIME_TEXT },
		{ { 4 }, 1, 99, MIME_TEXT },
		{ { 0 }, 1, 99, MIME_TEXT },
	};
	struct arena *a CLEANUP(arena_freep) = arena_new(MIME_ARENA_MAX);
	struct mime_parser *m CLEANUP(mime_freep) = mime_new(a);
	struct mime_part *root;

	(void)state;
	mime_feed(m, text);
	root = mime_end(m);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct mime_part *p = mime_find(root, rows[i].numbers,
		    rows[i].n);

		print_message("# row %zu\n", i);
		assert_int_equal(p ? p->depth : 99, rows[i].depth);
		if (p)
			assert_int_equal(p->kind, rows[i].kind);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(parameters_are_read_as_they_come),
		TEST(no_arena_is_too_small_for_parameters),
		TEST(addresses_are_told_one_by_one),
		TEST(encoded_words_become_utf8),
		TEST(quoted_printable_is_undone_in_any_pieces),
		TEST(base64_is_undone_in_any_pieces),
		TEST(bombs_are_bounded),
		TEST(every_limit_of_memory_leaves_a_tree),
		TEST(numbers_lead_to_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
