/* tcp: a server that is asked "get KEY", and answers "200 value". */
#include "dict/private.h"
#include "dict/server/spoken.h"

#include <stdlib.h>

static enum server_result
hear(struct talk *w, struct spoken_ask *a, int64_t deadline, struct why *why)
{
	struct span line;

	if (!talk_until(w, '\n', TCP_LINE_MAX, &line, deadline, why))
		return SERVER_LOST;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	a->reply = reply_tcp(line, a->text);
	return SERVER_DONE;
}

static enum server_result
ask(struct talk *w, struct spoken_ask *a, int64_t deadline, struct why *why)
{
	size_t size = 3 * a->key.n + 8;
	struct buf b;
	bool sent;

	buf_init(&b, zalloc(size), size);
	ask_tcp(&b, a->key);
	sent = talk_put(w, buf_span(&b), deadline, why);
	free(b.storage);
	return sent ? hear(w, a, deadline, why) : SERVER_LOST;
}

struct dict *
tcp_open(const char *name, unsigned flags, struct why *why)
{
	return spoken_open("tcp", name, flags, false, ask, why);
}
