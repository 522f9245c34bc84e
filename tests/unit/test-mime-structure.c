/*
 * Hard messages of tests/data/mime, each with what is told of it in NAME.want:
 * its size on the wire, ENVELOPE and BODYSTRUCTURE, with literals shown as quoted
 * strings. Where Dovecot (NAME.dovecot, see tests/peer/mime-structure) tells
 * something else, the reason stands in tests/data/mime/README.
 */
#include "tests/unit/test.h"

#include "imapd/format/section.h"
#include "imapd/format/structure.h"
#include "imapd/parse/command.h"

#include <glob.h>

enum {
	TEXT_MAX = 1 << 20,
};

static char scratch[STRUCTURE_SCRATCH];

static struct span
read_file(const char *name, char *storage)
{
	FILE *f = fopen(name, "r");
	size_t n = f ? fread(storage, 1, TEXT_MAX, f) : 0;

	if (f)
		fclose(f);
	return (struct span){ storage, n };
}

/* "{3}" CRLF "abc" as "abc", unprintable bytes as \xNN. */
static void
show_literals(struct span in, struct buf *out)
{
	while (in.n > 0) {
		struct span line = span_cut(&in, '{');
		unsigned long n;
		char *end;

		buf_put(out, line);
		if (in.n == 0)
			return;
		n = strtoul(in.p, &end, 10);
		must(end[0] == '}' && end[1] == '\r' && end[2] == '\n');
		in.n -= (size_t)(end + 3 - in.p);
		in.p = end + 3;
		must(n <= in.n);
		buf_put(out, SPAN("\""));
		for (size_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)in.p[i];

			if (c == '"' || c == '\\')
				buf_putf(out, "\\%c", c);
			else
				buf_putf(out,
				    c < ' ' || c > '~' ? "\\x%02x" : "%c", c);
		}
		buf_put(out, SPAN("\""));
		in = (struct span){ in.p + n, in.n - n };
	}
}

/* The three lines, of a message fed in pieces of `step` bytes. */
static void
describe(struct span text, size_t step, struct buf *shown)
{
	static char storage[TEXT_MAX];
	struct arena *a CLEANUP(arena_freep) = arena_new(MIME_ARENA_MAX);
	struct mime_parser *m CLEANUP(mime_freep) = mime_new(a);
	struct mime_part *root;
	struct buf b;
	struct out o = { out_to_buf, &b };

	for (size_t at = 0; at < text.n; at += step) {
		size_t n = text.n - at < step ? text.n - at : step;

		mime_feed(m, guarded((struct span){ text.p + at, n }));
	}
	root = mime_end(m);
	must(root);
	buf_init(&b, storage, sizeof(storage));
	out_put(&o, SPAN("RFC822.SIZE "));
	out_number(&o, root->end.wire);
	out_put(&o, SPAN("\nENVELOPE "));
	out_envelope(&o, root->envelope, scratch);
	out_put(&o, SPAN("\nBODYSTRUCTURE "));
	out_structure(&o, root, true, scratch);
	out_put(&o, SPAN("\n"));
	must(!b.overflow);
	show_literals(buf_span(&b), shown);
}

static void
hard_messages_are_told_as_they_are(void **state)
{
	static char text[TEXT_MAX], want[TEXT_MAX], got[TEXT_MAX];
	static char path[512];
	unsigned failed = 0;
	glob_t names;

	(void)state;
	assert_int_equal(glob(TEST_DATA "/mime/*.eml", 0, NULL, &names), 0);
	assert_true(names.gl_pathc >= 60);
	for (size_t i = 0; i < names.gl_pathc; i++) {
		char *name = names.gl_pathv[i];
		struct span message = read_file(name, text);
		struct buf shown;

		buf_init(&shown, got, sizeof(got));
		describe(message, message.n + 1, &shown);
		memcpy(strrchr(name, '.'), ".wan", 4);
		snprintf(path, sizeof(path), "%st", name);
		if (span_eq(buf_span(&shown), read_file(path, want)))
			continue;
		failed++;
		/* cmocka would cut it. */
		fprintf(stderr, "%s\n%.*s", path, (int)shown.n, shown.p);
	}
	globfree(&names);
	assert_int_equal(failed, 0);
}

static void
every_segmentation_tells_the_same(void **state)
{
	static char text[TEXT_MAX], one[TEXT_MAX], two[TEXT_MAX];
	glob_t names;

	(void)state;
	assert_int_equal(glob(TEST_DATA "/mime/*.eml", 0, NULL, &names), 0);
	for (size_t i = 0; i < names.gl_pathc; i++) {
		struct span message = read_file(names.gl_pathv[i], text);
		struct buf whole;

		buf_init(&whole, one, sizeof(one));
		describe(message, message.n + 1, &whole);
		for (size_t step = 1; step < 8; step += 2) {
			struct buf pieces;

			buf_init(&pieces, two, sizeof(two));
			describe(message, step, &pieces);
			assert_span(buf_span(&pieces), buf_span(&whole));
		}
	}
	globfree(&names);
}

/* What an item of FETCH gets of a message, fed in pieces. */
static void
fetch(struct span text, const char *item_text, size_t step, struct buf *shown)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(MIME_ARENA_MAX);
	struct mime_parser *m CLEANUP(mime_freep) = mime_new(a);
	struct out o = { out_to_buf, shown };
	char storage[256];
	struct section_range range;
	struct imap_command c;
	struct buf command;
	const char *error;
	struct wire w;

	buf_init(&command, storage, sizeof(storage));
	buf_putf(&command, "a FETCH 1 %s", item_text);
	assert_int_equal(imap_parse(buf_span(&command), a, &c, &error),
	    IMAP_OK);
	mime_feed(m, text);
	if (!section_find(mime_end(m), c.fetch, &range)) {
		buf_put(shown, SPAN("NIL"));
		return;
	}
	wire_init(&w, &o, c.fetch);
	for (uint64_t at = range.from.at; at < range.to.at; at += step) {
		size_t n = (size_t)(range.to.at - at);

		wire_feed(&w,
		    guarded((struct span){ text.p + at, n < step ? n : step }));
	}
	wire_end(&w);
	assert_int_equal(w.sent, shown->n);
	assert_int_equal(w.sent, section_size(c.fetch, w.size));
	if (c.fetch->fields_n == 0)
		assert_int_equal(w.size, range.to.wire - range.from.wire);
}

static void
sections_are_the_bytes_they_name(void **state)
{
	static const struct span text = SPAN_INIT(
	    "From: a\nTo: b,\n\tc\nSubject : x\n"
	    "Content-Type: multipart/mixed; boundary=b\n\npre\n"
	    "--b\nContent-ID: <i>\n\none\r\ntwo\n--b\n"
	    "Content-Type: message/rfc822\n\nTo: in\n\n\0in\n--b--\n");
	static const struct {
		const char *item;
		struct span want;
	} rows[] = {
		{ "BODY[1]", SPAN_INIT("one\r\ntwo") },
		{ "BODY[1.MIME]", SPAN_INIT("Content-ID: <i>\r\n\r\n") },
		{ "BODY[1]<1.3>", SPAN_INIT("ne\r") },
		{ "BODY[1]<4.1>", SPAN_INIT("\n") },
		{ "BODY[1]<8.1>", SPAN_INIT("") },
		{ "BODY[1]<4294967295.4294967295>", SPAN_INIT("") },
		{ "BODY[2]", SPAN_INIT("To: in\r\n\r\n\x80in") },
		{ "BODY[2.1]", SPAN_INIT("\x80in") },
		{ "BODY[2.TEXT]", SPAN_INIT("\x80in") },
		{ "BODY[2.HEADER]", SPAN_INIT("To: in\r\n\r\n") },
		{ "BODY[1.HEADER]", SPAN_INIT("NIL") },
		{ "BODY[1.TEXT]", SPAN_INIT("NIL") },
		{ "BODY[3]", SPAN_INIT("NIL") },
		{ "BODY[HEADER.FIELDS (to)]",
		    SPAN_INIT("To: b,\r\n\tc\r\n\r\n") },
		{ "BODY[HEADER.FIELDS (subject x)]",
		    SPAN_INIT("Subject : x\r\n\r\n") },
		{ "BODY[HEADER.FIELDS (x)]", SPAN_INIT("\r\n") },
		{ "BODY[HEADER.FIELDS.NOT (To Content-Type)]<5.4>",
		    SPAN_INIT(" a\r\n") },
		{ "BODY[2.HEADER.FIELDS (To)]", SPAN_INIT("To: in\r\n\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t step = 1; step < 30; step++) {
			char storage[512];
			struct buf b;

			print_message("# %s by %zu\n", rows[i].item, step);
			buf_init(&b, storage, sizeof(storage));
			fetch(text, rows[i].item, step, &b);
			assert_span(buf_span(&b), rows[i].want);
		}
}

static void
all_sizes_told_are_the_sizes_sent(void **state)
{
	static const char *const items[] = { "BODY[]", "BODY[TEXT]",
		"BODY[HEADER]", "BODY[1]", "BODY[2]", "BODY[1.1]", "BODY[2.1]",
		"BODY[1.MIME]", "BODY[1.1.1]", "BODY[HEADER.FIELDS.NOT (x)]" };
	static char text[TEXT_MAX], storage[TEXT_MAX];
	glob_t names;

	(void)state;
	assert_int_equal(glob(TEST_DATA "/mime/*.eml", 0, NULL, &names), 0);
	for (size_t i = 0; i < names.gl_pathc; i++)
		for (size_t k = 0; k < COUNT_OF(items); k++) {
			struct buf b;

			buf_init(&b, storage, sizeof(storage));
			fetch(read_file(names.gl_pathv[i], text), items[k], 7,
			    &b);
		}
	globfree(&names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hard_messages_are_told_as_they_are),
		TEST(every_segmentation_tells_the_same),
		TEST(sections_are_the_bytes_they_name),
		TEST(all_sizes_told_are_the_sizes_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
