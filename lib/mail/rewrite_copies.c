/*
 * Who gets a copy of a mail: always_bcc, sender_bcc_maps, recipient_bcc_maps.
 */
#include "mail/rewrite_private.h"

#include "mail/mapped.h"

#include <errno.h>

enum {
	COPIES_MAX = 100, /* of one mail */
};

struct copies {
	struct span list[COPIES_MAX];
	size_t n;
};

static bool
add_copies(const struct rewrite *r, struct span value, struct arena *a,
    struct copies *c)
{
	struct span word, addr;

	while (mapped_take(&value, &word)) {
		if (c->n == COPIES_MAX ||
		    !mapped_address(SPAN("nobody"), word, true, SPAN(""), a,
			&addr) ||
		    !rewrite_complete(r, addr, a, &addr))
			return false;
		c->list[c->n++] = addr;
	}
	return true;
}

static enum dict_result
find_copies(struct rewrite *r, size_t which, struct span addr, struct arena *a,
    struct copies *c, struct why *why)
{
	struct maps_form form = rewrite_form(r, addr);
	struct span value;
	enum dict_result found;

	form.kind = KEYS_ADDRESS;
	found = maps_find(&r->maps[which], &form, addr, a, &value, NULL, why);

	if (found == DICT_FOUND && !add_copies(r, value, a, c)) {
		why_set(why, EINVAL, NULL, 0, "%s: no addresses for %.*s",
		    rewrite_map_names[which],
		    (int)(addr.n < 200 ? addr.n : 200), addr.p);
		return DICT_TEMPFAIL;
	}
	return found;
}

static enum dict_result
give(const struct copies *c, struct arena *a, const struct span **list_r,
    size_t *n_r, struct why *why)
{
	struct span *list = arena_alloc(a, (c->n + 1) * sizeof(*list));

	*n_r = 0;
	if (!list)
		return rewrite_full(why);
	memcpy(list, c->list, c->n * sizeof(*list));
	*list_r = list;
	*n_r = c->n;
	return c->n > 0 ? DICT_FOUND : DICT_ABSENT;
}

enum dict_result
rewrite_bcc_of_sender(struct rewrite *r, struct span sender, struct arena *a,
    const struct span **list_r, size_t *n_r, struct why *why)
{
	struct copies c = { .n = 0 };

	*list_r = NULL;
	*n_r = 0;
	if (!add_copies(r, span_str(r->p.always_bcc), a, &c)) {
		why_set(why, EINVAL, NULL, 0, "always_bcc: no address");
		return DICT_TEMPFAIL;
	}
	if (sender.n > 0 &&
	    find_copies(r, MAPS_SENDER_BCC, sender, a, &c, why) ==
		DICT_TEMPFAIL)
		return DICT_TEMPFAIL;
	return give(&c, a, list_r, n_r, why);
}

enum dict_result
rewrite_bcc_of_recipient(struct rewrite *r, struct span rcpt, struct arena *a,
    const struct span **list_r, size_t *n_r, struct why *why)
{
	struct copies c = { .n = 0 };

	*list_r = NULL;
	*n_r = 0;
	if (find_copies(r, MAPS_RECIPIENT_BCC, rcpt, a, &c, why) ==
	    DICT_TEMPFAIL)
		return DICT_TEMPFAIL;
	return give(&c, a, list_r, n_r, why);
}
