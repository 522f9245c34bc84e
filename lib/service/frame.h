/*
 * frame.h - what the files behind service.h share; private to lib/service.
 */
#ifndef SERVICE_FRAME_H
#define SERVICE_FRAME_H

#include "net/channel.h"
#include "service/service.h"

enum {
	FRAME_OVERRIDES_MAX = 256,
};

/* What master says on the command line. */
struct frame_options {
	const char *dir;
	const char *name;
	const char *type;
	size_t listeners_n;
	int64_t generation;
	unsigned column;
	int64_t maxproc; /* 0: no limit */
	const char *root; /* of a mailbox process */
	bool check; /* -k: say what is wrong, and end */
	const char *overrides[FRAME_OVERRIDES_MAX];
	size_t overrides_n;
};

/* The parameters of every daemon. */
struct frame_params {
	const char *queue_directory;
	const char *mail_owner;
	const char *net_owner;
	const char *login_owner;
	const char *auth_owner;
	const char *syslog_name;
	int sandbox;
	int64_t service_drain_time;
	int64_t disk_threads;
	int64_t cpu_threads;
	int64_t lookup_threads;
};

struct frame {
	const struct service_spec *spec;
	struct frame_options options;
	struct frame_params params;
	struct conf *conf;
	struct limits *limits;
	struct channel *parent;
	service_parent_fn *on_parent;
	unsigned own_tasks; /* of the frame, that run beside the daemon's */
	bool stopping;
	bool orphaned; /* the parent is gone, and that does not stop us */
	struct bell stop;
	int64_t drain_by; /* TASK_NEVER until it is stopping */
	unsigned processors;
	unsigned busy;
	struct bell busy_changed;
};

/* One for the process. */
extern struct frame frame;

/* False: it was not master that wrote this command line. */
MUST_USE bool frame_options(int argc, char **argv, struct frame_options *o_r);

/* Stopping begins: sessions may end by themselves until ->drain_by. */
void frame_stop(void);

/* Tasks: the parent's messages; the state for the parent; signals. */
void frame_parent(void *arg);
void frame_tell_busy(void *arg);
void frame_signals(void *arg);

/* Blocks the signals that frame_signals() reads. Before any thread. */
void frame_block_signals(void);

/* Sends a message without fields or, with STATUS, how busy it is. */
void frame_tell(int type);

/* Without a task: tells the parent of the files that were read. */
void frame_declare_files(void);

/* Without a task: says goodbye, and why it cannot even begin. */
void frame_last_words(const char *text);

/* Maps the tests' clock, if there is one. */
void frame_clock_init(void);

#endif
