#include "mail/date.h"

#include <stdlib.h>
#include <time.h>

enum {
	SECOND = 1000000,
};

static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri",
	"Sat" };
static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* Splits a moment; what no calendar holds is 1970. */
static struct tm
split_time(int64_t us, int *micro_r)
{
	time_t seconds = us > 0 ? us / SECOND : 0;
	struct tm tm = { .tm_mday = 1, .tm_year = 70 };

	*micro_r = us > 0 ? (int)(us % SECOND) : 0;
	if (!localtime_r(&seconds, &tm))
		tm = (struct tm){ .tm_mday = 1, .tm_year = 70 };
	return tm;
}

void
date_put_header(struct buf *out, int64_t us)
{
	int micro;
	struct tm tm = split_time(us, &micro);
	long zone = tm.tm_gmtoff / 60;

	buf_putf(out, "%s, %2d %s %d %02d:%02d:%02d %c%02ld%02ld",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, zone < 0 ? '-' : '+',
	    labs(zone) / 60, labs(zone) % 60);
	if (tm.tm_zone && *tm.tm_zone)
		buf_putf(out, " (%.16s)", tm.tm_zone);
}

void
date_put_iso(struct buf *out, int64_t us)
{
	int micro;
	struct tm tm = split_time(us, &micro);
	long zone = tm.tm_gmtoff / 60;

	buf_putf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%06d%c%02ld:%02ld",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, micro, zone < 0 ? '-' : '+', labs(zone) / 60,
	    labs(zone) % 60);
}
