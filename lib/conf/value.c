#include "conf/value.h"

#include "base/scan.h"

#include <errno.h>
#include <inttypes.h>

enum {
	MS_IN_SECOND = 1000,
};

/* The longest time: a hundred years, so that sums do not overflow. */
static const int64_t seconds_max = 36525LL * 86400;

bool
value_bool(struct span text, bool *value_r)
{
	if (span_ieq(text, SPAN("yes")))
		*value_r = true;
	else if (span_ieq(text, SPAN("no")))
		*value_r = false;
	else
		return false;
	return true;
}

bool
value_number(struct span text, int64_t *value_r)
{
	bool minus = take_char(&text, '-');
	uint64_t number;

	if (!take_number(&text, INT64_MAX, &number) || text.n > 0)
		return false;
	*value_r = minus ? -(int64_t)number : (int64_t)number;
	return true;
}

static int64_t
seconds_of(char unit)
{
	switch (ascii_lower(unit)) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'w':
		return 7 * 86400;
	default:
		return 0;
	}
}

/*
 * "d", "day" or "days". Postfix looks at the first letter alone; but who writes ms
 * does not mean minutes.
 */
static bool
is_unit(struct span word)
{
	static const char *const longer[] = { "sec", "second", "min", "minute",
		"hr", "hour", "day", "wk", "week" };

	if (word.n <= 1)
		return word.n == 1 && seconds_of(*word.p);
	if (ascii_lower(word.p[word.n - 1]) == 's')
		word.n--;
	for (size_t i = 0; i < COUNT_OF(longer); i++)
		if (span_ieq(word, span_str(longer[i])))
			return true;
	return false;
}

bool
value_time(struct span text, char unit, int64_t *ms_r)
{
	uint64_t number;

	if (!take_number(&text, INT64_MAX, &number) ||
	    (text.n > 0 && !is_unit(text)))
		return false;
	if (text.n > 0)
		unit = *text.p;

	int64_t seconds = seconds_of(unit);

	if (seconds == 0 || (int64_t)number > seconds_max / seconds)
		return false;
	*ms_r = (int64_t)number * seconds * MS_IN_SECOND;
	return true;
}

bool
value_word(struct span text, const char *words, int *place_r)
{
	struct span rest = { words, strlen(words) };

	for (int i = 0; rest.n > 0; i++)
		for (struct span same = span_cut(&rest, ' '); same.n > 0;)
			if (span_ieq(span_cut(&same, '|'), text)) {
				*place_r = i;
				return true;
			}
	return false;
}

static int
refuse(const struct param *p, const char *kind, struct span text,
    const char *allowed, struct why *why)
{
	return why_set(why, EINVAL, NULL, 0,
	    "%s: bad %s \"%.*s\"; allowed is %s", p->name, kind,
	    (int)(text.n < 80 ? text.n : 80), text.p, allowed);
}

static int
refuse_range(const struct param *p, struct span text, const char *unit,
    struct why *why)
{
	if (p->max == 0)
		return why_set(why, EINVAL, NULL, 0,
		    "%s: \"%.*s\" is out of range; allowed is %" PRId64
		    "%s or more",
		    p->name, (int)(text.n < 80 ? text.n : 80), text.p, p->min,
		    unit);
	return why_set(why, EINVAL, NULL, 0,
	    "%s: \"%.*s\" is out of range; allowed is %" PRId64 "%s to "
	    "%" PRId64 "%s",
	    p->name, (int)(text.n < 80 ? text.n : 80), text.p, p->min, unit,
	    p->max, unit);
}

static bool
in_range(const struct param *p, int64_t value)
{
	return value >= p->min && (p->max == 0 || value <= p->max);
}

static int
parse_number(const struct param *p, struct span text, int64_t *value_r,
    struct why *why)
{
	if (!value_number(text, value_r))
		return refuse(p, "number", text, "a whole number", why);
	return in_range(p, *value_r) ? 0 : refuse_range(p, text, "", why);
}

static int
parse_time(const struct param *p, struct span text, int64_t *value_r,
    struct why *why)
{
	if (!value_time(text, param_time_unit(p), value_r))
		return refuse(p, "time", text,
		    "a number with s, m, h, d or w behind it, up to 100 years",
		    why);
	return in_range(p, *value_r / MS_IN_SECOND)
	    ? 0
	    : refuse_range(p, text, "s", why);
}

int
value_parse(const struct param *p, enum conf_type type, struct span text,
    int64_t *value_r, struct why *why)
{
	bool yes;
	int place;

	switch (type) {
	case CONF_BOOL:
		if (!value_bool(text, &yes))
			return refuse(p, "switch", text, "yes or no", why);
		*value_r = yes;
		return 0;
	case CONF_INT:
	case CONF_SIZE:
		return parse_number(p, text, value_r, why);
	case CONF_TIME:
		return parse_time(p, text, value_r, why);
	case CONF_ENUM:
		if (!value_word(text, p->words, &place))
			return why_set(why, EINVAL, NULL, 0,
			    "%s: bad word \"%.*s\"; allowed is one of: %s",
			    p->name, (int)(text.n < 80 ? text.n : 80), text.p,
			    p->words);
		*value_r = place;
		return 0;
	case CONF_STR:
	case CONF_LIST:
	case CONF_RAW:
		break;
	}
	must(type == CONF_INT); /* texts have no number */
	return -EINVAL;
}
