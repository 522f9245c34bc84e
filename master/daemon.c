#include "master/daemon.h"

#include "master/sockets.h"
#include "service/spawn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void
add_number(struct spawn *sp, const char *option, int64_t n, char text[24])
{
	snprintf(text, 24, "%" PRId64, n);
	spawn_arg(sp, option);
	spawn_arg(sp, text);
}

static void
add_listeners(struct spawn *sp, const struct plan_service *p, int log)
{
	if (p->is_log)
		sp->listeners[sp->listeners_n++] = log;
	for (size_t i = 0; i < p->sockets_n; i++) {
		int fd = sockets_find(&p->sockets[i]);

		if (fd >= 0)
			sp->listeners[sp->listeners_n++] = fd;
	}
}

int
daemon_start(const struct daemon *d, const struct daemon_setup *setup,
    pid_t *pid_r)
{
	const struct plan_service *p = d->service;
	struct spawn *sp = zalloc(sizeof(*sp));
	char numbers[4][24];
	int err;

	sp->path = p->program;
	sp->log = setup->log_in;
	sp->parent = d->parent;
	sp->limits = d->limits;
	sp->clock = setup->clock;
	sp->quiet = !setup->foreground;
	add_listeners(sp, p, setup->log_out);
	spawn_arg(sp, p->program);
	spawn_arg(sp, "-c");
	spawn_arg(sp, setup->dir);
	spawn_arg(sp, "-n");
	spawn_arg(sp, p->name);
	spawn_arg(sp, "-t");
	spawn_arg(sp, p->type);
	add_number(sp, "-s", (int64_t)sp->listeners_n, numbers[0]);
	add_number(sp, "-g", d->generation, numbers[1]);
	add_number(sp, "-w", d->column, numbers[2]);
	add_number(sp, "-m", p->maxproc, numbers[3]);
	if (d->stressed) {
		spawn_arg(sp, "-o");
		spawn_arg(sp, "stress=yes");
	}
	for (size_t i = 0; i < p->overrides_n; i++) {
		spawn_arg(sp, "-o");
		spawn_arg(sp, p->overrides[i]);
	}
	err = spawn_run(sp, pid_r);
	free(sp);
	return err;
}
