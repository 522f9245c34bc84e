#include "master/tally.h"

#include "base/scan.h"
#include "mail/maillog.h"

static const struct {
	struct span service; /* what stands behind the slash of the tag */
	enum counter sent; /* the others come behind it */
} transports[] = {
	{ SPAN_INIT("virtual"), COUNTER_VIRTUAL_SENT },
	{ SPAN_INIT("local"), COUNTER_LOCAL_SENT },
	{ SPAN_INIT("smtp"), COUNTER_SMTP_SENT },
	{ SPAN_INIT("lmtp"), COUNTER_LMTP_SENT },
	{ SPAN_INIT("error"), COUNTER_ERROR_SENT },
	{ SPAN_INIT("retry"), COUNTER_RETRY_SENT },
};

static const struct {
	uint64_t ms;
	enum counter counter;
} delays[] = {
	{ 100, COUNTER_DELAY_0 },
	{ 500, COUNTER_DELAY_1 },
	{ 1000, COUNTER_DELAY_2 },
	{ 5000, COUNTER_DELAY_3 },
	{ 30 * 1000, COUNTER_DELAY_4 },
	{ 300 * 1000, COUNTER_DELAY_5 },
	{ 3600 * 1000, COUNTER_DELAY_6 },
	{ 36000 * 1000, COUNTER_DELAY_7 },
};

static enum counter
transport_of(struct span tag)
{
	while (tag.n > 0 && memchr(tag.p, '/', tag.n))
		span_cut(&tag, '/');
	for (size_t i = 0; i < COUNT_OF(transports); i++)
		if (span_eq(tag, transports[i].service))
			return transports[i].sent;
	return COUNTER_OTHER_SENT;
}

/* "12.3", with up to two digits behind the point. */
static uint64_t
milliseconds(struct span s)
{
	uint64_t seconds, digits;
	size_t n;

	if (!take_number(&s, UINT32_MAX, &seconds))
		return 0;
	if (!take_char(&s, '.'))
		return seconds * 1000;
	n = s.n;
	if (!take_number(&s, 99, &digits))
		digits = 0;
	return seconds * 1000 + digits * (n == 1 ? 100 : 10);
}

static enum counter
bucket_of(uint64_t ms)
{
	for (size_t i = 0; i < COUNT_OF(delays); i++)
		if (ms <= delays[i].ms)
			return delays[i].counter;
	return COUNTER_DELAY_MORE;
}

bool
tally_delivery(const struct log_record *r, enum counter *delivery_r,
    enum counter *delay_r, uint64_t *ms_r)
{
	struct span status = log_get(r, MAILLOG_FIELD_STATUS);
	enum counter sent = transport_of(log_get(r, LOG_FIELD_TAG));

	if (r->event != MAILLOG_DELIVERY)
		return false;
	*delay_r = COUNTERS_N;
	*ms_r = 0;
	if (span_eq(status, SPAN("sent"))) {
		*ms_r = milliseconds(log_get(r, MAILLOG_FIELD_DELAY));
		*delay_r = bucket_of(*ms_r);
		*delivery_r = sent;
	} else if (span_eq(status, SPAN("deferred"))) {
		*delivery_r = sent + 1;
	} else if (span_eq(status, SPAN("bounced")) ||
	    span_eq(status, SPAN("expired"))) {
		*delivery_r = sent + 2;
	} else {
		return false; /* it was only to be known */
	}
	return true;
}

_Static_assert(COUNTER_SMTP_DEFERRED == COUNTER_SMTP_SENT + 1 &&
	COUNTER_SMTP_BOUNCED == COUNTER_SMTP_SENT + 2,
    "in the order of the table");

void
tally_line(const struct log_record *r)
{
	struct span lost = log_get(r, LOG_FIELD_LOST);
	enum counter delivery, delay;
	uint64_t ms, n;

	counter_add(COUNTER_LINES, 1);
	if (take_number(&lost, UINT32_MAX, &n))
		counter_add(COUNTER_LINES_LOST, n);
	if (!tally_delivery(r, &delivery, &delay, &ms))
		return;
	counter_add(delivery, 1);
	if (delay == COUNTERS_N)
		return;
	counter_add(delay, 1);
	counter_add(COUNTER_DELAY_MS, ms);
}
