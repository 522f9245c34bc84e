/*
 * service.h - the frame of a daemon: what every main() of ours does first.
 *
 * A daemon is a struct service_spec and a first task. service_main() reads the
 * options that master gives and the configuration with the overrides of the
 * service's line, fills in the daemon's parameters, lets it warm up (open
 * tables, make what must be made before privileges go), changes root, user and
 * groups, enters the sandbox, and runs the task. So what a daemon may do stands
 * in its spec, on one screen.
 *
 * Master (or the broker) starts a daemon with these descriptors (service/fds.h)
 * and options: -c DIR -n NAME -t TYPE -s LISTENERS -g GENERATION -w COLUMN
 * -m MAXPROC -r ROOT and -o NAME=VALUE as often as need be. Started by hand, a daemon
 * says so and ends. It runs in queue_directory, also while it warms up. With -k
 * it only warms up and says what is wrong, for `postrider check`.
 *
 * THE LIFE OF A WORKER. It tells its parent when it is ready and how busy it
 * is. Told to drain, it stops accepting: service_stopping() becomes true and
 * the stop bell rings; sessions end by themselves, and after
 * `service_drain_time` all tasks are cancelled. When no task is left it says
 * goodbye and exits. A parent that is gone is the same as being told to drain,
 * but for SERVICE_SELF: those end when their work is gone.
 * SIGTERM is: cancel all, now. SIGUSR1 logs what each task waits for.
 *
 * Daemons that are single owners of something (qmgr) have ->reload and are not
 * replaced: it reads all anew, swaps, or keeps the old and says why.
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "base/why.h"
#include "conf/conf.h"
#include "service/limits.h"
#include "service/sandbox.h"
#include "task/task.h"

/* Who a daemon becomes. An ordinary user who starts the suite is them all. */
enum service_user {
	SERVICE_OWNER, /* mail_owner: owns the queue; also in group postrider-net */
	SERVICE_NET, /* postrider-net */
	SERVICE_LOGIN, /* postrider-login */
	SERVICE_AUTH, /* postrider-auth */
	SERVICE_SELF, /* whoever it was started as: the broker has seen to it */
	SERVICE_ROOT, /* only what the design names */
};

struct service_spec {
	const char *name; /* the program: "smtpd" */
	const char *summary; /* what it does, for --help: "takes mail in" */
	enum service_user user;
	bool chroot; /* to queue_directory */
	unsigned sandbox; /* SANDBOX_... words */
	bool runs_others; /* what it starts may be set-gid, or run such */

	const struct conf_field
	    *fields; /* filled into ->params before warm_up */
	size_t fields_n;
	void *params;

	/* Opens what is opened before privileges go. May be NULL. Blocks. */
	int (*warm_up)(const struct conf *c, struct why *why);

	/*
	 * The first task, with NULL. When it has returned, and all others too,
	 * the worker ends.
	 */
	task_fn *serve;

	/*
	 * Runs offloaded when the parent says so, with the new configuration,
	 * which it takes over if it returns 0. NULL: workers are replaced.
	 */
	int (*reload)(struct conf *c, struct why *why);

	/* In a task, once ->reload has returned 0. May be NULL. May sleep. */
	void (*reloaded)(void);
};

/* main() of every daemon. Returns the exit status. */
int service_main(int argc, char **argv, const struct service_spec *spec);

/*
 * Says, in warm_up(), what else the sandbox has to allow, as main.cf asks for what
 * needs it: words as of ->sandbox.
 */
void service_needs(unsigned words);

/* The configuration of this process, and the name of its service (-n). */
const struct conf *service_conf(void);
const char *service_name(void);

/* Descriptors master opened for us, in master.cf's order; -1: no more. */
int service_listener(size_t i);

/* The folder to which the broker bounds a mailbox process, or NULL. */
const char *service_root(void);

/* Whether we were told to end. The bell rings when we are. */
bool service_stopping(void);
struct bell *service_stop_bell(void);

/* Whether we only look at our configuration (-k): nothing may be made. */
bool service_checking(void);

/*
 * Whether the broker that forked us is gone, for SERVICE_SELF: nobody will send
 * us anything new. The stop bell rings then, too.
 */
bool service_orphaned(void);

/* The machine's, as counted at the start: it takes a file that is out of reach. */
unsigned service_processors(void);

/* How many sessions or deliveries the service may have at a time; 0: any number. */
int64_t service_maxproc(void);

/* The shared counts of this service; never NULL. */
struct limits *service_limits(void);

/*
 * Accepts on all listeners until told to stop, and runs fn(conn) as a task for
 * each connection while there are fewer than maxproc of them in the service;
 * at maxproc clients wait in the backlog, and a warning is logged once a minute.
 * `fn` takes over the struct, which is freed by service_conn_free(), and with
 * it the count. May sleep.
 */
struct service_conn {
	int fd;
	struct sockaddr_storage *peer; /* AF_UNIX: of no use */
	size_t
	    listener; /* on which it came: the number of service_listener() */
};
void service_accept(task_fn *fn, const char *task_name);

/* Our own end: AF_UNSPEC if that cannot be known. A system call. */
void service_conn_own(const struct service_conn *c,
    struct sockaddr_storage *own_r);

/*
 * Closes ->fd unless that is -1, and gives the count back. NULL is fine. Returns
 * NULL. The other form is for CLEANUP.
 */
struct service_conn *service_conn_free(struct service_conn *c);
void service_conn_freep(struct service_conn **c);

/*
 * Says, in warm_up(), that `path` is about to be read: when the file is changed
 * or replaced master replaces the workers, as on a reload. For tables it is said
 * by dict_on_open(service_watch_as), with what the file was. Who has ->reload
 * looks for itself. Blocks.
 */
void service_watch(const char *path);
struct stat;
void service_watch_as(const char *path, const struct stat *st);

/*
 * Tells the parent how many requests are under way, if that changed, and not
 * more often than once a second. Connections of service_accept() are counted
 * without. Plain.
 */
void service_status(unsigned busy);

/* Sends the parent a message without fields. Plain. */
void service_tell(int msg_type);

/*
 * A message of the parent that the frame does not know goes here, with the `n`
 * descriptors that came with it, which are taken over. Said before ->serve first
 * waits.
 */
struct msg_in;
typedef void service_parent_fn(const struct msg_in *in, int *fds, size_t n);
void service_on_parent(service_parent_fn *fn);

/* Wall clock, microseconds: the machine's, or the tests' (-Dtest_hooks). */
int64_t service_wall(void);

#endif
