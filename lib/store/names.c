#include "store/names.h"

#include "base/buf.h"
#include "base/scan.h"

#include <inttypes.h>

enum {
	FLAGS_N = 6,
	LETTERS_MAX = 64,
};

/* Of the bits of enum store_flag, from the lowest. */
static const char letters[FLAGS_N + 1] = "RTDFPS";

static uint32_t
flag_of(char c)
{
	const char *at = c ? strchr(letters, c) : NULL;

	if (at)
		return BIT(at - letters);
	return c >= 'a' && c <= 'z' ? BIT(FLAGS_N + (c - 'a')) : 0;
}

static bool
take_uid(struct span field, uint32_t *uidvalidity_r, uint32_t *uid_r)
{
	uint64_t validity, uid;

	if (!take_number(&field, UINT32_MAX, &validity) ||
	    !take_char(&field, '.') || !take_number(&field, UINT32_MAX, &uid) ||
	    field.n || validity == 0 || uid == 0)
		return false;
	*uidvalidity_r = (uint32_t)validity;
	*uid_r = (uint32_t)uid;
	return true;
}

/* "S=123", "W=130", "P1.2". Returns whether it is one of them. */
static bool
read_field(struct span f, struct maildir_name *n)
{
	struct span rest = f;
	uint64_t number;

	if (f.n > 2 && f.p[1] == '=' && (f.p[0] == 'S' || f.p[0] == 'W')) {
		rest = (struct span){ f.p + 2, f.n - 2 };
		if (!take_number(&rest, INT64_MAX >> 1, &number) || rest.n)
			return false;
		if (f.p[0] == 'S') {
			n->size = number;
			n->has_size = true;
		} else {
			n->wire = number;
			n->has_wire = true;
		}
		return true;
	}
	if (f.n < 2 || f.p[0] != 'P')
		return false;
	return take_uid((struct span){ f.p + 1, f.n - 1 }, &n->uidvalidity,
	    &n->uid);
}

void
maildir_name_read(struct span name, struct maildir_name *n_r)
{
	*n_r = (struct maildir_name){ 0 };
	n_r->info = name;
	n_r->stem = span_cut(&n_r->info, ':');

	struct span fields = n_r->stem;
	span_cut(&fields, ',');
	while (fields.n)
		read_field(span_cut(&fields, ','), n_r);
	if (n_r->info.n < 2 || memcmp(n_r->info.p, "2,", 2) != 0)
		return;
	for (size_t i = 2; i < n_r->info.n; i++)
		n_r->flags |= flag_of(n_r->info.p[i]);
}

/* Those of the flags, and those in the name that mean nothing here. */
static void
put_letters(struct buf *b, const struct maildir_name *n)
{
	bool has[128] = { false };
	bool ours = n->info.n >= 2 && memcmp(n->info.p, "2,", 2) == 0;

	for (size_t i = 2; ours && i < n->info.n; i++) {
		unsigned char c = (unsigned char)n->info.p[i];

		if (c < sizeof(has) && !flag_of((char)c))
			has[c] = true;
	}
	for (unsigned char c = 1; c < sizeof(has); c++)
		if (has[c] || (flag_of((char)c) & n->flags))
			buf_put(b, (struct span){ (char *)&c, 1 });
}

bool
maildir_name_put(char out[NAME_SIZE], const struct maildir_name *n, bool plain)
{
	struct maildir_name seen = { 0 };
	struct span fields = n->stem;
	struct buf b;

	buf_init(&b, out, NAME_SIZE - 1);
	buf_put(&b, span_cut(&fields, ','));
	while (fields.n) {
		struct span f = span_cut(&fields, ',');

		if (f.n == 0 || read_field(f, &seen))
			continue;
		buf_put(&b, SPAN(","));
		buf_put(&b, f);
	}
	if (n->has_size)
		buf_putf(&b, ",S=%" PRIu64, n->size);
	if (n->has_wire)
		buf_putf(&b, ",W=%" PRIu64, n->wire);
	if (n->uid)
		buf_putf(&b, ",P%" PRIu32 ".%" PRIu32, n->uidvalidity, n->uid);
	if (!plain) {
		buf_put(&b, SPAN(":2,"));
		put_letters(&b, n);
	}
	out[b.n] = '\0';
	return !b.overflow;
}

uint64_t
maildir_wire_size(struct span bytes, char *last)
{
	uint64_t size = bytes.n;
	const char *p = bytes.p, *end = bytes.p + bytes.n, *at;

	if (bytes.n == 0)
		return 0;
	while (p < end && (at = memchr(p, '\n', (size_t)(end - p)))) {
		char before = at == bytes.p ? *last : at[-1];

		size += before != '\r';
		p = at + 1;
	}
	*last = end[-1];
	return size;
}
