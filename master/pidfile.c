#include "master/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct flock
whole_file(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

static int
write_pid(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%16d\n", (int)getpid());

	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return -errno;
	return 0;
}

int
pidfile_lock(const char *path, struct why *why)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	struct flock lock = whole_file();
	int err = 0;

	if (fd < 0)
		return why_set(why, errno, NULL, 0, "cannot open %s: %s", path,
		    strerror(errno));
	if (fcntl(fd, F_SETLK, &lock) < 0) {
		close(fd);
		return why_set(why, EBUSY, NULL, 0,
		    "is already running, with process ID %d (%s is locked)",
		    (int)pidfile_owner(path), path);
	}
	err = fchmod(fd, 0644) < 0 ? -errno : write_pid(fd);
	if (!err)
		return fd;
	close(fd);
	return why_set(why, -err, NULL, 0, "cannot write %s: %s", path,
	    strerror(-err));
}

pid_t
pidfile_owner(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct flock lock = whole_file();

	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) < 0)
		lock.l_type = F_UNLCK;
	close(fd);
	return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}
