#include "service/watch.h"

#include "base/log.h"
#include "base/sock.h"
#include "service/fds.h"
#include "service/frame.h"
#include "service/msg.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FILES_MAX = 512,
};

static struct {
	char *path;
	uint64_t stamp;
} files[FILES_MAX];
static size_t files_n;

uint64_t
watch_stamp(const struct stat *st)
{
	uint64_t n = (uint64_t)st->st_ino * 0x9e3779b97f4a7c15;

	n = (n + (uint64_t)st->st_dev) * 31 + (uint64_t)st->st_mtim.tv_sec;
	n = n * 31 + (uint64_t)st->st_mtim.tv_nsec;
	n = n * 31 + (uint64_t)st->st_size;
	return n ? n : 1;
}

static bool
is_known(const char *path)
{
	for (size_t i = 0; i < files_n; i++)
		if (strcmp(files[i].path, path) == 0)
			return true;
	return false;
}

void
service_watch(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		service_watch_as(path, &st);
}

void
service_watch_as(const char *path, const struct stat *st)
{
	static char here[PATH_MAX], full[2 * PATH_MAX];
	int n;

	*here = '\0';
	if (*path != '/' && !getcwd(here, sizeof(here)))
		return;
	n = snprintf(full, sizeof(full), "%s%s%s", here, *here ? "/" : "",
	    path);
	if (n < 0 || n >= PATH_MAX || files_n == FILES_MAX || is_known(full))
		return;
	files[files_n].path = strdup(full);
	files[files_n].stamp = watch_stamp(st);
	if (files[files_n].path)
		files_n++;
}

/* Before privileges go: later the parent does not take it from us. */
void
frame_declare_files(void)
{
	static char packet[MSG_HEAD + 2 * 16 + PATH_MAX];
	struct buf b;

	for (size_t i = 0; i < files_n; i++) {
		const char *path = files[i].path;

		buf_init(&b, packet, sizeof(packet));
		msg_begin(&b, MSG_WATCH, 0);
		msg_put_str(&b, MSG_FIELD_FILE, span_str(path));
		msg_put_u64(&b, MSG_FIELD_STAMP, files[i].stamp);
		if (!msg_end(&b, 0) ||
		    sock_send(FDS_PARENT, buf_span(&b), NULL, 0) < 0)
			log_warning("%s: changes of it are not watched for",
			    path);
	}
}
