#include "sasl/mech.h"

static const char *const names[] = {
	[MECH_PLAIN] = "PLAIN",
	[MECH_LOGIN] = "LOGIN",
};

bool
mech_init(struct mech *m, struct span name)
{
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (span_ieq(span_str(names[i]), name)) {
			*m = (struct mech){
				.kind = (enum mech_kind)i,
				.name = names[i],
			};
			return true;
		}
	return false;
}

void
mech_fini(struct mech *m)
{
	explicit_bzero(m, sizeof(*m));
}

static enum mech_result
refuse(struct mech *m, const char *text)
{
	m->text = text;
	return MECH_REFUSED;
}

/* A name is shown in logs and headers, and is a key of tables. */
static bool
is_user(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f ||
		    strchr("()<>\"\\", s.p[i]))
			return false;
	return s.n > 0 && s.n <= MECH_USER_MAX;
}

static bool
keep_user(struct mech *m, struct span user)
{
	if (!is_user(user))
		return false;
	for (size_t i = 0; i < user.n; i++)
		m->user[i] = ascii_lower(user.p[i]);
	m->user_n = user.n;
	return true;
}

static enum mech_result
keep_password(struct mech *m, struct span password)
{
	if (password.n == 0 || password.n > SCHEME_PASSWORD_MAX ||
	    memchr(password.p, '\0', password.n))
		return refuse(m, "malformed password");
	memcpy(m->password, password.p, password.n);
	m->password_n = password.n;
	return MECH_READY;
}

/* message = [authzid] UTF8NUL authcid UTF8NUL passwd */
static enum mech_result
take_plain(struct mech *m, struct span message)
{
	const char *end = message.p + message.n;
	struct span authzid = span_cut(&message, '\0');
	struct span authcid = span_cut(&message, '\0');

	/* Without its NUL the last part that was cut would reach the end. */
	if (authcid.p == end || authcid.p + authcid.n == end)
		return refuse(m, "malformed response");
	if (!keep_user(m, authcid))
		return refuse(m, "malformed user name");
	if (authzid.n > 0 && !span_eq(authzid, authcid))
		return refuse(m, "cannot act for another user");
	return keep_password(m, message);
}

static enum mech_result
take_login(struct mech *m, struct span response, struct buf *challenge)
{
	if (m->user_n > 0)
		return keep_password(m, response);
	if (!keep_user(m, response))
		return refuse(m, "malformed user name");
	buf_put(challenge, SPAN("Password:"));
	return MECH_CHALLENGE;
}

enum mech_result
mech_step(struct mech *m, struct span response, struct buf *challenge)
{
	switch (m->kind) {
	case MECH_PLAIN:
		return take_plain(m, response);
	case MECH_LOGIN:
		return take_login(m, response, challenge);
	}
	return refuse(m, "no such mechanism");
}

enum mech_result
mech_start(struct mech *m, struct span initial, struct buf *challenge)
{
	if (initial.p)
		return mech_step(m, initial, challenge);
	if (m->kind == MECH_LOGIN)
		buf_put(challenge, SPAN("Username:"));
	return MECH_CHALLENGE;
}
