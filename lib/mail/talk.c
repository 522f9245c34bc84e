#include "mail/talk.h"

#include "base/clock.h"
#include "task/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
	GOODBYE_MS = 2000,
	PID_BITS = 22, /* of the largest process ID there can be */
	VERB_MAX = 47, /* in the log, whatever the client said */
};

/* Also that of another process. */
uint64_t
talk_name(void)
{
	static int64_t last;
	static uint64_t pid;
	int64_t now = clock_wall();

	if (pid == 0)
		pid = (uint64_t)getpid() & (BIT(PID_BITS) - 1);
	last = now > last ? now : last + 1;
	return (uint64_t)last << PID_BITS | pid;
}

int64_t
talk_deadline(const struct talk *t)
{
	return task_after(t->timeout);
}

void
talk_broken(const struct talk *t, struct talk_at at, const char *what)
{
	char data[48];

	if (at.in_data) {
		snprintf(data, sizeof(data), "DATA (%" PRIu64 " bytes)",
		    t->data_bytes);
		at.verb = span_str(data);
	}
	if (at.verb.n > VERB_MAX)
		at.verb.n = VERB_MAX;
	maillog_broken(&t->client, span_str(what), at.verb);
}

enum talk_end
talk_ended(const struct talk *t, struct talk_at at, enum stream_result r)
{
	switch (r) {
	case STREAM_OK:
		return TALK_GOES_ON;
	case STREAM_TOO_LONG:
		return TALK_TOO_LONG;
	case STREAM_TIMEOUT:
		talk_broken(t, at, "timeout");
		return TALK_TIMEOUT;
	case STREAM_CANCELLED:
		return TALK_SHUTDOWN;
	case STREAM_EOF:
	case STREAM_FAILED:
	case STREAM_EARLY_DATA:
		break;
	}
	talk_broken(t, at, "lost connection");
	return TALK_IS_OVER;
}

bool
talk_make_room(const struct talk *t, struct talk_at at, size_t n)
{
	enum stream_result r;

	if (buf_room(&t->stream->out) >= n)
		return true;
	r = stream_flush(t->stream, talk_deadline(t));
	if (r == STREAM_OK)
		return true;
	talk_broken(t, at, r == STREAM_TIMEOUT ? "timeout" : "lost connection");
	return false;
}

void
talk_goodbye(const struct talk *t, struct talk_at at, const char *broken,
    bool is_polite)
{
	int64_t by = task_after(GOODBYE_MS);

	if (broken)
		talk_broken(t, at, broken);
	if (is_polite && !broken && stream_pending(t->stream) == 0)
		(void)!stream_flush(t->stream, by);
	else
		stream_finish(t->stream, by);
}
