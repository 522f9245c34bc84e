/*
 * What clients say to authenticate, what tables have of users, and what is asked
 * of authd: nothing but a name and a password comes of it.
 */
#include "base/base64.h"
#include "sasl/mech.h"
#include "sasl/user.h"
#include "service/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
authenticate(const char *name, struct span lines)
{
	char challenge[MECH_CHALLENGE_MAX];
	struct mech m;
	struct buf b;

	buf_init(&b, challenge, sizeof(challenge));
	must(mech_init(&m, span_str(name)));
	enum mech_result r = mech_start(&m, span_cut(&lines, '\n'), &b);
	while (r == MECH_CHALLENGE && lines.n > 0) {
		buf_drop(&b, b.n);
		r = mech_step(&m, span_cut(&lines, '\n'), &b);
	}
	must(!b.overflow);
	must(r != MECH_REFUSED || m.text);
	if (r != MECH_READY)
		return;
	must(m.user_n > 0 && strlen(m.user) == m.user_n);
	must(m.password_n > 0 && strlen(m.password) == m.password_n);
}

static void
read_value(struct span text)
{
	struct span value;
	struct user u;
	struct why why;

	if (!user_parse(text, &u, &why))
		return;
	must(u.hash.n > 0 && scheme_is_usable(u.hash, &why));
	if (sasl_field(u.fields, SPAN("uid"), &value))
		must(value.n > 0 && value.n <= 10);
	(void)!user_may(&u, SPAN("smtp"));
}

static void
decode(struct span text)
{
	static char bytes[4096], again[8192];
	struct buf b, c;

	buf_init(&b, bytes, sizeof(bytes));
	if (!base64_take(text, &b))
		return;
	buf_init(&c, again, sizeof(again));
	base64_put(&c, buf_span(&b));
	must(!c.overflow && span_eq(buf_span(&c), text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	struct msg_in in;

	authenticate("PLAIN", text);
	authenticate("LOGIN", text);
	read_value(text);
	decode(text);
	if (msg_read(text, &in) && in.type == MSG_AUTH) {
		(void)msg_str(&in, MSG_FIELD_MECH);
		(void)msg_str(&in, MSG_FIELD_RESPONSE);
	}
	return 0;
}
