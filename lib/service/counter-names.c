#include "service/counters.h"

const char *
counter_name(enum counter c)
{
	static const char *const names[] = {
#define COUNTER(name, text) [COUNTER_##name] = text,
#include "service/counters.def"
#undef COUNTER
	};

	must(c < COUNTERS_N);
	return names[c];
}
