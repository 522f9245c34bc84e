/*
 * story.h - all that is known of a message, out of a ring of events.
 *
 * From the events that have a key one goes to the names in them, and to all
 * events of these; so a message is followed through a forward to its new queue
 * ID, and from a report to what it tells of. What a client said before there was
 * an ID is in the story of each message of the connection. What belongs together
 * is one story; within it, events stand in order of time.
 *
 * How far one goes is bounded: names, events, memory. Beyond that ->cut is set.
 */
#ifndef TRACE_STORY_H
#define TRACE_STORY_H

#include "base/arena.h"
#include "trace/ring.h"

struct trace_query {
	struct span key;
	int64_t since; /* wall clock, microseconds */
	int64_t until;
	size_t max; /* stories, the newest */
};

struct trace_event {
	size_t story; /* from 0 on, in order of their first event */
	uint64_t at;
	int64_t time;
	struct span packet; /* as log_decode() takes it */
};

struct trace_answer {
	struct trace_event *events; /* by story, then time */
	size_t n;
	size_t stories;
	bool cut; /* there was more than is told */
};

/* Finds them; the answer lives in `a`. Blocks. */
struct trace_answer trace_tell(const struct trace_ring *r,
    const struct trace_query *q, struct arena *a);

#endif
