#include "imapd/mailbox/pattern.h"

/*
 * After each byte of the pattern, at which places of the name it may have
 * arrived: so there is no going back, whatever the pattern.
 */
static bool
fits(struct span pattern, struct span name, bool any_case)
{
	bool at[PATTERN_NAME_MAX + 1] = { true };

	for (size_t i = 0; i < pattern.n; i++) {
		char c = pattern.p[i];
		bool here = at[0];

		if (c == '*' || c == '%') {
			for (size_t j = 0; j < name.n; j++)
				if (at[j] && (c == '*' || name.p[j] != '.'))
					at[j + 1] = true;
			continue;
		}
		at[0] = false;
		for (size_t j = 0; j < name.n; j++) {
			bool next = at[j + 1];
			bool same = any_case
			    ? ascii_lower(name.p[j]) == ascii_lower(c)
			    : name.p[j] == c;

			at[j + 1] = here && same;
			here = next;
		}
	}
	return at[name.n];
}

bool
pattern_fits(struct span pattern, struct span name)
{
	if (pattern.n > PATTERN_MAX || name.n > PATTERN_NAME_MAX)
		return false;
	return fits(pattern, name, span_ieq(name, SPAN("INBOX")));
}
