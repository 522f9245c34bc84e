#include "mail/rewrite_private.h"

#include "mail/address.h"
#include "mail/field_addrs.h"

/* A field whose addresses are rewritten. */
struct work {
	struct rewrite *r;
	enum rewrite_role role;
	bool is_ours;
	struct arena *arena;
	struct why *why;
	bool changed;
	bool failed;
};

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

/* Each address may grow to the longest there is. */
static size_t
room_for(struct span value)
{
	size_t n = 1;

	for (size_t i = 0; i < value.n; i++)
		n += value.p[i] == ',' || value.p[i] == ';';
	return value.n + n * ADDRESS_MAX;
}

enum dict_result
rewrite_field(struct rewrite *r, struct span name, bool is_ours,
    struct span value, struct arena *a, struct span *value_r, struct why *why)
{
	struct work w = {
		.r = r,
		.role = role_of_field(name),
		.is_ours = is_ours,
		.arena = a,
		.why = why,
	};
	size_t room = room_for(value);
	struct buf b;
	char *text;

	if (!w.role || !rewrite_has_fields(r, is_ours))
		return DICT_ABSENT;
	text = arena_alloc(a, room);
	if (!text)
		return rewrite_full(why);
	buf_init(&b, text, room);
	if (!field_addrs(value, rewrite_one, &w, &b))
		return rewrite_full(why);
	if (w.failed)
		return DICT_TEMPFAIL;
	*value_r = buf_span(&b);
	return w.changed ? DICT_FOUND : DICT_ABSENT;
}
