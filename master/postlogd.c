/*
 * postlogd: reads the stream that all processes write their lines to, makes text
 * or JSON of them and writes it to maillog_file, or to syslog. It is the only
 * reader, and it reads all there is before it writes, so that nobody else's
 * line finds the stream full.
 */
#include "base/log.h"
#include "master/logfile.h"
#include "service/service.h"

#include <errno.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	AT_ONCE = 32, /* packets of one system call */
	GATHER_MS = 20, /* for lines to come together; the stream has room */
};

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct logfile_params, maillog_file),
	CONF_FIELD(CONF_LIST, struct logfile_params, maillog_file_prefixes),
	CONF_FIELD(CONF_ENUM, struct logfile_params, maillog_file_permissions),
	CONF_FIELD(CONF_ENUM, struct logfile_params, log_format),
	CONF_FIELD(CONF_STR, struct logfile_params, mail_owner),
};

static struct logfile_params params;

/* The output: of the thread that drains, or of the one that reloads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int
warm_up(const struct conf *c, struct why *why)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s", params.maillog_file);
	if (path[0])
		sandbox_allow(dirname(path), true);
	return logfile_open(c, &params, why);
}

/* The file was put aside, or is to be another. */
static int
reload(struct conf *c, struct why *why)
{
	struct logfile_params p;
	int err = conf_get_struct(c, fields, COUNT_OF(fields), &p, why);

	if (err)
		return err;
	pthread_mutex_lock(&lock);
	err = logfile_open(c, &p, why);
	pthread_mutex_unlock(&lock);
	return err;
}

static void
put(struct span packet)
{
	struct log_record r;

	if (log_decode(packet, &r))
		logfile_put(&r);
}

/* Returns how many packets there were. */
static int
read_some(int fd)
{
	static char packets[AT_ONCE][LOG_PACKET_MAX];
	struct mmsghdr msgs[AT_ONCE] = { 0 };
	struct iovec iov[AT_ONCE];
	int n;

	for (size_t i = 0; i < AT_ONCE; i++) {
		iov[i] = (struct iovec){ packets[i], LOG_PACKET_MAX };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(fd, msgs, AT_ONCE, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		put((struct span){ packets[i], msgs[i].msg_len });
	return n;
}

/* Offloaded: all there is, then one write. */
static void
drain(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	while (read_some(service_listener(0)) == AT_ONCE)
		continue;
	logfile_flush();
	pthread_mutex_unlock(&lock);
}

static void
serve(void *arg)
{
	struct task_wait w[] = {
		{ .fd = service_listener(0), .events = TASK_INPUT },
		{ .bell = service_stop_bell() },
	};

	(void)arg;
	while (!service_stopping() &&
	    task_wait_any(w, COUNT_OF(w), TASK_NEVER) == TASK_READY) {
		task_offload(TASK_DISK, drain, NULL);
		if (bell_wait(service_stop_bell(), task_after(GATHER_MS)) ==
		    TASK_CANCELLED)
			break;
	}
	task_offload(TASK_DISK, drain, NULL);
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "postlogd",
		.summary = "writes the log of all processes",
		.user = SERVICE_OWNER,
		.sandbox = SANDBOX_STDIO | SANDBOX_UNIX | SANDBOX_FILES,
		.fields = fields,
		.fields_n = COUNT_OF(fields),
		.params = &params,
		.warm_up = warm_up,
		.serve = serve,
		.reload = reload,
	};

	return service_main(argc, argv, &spec);
}
