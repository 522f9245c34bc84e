#include "master/plan.h"

#include "master/interfaces.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MEMORY_MAX = 16 << 20,
	OVERRIDES_MAX = 250, /* that a daemon can take */
	WORKERS_MAX = 32, /* of three generations and more in the table */
	ALWAYS_MAX = 5, /* services that run whatever master.cf says */
	DESCRIPTORS_OWN = 64, /* of a process, beside those of its sessions */
};

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct plan_params, queue_directory),
	CONF_FIELD(CONF_STR, struct plan_params, data_directory),
	CONF_FIELD(CONF_STR, struct plan_params, daemon_directory),
	CONF_FIELD(CONF_LIST, struct plan_params, inet_interfaces),
	CONF_FIELD(CONF_LIST, struct plan_params, inet_protocols),
	CONF_FIELD(CONF_LIST, struct plan_params, known_tcp_ports),
	CONF_FIELD(CONF_STR, struct plan_params, mail_version),
	CONF_FIELD(CONF_STR, struct plan_params, syslog_name),
	CONF_FIELD(CONF_INT, struct plan_params, service_workers),
	CONF_FIELD(CONF_TIME, struct plan_params, service_throttle_time),
	CONF_FIELD(CONF_TIME, struct plan_params, service_stress_time),
	CONF_FIELD(CONF_INT, struct plan_params, default_process_limit),
};

static const char *
text(struct plan *p, const char *fmt, const char *a, const char *b)
{
	char bytes[1024];
	struct buf out;
	char *s;

	buf_init(&out, bytes, sizeof(bytes));
	for (; *fmt; fmt++)
		if (*fmt == '1' || *fmt == '2') {
			const char *part = *fmt == '1' ? a : b;

			buf_put(&out, span_str(part));
		} else {
			buf_put(&out, (struct span){ fmt, 1 });
		}
	s = arena_dup(p->arena, buf_span(&out));
	must(s); /* master.cf itself is bounded far below */
	return s;
}

/* The options of the line that are ours: -o name=value, -v. */
static int
take_overrides(struct plan *p, struct plan_service *s,
    const struct service_line *l, struct why *why)
{
	s->overrides = arena_alloc(p->arena,
	    (l->args_n + 1) * sizeof(*s->overrides));
	must(s->overrides);
	for (size_t i = 0; i < l->args_n; i++) {
		const char *arg = l->args[i];

		if (strncmp(arg, "-o", 2) != 0)
			continue; /* -v and such of Postfix's */
		arg = arg[2] ? arg + 2 : l->args[++i];
		if (!arg || !strchr(arg, '='))
			return why_set(why, EINVAL, "master.cf", l->line,
			    "service %s: -o must be followed by name=value",
			    l->name);
		if (s->overrides_n == OVERRIDES_MAX)
			return why_set(why, EINVAL, "master.cf", l->line,
			    "service %s: more than %d options", l->name,
			    OVERRIDES_MAX);
		s->overrides[s->overrides_n++] = arg;
	}
	return 0;
}

static void
add_path(struct plan *p, struct plan_service *s, const char *dir,
    const char *name, int type, mode_t mode, enum plan_group group)
{
	s->sockets[s->sockets_n++] = (struct plan_socket){
		.path = text(p, "1/2", dir, name),
		.type = type,
		.mode = mode,
		.group = group,
	};
}

/*
 * The single owners have the sockets that others look for, whatever master.cf
 * calls them; programs with many workers take streams.
 */
static int
find_sockets(struct plan *p, struct plan_service *s,
    const struct service_line *l, struct why *why)
{
	const char *command = s->command->name;

	if (strcmp(command, "qmgr") == 0) {
		add_path(p, s, "private", "qmgr", SOCK_SEQPACKET, 0660,
		    PLAN_NET);
		add_path(p, s, "public", "showq", SOCK_SEQPACKET, 0666,
		    PLAN_NET);
	} else if (strcmp(command, "broker") == 0) {
		/* In this order: it tells its clients apart by it. */
		add_path(p, s, "private", "broker", SOCK_SEQPACKET, 0600,
		    PLAN_NET);
		add_path(p, s, "auth", "broker", SOCK_SEQPACKET, 0660,
		    PLAN_AUTH);
		add_path(p, s, "login", "broker", SOCK_SEQPACKET, 0660,
		    PLAN_LOGIN);
	} else if (strcmp(command, "authd") == 0) {
		add_path(p, s, "private", "auth", SOCK_SEQPACKET, 0660,
		    PLAN_NET);
		add_path(p, s, "login", "auth", SOCK_SEQPACKET, 0660,
		    PLAN_LOGIN);
	} else if (strcmp(command, "dnsd") == 0) {
		add_path(p, s, "private", "dns", SOCK_SEQPACKET, 0660,
		    PLAN_NET);
	} else if (strcmp(command, "proxymap") == 0) {
		add_path(p, s, "private", "proxymap", SOCK_SEQPACKET, 0660,
		    PLAN_NET);
		add_path(p, s, "auth", "proxymap", SOCK_SEQPACKET, 0660,
		    PLAN_AUTH);
	} else if (strcmp(command, "cleanup") == 0) {
		/* In this order: it tells its clients apart by it. */
		add_path(p, s, "private", "cleanup", SOCK_SEQPACKET, 0600,
		    PLAN_NET);
		add_path(p, s, "public", "pickup", SOCK_SEQPACKET, 0666,
		    PLAN_NET);
	} else if (strcmp(command, "postlogd") == 0) {
		s->is_log = true;
	} else if (s->command->kind == COMMAND_AGENTS &&
	    l->type == SERVICE_UNIX) {
		add_path(p, s, l->private ? "private" : "public", l->name,
		    SOCK_SEQPACKET, 0600, PLAN_NET);
	} else if (s->command->kind != COMMAND_AGENTS &&
	    l->type == SERVICE_INET) {
		return interfaces_find(&p->params, l, s, why);
	} else if (s->command->kind != COMMAND_AGENTS &&
	    l->type == SERVICE_UNIX) {
		add_path(p, s, l->private ? "private" : "public", l->name,
		    SOCK_STREAM, l->private ? 0660 : 0666, PLAN_NET);
	} else {
		return why_set(why, EINVAL, "master.cf", l->line,
		    "service %s: %s cannot be of type %s; allowed: inet, unix",
		    l->name, command, service_type_name(l->type));
	}
	return 0;
}

/* Whether there is one process of it, whatever master.cf says. */
static bool
is_alone(const struct command *c)
{
	return c->kind == COMMAND_SINGLE || c->kind == COMMAND_ONE ||
	    c->kind == COMMAND_SHARED;
}

static int
count_workers(struct plan *p, struct plan_service *s, struct why *why)
{
	int64_t n = p->params.service_workers;
	const char *name = text(p, "1_service_workers", s->name, "");
	int err = 0;

	/* Of metrics, one process is enough for all who ask. */
	if (is_alone(s->command) || strcmp(s->command->name, "metrics") == 0) {
		s->workers = 1;
		return 0;
	}
	if (conf_raw(p->conf, name))
		err = conf_get_number(p->conf, name, CONF_INT, &n, why);
	if (err)
		return err;
	if (n == 0)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	s->workers = (unsigned)(n > WORKERS_MAX ? WORKERS_MAX : n);
	return 0;
}

static int
find_program(struct plan *p, struct plan_service *s, struct why *why)
{
	const char *file = NULL;
	unsigned line = 0;

	s->program = text(p, "1/2", p->params.daemon_directory,
	    s->command->name);
	if (access(s->program, X_OK) == 0)
		return 0;

	int error = errno;

	(void)conf_source(p->conf, "daemon_directory", &file, &line);
	return why_set(why, error, file, line,
	    "daemon_directory: service %s: cannot run %s: %s", s->name,
	    s->program, strerror(error));
}

/* Of a single owner maxproc is 1, and says nothing of who may ask it. */
static int64_t
limit_of(const struct plan *p, const struct service_line *l,
    const struct command *command)
{
	if (is_alone(command))
		return 0;
	return l->maxproc < 0 ? p->params.default_process_limit : l->maxproc;
}

static int
add_service(struct plan *p, const struct service_line *l,
    const struct command *command, struct why *why)
{
	struct plan_service *s = &p->services[p->n];
	int err;

	*s = (struct plan_service){
		.key = text(p, "1 2", service_type_name(l->type), l->name),
		.name = l->name,
		.type = service_type_name(l->type),
		.command = command,
		.line = l->line,
		.maxproc = limit_of(p, l, command),
	};
	err = take_overrides(p, s, l, why);
	if (!err)
		err = find_sockets(p, s, l, why);
	if (!err)
		err = count_workers(p, s, why);
	if (!err)
		err = find_program(p, s, why);
	if (!err)
		p->n++;
	return err;
}

static bool
has_command(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->services[i].command->name, name) == 0)
			return true;
	return false;
}

static int
add_line(struct plan *p, const struct service_line *l, plan_note_fn *note,
    void *arg, struct why *why)
{
	const struct command *c = command_find(l->command);
	char bytes[512];

	if (!c)
		return why_set(why, EINVAL, "master.cf", l->line,
		    "service %s: unknown command %s", l->name, l->command);
	switch (c->kind) {
	case COMMAND_BUILT_IN:
		return 0;
	case COMMAND_NOT_YET:
		snprintf(bytes, sizeof(bytes),
		    "service %s: program %s is not part of this version; mail "
		    "for it is deferred",
		    l->name, l->command);
		note(bytes, arg);
		return 0;
	case COMMAND_ONE:
	case COMMAND_SHARED:
		/* smtpd names cleanup for its options; proxywrite is proxymap. */
		if (has_command(p, c->name))
			return 0;
		break;
	case COMMAND_SINGLE:
		if (has_command(p, c->name))
			return why_set(why, EINVAL, "master.cf", l->line,
			    "service %s: there can be only one %s", l->name,
			    c->name);
		break;
	case COMMAND_AGENTS:
	case COMMAND_WORKERS:
		break;
	}
	return add_service(p, l, c, why);
}

/* As if they stood in the file. */
static int
add_missing(struct plan *p, struct why *why)
{
	static const struct service_line always[] = {
		{ .name = "postlog",
		    .type = SERVICE_UNIX,
		    .command = "postlogd" },
		{ .name = "broker", .type = SERVICE_UNIX, .command = "broker" },
		{ .name = "cleanup",
		    .type = SERVICE_UNIX,
		    .command = "cleanup" },
		{ .name = "dns", .type = SERVICE_UNIX, .command = "dnsd" },
		{ .name = "proxymap",
		    .type = SERVICE_UNIX,
		    .command = "proxymap" },
	};
	int err = 0;

	for (size_t i = 0; i < COUNT_OF(always) && !err; i++)
		if (!has_command(p, always[i].command))
			err = add_service(p, &always[i],
			    command_find(always[i].command), why);
	return err;
}

/*
 * A session has a descriptor or two, of its client and of a file or a mailbox, and
 * one process may come to have all of a service.
 */
static void
note_descriptors(const struct plan *p, plan_note_fn *note, void *arg)
{
	struct rlimit r;
	char what[256];

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	for (size_t i = 0; i < p->n; i++) {
		const struct plan_service *s = &p->services[i];
		int64_t wanted = 2 * s->maxproc + DESCRIPTORS_OWN;

		if (strcmp(s->type, "inet") != 0 ||
		    (rlim_t)wanted <= r.rlim_max)
			continue;
		snprintf(what, sizeof(what),
		    "service %s: %lld sessions (maxproc) may need %lld open "
		    "files, and a process may have %lld here: raise the hard "
		    "limit (ulimit -Hn, LimitNOFILE=)",
		    s->name, (long long)s->maxproc, (long long)wanted,
		    (long long)r.rlim_max);
		note(what, arg);
	}
}

static int
fill(struct plan *p, const char *dir, plan_note_fn *note, void *arg,
    struct why *why)
{
	size_t n;
	int err;

	p->conf = conf_load(dir, NULL, 0, why);
	if (!p->conf)
		return -EINVAL;
	err = conf_get_struct(p->conf, fields, COUNT_OF(fields), &p->params,
	    why);
	if (!err)
		err = conf_check(p->conf, why);
	if (err)
		return err;
	p->cf = master_cf_load(p->conf, why);
	if (!p->cf)
		return -EINVAL;
	n = master_cf_count(p->cf);
	p->services = zalloc((n + ALWAYS_MAX) * sizeof(*p->services));
	for (size_t i = 0; i < n && !err; i++)
		err = add_line(p, master_cf_at(p->cf, i), note, arg, why);
	return err ? err : add_missing(p, why);
}

struct plan *
plan_load(const char *dir, plan_note_fn *note, void *arg, struct why *why)
{
	struct plan *p = zalloc(sizeof(*p));

	p->arena = arena_new(MEMORY_MAX);
	if (fill(p, dir, note, arg, why) < 0)
		return plan_free(p);
	note_descriptors(p, note, arg);
	return p;
}

struct plan *
plan_free(struct plan *p)
{
	if (!p)
		return NULL;
	free(p->services);
	if (p->cf)
		master_cf_free(p->cf);
	conf_free(p->conf);
	arena_free(p->arena);
	free(p);
	return NULL;
}

struct plan_service *
plan_find(const struct plan *p, const char *key)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->services[i].key, key) == 0)
			return &p->services[i];
	return NULL;
}

bool
plan_same_options(const struct plan_service *a, const struct plan_service *b)
{
	if (a->overrides_n != b->overrides_n ||
	    strcmp(a->program, b->program) != 0)
		return false;
	for (size_t i = 0; i < a->overrides_n; i++)
		if (strcmp(a->overrides[i], b->overrides[i]) != 0)
			return false;
	return true;
}
