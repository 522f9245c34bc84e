#include "master/processes.h"

#include "base/log.h"
#include "service/service.h"
#include "service/spawn.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

enum {
	KEEP_MAX = 1 << 20,
	PATH_LEN = 1024,
};

struct processes processes;

static void
leave_table(struct process *p)
{
	if (!p->spare)
		broker_remove(&processes.core, &p->worker);
	p->spare = true;
	service_status((unsigned)processes.core.workers.n);
}

void
process_retire(struct process *p)
{
	leave_table(p);
	process_tell(p, MSG_SPARE, NULL);
}

static void
take_message(struct process *p, struct span packet)
{
	struct msg_in in;

	if (msg_read(packet, &in) && in.type == MSG_SPARE)
		process_retire(p);
}

static void
say_how_it_ended(const struct process *p)
{
	const char *name = broker_program_name(
	    (enum broker_program)p->worker.key.program);
	char how[64];
	int status;

	spawn_reap(p->pid, &status, how, sizeof(how));
	/* Told to end before it was ready to be told: that is an end, too. */
	if (p->told_to_end && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGTERM)
		return;
	if (status != 0)
		log_warning("process %s[%d] of uid %u %s", name, (int)p->pid,
		    (unsigned)p->worker.key.uid, how);
}

/* A task: until it dies, and then forgets it. */
static void
watch(void *arg)
{
	struct process *p = arg;
	int fds[SOCK_FDS_MAX];
	enum stream_result r;
	struct span packet;
	size_t n;

	while ((r = channel_recv(p->control, TASK_NEVER, &packet, fds, &n)) ==
	    STREAM_OK) {
		while (n > 0)
			task_close(fds[--n]);
		take_message(p, packet);
	}
	leave_table(p);
	if (r != STREAM_CANCELLED &&
	    task_wait_fd(p->pidfd, TASK_INPUT, TASK_NEVER) == TASK_READY)
		say_how_it_ended(p);
	link_remove(&p->in_all);
	channel_free(p->control);
	task_close(p->pidfd);
	free(p);
}

static int
exec_worker(const struct broker_key *key, const char *root, int parent,
    int channel, pid_t *pid_r)
{
	const char *name = broker_program_name(
	    (enum broker_program)key->program);
	struct spawn *s = zalloc(sizeof(*s));
	struct privs as = { .uid = (uid_t)key->uid, .gid = (gid_t)key->gid };
	char path[PATH_LEN];
	const char *const args[] = { path, "-c", conf_dir(service_conf()), "-n",
		name, "-s", channel < 0 ? "0" : "1" };
	int err;

	as.groups[as.groups_n++] = as.gid;
	snprintf(path, sizeof(path), "%s/%s", processes.daemon_directory, name);
	s->path = path;
	s->log = FDS_LOG;
	s->parent = parent;
	s->limits = -1;
	s->clock = FDS_CLOCK;
	if (channel >= 0)
		s->listeners[s->listeners_n++] = channel;
	s->as = &as;
	for (size_t i = 0; i < COUNT_OF(args); i++)
		spawn_arg(s, args[i]);
	if (root) {
		spawn_arg(s, "-r");
		spawn_arg(s, root);
	}
	err = spawn_run(s, pid_r);
	free(s);
	return err;
}

int
process_start(const struct broker_key *key, const char *root, int channel,
    struct process **p_r)
{
	struct process *p;
	int pair[2] = { -1, -1 };
	pid_t pid;
	int err = sock_pair(pair);

	if (!err)
		err = exec_worker(key, root, pair[1], channel, &pid);
	task_close(pair[1]);
	if (err) {
		task_close(pair[0]);
		return err;
	}
	p = zalloc(sizeof(*p));
	p->worker.key = *key;
	p->control = channel_new(pair[0], MSG_MAX, KEEP_MAX);
	p->pid = pid;
	p->pidfd = spawn_watch(pid);
	p->generation = processes.generation;
	if (p->pidfd < 0 ||
	    !task_spawn(watch, p, "%s[%d]",
		broker_program_name((enum broker_program)key->program),
		(int)pid))
		die("cannot watch a worker");
	list_append(&processes.all, &p->in_all);
	broker_add(&processes.core, &p->worker);
	service_status((unsigned)processes.core.workers.n);
	*p_r = p;
	return 0;
}

bool
process_tell(struct process *p, enum msg_type type, int *fd)
{
	char packet[MSG_HEAD];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, type, 0);
	return msg_end(&b, fd ? 1 : 0) &&
	    channel_send(p->control, buf_span(&b), fd, fd ? 1 : 0);
}

void
processes_tell(enum msg_type type)
{
	struct link *l;

	for (l = processes.all.next; l != &processes.all; l = l->next)
		process_tell(container_of(l, struct process, in_all), type,
		    NULL);
}

/* Who only reads mail can be cut off; a delivery has something to finish. */
static void
end_sessions(void)
{
	struct link *l;

	for (l = processes.all.next; l != &processes.all; l = l->next) {
		struct process *p = container_of(l, struct process, in_all);

		if (p->worker.key.program == BROKER_DELIVER)
			continue;
		p->told_to_end = true;
		(void)!pidfd_send_signal(p->pidfd, SIGTERM, NULL, 0);
	}
}

void
processes_end(int64_t ms)
{
	int64_t by = task_after(ms);

	processes_tell(MSG_DRAIN);
	end_sessions();
	while (!list_empty(&processes.all) && task_wait_end(by) == TASK_READY)
		continue;
}
