#include "service/counters.h"

#include "service/frame.h"

_Static_assert((int)COUNTERS_N <= (int)LIMITS_COUNTERS, "there is room");

void
counter_add(enum counter c, uint64_t n)
{
	if (frame.limits)
		limits_count_up(frame.limits, c, n);
}
