#include "queue/record.h"

#include <zlib.h>

static const char head_magic[8] = "PRqueue\n";
static const char trailer_magic[8] = "PRtrail\n";
static const char state_magic[4] = "PRs\n";

/* Fields of the envelope; the numbers are on disk. */
enum tag {
	TAG_ARRIVED = 1,
	TAG_SENDER,
	TAG_ENVID,
	TAG_RET,
	TAG_FLAGS,
	TAG_CLIENT_NAME,
	TAG_CLIENT_ADDR,
	TAG_CLIENT_PORT,
	TAG_PROTO,
	TAG_HELO,
	TAG_SASL_METHOD,
	TAG_SASL_USER,
	TAG_FILTER,
	TAG_RCPT = 32, /* the next recipient; those below belong to it */
	TAG_ORIG,
	TAG_ORCPT,
	TAG_NOTIFY,
};

/* A text of the envelope: where it is kept, and whether it may be repaired. */
static const struct text_field {
	enum tag tag;
	size_t offset;
	bool address; /* to change it would change its meaning */
} texts[] = {
	{ TAG_SENDER, offsetof(struct queue_envelope, sender), true },
	{ TAG_ENVID, offsetof(struct queue_envelope, envid), true },
	{ TAG_CLIENT_NAME, offsetof(struct queue_envelope, client_name),
	    false },
	{ TAG_CLIENT_ADDR, offsetof(struct queue_envelope, client_addr),
	    false },
	{ TAG_CLIENT_PORT, offsetof(struct queue_envelope, client_port),
	    false },
	{ TAG_PROTO, offsetof(struct queue_envelope, proto), false },
	{ TAG_HELO, offsetof(struct queue_envelope, helo), false },
	{ TAG_SASL_METHOD, offsetof(struct queue_envelope, sasl_method),
	    false },
	{ TAG_SASL_USER, offsetof(struct queue_envelope, sasl_user), false },
	{ TAG_FILTER, offsetof(struct queue_envelope, filter), true },
};

static void
store(char *to, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(value >> 8 * i);
}

static uint64_t
load(const char *p, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)(unsigned char)p[i] << 8 * i;
	return value;
}

/* To zlib NULL means: begin anew. */
static uint32_t
crc(uint32_t so_far, struct span s)
{
	if (s.n == 0)
		return so_far;
	return (uint32_t)crc32_z(so_far, (const unsigned char *)s.p, s.n);
}

static bool
breaks_a_line(char c)
{
	return c == '\0' || c == '\r' || c == '\n';
}

static bool
is_clean(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (breaks_a_line(s.p[i]))
			return false;
	return true;
}

void
record_put_head(char out[RECORD_HEAD], const struct record_head *h)
{
	memset(out, 0, RECORD_HEAD);
	memcpy(out, head_magic, sizeof(head_magic));
	store(out + 8, RECORD_VERSION, 4);
	store(out + 12, h->rcpts, 4);
	store(out + 16, RECORD_HEAD, 8);
	store(out + 24, h->content_length, 8);
	store(out + 32, record_envelope_at(h), 8);
	store(out + 40, h->envelope_length, 8);
	store(out + 48, record_envelope_at(h) + h->envelope_length, 8);
	store(out + 56, RECORD_TRAILER, 8);
}

/* It is right if writing the same numbers again gives the same bytes. */
bool
record_read_head(struct span in, struct record_head *head_r)
{
	char again[RECORD_HEAD];

	if (in.n < RECORD_HEAD)
		return false;
	struct record_head h = {
		.content_length = load(in.p + 24, 8),
		.envelope_length = load(in.p + 40, 8),
		.rcpts = (uint32_t)load(in.p + 12, 4),
	};
	if (h.content_length > INT64_MAX / 2 ||
	    h.envelope_length > QUEUE_ENVELOPE_MAX ||
	    h.rcpts > QUEUE_RCPTS_MAX ||
	    h.rcpts > h.envelope_length / RECORD_FIELD)
		return false;
	record_put_head(again, &h);
	if (memcmp(again, in.p, RECORD_HEAD) != 0)
		return false;
	*head_r = h;
	return true;
}

static struct span
text_of(const struct queue_envelope *e, const struct text_field *f)
{
	return *(
	    const struct span *)(const void *)((const char *)e + f->offset);
}

/* Bytes of a text field, which is left out if it is empty. */
static size_t
text_size(struct span s)
{
	return s.n ? RECORD_FIELD + s.n : 0;
}

static size_t
number_size(uint64_t value, size_t n)
{
	return value ? RECORD_FIELD + n : 0;
}

static bool
rcpt_is_fine(const struct queue_rcpt *r)
{
	return r->addr.n && r->addr.n <= RECORD_FIELD_MAX &&
	    r->orig.n <= RECORD_FIELD_MAX && r->orcpt.n <= RECORD_FIELD_MAX &&
	    is_clean(r->addr) && is_clean(r->orig) && is_clean(r->orcpt);
}

size_t
record_envelope_size(const struct queue_envelope *e,
    const struct queue_rcpt *rcpts, size_t n)
{
	size_t size = RECORD_FIELD + 8 + number_size(e->ret, 4) +
	    number_size(e->flags, 4);

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct span s = text_of(e, &texts[i]);

		if (s.n > RECORD_FIELD_MAX ||
		    (texts[i].address && !is_clean(s)))
			return 0;
		size += text_size(s);
	}
	for (size_t i = 0; i < n; i++) {
		const struct queue_rcpt *r = &rcpts[i];

		if (!rcpt_is_fine(r) || size > QUEUE_ENVELOPE_MAX)
			return 0;
		size += text_size(r->addr) + text_size(r->orig) +
		    text_size(r->orcpt) + number_size(r->notify, 4);
	}
	return size > QUEUE_ENVELOPE_MAX || n > QUEUE_RCPTS_MAX ? 0 : size;
}

static void
put_tag(struct buf *out, enum tag tag, size_t n)
{
	char head[RECORD_FIELD] = { (char)tag };

	store(head + 1, n, 2);
	buf_put(out, (struct span){ head, sizeof(head) });
}

static void
put_text(struct buf *out, enum tag tag, struct span s)
{
	if (s.n == 0)
		return;
	put_tag(out, tag, s.n);
	buf_put(out, s);
	for (char *p = out->p + out->n - s.n; p < out->p + out->n; p++)
		if (breaks_a_line(*p))
			*p = '?';
}

static void
put_number(struct buf *out, enum tag tag, uint64_t value, size_t n)
{
	char bytes[8];

	put_tag(out, tag, n);
	store(bytes, value, n);
	buf_put(out, (struct span){ bytes, n });
}

void
record_put_envelope(struct buf *out, const struct queue_envelope *e,
    const struct queue_rcpt *rcpts, size_t n)
{
	put_number(out, TAG_ARRIVED, (uint64_t)e->arrived, 8);
	if (e->ret)
		put_number(out, TAG_RET, e->ret, 4);
	if (e->flags)
		put_number(out, TAG_FLAGS, e->flags, 4);
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		put_text(out, texts[i].tag, text_of(e, &texts[i]));
	for (size_t i = 0; i < n; i++) {
		put_text(out, TAG_RCPT, rcpts[i].addr);
		put_text(out, TAG_ORIG, rcpts[i].orig);
		put_text(out, TAG_ORCPT, rcpts[i].orcpt);
		if (rcpts[i].notify)
			put_number(out, TAG_NOTIFY, rcpts[i].notify, 4);
	}
	must(!out->overflow);
}

static bool
take_field(struct span *in, enum tag *tag_r, struct span *value_r)
{
	if (in->n < RECORD_FIELD)
		return false;
	*tag_r = (enum tag)(unsigned char)in->p[0];
	value_r->n = (size_t)load(in->p + 1, 2);
	value_r->p = in->p + RECORD_FIELD;
	if (value_r->n > in->n - RECORD_FIELD)
		return false;
	in->p += RECORD_FIELD + value_r->n;
	in->n -= RECORD_FIELD + value_r->n;
	return true;
}

static bool
read_unsigned(struct span value, unsigned *number_r)
{
	if (value.n != 4)
		return false;
	*number_r = (unsigned)load(value.p, 4);
	return true;
}

static bool
read_text(struct span value, struct span *text_r)
{
	if (value.n == 0 || !is_clean(value))
		return false;
	*text_r = value;
	return true;
}

static bool
read_text_field(enum tag tag, struct span value, struct queue_envelope *e)
{
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (texts[i].tag == tag)
			return read_text(value,
			    (struct span *)(void *)((char *)e +
				texts[i].offset));
	return false;
}

static bool
read_message_field(enum tag tag, struct span value, struct queue_envelope *e)
{
	switch ((unsigned)tag) {
	case TAG_ARRIVED:
		if (value.n != 8)
			return false;
		e->arrived = (int64_t)load(value.p, 8);
		return true;
	case TAG_RET:
		return read_unsigned(value, &e->ret);
	case TAG_FLAGS:
		return read_unsigned(value, &e->flags);
	default:
		return read_text_field(tag, value, e);
	}
}

static bool
read_rcpt_field(enum tag tag, struct span value, struct queue_rcpt *r)
{
	switch ((unsigned)tag) {
	case TAG_RCPT:
		return read_text(value, &r->addr);
	case TAG_ORIG:
		return read_text(value, &r->orig);
	case TAG_ORCPT:
		return read_text(value, &r->orcpt);
	case TAG_NOTIFY:
		return read_unsigned(value, &r->notify);
	default:
		return false;
	}
}

bool
record_read_envelope(struct span in, struct queue_envelope *e_r,
    struct queue_rcpt *rcpts_r, size_t n)
{
	size_t seen = 0;
	enum tag tag;
	struct span value;

	*e_r = (struct queue_envelope){ 0 };
	while (in.n) {
		if (!take_field(&in, &tag, &value))
			return false;
		if (tag < TAG_RCPT && seen == 0) {
			if (!read_message_field(tag, value, e_r))
				return false;
			continue;
		}
		if (tag == TAG_RCPT) {
			if (seen == n)
				return false;
			rcpts_r[seen++] = (struct queue_rcpt){ 0 };
		}
		if (seen == 0 ||
		    !read_rcpt_field(tag, value, &rcpts_r[seen - 1]))
			return false;
	}
	return seen == n;
}

void
record_put_trailer(char out[RECORD_TRAILER], const struct record_head *h,
    const struct record_trailer *t)
{
	memcpy(out, trailer_magic, sizeof(trailer_magic));
	store(out + 8, h->content_length, 8);
	store(out + 16, h->envelope_length, 8);
	store(out + 24, h->rcpts, 4);
	store(out + 28, t->content_checksum, 4);
	store(out + 32, t->checksum, 4);
	store(out + 36, crc(0, (struct span){ out, 36 }), 4);
}

bool
record_read_trailer(struct span in, const struct record_head *h,
    struct record_trailer *trailer_r)
{
	char again[RECORD_TRAILER];

	if (in.n < RECORD_TRAILER)
		return false;
	struct record_trailer t = {
		.content_checksum = (uint32_t)load(in.p + 28, 4),
		.checksum = (uint32_t)load(in.p + 32, 4),
	};
	record_put_trailer(again, h, &t);
	if (memcmp(again, in.p, RECORD_TRAILER) != 0)
		return false;
	*trailer_r = t;
	return true;
}

uint32_t
record_checksum(struct span head, struct span envelope)
{
	return crc(crc(0, head), envelope);
}

static struct span
cut(struct span s, size_t max)
{
	return (struct span){ s.p, s.n < max ? s.n : max };
}

/* A code has at most 11 characters, "5.999.999"; a text may be a page. */
static void
cut_texts(const struct queue_state *s, struct span *dsn_r, struct span *relay_r,
    struct span *text_r)
{
	*dsn_r = cut(s->dsn, 16);
	*relay_r = cut(s->relay, 1024);
	*text_r = cut(s->text,
	    RECORD_STATE_MAX - RECORD_STATE_FIXED - dsn_r->n - relay_r->n);
}

size_t
record_state_size(const struct queue_state *s)
{
	struct span dsn, relay, text;

	cut_texts(s, &dsn, &relay, &text);
	return RECORD_STATE + RECORD_STATE_FIXED + dsn.n + relay.n + text.n;
}

void
record_put_state(struct buf *out, const struct queue_state *s)
{
	char head[RECORD_STATE + RECORD_STATE_FIXED];
	struct span dsn, relay, text;

	cut_texts(s, &dsn, &relay, &text);
	memcpy(head, state_magic, sizeof(state_magic));
	store(head + 4, RECORD_STATE_FIXED + dsn.n + relay.n + text.n, 4);
	store(head + 12, s->rcpt, 4);
	store(head + 16, s->verdict + (s->told ? RECORD_TOLD : 0), 4);
	store(head + 20, (uint64_t)s->time, 8);
	store(head + 28, dsn.n, 2);
	store(head + 30, relay.n, 2);
	store(head + 32, text.n, 4);

	uint32_t sum = crc(0, (struct span){ head + 4, 4 });
	sum = crc(sum, (struct span){ head + 12, RECORD_STATE_FIXED });
	sum = crc(crc(crc(sum, dsn), relay), text);
	store(head + 8, sum, 4);

	buf_put(out, (struct span){ head, sizeof(head) });
	buf_put(out, dsn);
	buf_put(out, relay);
	buf_put(out, text);
}

/* Reads the payload `p`, whose checksum is right. */
static bool
read_state(struct span p, size_t n, struct queue_state *state_r)
{
	uint32_t verdict = (uint32_t)load(p.p + 4, 4);
	struct queue_state s = {
		.rcpt = (uint32_t)load(p.p, 4),
		.verdict = (enum queue_verdict)(verdict % RECORD_TOLD),
		.told = verdict >= RECORD_TOLD,
		.time = (int64_t)load(p.p + 8, 8),
		.dsn.n = (size_t)load(p.p + 16, 2),
		.relay.n = (size_t)load(p.p + 18, 2),
		.text.n = (size_t)load(p.p + 20, 4),
	};

	if (s.rcpt >= n || s.verdict > QUEUE_EXPIRED ||
	    verdict >= 2 * RECORD_TOLD ||
	    s.dsn.n + s.relay.n + s.text.n != p.n - RECORD_STATE_FIXED)
		return false;
	s.dsn.p = p.p + RECORD_STATE_FIXED;
	s.relay.p = s.dsn.p + s.dsn.n;
	s.text.p = s.relay.p + s.relay.n;
	*state_r = s;
	return true;
}

bool
record_take_state(struct span *in, size_t n, struct queue_state *state_r)
{
	if (in->n < RECORD_STATE + RECORD_STATE_FIXED ||
	    memcmp(in->p, state_magic, sizeof(state_magic)) != 0)
		return false;

	size_t length = (size_t)load(in->p + 4, 4);
	if (length < RECORD_STATE_FIXED || length > RECORD_STATE_MAX ||
	    length > in->n - RECORD_STATE)
		return false;

	struct span payload = { in->p + RECORD_STATE, length };
	uint32_t sum = crc(crc(0, (struct span){ in->p + 4, 4 }), payload);
	if (sum != (uint32_t)load(in->p + 8, 4) ||
	    !read_state(payload, n, state_r))
		return false;
	in->p += RECORD_STATE + length;
	in->n -= RECORD_STATE + length;
	return true;
}
