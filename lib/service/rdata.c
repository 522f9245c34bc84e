#include "service/rdata.h"

enum {
	LABEL_MAX = 63,
	WIRE_MAX = 255, /* bytes of a name with its lengths */
};

static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '/';
}

/* Takes a byte that tells a length, and as many bytes. */
static bool
take_counted(struct span *in, struct span *s_r)
{
	size_t n;

	if (in->n == 0)
		return false;
	n = (unsigned char)in->p[0];
	if (n > in->n - 1)
		return false;
	*s_r = (struct span){ in->p + 1, n };
	*in = (struct span){ in->p + 1 + n, in->n - 1 - n };
	return true;
}

static bool
put_label(struct buf *out, struct span label)
{
	if (label.n > LABEL_MAX)
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!is_name_byte(label.p[i]))
			return false;
	if (out->n > 0)
		buf_put(out, SPAN("."));
	buf_put(out, label);
	return !out->overflow;
}

bool
rdata_take_name(struct span *in, char name_r[RDATA_NAME_MAX])
{
	struct span rest = *in, label;
	struct buf b;

	buf_init(&b, name_r, RDATA_NAME_MAX - 1);
	for (;;) {
		if (!take_counted(&rest, &label) || in->n - rest.n > WIRE_MAX)
			return false;
		if (label.n == 0)
			break;
		if (!put_label(&b, label))
			return false;
	}
	name_r[b.n] = '\0';
	*in = rest;
	return true;
}

bool
rdata_name(struct span rdata, char name_r[RDATA_NAME_MAX])
{
	return rdata_take_name(&rdata, name_r) && rdata.n == 0;
}

bool
rdata_mx(struct span rdata, unsigned *preference_r, char host_r[RDATA_NAME_MAX])
{
	if (rdata.n < 2)
		return false;
	*preference_r = (unsigned)(unsigned char)rdata.p[0] << 8 |
	    (unsigned char)rdata.p[1];
	return rdata_name((struct span){ rdata.p + 2, rdata.n - 2 }, host_r);
}

bool
rdata_tlsa(struct span rdata, struct rdata_tlsa *t_r)
{
	if (rdata.n < 4)
		return false;
	*t_r = (struct rdata_tlsa){ (unsigned char)rdata.p[0],
		(unsigned char)rdata.p[1], (unsigned char)rdata.p[2],
		{ rdata.p + 3, rdata.n - 3 } };
	return true;
}

bool
rdata_txt(struct span rdata, struct buf *out)
{
	struct span s;

	while (rdata.n > 0) {
		if (!take_counted(&rdata, &s))
			return false;
		buf_put(out, s);
	}
	return !out->overflow;
}
