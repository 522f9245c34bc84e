/*
 * plan.h - what main.cf and master.cf want to run, checked as a whole.
 *
 * A plan is made before anything is changed, at start and at each reload: a
 * wrong one is refused with file and line, and all goes on as it was. What the
 * suite cannot do without (broker, dnsd, postlogd) is in it also if master.cf says
 * nothing of it.
 */
#ifndef MASTER_PLAN_H
#define MASTER_PLAN_H

#include "base/arena.h"
#include "conf/master_cf.h"
#include "master/commands.h"
#include "net/addr.h"
#include "service/fds.h"

/* Whose group a path gets. */
enum plan_group {
	PLAN_NET,
	PLAN_LOGIN,
	PLAN_AUTH,
};

/* A socket to listen on: an inet address, or a path below queue_directory. */
struct plan_socket {
	struct addr addr; /* AF_UNSPEC: it is ->path */
	const char *path;
	int type; /* of a path: SOCK_SEQPACKET, SOCK_STREAM */
	mode_t mode; /* of a path */
	enum plan_group group; /* of a path: who may connect */
	bool may_lack; /* an address that the machine may not have */
};

struct plan_service {
	const char *key; /* "inet smtp": the same across reloads */
	const char *name; /* "smtp" */
	const char *type;
	const struct command *command;
	const char *program; /* its path */
	unsigned line; /* of master.cf; 0: it was not there */
	int64_t maxproc; /* 0: no limit */
	unsigned workers;
	bool is_log; /* its listener is the log stream */
	const char **overrides;
	size_t overrides_n;
	struct plan_socket sockets[FDS_LISTEN_MAX];
	size_t sockets_n;
};

struct plan_params {
	const char *queue_directory;
	const char *data_directory;
	const char *daemon_directory;
	const char *inet_interfaces;
	const char *inet_protocols;
	const char *known_tcp_ports;
	const char *mail_version;
	const char *syslog_name;
	int64_t service_workers;
	int64_t service_throttle_time;
	int64_t service_stress_time;
	int64_t default_process_limit;
};

/* What is no error, and is to be known: a text to log once. */
typedef void plan_note_fn(const char *text, void *arg);

struct plan {
	struct conf *conf;
	struct plan_params params;
	struct plan_service *services;
	size_t n;

	/* Its own. */
	struct master_cf *cf;
	struct arena *arena;
};

/* Makes the plan of a directory. Returns NULL with `why`. Blocks. */
struct plan *plan_load(const char *dir, plan_note_fn *note, void *arg,
    struct why *why);
struct plan *plan_free(struct plan *p);

/* The service with this key, or NULL. */
struct plan_service *plan_find(const struct plan *p, const char *key);

/* Whether the overrides of both are the same. */
bool plan_same_options(const struct plan_service *a,
    const struct plan_service *b);

#endif
