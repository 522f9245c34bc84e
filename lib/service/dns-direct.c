#include "service/dns.h"

#include "service/resolver.h"
#include "task/task.h"

#include <errno.h>
#include <stdlib.h>

/* Who asks may be gone when the answer comes; whoever is last frees it. */
struct wait {
	struct bell answered;
	struct arena *arena; /* NULL: nobody waits any more */
	struct dns_answer *answer;
	struct why *why;
	enum dns_result result;
	bool done;
};

static enum dns_result
fail(struct why *why, const char *text)
{
	why_set(why, EAGAIN, NULL, 0, "%s", text);
	return DNS_TEMPFAIL;
}

/* False: the arena is full. */
static bool
copy(struct arena *a, const struct resolved *r, struct dns_answer *d)
{
	d->secure = r->secure;
	d->ttl = r->ttl;
	d->rdata = arena_alloc(a, (r->n + 1) * sizeof(*d->rdata));
	d->name = arena_dup(a, r->name.p ? r->name : SPAN(""));
	if (!d->rdata || !d->name)
		return false;
	for (; d->n < r->n; d->n++) {
		struct span bytes = { r->rdata[d->n],
			(size_t)r->rdata_n[d->n] };

		d->rdata[d->n] = (struct span){ arena_dup(a, bytes), bytes.n };
		if (!d->rdata[d->n].p)
			return false;
	}
	return true;
}

static void
take(const struct resolved *r, void *arg)
{
	struct wait *w = arg;

	if (!w->arena) {
		free(w);
		return;
	}
	w->result = r->result;
	if (r->result == DNS_TEMPFAIL)
		w->result = fail(w->why, r->text);
	else if (!copy(w->arena, r, w->answer))
		w->result = fail(w->why, "the answer is too large");
	w->done = true;
	bell_ring(&w->answered);
}

enum dns_result
dns_query(struct arena *a, struct span name, enum rdata_type type,
    int64_t deadline, struct dns_answer *answer_r, struct why *why)
{
	struct wait *w = zalloc(sizeof(*w));
	enum task_wake wake = TASK_READY;
	enum dns_result result;

	*answer_r = (struct dns_answer){ .name = "" };
	bell_init(&w->answered, "an answer of DNS");
	w->arena = a;
	w->answer = answer_r;
	w->why = why;
	if (!resolver_ask(name, type, take, w)) {
		free(w);
		return name.n >= RDATA_NAME_MAX
		    ? DNS_ABSENT
		    : fail(why, "the resolver has too much to do");
	}
	while (!w->done && wake == TASK_READY)
		wake = bell_wait(&w->answered, deadline);
	if (!w->done) {
		w->arena = NULL;
		return wake == TASK_CANCELLED
		    ? DNS_CANCELLED
		    : fail(why, "the name servers do not answer in time");
	}
	result = w->result;
	free(w);
	return result;
}
