/*
 * Where the mail of a user lies whom authd knows and virtual_mailbox_maps do not:
 * as he finds it when he logs in.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"
#include "mail/place.h"
#include "sasl/client.h"

#include <errno.h>

enum {
	ASK_MS = 5 * 1000, /* it may just be starting */
	AWAY_MS = 10 * 1000, /* for so long nobody waits for it again */
};

static char socket_path[] = "private/auth";
static bool is_kept; /* the connection to it */
static int64_t away_until;

static struct span
field(struct span fields, const char *name)
{
	struct span value = SPAN("");

	(void)!sasl_field(fields, span_str(name), &value);
	return value;
}

static enum dict_result
find_place(const struct sasl_exchange *x, struct span user, struct arena *a,
    struct mailbox_place *place_r, struct why *why)
{
	const struct place_user u = {
		.name = user,
		.mail = field(x->fields, "mail"),
		.home = field(x->fields, "home"),
		.uid = field(x->fields, "uid"),
		.gid = field(x->fields, "gid"),
	};

	struct settings *s = settings_hold(qmgr.settings);
	enum dict_result r = place_find(s->routing, &u, a, place_r, why);

	settings_free(s);
	return r;
}

static enum dict_result
ask(struct span user, struct arena *a, struct mailbox_place *place_r,
    struct why *why)
{
	struct sasl_exchange *x CLEANUP(sasl_freep) = sasl_new();

	switch (sasl_find_user(x, user, SPAN("virtual"), task_after(ASK_MS))) {
	case SASL_ANSWER_OK:
		return find_place(x, user, a, place_r, why);
	case SASL_ANSWER_ABSENT:
		return DICT_ABSENT;
	case SASL_ANSWER_TEMPFAIL:
	case SASL_ANSWER_FAIL:
	case SASL_ANSWER_CONTINUE:
		break;
	}
	away_until = task_now() + AWAY_MS;
	why_set(why, EAGAIN, NULL, 0, "authd does not say who %.*s is: %.*s",
	    (int)(user.n < 200 ? user.n : 200), user.p,
	    (int)(x->text.n < 200 ? x->text.n : 200), x->text.p);
	return DICT_TEMPFAIL;
}

enum dict_result
authd_place(struct span rcpt, struct arena *a, struct mailbox_place *place_r,
    struct why *why)
{
	enum dict_result r;

	if (!qmgr.settings->has_authd)
		return DICT_ABSENT;
	if (!is_kept &&
	    !task_spawn(sasl_serve, socket_path, "connection to authd"))
		return DICT_TEMPFAIL;
	is_kept = true;
	why_set(why, EAGAIN, NULL, 0, "authd is away");
	if (task_now() < away_until)
		return DICT_TEMPFAIL;
	r = ask(rcpt, a, place_r, why);
	if (r == DICT_ABSENT &&
	    place_drop_extension(qmgr.settings->routing, rcpt, a, &rcpt))
		r = ask(rcpt, a, place_r, why);
	return r;
}
