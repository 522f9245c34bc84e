/* tcp: a server that is asked "get KEY", and answers "200 value". */
#include "dict/private.h"
#include "dict/server/spoken.h"

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

static void
put(struct buf *out, const struct spoken_ask *a)
{
	ask_tcp(out, a->key);
}

struct dict *
tcp_open(const char *name, unsigned flags, struct why *why)
{
	static const struct spoken_kind kind = { "tcp", false, put, hear };

	return spoken_open(&kind, name, flags, why);
}
