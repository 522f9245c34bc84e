/*
 * socketmap: a server that speaks Sendmail's protocol: netstrings, of "name key",
 * and back.
 */
#include "base/scan.h"
#include "dict/private.h"
#include "dict/server/spoken.h"

#include <errno.h>

enum {
	DIGITS_MAX = 7,
};

static enum server_result
garbled(struct why *why)
{
	why_set(why, EPROTO, NULL, 0, "the server's answer is no netstring");
	return SERVER_LOST;
}

static enum server_result
hear(struct talk *w, struct spoken_ask *a, int64_t deadline, struct why *why)
{
	struct span text, value;
	uint64_t n;

	if (!talk_until(w, ':', DIGITS_MAX, &text, deadline, why))
		return SERVER_LOST;
	if (!take_number(&text, SOCKETMAP_MAX, &n) || text.n > 0)
		return garbled(why);
	if (!talk_take(w, n + 1, &text, deadline, why))
		return SERVER_LOST;
	if (text.p[--text.n] != ',')
		return garbled(why);
	a->reply = reply_socketmap(text, &value);
	buf_put(a->text, a->reply == REPLY_GARBLED ? text : value);
	return SERVER_DONE;
}

static void
put(struct buf *out, const struct spoken_ask *a)
{
	ask_socketmap(out, a->name, a->key);
}

struct dict *
socketmap_open(const char *name, unsigned flags, struct why *why)
{
	static const struct spoken_kind kind = { "socketmap", true, put, hear };

	return spoken_open(&kind, name, flags, why);
}
