#include "store/box.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* Whether its UID is among those that may have been given just before the end. */
static bool
is_young(const struct maildir_name *n, const struct uidfile *f)
{
	return n->uidvalidity == f->uidvalidity &&
	    (uint64_t)n->uid + UIDFILE_BLOCK >= f->reserved;
}

/*
 * Only what is young may go, since a user's program may have made an old file
 * shorter; and it goes to tmp/, where it can be found.
 */
static void
sweep_one(struct box *b, int folder, const char *in, const char *name,
    const struct uidfile *f)
{
	struct maildir_name n;
	struct stat st;

	maildir_name_read(span_str(name), &n);
	if (!is_young(&n, f) || !n.has_size ||
	    fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size >= n.size)
		return;
	log_warning("%.*s%s/%s was being written when the machine stopped, "
		    "and is in tmp/ now",
	    (int)b->path_n, b->path, in, name);
	renameat(folder, name, b->tmp, name);
}

static void
sweep_folder(struct box *b, int folder, const char *in, const struct uidfile *f)
{
	const struct dirent *e;
	DIR *dir = box_open_dir(folder, ".");

	while (dir && (e = readdir(dir)))
		sweep_one(b, folder, in, e->d_name, f);
	if (dir)
		closedir(dir);
}

void
box_sweep(struct box *b, const struct uidfile *f)
{
	sweep_folder(b, b->new, "new", f);
	sweep_folder(b, b->cur, "cur", f);
}
