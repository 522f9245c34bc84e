#include "imapd/mailbox/cache.h"

enum {
	/* Goes up whenever a text for a message becomes another. */
	VERSION = 1,
	HEAD = 5, /* of a structure */
};

void
cache_put_envelope(struct buf *b, const struct mime_part *root, char *scratch)
{
	static const char version = VERSION;
	struct out o = { out_to_buf, b };

	buf_put(b, (struct span){ &version, 1 });
	out_envelope(&o, root->envelope, scratch);
}

void
cache_put_structure(struct buf *b, const struct mime_part *root, char *scratch)
{
	char head[HEAD] = { VERSION };
	struct out o = { out_to_buf, b };
	size_t at = b->n, n;

	buf_put(b, (struct span){ head, HEAD });
	out_structure(&o, root, false, scratch);
	if (b->overflow)
		return;
	n = b->n - at - HEAD;
	for (size_t i = 0; i < 4; i++)
		b->p[at + 1 + i] = (char)(n >> 8 * i & 0xff);
	out_structure(&o, root, true, scratch);
}

static bool
is_list(struct span s)
{
	return s.n >= 2 && s.p[0] == '(' && s.p[s.n - 1] == ')';
}

bool
cache_take_envelope(struct span kept, struct span *text_r)
{
	if (kept.n < 1 || kept.p[0] != VERSION)
		return false;
	*text_r = (struct span){ kept.p + 1, kept.n - 1 };
	return is_list(*text_r);
}

bool
cache_take_structure(struct span kept, struct span *body_r,
    struct span *structure_r)
{
	size_t n = 0;

	if (kept.n < HEAD || kept.p[0] != VERSION)
		return false;
	for (size_t i = 4; i > 0; i--)
		n = n << 8 | (unsigned char)kept.p[i];
	if (n > kept.n - HEAD)
		return false;
	*body_r = (struct span){ kept.p + HEAD, n };
	*structure_r = (struct span){ kept.p + HEAD + n, kept.n - HEAD - n };
	return is_list(*body_r) && is_list(*structure_r);
}
