/*
 * Reads the input as a packet of another process, and if it is one, all fields
 * of it: after msg_read() none may lead out of the packet.
 */
#include "service/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
read_fields(const struct msg_in *in)
{
	size_t bytes = msg_str(in, MSG_FIELD_ADDR).n;

	bytes += msg_str(in, MSG_FIELD_TEXT).n;
	bytes += msg_u64(in, MSG_FIELD_N) & 1;
	bytes += msg_has(in, MSG_FIELD_STATUS);
	return bytes;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct msg_in in, group;
	struct span rest, id;
	size_t bytes = 0;

	if (!msg_read((struct span){ (const char *)data, size }, &in))
		return 0;
	must(msg_name(in.type)[0] != '?');
	rest = in.fields;
	while (msg_next_group(&rest, MSG_FIELD_RCPT, &group))
		bytes += read_fields(&group);
	rest = in.fields;
	while (msg_next(&rest, MSG_FIELD_ID, &id))
		bytes += id.n;
	bytes += read_fields(&in);
	must(bytes <= 2 * size + 8);
	return 0;
}
