/* Dovecot's files: the first one, and those that it includes. */
#include "master/import/import.h"

#include "conf/lines.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int read_one(struct import *im, struct dovecot *in, const char *path,
    unsigned depth);

/* The folder that a file lies in, up to its last '/'. */
static size_t
folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

/* Its directory, whether it was named or a file in it. */
static bool
is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void
import_dovecot_path(const struct import *im, const char *file,
    const char *given, char path_r[IMPORT_PATH_MAX])
{
	static const char home[] = "/etc/dovecot/";

	if (*given != '/')
		snprintf(path_r, IMPORT_PATH_MAX, "%.*s/%s",
		    (int)folder_of(file), file, given);
	else if (strncmp(given, home, sizeof(home) - 1) == 0 &&
	    is_directory(im->dovecot))
		snprintf(path_r, IMPORT_PATH_MAX, "%s/%s", im->dovecot,
		    given + sizeof(home) - 1);
	else
		snprintf(path_r, IMPORT_PATH_MAX, "%s", given);
}

static bool
include(struct dovecot *in, const struct dovecot_text *from, const char *name,
    bool must_be, void *arg, struct why *why)
{
	struct import *im = arg;
	char pattern[IMPORT_PATH_MAX];
	glob_t found;
	bool is_fine = true;

	(void)why; /* the same as im->why */
	import_dovecot_path(im, from->file, name, pattern);
	if (glob(pattern, 0, NULL, &found) != 0) {
		if (must_be)
			import_tell(im, IMPORT_DECIDE,
			    "%s: !include %s: there is no such file",
			    from->file, name);
		return true;
	}
	for (size_t i = 0; i < found.gl_pathc && is_fine; i++)
		is_fine = read_one(im, in, found.gl_pathv[i],
			      from->depth + 1) == 0;
	globfree(&found);
	return is_fine;
}

static int
read_one(struct import *im, struct dovecot *in, const char *path,
    unsigned depth)
{
	const struct dovecot_text t = {
		.arena = im->arena,
		.file = import_text(im, span_str(path)),
		.depth = depth,
		.include = include,
		.arg = im,
	};
	struct lines lines;
	char *text = NULL;
	int err = lines_read(path, &lines, &text, im->why);

	if (!err &&
	    !dovecot_parse(in, &t, (struct span){ text, lines.n }, im->why))
		err = -EINVAL;
	free(text);
	return err;
}

int
import_read_dovecot_file(struct import *im, struct dovecot *in,
    const char *path)
{
	return read_one(im, in, path, 0);
}

int
import_read_dovecot(struct import *im)
{
	char path[IMPORT_PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", im->dovecot,
	    is_directory(im->dovecot) ? "/dovecot.conf" : "");
	return import_read_dovecot_file(im, &im->top, path);
}
