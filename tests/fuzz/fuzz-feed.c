/*
 * The lines that postmap reads: in whatever pieces a text comes, they are those
 * of the whole text.
 */
#include "conf/lines.h"
#include "tools/maps/feed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TEXT_MAX = 4000,
	PIECES_MAX = 64, /* packets that a socket holds for sure */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A descriptor that gives out the text in pieces of `size` bytes. */
static int
open_pieces(const char *text, size_t n, size_t size)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
	if (n / size >= PIECES_MAX)
		size = n / PIECES_MAX + 1;
	for (size_t at = 0; at < n; at += size) {
		size_t len = n - at < size ? n - at : size;

		must(send(fds[1], text + at, len, 0) == (ssize_t)len);
	}
	close(fds[1]);
	return fds[0];
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct lines lines;
	struct feed feed;
	struct span want, got;
	unsigned want_number, got_number;
	size_t size;
	char *text;
	int fd;

	if (n < 2 || n > TEXT_MAX)
		return 0;
	size = data[0] % 97 + 1u;
	data++;
	n--;
	text = zalloc(n + 1);
	memcpy(text, data, n);
	fd = open_pieces(text, n, size);
	feed_init(&feed, fd);
	lines = (struct lines){ .p = text, .n = n };
	while (lines_next(&lines, &want, &want_number)) {
		must(feed_next(&feed, &got, &got_number) == FEED_LINE);
		must(span_eq(got, want));
		must(got_number == want_number);
	}
	must(feed_next(&feed, &got, &got_number) == FEED_END);
	must(feed.taken <= n);
	feed_fini(&feed);
	close(fd);
	free(text);
	return 0;
}
