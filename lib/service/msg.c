#include "service/msg.h"

#include <string.h>

enum kind {
	KIND_NONE,
	KIND_U64,
	KIND_STR,
	KIND_GROUP,
};

static const uint8_t kinds[MSG_FIELDS_MAX] = {
#define FIELD(name, number, type) [number] = KIND_##type,
#include "service/msg.def"
#undef FIELD
};

enum {
	TYPES_MAX = 128
};

/* The table, read twice: names, and what each type has of each field. */
static const char *const names[TYPES_MAX] = {
#define MSG(name, number) [number] = #name,
#define REQUIRED(field)
#define OPTIONAL(field)
#define MANY(field)
#define MSG_END
#include "service/msg.def"
#undef MSG
#undef REQUIRED
#undef OPTIONAL
#undef MANY
#undef MSG_END
};

enum rule {
	RULE_NONE,
	RULE_REQUIRED,
	RULE_OPTIONAL,
	RULE_MANY,
};

static const uint8_t rules[TYPES_MAX][MSG_FIELDS_MAX] = {
#define MSG(name, number) [number] = {
#define REQUIRED(field) [MSG_FIELD_##field] = RULE_REQUIRED,
#define OPTIONAL(field) [MSG_FIELD_##field] = RULE_OPTIONAL,
#define MANY(field) [MSG_FIELD_##field] = RULE_MANY,
#define MSG_END \
	} \
	,
#include "service/msg.def"
};

struct head {
	uint8_t version;
	uint8_t type;
	uint8_t fds;
	uint8_t zero;
	uint32_t id;
	uint32_t length;
};

_Static_assert(sizeof(struct head) == MSG_HEAD, "the head has no holes");

/* Packed by hand, as it stands at any address: name, then length. */
enum {
	FIELD_HEAD = 5
};

void
msg_begin(struct buf *b, enum msg_type type, uint32_t id)
{
	struct head h = {
		.version = MSG_PROTOCOL,
		.type = (uint8_t)type,
		.id = id,
	};

	must(b->n == 0 && b->max <= MSG_MAX);
	buf_put(b, (struct span){ (const char *)&h, sizeof(h) });
}

static void
put(struct buf *b, enum msg_field field, const void *p, size_t n)
{
	uint8_t name = (uint8_t)field;
	uint32_t len = (uint32_t)n;

	if (buf_room(b) < FIELD_HEAD + n) {
		b->overflow = true;
		return;
	}
	buf_put(b, (struct span){ (const char *)&name, 1 });
	buf_put(b, (struct span){ (const char *)&len, sizeof(len) });
	buf_put(b, (struct span){ p, n });
}

void
msg_put_u64(struct buf *b, enum msg_field field, uint64_t value)
{
	must(kinds[field] == KIND_U64);
	put(b, field, &value, sizeof(value));
}

void
msg_put_str(struct buf *b, enum msg_field field, struct span value)
{
	must(kinds[field] == KIND_STR);
	put(b, field, value.p, value.n);
}

void
msg_put_opt(struct buf *b, enum msg_field field, struct span value)
{
	if (value.n > 0)
		msg_put_str(b, field, value);
}

size_t
msg_group_begin(struct buf *b, enum msg_field field)
{
	must(kinds[field] == KIND_GROUP);
	put(b, field, NULL, 0);
	return b->n;
}

void
msg_group_end(struct buf *b, size_t group)
{
	uint32_t len = (uint32_t)(b->n - group);

	if (!b->overflow)
		memcpy(b->p + group - sizeof(len), &len, sizeof(len));
}

bool
msg_end(struct buf *b, unsigned fds)
{
	struct head h;

	if (b->overflow)
		return false;
	memcpy(&h, b->p, sizeof(h));
	h.fds = (uint8_t)fds;
	h.length = (uint32_t)b->n;
	memcpy(b->p, &h, sizeof(h));
	return true;
}

static bool
take_field(struct span *in, uint8_t *name_r, struct span *value_r)
{
	uint32_t len;

	if (in->n < FIELD_HEAD)
		return false;
	memcpy(&len, in->p + 1, sizeof(len));
	if (len > in->n - FIELD_HEAD)
		return false;
	*name_r = (uint8_t)in->p[0];
	*value_r = (struct span){ in->p + FIELD_HEAD, len };
	in->p += FIELD_HEAD + len;
	in->n -= FIELD_HEAD + len;
	return true;
}

static bool check_fields(enum msg_type type, struct span fields);

static bool
check_value(uint8_t name, struct span value)
{
	switch (kinds[name]) {
	case KIND_U64:
		return value.n == sizeof(uint64_t);
	case KIND_STR:
		return true;
	case KIND_GROUP: /* groups have no groups, so this ends */
		return check_fields(MSG_GROUP_RCPT, value);
	}
	return false;
}

/* Whether all fields are there that have to be. */
static bool
has_required(enum msg_type type, const bool seen[MSG_FIELDS_MAX])
{
	for (size_t i = 0; i < MSG_FIELDS_MAX; i++)
		if (rules[type][i] == RULE_REQUIRED && !seen[i])
			return false;
	return true;
}

static bool
check_fields(enum msg_type type, struct span fields)
{
	bool seen[MSG_FIELDS_MAX] = { false };

	while (fields.n > 0) {
		struct span value;
		uint8_t name;

		if (!take_field(&fields, &name, &value) ||
		    name >= MSG_FIELDS_MAX || rules[type][name] == RULE_NONE)
			return false;
		if (seen[name] && rules[type][name] != RULE_MANY)
			return false;
		if (!check_value(name, value))
			return false;
		seen[name] = true;
	}
	return has_required(type, seen);
}

bool
msg_read(struct span packet, struct msg_in *in_r)
{
	struct span fields = { packet.p + MSG_HEAD, packet.n - MSG_HEAD };
	struct head h;

	if (packet.n < MSG_HEAD)
		return false;
	memcpy(&h, packet.p, sizeof(h));
	if (h.version != MSG_PROTOCOL || h.length != packet.n || h.zero != 0)
		return false;
	if (h.type >= TYPES_MAX || !names[h.type] || h.type == MSG_GROUP_RCPT)
		return false;
	if (!check_fields((enum msg_type)h.type, fields))
		return false;
	*in_r = (struct msg_in){ (enum msg_type)h.type, h.id, h.fds, fields };
	return true;
}

bool
msg_next(struct span *rest, enum msg_field field, struct span *value_r)
{
	struct span value;
	uint8_t name;

	while (rest->n > 0) {
		must(take_field(rest, &name, &value));
		if (name == field) {
			*value_r = value;
			return true;
		}
	}
	return false;
}

bool
msg_next_group(struct span *rest, enum msg_field field, struct msg_in *group_r)
{
	struct span fields;

	must(kinds[field] == KIND_GROUP);
	if (!msg_next(rest, field, &fields))
		return false;
	*group_r = (struct msg_in){ .type = MSG_GROUP_RCPT, .fields = fields };
	return true;
}

size_t
msg_count_groups(const struct msg_in *in, enum msg_field field)
{
	struct span rest = in->fields;
	struct msg_in group;
	size_t n = 0;

	while (msg_next_group(&rest, field, &group))
		n++;
	return n;
}

bool
msg_has(const struct msg_in *in, enum msg_field field)
{
	struct span rest = in->fields;
	struct span value;

	return msg_next(&rest, field, &value);
}

uint64_t
msg_u64(const struct msg_in *in, enum msg_field field)
{
	struct span rest = in->fields;
	struct span value;
	uint64_t number = 0;

	must(kinds[field] == KIND_U64);
	if (msg_next(&rest, field, &value))
		memcpy(&number, value.p, sizeof(number));
	return number;
}

struct span
msg_str(const struct msg_in *in, enum msg_field field)
{
	struct span rest = in->fields;
	struct span value = SPAN("");

	must(kinds[field] == KIND_STR);
	return msg_next(&rest, field, &value) ? value : SPAN("");
}

const char *
msg_name(enum msg_type type)
{
	return (unsigned)type < TYPES_MAX && names[type] ? names[type] : "?";
}
