#include "master/check/dnsreply.h"

enum {
	HEAD = 12,
	LABEL_MAX = 63,
	NAME_MAX_BYTES = 255,
	POINTER = 0xc0,
	RECURSION_DESIRED = 0x01,
	IS_REPLY = 0x80,
	CLASS_IN = 1,
	NXDOMAIN = 3,
};

static void
put_u16(struct buf *out, unsigned n)
{
	const char bytes[] = { (char)(n >> 8 & 0xff), (char)(n & 0xff) };

	buf_put(out, (struct span){ bytes, 2 });
}

static unsigned
u16_at(struct span s, size_t at)
{
	return (unsigned)(unsigned char)s.p[at] << 8 |
	    (unsigned char)s.p[at + 1];
}

bool
dnsreply_ask(struct buf *out, uint16_t id, struct span name, uint16_t type)
{
	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n == 0 || name.n > NAME_MAX_BYTES - 2)
		return false;
	put_u16(out, id);
	put_u16(out, RECURSION_DESIRED << 8);
	put_u16(out, 1); /* a question, and nothing else */
	for (int i = 0; i < 3; i++)
		put_u16(out, 0);
	while (name.n > 0) {
		struct span label = span_cut(&name, '.');
		const char n = (char)label.n;

		if (label.n == 0 || label.n > LABEL_MAX)
			return false;
		buf_put(out, (struct span){ &n, 1 });
		buf_put(out, label);
	}
	buf_put(out, (struct span){ "", 1 });
	put_u16(out, type);
	put_u16(out, CLASS_IN);
	return !out->overflow;
}

/* A name may end in a pointer to elsewhere, which need not be followed. */
static bool
skip_name(struct span *in)
{
	while (in->n > 0) {
		size_t n = (unsigned char)*in->p;
		bool is_pointer = (n & POINTER) == POINTER;
		size_t whole = is_pointer ? 2 : n + 1;

		if ((!is_pointer && n > LABEL_MAX) || in->n < whole)
			return false;
		*in = (struct span){ in->p + whole, in->n - whole };
		if (n == 0 || is_pointer)
			return true;
	}
	return false;
}

/* Takes a record; `data_r` is what it says. */
static bool
take_record(struct span *in, unsigned *type_r, struct span *data_r)
{
	struct span rest = *in;
	size_t n;

	if (!skip_name(&rest) || rest.n < 10)
		return false;
	*type_r = u16_at(rest, 0);
	n = u16_at(rest, 8);
	if (rest.n - 10 < n)
		return false;
	*data_r = (struct span){ rest.p + 10, n };
	*in = (struct span){ rest.p + 10 + n, rest.n - 10 - n };
	return true;
}

static enum dnsreply
read_records(struct span rest, unsigned n, unsigned wanted)
{
	struct span data;
	unsigned type;

	/* An alias comes with what it is an alias of. */
	while (n-- > 0 && take_record(&rest, &type, &data)) {
		if (type != wanted)
			continue;
		if (type == DNSREPLY_MX && data.n == 3 && data.p[2] == '\0')
			return DNSREPLY_NO_MAIL;
		return DNSREPLY_FOUND;
	}
	return DNSREPLY_NODATA;
}

enum dnsreply
dnsreply_read(struct span packet, uint16_t id, uint16_t type)
{
	struct span rest;

	if (packet.n < HEAD || u16_at(packet, 0) != id ||
	    !(packet.p[2] & IS_REPLY) || u16_at(packet, 4) != 1)
		return DNSREPLY_FOREIGN;
	rest = (struct span){ packet.p + HEAD, packet.n - HEAD };
	if (!skip_name(&rest) || rest.n < 4 || u16_at(rest, 0) != type)
		return DNSREPLY_FOREIGN;
	rest = (struct span){ rest.p + 4, rest.n - 4 };
	switch (packet.p[3] & 0x0f) {
	case 0:
		return read_records(rest, u16_at(packet, 6), type);
	case NXDOMAIN:
		return DNSREPLY_ABSENT;
	}
	return DNSREPLY_TEMPFAIL;
}
