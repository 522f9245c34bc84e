#include "master/logfile.h"

#include "mail/maillog.h"
#include "service/privs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH_MAX = 1 << 20, /* bytes of lines that are written at once */
	LINE_MAX_LEN = 16 * 1024,
	FACILITY_MAIL = 2 << 3,
	SYSLOG_WAIT = 200, /* ms for a syslog daemon that is busy */
};

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct logfile_params, maillog_file),
	CONF_FIELD(CONF_LIST, struct logfile_params, maillog_file_prefixes),
	CONF_FIELD(CONF_ENUM, struct logfile_params, maillog_file_permissions),
	CONF_FIELD(CONF_ENUM, struct logfile_params, log_format),
	CONF_FIELD(CONF_STR, struct logfile_params, mail_owner),
};

static const char syslog_path[] = "/dev/log";

static struct {
	int fd; /* -1: syslog */
	int syslog; /* -1: not connected */
	bool json;
	char host[256];
	char batch[BATCH_MAX];
	struct buf lines;
	char line[LINE_MAX_LEN];
	unsigned lost; /* lines that syslog did not take */
	int64_t stamped; /* the second of ->stamp */
	char stamp[32];
} own = { .fd = -1, .syslog = -1, .stamped = -1 };

static bool
is_below(const char *path, struct span prefix)
{
	size_t n = prefix.n;

	while (n > 1 && prefix.p[n - 1] == '/')
		n--;
	return strncmp(path, prefix.p, n) == 0 &&
	    (path[n] == '\0' || path[n] == '/' || n == 1);
}

static int
check_path(const struct conf *c, const struct logfile_params *p,
    struct why *why)
{
	const char *file = NULL;
	unsigned line = 0;
	struct span rest = { p->maillog_file_prefixes,
		strlen(p->maillog_file_prefixes) };
	struct span prefix;

	while (conf_list_next(&rest, &prefix))
		if (is_below(p->maillog_file, prefix) &&
		    !strstr(p->maillog_file, "/../"))
			return 0;
	(void)conf_source(c, "maillog_file", &file, &line);
	return why_set(why, EINVAL, file, line,
	    "maillog_file = %s is not below one of maillog_file_prefixes = %s",
	    p->maillog_file, p->maillog_file_prefixes);
}

static mode_t
mode_of(const struct logfile_params *p)
{
	static const mode_t modes[] = { 0600, 0640, 0644 };

	must((size_t)p->maillog_file_permissions < COUNT_OF(modes));
	return modes[p->maillog_file_permissions];
}

/* It stays mail_owner's, so that it can be opened again without root. */
static int
open_file(const struct logfile_params *p, struct why *why)
{
	int fd = open(p->maillog_file,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
	    mode_of(p));
	struct privs owner;
	struct stat st;

	if (fd < 0)
		return why_set(why, errno, NULL, 0, "cannot open %s: %s",
		    p->maillog_file, strerror(errno));
	if (geteuid() == 0 && fstat(fd, &st) == 0 && st.st_uid == 0 &&
	    S_ISREG(st.st_mode) &&
	    privs_find(p->mail_owner, &owner, why) == 0 &&
	    (fchown(fd, owner.uid, owner.gid) < 0 ||
		fchmod(fd, mode_of(p)) < 0)) {
		int err = errno;

		close(fd);
		return why_set(why, err, NULL, 0, "cannot give away %s: %s",
		    p->maillog_file, strerror(err));
	}
	return fd;
}

static int
open_output(const struct conf *c, const struct logfile_params *p,
    struct why *why)
{
	int err = check_path(c, p, why);

	if (err)
		return err;
	if (strcmp(p->maillog_file, "/dev/stdout") == 0)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return open_file(p, why);
}

static void
learn_host(void)
{
	if (gethostname(own.host, sizeof(own.host) - 1) < 0)
		snprintf(own.host, sizeof(own.host), "localhost");
	own.host[strcspn(own.host, ".")] = '\0';
}

int
logfile_open(const struct conf *c, struct logfile_params *p, struct why *why)
{
	int fd = -1, err = conf_get_struct(c, fields, COUNT_OF(fields), p, why);

	if (err)
		return err;
	if (!own.lines.max)
		buf_init(&own.lines, own.batch, sizeof(own.batch));
	if (p->maillog_file[0]) {
		fd = open_output(c, p, why);
		if (fd < 0)
			return fd;
	}
	logfile_flush();
	if (own.fd >= 0)
		close(own.fd);
	own.fd = fd;
	own.json = p->log_format == LOGFILE_JSON;
	learn_host();
	return 0;
}

/* "Nov 21 09:05:07": made once a second. */
static void
make_stamp(int64_t time)
{
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)(time / 1000000);
	struct tm tm;

	if (own.stamped == t || !localtime_r(&t, &tm))
		return;
	own.stamped = t;
	snprintf(own.stamp, sizeof(own.stamp), "%s %2d %02d:%02d:%02d",
	    months[tm.tm_mon % 12], tm.tm_mday % 100, tm.tm_hour % 100,
	    tm.tm_min % 100, tm.tm_sec % 100);
}

static void
put_tag(struct buf *b, const struct log_record *r)
{
	buf_put(b, log_get(r, LOG_FIELD_TAG));
	buf_putf(b, "[%u]: ", (unsigned)r->pid);
}

static unsigned
severity(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_FATAL:
	case LOG_LEVEL_PANIC:
		return 2;
	case LOG_LEVEL_ERROR:
		return 3;
	case LOG_LEVEL_WARNING:
		return 4;
	case LOG_LEVEL_INFO:
		return 6;
	case LOG_LEVEL_DEBUG:
		break;
	}
	return 7;
}

static bool
connect_syslog(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (own.syslog >= 0)
		return true;
	memcpy(sa.sun_path, syslog_path, sizeof(syslog_path));
	own.syslog = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (own.syslog >= 0 &&
	    connect(own.syslog, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return true;
	if (own.syslog >= 0)
		close(own.syslog);
	own.syslog = -1;
	return false;
}

static bool
try_syslog(struct span line)
{
	struct pollfd p = { .events = POLLOUT };

	if (!connect_syslog())
		return false;
	if (send(own.syslog, line.p, line.n, MSG_NOSIGNAL) >= 0)
		return true;
	p.fd = own.syslog;
	if (errno == EAGAIN && poll(&p, 1, SYSLOG_WAIT) > 0)
		return send(own.syslog, line.p, line.n, MSG_NOSIGNAL) >= 0;
	if (errno != EAGAIN && errno != EMSGSIZE) {
		close(own.syslog); /* the daemon was restarted */
		own.syslog = -1;
	}
	return false;
}

static void
send_syslog(const struct log_record *r)
{
	struct buf b;

	buf_init(&b, own.line, sizeof(own.line));
	buf_putf(&b, "<%u>%s ", FACILITY_MAIL | severity(r->level), own.stamp);
	put_tag(&b, r);
	maillog_render_text(r, &b);
	if (!try_syslog(buf_span(&b)) && !try_syslog(buf_span(&b)))
		own.lost++;
}

static void
add_line(const struct log_record *r)
{
	struct buf b;

	buf_init(&b, own.line, sizeof(own.line) - 1);
	if (own.json) {
		struct span host = { own.host, strlen(own.host) };

		maillog_render_json(r, host, &b);
	} else {
		buf_putf(&b, "%s %s ", own.stamp, own.host);
		put_tag(&b, r);
		maillog_render_text(r, &b);
	}
	b.p[b.n] = '\n';
	if (buf_room(&own.lines) < b.n + 1)
		logfile_flush();
	buf_put(&own.lines, (struct span){ b.p, b.n + 1 });
}

void
logfile_put(const struct log_record *r)
{
	make_stamp(r->time);
	if (own.fd < 0)
		send_syslog(r);
	else
		add_line(r);
}

/* A pipe or terminal that takes no more is waited for a while. */
static bool
may_go_on(void)
{
	struct pollfd p = { .fd = own.fd, .events = POLLOUT };

	if (errno == EINTR)
		return true;
	return errno == EAGAIN && poll(&p, 1, SYSLOG_WAIT) > 0;
}

void
logfile_flush(void)
{
	while (own.fd >= 0 && own.lines.n > 0) {
		ssize_t n = write(own.fd, own.lines.p, own.lines.n);

		if (n < 0 && may_go_on())
			continue;
		if (n < 0)
			break; /* a full disk: these are lost */
		buf_drop(&own.lines, (size_t)n);
	}
	buf_drop(&own.lines, own.lines.n);
	own.lines.overflow = false;
}
