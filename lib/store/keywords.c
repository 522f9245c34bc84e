#include "store/keywords.h"

#include "base/scan.h"
#include "store/dovecot.h"

#include <inttypes.h>
#include <stdio.h>
#include <zlib.h>

/* atom-specials of RFC 9051, and '\', with which flags of the system begin. */
bool
keyword_is_valid(struct span name)
{
	if (name.n == 0 || name.n > STORE_KEYWORD_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' ||
		    strchr("(){%*\"\\]", name.p[i]))
			return false;
	return true;
}

static void
set_name(struct keywords *k, unsigned n, struct span name)
{
	memcpy(k->bytes[n], name.p, name.n);
	k->names[n] = (struct span){ k->bytes[n], name.n };
}

static void
read_line(struct keywords *k, struct span line)
{
	char want[16];
	struct span rest = line, name;

	if (line.n < 3 || line.p[0] < 'a' || line.p[0] > 'z' ||
	    line.p[1] != ' ')
		return;
	rest.p += 2;
	rest.n -= 2;
	if (!take_until(&rest, ' ', &name) || !keyword_is_valid(name))
		return;
	snprintf(want, sizeof(want), "crc=%08" PRIx32,
	    (uint32_t)crc32_z(0, (const unsigned char *)line.p, name.n + 2));
	if (span_eq(rest, span_str(want)))
		set_name(k, (unsigned)(line.p[0] - 'a'), name);
}

void
keywords_read(struct keywords *k, struct span own, struct span dovecot)
{
	struct span name;
	unsigned n;

	*k = (struct keywords){ 0 };
	while (own.n)
		read_line(k, span_cut(&own, '\n'));
	while (dovecot_take_keyword(&dovecot, &n, &name))
		if (k->names[n].n == 0 && keywords_find(k, name) < 0)
			set_name(k, n, name);
}

int
keywords_find(const struct keywords *k, struct span name)
{
	for (int i = 0; i < STORE_KEYWORDS; i++)
		if (name.n && span_ieq(k->names[i], name))
			return i;
	return -1;
}

int
keywords_add(struct keywords *k, struct span name)
{
	for (int i = 0; i < STORE_KEYWORDS; i++) {
		if (k->names[i].n)
			continue;
		set_name(k, (unsigned)i, name);
		return i;
	}
	return -1;
}

size_t
keywords_put(char out[KEYWORD_LINE], const struct keywords *k, unsigned n)
{
	struct span name = k->names[n];
	int len = snprintf(out, KEYWORD_LINE, "%c %.*s", (char)('a' + n),
	    (int)name.n, name.p);

	must(len > 0 && len + 15 < KEYWORD_LINE);
	uint32_t crc = (uint32_t)crc32_z(0, (const unsigned char *)out,
	    (size_t)len);
	len += snprintf(out + len, KEYWORD_LINE - (size_t)len,
	    " crc=%08" PRIx32 "\n", crc);
	return (size_t)len;
}
