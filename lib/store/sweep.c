#include "store/box.h"

#include "base/log.h"
#include "base/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

/*
 * In cur/ only what is young may go, since a user's program may have made an old
 * file shorter; and it goes to tmp/.
 */
static void
sweep_young(struct box *b, const char *name, const struct uidfile *f)
{
	struct maildir_name n;
	struct stat st;

	maildir_name_read(span_str(name), &n);
	if (n.uidvalidity != f->uidvalidity || !n.has_size ||
	    (uint64_t)n.uid + UIDFILE_BLOCK < f->reserved ||
	    fstatat(b->cur, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size >= n.size)
		return;
	log_warning("%.*scur/%s was being written when the machine stopped, "
		    "and is in tmp/ now",
	    (int)b->path_n, b->path, name);
	renameat(b->cur, name, b->tmp, name);
}

static DIR *
open_dir(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

void
box_sweep(struct box *b, const struct uidfile *f)
{
	const struct dirent *e;
	DIR *dir = open_dir(b->new);

	while (dir && (e = readdir(dir)))
		sweep_one(b, e->d_name);
	if (dir)
		closedir(dir);
	dir = open_dir(b->cur);
	while (dir && (e = readdir(dir)))
		sweep_young(b, e->d_name, f);
	if (dir)
		closedir(dir);
}
