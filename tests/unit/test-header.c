#include "tests/unit/test.h"

#include "mail/header.h"
#include "mail/received.h"

#include <time.h>

static const struct {
	struct span text;
	struct span want; /* empty: the same */
	struct span id;
	unsigned received;
} rows[] = {
	{ SPAN_INIT(""), SPAN_INIT(""), SPAN_INIT(""), 0 },
	{ SPAN_INIT("\nbody\n"), SPAN_INIT(""), SPAN_INIT(""), 0 },
	{ SPAN_INIT("A: b\nReceived: x\n y\nreceived:z\n\nReceived: n\n"),
	    SPAN_INIT(""), SPAN_INIT(""), 2 },
	{ SPAN_INIT("Message-Id:  <a@b> \nX: y\n\n"), SPAN_INIT(""),
	    SPAN_INIT("<a@b>"), 0 },
	{ SPAN_INIT("Message-ID:\n\t<a@\n b>\n\n"), SPAN_INIT(""),
	    SPAN_INIT("<a@ b>"), 0 },
	{ SPAN_INIT("Message-ID: <1>\nMessage-ID: <2>\n"), SPAN_INIT(""),
	    SPAN_INIT("<1>"), 0 },
	{ SPAN_INIT("no header\nReceived: x\n"),
	    SPAN_INIT("\nno header\nReceived: x\n"), SPAN_INIT(""), 0 },
	{ SPAN_INIT("A: b\nno header\n"), SPAN_INIT("A: b\n\nno header\n"),
	    SPAN_INIT(""), 0 },
	{ SPAN_INIT("A: b\nlast"), SPAN_INIT("A: b\n\nlast"), SPAN_INIT(""),
	    0 },
	{ SPAN_INIT(" folded\n"), SPAN_INIT("\n folded\n"), SPAN_INIT(""), 0 },
	{ SPAN_INIT("From a Sat Nov 21 1:02:03 2026\n>From b x\nReceived: c\n"),
	    SPAN_INIT("Mailbox-Line: From a Sat Nov 21 1:02:03 2026\n"
		      "Mailbox-Line: >From b x\nReceived: c\n"),
	    SPAN_INIT(""), 1 },
	{ SPAN_INIT("A: b\nFrom a Sat\n"), SPAN_INIT("A: b\n\nFrom a Sat\n"),
	    SPAN_INIT(""), 0 },
	{ SPAN_INIT("From  a\n"), SPAN_INIT("\nFrom  a\n"), SPAN_INIT(""), 0 },
	{ SPAN_INIT("From : a\n"), SPAN_INIT(""), SPAN_INIT(""), 0 },
	{ SPAN_INIT("A : b\n"), SPAN_INIT(""), SPAN_INIT(""), 0 },
	{ SPAN_INIT(": b\n"), SPAN_INIT("\n: b\n"), SPAN_INIT(""), 0 },
	{ SPAN_INIT("A: \0\xff\r\n\r\n"), SPAN_INIT("A: \0\xff\r\n\n\r\n"),
	    SPAN_INIT(""), 0 },
};

static char storage[4096];
static struct buf out;

static bool
put(struct span piece, void *arg)
{
	(void)arg;
	buf_put(&out, piece);
	return !out.overflow;
}

static void
heads_in_every_segmentation(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t step = 1; step <= rows[i].text.n + 1; step++) {
			struct header_scan h = { .put = put };
			struct span rest = rows[i].text;

			buf_init(&out, storage, sizeof(storage));
			while (rest.n > 0) {
				size_t n = rest.n < step ? rest.n : step;

				assert_true(header_scan_feed(&h,
				    guarded((struct span){ rest.p, n })));
				rest.p += n;
				rest.n -= n;
			}
			assert_true(header_scan_end(&h));
			assert_span(buf_span(&out),
			    rows[i].want.n ? rows[i].want : rows[i].text);
			assert_span(((struct span){ h.id, h.id_n }),
			    rows[i].id);
			assert_int_equal(h.received, rows[i].received);
		}
}

static bool
wants_to(struct span name, void *arg)
{
	(void)arg;
	return span_ieq(name, SPAN("To")) || span_ieq(name, SPAN("Keep"));
}

static bool
change_to(struct span name, struct span value, struct span *value_r, void *arg)
{
	(void)arg;
	*value_r = SPAN(" changed\n");
	return span_ieq(name, SPAN("To")) && value.n > 0;
}

static void
fields_are_changed_in_every_segmentation(void **state)
{
	static const struct {
		struct span text;
		struct span want;
	} fields[] = {
		{ SPAN_INIT("A: b\nTo: x\nC: d\n\nTo: x\n"),
		    SPAN_INIT("A: b\nTo: changed\nC: d\n\nTo: x\n") },
		{ SPAN_INIT("to : x,\n\ty\n z\nTO:\n\nbody"),
		    SPAN_INIT("to : changed\nTO: changed\n\nbody") },
		{ SPAN_INIT("Keep: x,\n y\nTo: x\n"),
		    SPAN_INIT("Keep: x,\n y\nTo: changed\n") },
		{ SPAN_INIT("To: x\nno header\n"),
		    SPAN_INIT("To: changed\n\nno header\n") },
		{ SPAN_INIT("To: x"), SPAN_INIT("To: changed\n") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		for (size_t step = 1; step <= fields[i].text.n; step++) {
			struct header_scan h = {
				.put = put,
				.wants = wants_to,
				.field = change_to,
			};
			struct span rest = fields[i].text;

			buf_init(&out, storage, sizeof(storage));
			while (rest.n > 0) {
				size_t n = rest.n < step ? rest.n : step;

				assert_true(header_scan_feed(&h,
				    guarded((struct span){ rest.p, n })));
				rest.p += n;
				rest.n -= n;
			}
			assert_true(header_scan_end(&h));
			assert_span(buf_span(&out), fields[i].want);
			header_scan_fini(&h);
		}
}

/* It goes on as it came. */
static void
too_long_a_field_is_not_changed(void **state)
{
	static char all[HEADER_FIELD_MAX + 4096];
	struct header_scan h = {
		.put = put,
		.wants = wants_to,
		.field = change_to,
	};
	static char text[HEADER_FIELD_MAX + 100];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "To:", 3);
	memcpy(text + sizeof(text) - 7, "\nTo:z\n", 6);
	buf_init(&out, all, sizeof(all));
	for (size_t i = 0; i < sizeof(text) - 1; i += 1000) {
		size_t n = sizeof(text) - 1 - i;

		assert_true(header_scan_feed(&h,
		    (struct span){ text + i, n < 1000 ? n : 1000 }));
	}
	assert_true(header_scan_end(&h));
	header_scan_fini(&h);
	assert_memory_equal(out.p, text, sizeof(text) - 7);
	assert_span(((struct span){ out.p + sizeof(text) - 7,
			out.n - sizeof(text) + 7 }),
	    SPAN("\nTo: changed\n"));
}

static void
a_name_has_an_end(void **state)
{
	static char text[2 * HEADER_NAME_MAX];

	(void)state;
	for (size_t n = HEADER_NAME_MAX - 2; n < HEADER_NAME_MAX + 3; n++) {
		struct header_scan h = { .put = put };

		memset(text, 'A', sizeof(text));
		text[n] = ':';
		text[n + 1] = '\n';
		buf_init(&out, storage, sizeof(storage));
		assert_true(header_scan_feed(&h, (struct span){ text, n + 2 }));
		assert_true(header_scan_end(&h));
		assert_int_equal(out.n, n + 2 + (n + 1 > HEADER_NAME_MAX));
	}
}

static void
complete(struct header_scan *h)
{
	if (!(h->has & HEADER_HAS_DATE))
		header_scan_add(h, SPAN("Date: now\n"));
	if (!(h->has & HEADER_HAS_FROM))
		header_scan_add(h, SPAN("From: me\n"));
	if (!(h->has & HEADER_HAS_ID))
		header_scan_add(h, SPAN("Message-ID: <1>\n"));
}

static void
what_a_head_lacks_is_put_behind_it(void **state)
{
	static const struct {
		struct span text, wanted;
	} lacking[] = {
		{ SPAN_INIT("To: a\n\nbody\n"),
		    SPAN_INIT("To: a\nDate: now\nFrom: me\n"
			      "Message-ID: <1>\n\nbody\n") },
		{ SPAN_INIT("DATE : x\nfrom: y\n z\nMessage-Id: q\n\nb\n"),
		    SPAN_INIT("DATE : x\nfrom: y\n z\nMessage-Id: q\n\nb\n") },
		{ SPAN_INIT("Date: x\nno field\n"),
		    SPAN_INIT("Date: x\nFrom: me\nMessage-ID: <1>\n\n"
			      "no field\n") },
		{ SPAN_INIT("Resent-From: x\nFrom: y\n"),
		    SPAN_INIT("Resent-From: x\nFrom: y\nDate: now\n"
			      "Message-ID: <1>\n") },
		{ SPAN_INIT(""),
		    SPAN_INIT("Date: now\nFrom: me\nMessage-ID: <1>\n") },
		{ SPAN_INIT("\nDate: x\n"),
		    SPAN_INIT("Date: now\nFrom: me\nMessage-ID: <1>\n\n"
			      "Date: x\n") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lacking); i++)
		for (size_t step = 1; step <= lacking[i].text.n + 1; step++) {
			struct header_scan h = { .put = put, .end = complete };
			struct span rest = lacking[i].text;

			buf_init(&out, storage, sizeof(storage));
			while (rest.n > 0) {
				size_t n = rest.n < step ? rest.n : step;

				assert_true(header_scan_feed(&h,
				    (struct span){ rest.p, n }));
				rest.p += n;
				rest.n -= n;
			}
			assert_true(header_scan_end(&h));
			assert_span(buf_span(&out), lacking[i].wanted);
		}
}

static void
received_tells_of_tls(void **state)
{
	struct received r = {
		.helo = SPAN("c.test"),
		.client_name = SPAN("unknown"),
		.client_addr = SPAN("192.0.2.1"),
		.host = SPAN("mx.demo.test"),
		.mail_name = SPAN("Postrider"),
		.proto = SPAN("ESMTPS"),
		.tls = SPAN("TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 "
			    "(256/256 bits)"),
		.key_exchange = SPAN("X25519"),
		.signature = SPAN("RSA-PSS (2048 bits) server-digest SHA256"),
	};

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	received_put_head(&out, &r);
	assert_span(buf_span(&out),
	    SPAN("Received: from c.test (unknown [192.0.2.1])\n"
		 "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 "
		 "(256/256 bits)\n"
		 "\t key-exchange X25519 server-signature RSA-PSS (2048 bits) "
		 "server-digest SHA256)\n"
		 "\t(No client certificate requested)\n"
		 "\tby mx.demo.test (Postrider) with ESMTPS id "));
	r.tls = SPAN("TLSv1.2 with cipher X (128/128 bits)");
	r.key_exchange = r.signature = SPAN("");
	buf_init(&out, storage, sizeof(storage));
	received_put_head(&out, &r);
	assert_non_null(memmem(out.p, out.n, " bits))\n\t(No client", 19));
}

static void
received_has_two_parts(void **state)
{
	struct received r = {
		.helo = SPAN("c.test"),
		.client_name = SPAN("unknown"),
		.client_addr = SPAN("2001:db8::1"),
		.host = SPAN("mx.demo.test"),
		.mail_name = SPAN("Postrider"),
		.proto = SPAN("ESMTP"),
		.rcpt = SPAN("alice@demo.test"),
		.time = 1792616278123456,
	};

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	received_put_head(&out, &r);
	buf_put(&out, SPAN("ID"));
	received_put_tail(&out, &r);
	assert_span(buf_span(&out),
	    SPAN("Received: from c.test (unknown [IPv6:2001:db8::1])\n"
		 "\tby mx.demo.test (Postrider) with ESMTP id ID\n"
		 "\tfor <alice@demo.test>; "
		 "Wed, 21 Oct 2026 20:57:58 +0000 (UTC)\n"));
	r.rcpt = SPAN("");
	buf_init(&out, storage, sizeof(storage));
	received_put_tail(&out, &r);
	assert_span(buf_span(&out),
	    SPAN(";\n\tWed, 21 Oct 2026 20:57:58 +0000 (UTC)\n"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(heads_in_every_segmentation),
		TEST(fields_are_changed_in_every_segmentation),
		TEST(too_long_a_field_is_not_changed),
		TEST(a_name_has_an_end),
		TEST(what_a_head_lacks_is_put_behind_it),
		TEST(received_has_two_parts),
		TEST(received_tells_of_tls),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
