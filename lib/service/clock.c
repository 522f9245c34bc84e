#include "service/frame.h"

#include "base/clock.h"
#include "service/fds.h"

#include <sys/mman.h>

#ifdef TEST_HOOKS

static const _Atomic int64_t *offset; /* milliseconds; the tests' file */

void
frame_clock_init(void)
{
	void *p = mmap(NULL, sizeof(*offset), PROT_READ, MAP_SHARED, FDS_CLOCK,
	    0);

	if (p == MAP_FAILED)
		return;
	offset = p;
	task_set_clock_offset(offset);
}

int64_t
service_wall(void)
{
	return clock_wall() + (offset ? *offset * 1000 : 0);
}

#else

void
frame_clock_init(void)
{
}

int64_t
service_wall(void)
{
	return clock_wall();
}

#endif
