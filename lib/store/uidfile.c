#include "store/uidfile.h"

#include "base/scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <zlib.h>

enum {
	CRC_PART = 13, /* "crc=12345678\n" */
};

static bool
take_hex(struct span *in, size_t n, struct span *hex_r)
{
	if (in->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = in->p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	*hex_r = (struct span){ in->p, n };
	in->p += n;
	in->n -= n;
	return true;
}

static uint32_t
checksum(struct span s)
{
	return (uint32_t)crc32_z(0, (const unsigned char *)s.p, s.n);
}

/* "name=0000000123 " */
static bool
take_field(struct span *in, struct span name, uint32_t *number_r)
{
	struct span s = *in;
	uint64_t number;

	if (!take_text(&s, name) || s.n < 11 || s.p[10] != ' ' ||
	    !take_number(&s, UINT32_MAX, &number) || !take_char(&s, ' ') ||
	    in->n - s.n != name.n + 11)
		return false;
	*number_r = (uint32_t)number;
	*in = s;
	return true;
}

static bool
has_checksum(struct span line)
{
	char want[CRC_PART + 1];
	struct span before = { line.p, line.n - CRC_PART };

	snprintf(want, sizeof(want), "crc=%08" PRIx32 "\n", checksum(before));
	return memcmp(line.p + before.n, want, CRC_PART) == 0;
}

bool
uidfile_read(struct span in, struct uidfile *file_r)
{
	struct uidfile f = { 0 };
	struct span boot;

	if (in.n < UIDFILE_LINE)
		return false;
	in.n = UIDFILE_LINE;
	if (!has_checksum(in) || !take_text(&in, SPAN("postrider-uid 1 ")) ||
	    !take_field(&in, SPAN("uidvalidity="), &f.uidvalidity) ||
	    !take_field(&in, SPAN("next="), &f.next) ||
	    !take_field(&in, SPAN("reserved="), &f.reserved) ||
	    !take_text(&in, SPAN("boot=")) ||
	    !take_hex(&in, UIDFILE_BOOT, &boot) || !take_char(&in, ' '))
		return false;
	if (f.uidvalidity == 0 || f.next == 0 || f.reserved < f.next)
		return false;
	memcpy(f.boot, boot.p, UIDFILE_BOOT);
	*file_r = f;
	return true;
}

void
uidfile_put(char out[UIDFILE_LINE], const struct uidfile *f)
{
	char line[UIDFILE_LINE + 1];
	size_t n = UIDFILE_LINE - CRC_PART;

	snprintf(line, sizeof(line),
	    "postrider-uid 1 uidvalidity=%010" PRIu32 " next=%010" PRIu32
	    " reserved=%010" PRIu32 " boot=%s ",
	    f->uidvalidity, f->next, f->reserved, f->boot);
	must(strlen(line) == n);
	snprintf(line + n, sizeof(line) - n, "crc=%08" PRIx32 "\n",
	    checksum((struct span){ line, n }));
	memcpy(out, line, UIDFILE_LINE);
}

/* A line whose checksum is wrong may still tell what it was about. */
static uint32_t
old_uidvalidity(struct span damaged)
{
	uint32_t old;

	if (take_text(&damaged, SPAN("postrider-uid 1 ")) &&
	    take_field(&damaged, SPAN("uidvalidity="), &old))
		return old;
	return 0;
}

/* Some days ahead it is believed: two repairs in one second. More is damage. */
static uint32_t
new_uidvalidity(int64_t now, uint32_t old)
{
	uint32_t new = now > 1 && now < UINT32_MAX ? (uint32_t)now : 1;

	if (old >= new &&old - new < 1000000)
		new = old + 1;
	return new;
}

void
uidfile_begin(struct uidfile *f, int64_t now, struct span damaged)
{
	*f = (struct uidfile){
		.uidvalidity = new_uidvalidity(now, old_uidvalidity(damaged)),
		.next = 1,
		.reserved = 1,
	};
	memset(f->boot, '0', UIDFILE_BOOT);
}

void
uidfile_adopt(struct uidfile *f, const char *boot)
{
	if (strncmp(f->boot, boot, UIDFILE_BOOT) == 0)
		return;
	memcpy(f->boot, boot, UIDFILE_BOOT);
	f->next = f->reserved;
}

uint32_t
uidfile_take(struct uidfile *f, const char *boot, int64_t now, bool *sync_r)
{
	*sync_r = false;
	uidfile_adopt(f, boot);
	if (f->next >= UINT32_MAX - UIDFILE_BLOCK) {
		f->uidvalidity = new_uidvalidity(now, f->uidvalidity);
		f->next = f->reserved = 1;
	}
	if (f->next >= f->reserved) {
		f->reserved = f->next + UIDFILE_BLOCK;
		*sync_r = true;
	}
	return f->next++;
}
