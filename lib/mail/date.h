/*
 * date.h - moments of wall clock, in microseconds since 1970, as text.
 *
 * Nothing here depends on the locale. The machine's time zone is read by the
 * first call, which must come before a change of root.
 */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/buf.h"

enum {
	DATE_MAX = 64, /* room that any of these needs, with a NUL */
};

/* "Sat, 21 Nov 2026 20:57:58 +0000 (UTC)": RFC 5322, section 3.3. */
void date_put_header(struct buf *out, int64_t us);

/* "2026-11-21T20:57:58.123456+00:00": RFC 3339. */
void date_put_iso(struct buf *out, int64_t us);

#endif
