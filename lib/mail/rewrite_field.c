#include "mail/rewrite_private.h"

#include "mail/address.h"
#include "mail/field_addrs.h"

#include <stdlib.h>

enum {
	WORK_MAX =
	    128 << 20, /* what all addresses of a field may take meanwhile */
};

/* A field whose addresses are rewritten. */
struct work {
	struct rewrite *r;
	enum rewrite_role role;
	bool is_ours;
	struct arena *arena;
	struct why *why;
	size_t length; /* of what it was: no more of that is left to copy */
	bool changed;
	bool failed;
};

/* Room for an address that has grown, and for all that is behind it. */
static void
make_room(struct buf *out, size_t n)
{
	struct buf more;

	if (n <= buf_room(out))
		return;
	buf_init(&more, zalloc(2 * (out->n + n)), 2 * (out->n + n));
	buf_put(&more, buf_span(out));
	free(out->storage);
	*out = more;
}

static bool
rewrite_one(struct span text, struct buf *out, void *arg)
{
	struct work *w = arg;
	char canonical[ADDRESS_MAX];
	struct address parsed;
	struct span addr;
	struct buf b;

	if (w->failed || !take_mailbox(&text, ADDRESS_UTF8, &parsed) ||
	    text.n > 0)
		return false;
	buf_init(&b, canonical, sizeof(canonical));
	address_put(&parsed, &b);
	switch (rewrite_address(w->r, w->role, w->is_ours, buf_span(&b),
	    w->arena, &addr, w->why)) {
	case DICT_FOUND:
		break;
	case DICT_TEMPFAIL:
		w->failed = true;
		return false;
	case DICT_ABSENT:
		return false;
	}
	make_room(out, addr.n + w->length);
	buf_put(out, addr);
	w->changed = true;
	return true;
}

static unsigned
role_of_field(struct span name)
{
	static const struct {
		const char *name;
		unsigned role;
	} rows[] = {
		{ "From", REWRITE_HEADER_SENDER },
		{ "Sender", REWRITE_HEADER_SENDER },
		{ "Reply-To", REWRITE_HEADER_SENDER },
		{ "Errors-To", REWRITE_HEADER_SENDER },
		{ "Return-Receipt-To", REWRITE_HEADER_SENDER },
		{ "Disposition-Notification-To", REWRITE_HEADER_SENDER },
		{ "Resent-From", REWRITE_HEADER_SENDER },
		{ "Resent-Sender", REWRITE_HEADER_SENDER },
		{ "Resent-Reply-To", REWRITE_HEADER_SENDER },
		{ "To", REWRITE_HEADER_RECIPIENT },
		{ "Cc", REWRITE_HEADER_RECIPIENT },
		{ "Bcc", REWRITE_HEADER_RECIPIENT },
		{ "Apparently-To", REWRITE_HEADER_RECIPIENT },
		{ "Resent-To", REWRITE_HEADER_RECIPIENT },
		{ "Resent-Cc", REWRITE_HEADER_RECIPIENT },
		{ "Resent-Bcc", REWRITE_HEADER_RECIPIENT },
		{ "Mail-Followup-To", REWRITE_HEADER_RECIPIENT },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_ieq(name, span_str(rows[i].name)))
			return rows[i].role;
	return 0;
}

bool
rewrite_is_field(struct span name)
{
	return role_of_field(name) != 0;
}

bool
rewrite_has_fields(const struct rewrite *r, bool is_ours)
{
	return is_ours || *r->p.remote_domain;
}

static enum dict_result
rewrite_all(struct work *w, struct span value, struct arena *a,
    struct span *value_r)
{
	struct buf out;
	char *copy;
	bool whole;

	buf_init(&out, zalloc(value.n + 1), value.n + 1);
	whole = field_addrs(value, rewrite_one, w, &out);
	copy = whole && w->changed ? arena_dup(a, buf_span(&out)) : NULL;
	if (copy)
		*value_r = (struct span){ copy, out.n };
	free(out.storage);
	if (w->failed)
		return DICT_TEMPFAIL;
	if (whole && !w->changed)
		return DICT_ABSENT;
	return copy ? DICT_FOUND : rewrite_full(w->why);
}

enum dict_result
rewrite_field(struct rewrite *r, struct span name, bool is_ours,
    struct span value, struct arena *a, struct span *value_r, struct why *why)
{
	struct work w = {
		.r = r,
		.role = role_of_field(name),
		.is_ours = is_ours,
		.why = why,
		.length = value.n,
	};

	if (!w.role || !rewrite_has_fields(r, is_ours))
		return DICT_ABSENT;

	struct arena *meanwhile CLEANUP(arena_freep) = arena_new(WORK_MAX);

	w.arena = meanwhile;
	return rewrite_all(&w, value, a, value_r);
}
