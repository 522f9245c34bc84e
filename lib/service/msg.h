/*
 * msg.h - messages between processes: bounded, self-describing, checked.
 *
 * A packet of a seqpacket channel is one message: a head (protocol number, type,
 * number of descriptors that come along, request id, length) and fields, each
 * with its name and length. msg.def is the table of all; both ends are checked
 * by it. What comes from another process is foreign: msg_read() refuses what
 * the table does not allow, so that after it a required field is there and has
 * its type.
 *
 * Writing is sticky, as a buf is: begin, put, end, and one check at the end.
 *
 *	msg_begin(&b, MSG_NEW, 0);
 *	msg_put_str(&b, MSG_FIELD_ID, id);
 *	if (msg_end(&b, 0)) ...
 */
#ifndef SERVICE_MSG_H
#define SERVICE_MSG_H

#include "base/buf.h"

enum {
	MSG_PROTOCOL =
	    1, /* a peer with another number is drained, never guessed */
	MSG_MAX = 65536, /* bytes of a packet */
	MSG_HEAD = 12,
	MSG_TEXT_MAX = 1024, /* that a sender cuts a TEXT to */
};

enum msg_type {
#define MSG(name, number) MSG_##name = (number),
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

enum msg_field {
#define FIELD(name, number, type) MSG_FIELD_##name = (number),
#include "service/msg.def"
#undef FIELD
	MSG_FIELDS_MAX = 128,
};

/* A message, or a group in one, that was read; it points into the packet. */
struct msg_in {
	enum msg_type type;
	uint32_t id; /* of the request */
	unsigned fds; /* that the sender says came along */
	struct span fields;
};

/* Begins a message in `b`, an empty buf of up to MSG_MAX bytes. */
void msg_begin(struct buf *b, enum msg_type type, uint32_t id);

void msg_put_u64(struct buf *b, enum msg_field field, uint64_t value);
void msg_put_str(struct buf *b, enum msg_field field, struct span value);

/* The same, unless it is empty: for optional fields. */
void msg_put_opt(struct buf *b, enum msg_field field, struct span value);

/* A group's fields stand between these two; groups do not nest. */
size_t msg_group_begin(struct buf *b, enum msg_field field);
void msg_group_end(struct buf *b, size_t group);

/* Completes it. False: it did not fit; `b` is of no use. */
MUST_USE bool msg_end(struct buf *b, unsigned fds);

/* Checks a packet by the table. False: it is none of ours, or of a stranger. */
MUST_USE bool msg_read(struct span packet, struct msg_in *in_r);

/* A field that msg_read() has found; an optional one that is absent is 0, "". */
uint64_t msg_u64(const struct msg_in *in, enum msg_field field);
struct span msg_str(const struct msg_in *in, enum msg_field field);
bool msg_has(const struct msg_in *in, enum msg_field field);

/*
 * Takes the next `field` from where *rest, at first in->fields, stands, for one
 * that may come many times. False: there is none left.
 */
MUST_USE bool msg_next(struct span *rest, enum msg_field field,
    struct span *value_r);

/* The same for a group, which is then read as a message is. */
MUST_USE bool msg_next_group(struct span *rest, enum msg_field field,
    struct msg_in *group_r);

/* How many of them a message has. */
size_t msg_count_groups(const struct msg_in *in, enum msg_field field);

/* "DELIVER"; for logs. */
const char *msg_name(enum msg_type type);

#endif
