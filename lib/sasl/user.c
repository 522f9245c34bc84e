#include "sasl/user.h"

#include "base/scan.h"
#include "sasl/scheme.h"

#include <errno.h>

enum {
	ID_MAX = 0x7ffffffe, /* the kernel's -1 means "no id" */
};

static bool
is_name(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 'a' || s.p[i] > 'z') && s.p[i] != '_')
			return false;
	return s.n > 0;
}

static bool
take_field(struct span *rest, struct span *name_r, struct span *value_r)
{
	struct span word;

	take_blanks(rest);
	if (!take_word(rest, &word) || !take_until(&word, '=', name_r))
		return false;
	*value_r = word;
	return is_name(*name_r);
}

bool
sasl_field(struct span fields, struct span name, struct span *value_r)
{
	struct span n, value;

	while (take_field(&fields, &n, &value))
		if (span_eq(n, name)) {
			*value_r = value;
			return true;
		}
	return false;
}

static bool
is_number(struct span value)
{
	uint64_t n;

	return take_number(&value, ID_MAX, &n) && value.n == 0;
}

static bool
check_fields(struct span fields, struct why *why)
{
	struct span name, value;

	for (take_blanks(&fields); fields.n > 0; take_blanks(&fields)) {
		if (!take_field(&fields, &name, &value)) {
			(void)why_set(why, EINVAL, NULL, 0,
			    "what stands behind the hash is not name=value");
			return false;
		}
		if ((span_eq(name, SPAN("uid")) ||
			span_eq(name, SPAN("gid"))) &&
		    !is_number(value)) {
			(void)why_set(why, EINVAL, NULL, 0,
			    "%.*s is not a number", (int)name.n, name.p);
			return false;
		}
	}
	return true;
}

bool
user_parse(struct span value, struct user *user_r, struct why *why)
{
	struct user u = { 0 };

	take_blanks(&value);
	if (!take_word(&value, &u.hash)) {
		(void)why_set(why, EINVAL, NULL, 0, "there is no password");
		return false;
	}
	take_blanks(&value);
	while (value.n > 0 &&
	    (value.p[value.n - 1] == ' ' || value.p[value.n - 1] == '\t'))
		value.n--;
	u.fields = value;
	if (!scheme_is_usable(u.hash, why) || !check_fields(value, why))
		return false;
	*user_r = u;
	return true;
}

bool
user_may(const struct user *u, struct span service)
{
	struct span list;

	if (!sasl_field(u->fields, SPAN("allow"), &list))
		return true;
	while (list.n > 0)
		if (span_ieq(span_cut(&list, ','), service))
			return true;
	return false;
}
