#include "store/mbox.h"

#include "base/log.h"
#include "base/scan.h"
#include "store/subs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum store_result
store_result_of(int err)
{
	switch (-err) {
	case 0:
		return STORE_OK;
	case ENOENT:
	case ENOTDIR:
		return STORE_ABSENT;
	case EEXIST:
	case ENOTEMPTY:
		return STORE_EXISTS;
	case EINVAL:
		return STORE_INVALID;
	case EDQUOT:
		return STORE_OVERQUOTA;
	case EAGAIN:
		return STORE_BUSY;
	default:
		return STORE_TEMPFAIL;
	}
}

bool
store_path(const struct store_user *u, struct span name,
    char path[BOX_PATH_MAX], struct span *path_r)
{
	int n;

	if (span_ieq(name, SPAN("INBOX")))
		n = snprintf(path, BOX_PATH_MAX, "%s", u->inbox->path);
	else if (store_name_is_valid(name))
		n = snprintf(path, BOX_PATH_MAX, "%s.%.*s/", u->inbox->path,
		    (int)name.n, name.p);
	else
		return false;
	*path_r = (struct span){ path, (size_t)n };
	return n > 0 && n < BOX_PATH_MAX;
}

enum store_result
store_box(struct store_user *u, struct span name, struct box **box_r)
{
	char bytes[BOX_PATH_MAX];
	struct span path;
	struct why why;
	int64_t new_time;

	*box_r = NULL;
	if (!store_path(u, name, bytes, &path))
		return STORE_INVALID;
	for (unsigned i = 0; i < 2; i++) {
		int err = box_open(u->s, path, false, box_r, &why);

		if (err)
			return store_result_of(err);
		if (box_is_in_place(u->s, *box_r, &new_time))
			return STORE_OK;
		box_drop(u->s, *box_r);
		box_close(u->s, *box_r);
		*box_r = NULL;
	}
	return STORE_TEMPFAIL;
}

/* The folders that a new user finds, each subscribed. */
static void
make_special(struct store_user *u)
{
	struct span words = span_str(u->special);
	struct span word;

	for (;;) {
		take_blanks(&words);
		if (!take_word(&words, &word))
			return;
		struct span name = span_cut(&word, '=');
		enum store_result r = store_create(u, name);
		if (r == STORE_OK)
			r = store_subscribe(u, name, true);
		if (r != STORE_OK && r != STORE_EXISTS)
			log_warning("cannot make the folder %.*s in %s",
			    (int)name.n, name.p, u->inbox->path);
	}
}

/* Whoever has folders, or had some, has a file "subscriptions" or a folder. */
static bool
is_new(struct store_user *u)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(16 << 20);
	struct store_folder *list;
	struct span text;
	size_t n;

	if (u->special[0] == '\0' ||
	    box_read_file(u->inbox, "subscriptions", SUBS_MAX, &text) < 0)
		return false;
	box_free_text(text);
	return !text.p && store_list(u, a, &list, &n) == STORE_OK && n == 1;
}

struct store_user *
store_user_open(struct store *s, struct span path, struct span special,
    struct why *why)
{
	struct store_user *u = zalloc(sizeof(*u));

	u->s = s;
	if (box_open(s, path, true, &u->inbox, why) < 0) {
		free(u);
		return NULL;
	}
	u->special = zalloc(special.n + 1);
	memcpy(u->special, special.p ? special.p : "", special.n);
	if (is_new(u))
		make_special(u);
	return u;
}

size_t
store_rest(int64_t ms)
{
	return index_rest_all(ms);
}

struct store_user *
store_user_close(struct store_user *u)
{
	if (!u)
		return NULL;
	box_close(u->s, u->inbox);
	free(u->special);
	free(u);
	return NULL;
}
