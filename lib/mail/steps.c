#include "mail/steps.h"

static steps_fn *listener;
static void *listener_arg;

void
steps_on_tell(steps_fn *fn, void *arg)
{
	listener = fn;
	listener_arg = arg;
}

void
steps_tell(const struct step *s)
{
	if (listener)
		listener(s, listener_arg);
}
