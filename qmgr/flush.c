/*
 * What waits for one site is tried now: `postqueue -s`, and ETRN's.
 */
#include "base/span.h"
#include "mail/address.h"
#include "qmgr/listing.h"

#include <stdlib.h>

static bool
is_for(const struct queue_message *q, struct span site)
{
	struct span local, domain;

	for (size_t i = 0; i < q->n; i++)
		if (q->states[i].verdict != QUEUE_SENT &&
		    address_cut(q->rcpts[i].addr, &local, &domain) &&
		    span_ieq(domain, site))
			return true;
	return false;
}

/* What it was when the page was read it may not be any more. */
static bool
wake(const struct queue_id *id)
{
	struct message *m = qmgr_find(id->text);

	if (!m || m->phase != MESSAGE_DEFERRED)
		return false;
	make_due(m);
	return true;
}

uint64_t
flush_site(struct span site)
{
	struct page *p = zalloc(sizeof(*p));
	struct listing l = { 0 };
	uint64_t count = 0;

	listing_make(&l);
	for (size_t at = 0; page_fill(p, &l, at); at += p->n)
		for (size_t i = 0; i < p->n; i++)
			if (p->rows[i].err == 0 &&
			    is_for(&p->rows[i].message, site))
				count += wake(&p->rows[i].at->id);
	page_free(p);
	listing_free(&l);
	return count;
}
