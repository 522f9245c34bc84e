#include "service/service.h"

#include "base/help.h"
#include "base/log.h"
#include "service/drill.h"
#include "service/fds.h"
#include "service/frame.h"
#include "service/msg.h"
#include "service/privs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
	KEEP_MAX = 64 * 1024, /* for a parent that does not listen */
	LINGER_MS = 5, /* for a line of the log, so that one call sends many */
};

struct frame frame;

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct frame_params, queue_directory),
	CONF_FIELD(CONF_STR, struct frame_params, mail_owner),
	CONF_FIELD(CONF_STR, struct frame_params, net_owner),
	CONF_FIELD(CONF_STR, struct frame_params, login_owner),
	CONF_FIELD(CONF_STR, struct frame_params, auth_owner),
	CONF_FIELD(CONF_STR, struct frame_params, syslog_name),
	CONF_FIELD(CONF_ENUM, struct frame_params, sandbox),
	CONF_FIELD(CONF_TIME, struct frame_params, service_drain_time),
	CONF_FIELD(CONF_INT, struct frame_params, disk_threads),
	CONF_FIELD(CONF_INT, struct frame_params, cpu_threads),
	CONF_FIELD(CONF_INT, struct frame_params, lookup_threads),
};

const struct conf *
service_conf(void)
{
	return frame.conf;
}

const char *
service_name(void)
{
	return frame.options.name;
}

int
service_listener(size_t i)
{
	if (i >= frame.options.listeners_n)
		return -1;
	return FDS_LISTEN + (int)i;
}

const char *
service_root(void)
{
	return frame.options.root;
}

bool
service_stopping(void)
{
	return frame.stopping;
}

struct bell *
service_stop_bell(void)
{
	return &frame.stop;
}

bool
service_checking(void)
{
	return frame.options.check;
}

bool
service_orphaned(void)
{
	return frame.orphaned;
}

int64_t
service_maxproc(void)
{
	return frame.options.maxproc;
}

unsigned
service_processors(void)
{
	return frame.processors;
}

struct limits *
service_limits(void)
{
	return frame.limits;
}

void
service_on_parent(service_parent_fn *fn)
{
	frame.on_parent = fn;
}

static bool
is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void
close_on_exec(void)
{
	int n = FDS_LISTEN + (int)frame.options.listeners_n;

	for (int fd = FDS_LOG; fd < n; fd++)
		must(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
}

static int
load_conf(struct why *why)
{
	const struct service_spec *spec = frame.spec;
	int err;

	frame.conf = conf_load(frame.options.dir, frame.options.overrides,
	    frame.options.overrides_n, why);
	if (!frame.conf)
		return -EINVAL;
	err = conf_get_struct(frame.conf, fields, COUNT_OF(fields),
	    &frame.params, why);
	if (!err)
		err = conf_get_struct(frame.conf, spec->fields, spec->fields_n,
		    spec->params, why);
	return err;
}

static void
set_pools(void)
{
	const struct frame_params *p = &frame.params;

	long n = sysconf(_SC_NPROCESSORS_ONLN);

	frame.processors = n > 0 ? (unsigned)n : 1;
	if (p->disk_threads > 0)
		task_pool_set(TASK_DISK, (unsigned)p->disk_threads);
	task_pool_set(TASK_CPU,
	    p->cpu_threads > 0 ? (unsigned)p->cpu_threads : frame.processors);
	if (p->lookup_threads > 0)
		task_pool_set(TASK_LOOKUP, (unsigned)p->lookup_threads);
}

/* A worker of the broker has no table from master: it gets its own. */
static int
attach_limits(struct why *why)
{
	int fd = -1;

	frame.limits = limits_attach(FDS_LIMITS, frame.options.column);
	if (frame.limits)
		return 0;
	fd = limits_create();
	if (fd >= 0)
		frame.limits = limits_attach(fd, 0);
	if (fd >= 0)
		task_close(fd);
	if (!frame.limits)
		return why_set(why, ENOMEM, NULL, 0, "no table of limits");
	return 0;
}

/* All that is done while it may still do all. */
static int
prepare(struct why *why)
{
	const struct service_spec *spec = frame.spec;
	int err = load_conf(why);

	if (!err)
		err = attach_limits(why);
	if (err)
		return err;
	log_init(frame.params.syslog_name, spec->name, FDS_LOG);
	if (chdir(frame.params.queue_directory) < 0)
		return why_set(why, errno, NULL, 0, "queue_directory %s: %s",
		    frame.params.queue_directory, strerror(errno));
	umask(07);
	tzset(); /* while it can read the zone */
	set_pools();
#ifdef TEST_HOOKS
	drill_read(frame.options.dir, spec->name);
#endif
	if (spec->reload)
		sandbox_allow(frame.options.dir, false);
	return spec->warm_up ? spec->warm_up(frame.conf, why) : 0;
}

static const char *
user_name(enum service_user user)
{
	switch (user) {
	case SERVICE_OWNER:
		return frame.params.mail_owner;
	case SERVICE_NET:
		return frame.params.net_owner;
	case SERVICE_LOGIN:
		return frame.params.login_owner;
	case SERVICE_AUTH:
		return frame.params.auth_owner;
	case SERVICE_SELF:
	case SERVICE_ROOT:
		break;
	}
	return NULL;
}

/* Who owns the queue reads what network processes put into it. */
static int
add_net_group(struct privs *p, struct why *why)
{
	struct privs net;
	int err = privs_find(frame.params.net_owner, &net, why);

	if (!err && p->groups_n < PRIVS_GROUPS_MAX)
		p->groups[p->groups_n++] = net.gid;
	return err;
}

/* A user of the suite that is root would undo all this. */
static int
find_user(struct privs *p, struct why *why)
{
	const char *name = user_name(frame.spec->user);
	int err;

	if (!name) {
		*p = (struct privs){ .uid = geteuid(), .gid = getegid() };
		p->groups[p->groups_n++] = p->gid;
		return 0;
	}
	err = privs_find(name, p, why);
	if (!err && p->uid == 0)
		return why_set(why, EPERM, NULL, 0, "%s must not be root",
		    name);
	if (!err && frame.spec->user == SERVICE_OWNER)
		err = add_net_group(p, why);
	return err;
}

static int
leave_root(struct why *why)
{
	if (geteuid() == 0 && frame.spec->chroot && chroot(".") < 0)
		return why_set(why, errno, NULL, 0, "chroot to %s: %s",
		    frame.params.queue_directory, strerror(errno));
	return 0;
}

static unsigned needed;

void
service_needs(unsigned words)
{
	needed |= words;
}

/*
 * Root directory, groups and ids, then the sandbox: before the first thread,
 * as it holds for each thread by itself.
 */
static int
drop_privileges(struct why *why)
{
	const struct service_spec *spec = frame.spec;
	struct privs p = { 0 };
	int err = find_user(&p, why);

	if (!err)
		err = leave_root(why);
	if (!err)
		err = privs_drop(&p, why);
	if (err)
		return err;
	if (!spec->runs_others)
		privs_no_more();
	return sandbox_enter((enum sandbox_mode)frame.params.sandbox,
	    spec->sandbox ? spec->sandbox | needed | SANDBOX_RECVFD : 0, why);
}

static void
spawn_own(task_fn *fn, const char *name)
{
	if (!task_spawn(fn, NULL, "%s", name))
		die("no stack for a task of the frame");
	frame.own_tasks++;
}

static void
run(void *arg)
{
	enum task_wake w = TASK_READY;

	(void)arg;
	frame.drain_by = TASK_NEVER;
	frame.parent = channel_new(FDS_PARENT, MSG_MAX, KEEP_MAX);
	bell_init(&frame.stop, "the end");
	bell_init(&frame.busy_changed, "something to do");
	spawn_own(frame_parent, "parent");
	spawn_own(frame_tell_busy, "status");
	spawn_own(frame_signals, "signals");
	frame.spec->serve(NULL);
	while (w == TASK_READY && task_count() > 1 + frame.own_tasks)
		w = task_wait_end(TASK_NEVER);
	task_cancel_others();
}

/* For `postrider check`: what prepare() would say, on stderr. */
static int
check(void)
{
	const struct service_spec *spec = frame.spec;
	struct why why;

	if (load_conf(&why) == 0) {
		(void)!chdir(frame.params.queue_directory); /* if it is there */
		if (!spec->warm_up || spec->warm_up(frame.conf, &why) == 0)
			return EX_OK;
	}
	fprintf(stderr, "%s\n", why.text);
	return EX_CONFIG;
}

static bool
asked_for_help(int argc, char **argv, const struct service_spec *spec)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "%s - %s\n"
	    "It is a daemon of the mail system, and is started by master or the "
	    "broker.\n\n"
	    "  -k -c DIR -n NAME [-t TYPE] [-o NAME=VALUE]\n"
	    "      only says what is wrong with its configuration, as "
	    "`postrider check` does\n"
	    "More in %s(8).\n",
	    spec->name, spec->summary, spec->name);
	return help_asked(argc, argv, text);
}

static void
flush_soon(void)
{
	task_later(log_flush, task_after(LINGER_MS));
}

int
service_main(int argc, char **argv, const struct service_spec *spec)
{
	struct why why = { 0 };

	if (asked_for_help(argc, argv, spec))
		return EX_OK;

	bool mine = frame_options(argc, argv, &frame.options);
	int err;

	frame.spec = spec;
	if (mine && frame.options.check)
		return check();
	if (!mine || !is_socket(FDS_LOG) || !is_socket(FDS_PARENT)) {
		fprintf(stderr, "%s: is started by master and nobody else\n",
		    spec->name);
		return EX_USAGE;
	}
	log_init("postrider", spec->name, FDS_LOG);
	close_on_exec();
	frame_clock_init();
	err = prepare(&why);
	if (!err && !spec->reload && spec->user != SERVICE_SELF)
		frame_declare_files();
	if (err || drop_privileges(&why) < 0) {
		log_error("%s", why.text);
		frame_last_words(why.text);
		return EX_CONFIG;
	}
	frame_block_signals();
	log_on_linger(flush_soon);
	task_run(run, NULL);
	frame_tell(MSG_BYE);
	frame.parent = channel_free(frame.parent);
	return EX_OK;
}
