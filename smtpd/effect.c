#include "smtpd/private.h"

static void
add_text(struct smtpd_text **list, struct smtpd_text *t)
{
	while (*list)
		list = &(*list)->next;
	*list = t;
}

/* Of the same the last one counts, but for those of which there may be many. */
static void
apply(struct smtpd_session *s, enum access_effect effect, struct smtpd_text *t)
{
	switch (effect) {
	case ACCESS_EFFECT_NONE:
		break;
	case ACCESS_EFFECT_HOLD:
		s->txn.hold = true;
		break;
	case ACCESS_EFFECT_FILTER:
		s->txn.filter = t->text;
		break;
	case ACCESS_EFFECT_PREPEND:
		add_text(&s->txn.prepends, t);
		break;
	case ACCESS_EFFECT_REDIRECT:
		s->txn.redirect = t->text;
		break;
	case ACCESS_EFFECT_BCC:
		add_text(&s->txn.copies, t);
		break;
	}
}

void
session_permitted(struct smtpd_session *s, struct span rules)
{
	char *copy;

	if (s->txn.n == 0 || s->txn.permits.p)
		return;
	copy = arena_dup(s->arena, rules);
	if (copy)
		s->txn.permits = (struct span){ copy, rules.n };
}

void
session_effect(struct smtpd_session *s, enum access_effect effect,
    struct span arg)
{
	struct smtpd_text *t;

	must(s->want == SMTPD_WANT_ACCESS);
	if (!s->facts.sender.p || effect == ACCESS_EFFECT_NONE)
		return;
	t = ARENA_NEW(s->arena, struct smtpd_text);
	if (t)
		t->text = (struct span){ arena_dup(s->arena, arg), arg.n };
	if (t && t->text.p)
		apply(s, effect, t);
	else
		s->txn.effect_lost = true;
}
