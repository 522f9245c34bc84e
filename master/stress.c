#include "master/stress.h"

#include "base/log.h"
#include "master/commands.h"

#include <inttypes.h>
#include <string.h>

enum {
	ROOM_PAUSE = 10 * 1000, /* ms, until it is looked again */
};

static bool
adapts(const struct service *s)
{
	if (!s->want || strcmp(s->want->command->name, "smtpd") != 0 ||
	    strcmp(s->want->type, "inet") != 0)
		return false;
	/* Who sets it himself has decided. */
	for (size_t i = 0; i < s->want->overrides_n; i++)
		if (strncmp(s->want->overrides[i], "stress=", 7) == 0)
			return false;
	return true;
}

/* Whether another generation ends nobody's session. */
static bool
has_room(const struct service *s)
{
	const struct worker *oldest = worker_next(s, NULL);

	return oldest && service_count(s, true) >= s->want->workers &&
	    service_younger(s, oldest->generation) + 1 < WORKERS_GENERATIONS;
}

static void
change(struct service *s, bool stressed)
{
	s->stressed = stressed;
	s->generation++;
	bell_ring(&s->changed);
	if (stressed)
		log_warning("service %s: clients wait; those that are taken "
			    "from now on find stress=yes",
		    s->want->name);
	else
		log_info("service %s: no client has waited for %" PRId64
			 " s; stress is over",
		    s->want->name,
		    services.plan->params.service_stress_time / 1000);
}

void
stress_full(struct service *s)
{
	if (!adapts(s))
		return;
	s->stressed_until = task_after(
	    services.plan->params.service_stress_time);
	if (!s->stressed && has_room(s))
		change(s, true);
}

int64_t
stress_look(struct service *s)
{
	if (!s->stressed)
		return TASK_NEVER;
	if (task_now() < s->stressed_until)
		return s->stressed_until;
	if (!has_room(s))
		return task_after(ROOM_PAUSE);
	change(s, false);
	return task_now();
}
