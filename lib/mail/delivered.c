#include "mail/delivered.h"

#include "base/scan.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum {
	PIECE = 16 << 10, /* most heads are shorter */
};

static bool
says_delivered(struct span line, struct span addr)
{
	return take_text(&line, SPAN("Delivered-To:")) &&
	    span_ieq(trim_white(line), addr);
}

static bool
head_says(struct span head, struct span addr)
{
	while (head.n > 0) {
		struct span line = span_cut(&head, '\n');

		if (line.n == 0)
			return false;
		if (says_delivered(line, addr))
			return true;
	}
	return false;
}

int
delivered_find(int fd, uint64_t offset, uint64_t length, struct span addr,
    char *storage)
{
	size_t have = 0, max = DELIVERED_HEAD_MAX;
	const char *end = NULL;

	if (length < max)
		max = (size_t)length;
	while (have < max && !end) {
		size_t want = max - have < PIECE ? max - have : PIECE;
		size_t from = have > 0 ? have - 1 : 0;
		ssize_t n = pread(fd, storage + have, want,
		    (off_t)(offset + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		have += (size_t)n;
		end = memmem(storage + from, have - from, "\n\n", 2);
	}
	return head_says((struct span){ storage, have }, addr);
}
