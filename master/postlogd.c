/*
 * postlogd: reads the stream that all processes write their lines to, makes text
 * or JSON of them and writes it to maillog_file, or to syslog. It is the only
 * reader, and it reads all there is before it writes, so that nobody else's
 * line finds the stream full.
 *
 * It also keeps the last events in a ring (trace/ring.h), which posttrace reads by
 * itself: who looks into the past asks nothing of this process. The log does not
 * depend on the ring: without room for it there is a warning, and no ring.
 */
#include "base/log.h"
#include "master/logfile.h"
#include "master/tally.h"
#include "service/service.h"
#include "trace/keys.h"
#include "trace/ring.h"

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

static struct params {
	const char *data_directory;
	int64_t trace_ring_size;
} params;

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct params, data_directory),
	CONF_FIELD(CONF_SIZE, struct params, trace_ring_size),
};

static struct trace_ring *ring;
static char ring_path[1024]; /* of ->data_directory, which does not change */

/* The output: of the thread that drains, or of the one that reloads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int
warm_up(const struct conf *c, struct why *why)
{
	struct logfile_params log;
	char path[1024];
	int err = logfile_open(c, &log, why);

	if (err)
		return err;
	snprintf(path, sizeof(path), "%s", log.maillog_file);
	if (path[0])
		sandbox_allow(dirname(path), true);
	sandbox_allow(params.data_directory, true);
	snprintf(ring_path, sizeof(ring_path), "%s/trace",
	    params.data_directory);
	return 0;
}

/* By the one whose file it is to be: not by root. */
static void
open_ring(int64_t size)
{
	struct why why;

	ring = trace_ring_close(ring);
	if (size == 0)
		return;
	ring = trace_ring_make(ring_path, (uint64_t)size, &why);
	if (!ring)
		log_warning("no events are kept for posttrace: %s", why.text);
}

/* The file was put aside, or is to be another. */
static int
reload(struct conf *c, struct why *why)
{
	struct logfile_params log;
	struct params p;
	int err = conf_get_struct(c, fields, COUNT_OF(fields), &p, why);

	if (err)
		return err;
	pthread_mutex_lock(&lock);
	err = logfile_open(c, &log, why);
	if (!err && p.trace_ring_size != params.trace_ring_size) {
		params.trace_ring_size = p.trace_ring_size;
		open_ring(p.trace_ring_size);
	}
	pthread_mutex_unlock(&lock);
	return err;
}

static void
remember(const struct log_record *r, struct span packet)
{
	struct span keys[TRACE_KEYS_MAX];

	if (ring && r->level != LOG_LEVEL_DEBUG)
		trace_ring_add(ring, r->time, packet, keys,
		    trace_keys(r, keys, COUNT_OF(keys)));
}

static void
put(struct span packet)
{
	struct log_record r;

	if (!log_decode(packet, &r))
		return;
	logfile_put(&r);
	tally_line(&r);
	remember(&r, packet);
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
begin(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	open_ring(params.trace_ring_size);
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
	task_offload(TASK_DISK, begin, NULL);
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
