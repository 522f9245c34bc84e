#include "store/box.h"

#include "base/log.h"
#include "base/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The size that a name of ours tells, "...,S=123,W=130,P1.2". */
static bool
take_size(const char *name, uint64_t *size_r)
{
	const char *at = strstr(name, ",S=");
	struct span s = { at, at ? strlen(at) : 0 };

	return at && strstr(at, ",P") && take_text(&s, SPAN(",S=")) &&
	    take_number(&s, INT64_MAX, size_r) && take_char(&s, ',');
}

static void
sweep_one(struct box *b, const char *name)
{
	struct stat st;
	uint64_t size;

	if (!take_size(name, &size) ||
	    fstatat(b->new, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size >= size)
		return;
	log_warning("%.*snew/%s was being delivered when the machine stopped, "
		    "and is removed: it is delivered again",
	    (int)b->path_n, b->path, name);
	unlinkat(b->new, name, 0);
}

void
box_sweep(struct box *b)
{
	const struct dirent *e;
	int fd = openat(b->new, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir)))
		sweep_one(b, e->d_name);
	closedir(dir);
}
