/*
 * tally.h - counts what the log tells of deliveries, as it passes.
 *
 * All programs that deliver log each attempt for a recipient, with what came of
 * it and how long it took; so the one that reads all lines counts for them all.
 */
#ifndef MASTER_TALLY_H
#define MASTER_TALLY_H

#include "base/log.h"
#include "service/counters.h"

/* Counts a line: calls counter_add() for what it tells of. */
void tally_line(const struct log_record *r);

/*
 * What a delivery counts as, and the bucket of its delay. False: the line tells
 * of none. Of one that was not sent there is no bucket: COUNTERS_N.
 */
MUST_USE bool tally_delivery(const struct log_record *r,
    enum counter *delivery_r, enum counter *delay_r, uint64_t *ms_r);

#endif
