#include "tools/queue/ask.h"

#include "base/sock.h"
#include "tools/say.h"

#include <errno.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ANSWER_MS = 60 * 1000,
};

void
ask_send(int fd, struct buf *b)
{
	if (!msg_end(b, 0) || sock_send(fd, buf_span(b), NULL, 0) < 0)
		say_fatal(EX_TEMPFAIL, "the queue manager takes no request");
}

/* What is there already, else what comes in time. */
static ssize_t
receive(int fd, char *packet, size_t max)
{
	int fds[SOCK_FDS_MAX];
	size_t fds_n = 0;
	ssize_t n = sock_recv(fd, packet, max, fds, &fds_n);

	if (n == -EAGAIN) {
		if (!sock_wait_input(fd, ANSWER_MS))
			say_fatal(EX_TEMPFAIL,
			    "the queue manager does not answer");
		n = sock_recv(fd, packet, max, fds, &fds_n);
	}
	while (n >= 0 && fds_n > 0)
		close(fds[--fds_n]);
	return n;
}

struct msg_in
ask_receive(int fd)
{
	static char packet[MSG_MAX];
	ssize_t n = receive(fd, packet, sizeof(packet));
	struct msg_in in;

	if (n <= 0 || !msg_read((struct span){ packet, (size_t)n }, &in))
		say_fatal(EX_TEMPFAIL, "the queue manager went away");
	return in;
}
