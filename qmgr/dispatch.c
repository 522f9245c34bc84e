/*
 * What the scheduler gives goes to agents, as long as it gives something: but not
 * faster than results are put on record. What is done and not on record would be
 * done again after a crash.
 */
#include "qmgr/qmgr.h"

#include "service/service.h"

void
task_dispatch(void *arg)
{
	enum task_wake wake = TASK_READY;

	(void)arg;
	while (wake == TASK_READY) {
		struct entry *e = NULL;

		if (qmgr.ready && !service_stopping() &&
		    qmgr.recording < RECORDING_MAX)
			e = scheduler_next(&qmgr.scheduler,
			    service_wall() / 1000);
		if (e)
			agent_deliver(e);
		else
			wake = bell_wait(&qmgr.dispatch, TASK_NEVER);
	}
}
