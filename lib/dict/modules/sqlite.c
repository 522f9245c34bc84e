/* sqlite: a file that SQLite made, which is only read. */
#include "base/clock.h"
#include "dict/server/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <sqlite3.h>

const char dict_module_version[] = DICT_MODULE_VERSION;
const struct dict_module *dict_sqlite_open(void);

enum {
	STEPS = 10000, /* of its machine, between two looks at the clock */
};

/* A file that took the place of another is seen by what it was when opened. */
struct file {
	sqlite3 *db;
	const char *path; /* the table's */
	struct stat st;
};

static void
close_it(void *conn)
{
	struct file *f = conn;

	sqlite3_close(f->db);
	free(f);
}

static void *
open_it(const struct server_target *t, struct why *why)
{
	struct file *f = zalloc(sizeof(*f));
	int r = SQLITE_CANTOPEN;

	f->path = t->host;
	if (stat(f->path, &f->st) < 0) {
		why_set(why, errno, f->path, 0, "%s", strerror(errno));
		close_it(f);
		return NULL;
	}
	r = sqlite3_open_v2(f->path, &f->db,
	    SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, NULL);
	if (r == SQLITE_OK)
		return f;
	why_set(why, EIO, f->path, 0, "%s",
	    f->db ? sqlite3_errmsg(f->db) : "no memory");
	close_it(f);
	return NULL;
}

static bool
is_replaced(const struct file *f)
{
	struct stat st;

	return stat(f->path, &st) == 0 &&
	    (st.st_ino != f->st.st_ino || st.st_dev != f->st.st_dev);
}

/* Within '...' there is nothing but the quote itself. */
static bool
escape(void *conn, struct span in, char *out, size_t *n_r)
{
	size_t n = 0;

	(void)conn;
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '\'')
			out[n++] = '\'';
		out[n++] = in.p[i];
	}
	*n_r = n;
	return true;
}

static int
is_late(void *arg)
{
	const int64_t *deadline = arg;

	return clock_mono() > *deadline;
}

/* The first field of a row, as Postfix takes it. */
static bool
give_field(sqlite3_stmt *s, sql_field_fn *fn, void *arg)
{
	const void *text = sqlite3_column_text(s, 0);

	return !text ||
	    fn((struct span){ text, (size_t)sqlite3_column_bytes(s, 0) }, arg);
}

/* A file that is gone, or was replaced by what is none, is opened anew. */
static enum server_result
fail(sqlite3 *db, int r, struct why *why)
{
	why_set(why, EIO, NULL, 0, "the query fails: %s", sqlite3_errmsg(db));
	return r == SQLITE_ERROR || r == SQLITE_BUSY || r == SQLITE_INTERRUPT
	    ? SERVER_REFUSED
	    : SERVER_LOST;
}

static enum server_result
query(void *conn, const char *sql, sql_field_fn *fn, void *arg,
    int64_t deadline, struct why *why)
{
	const struct file *f = conn;
	sqlite3_stmt *s = NULL;
	bool more = true;
	int64_t left = deadline - clock_mono();
	int r;

	if (is_replaced(f)) {
		why_set(why, ESTALE, f->path, 0, "was replaced");
		return SERVER_LOST;
	}
	sqlite3_busy_timeout(f->db, left > 0 ? (int)left : 0);
	sqlite3_progress_handler(f->db, STEPS, is_late, &deadline);
	r = sqlite3_prepare_v2(f->db, sql, -1, &s, NULL);
	while (r == SQLITE_OK && more) {
		r = sqlite3_step(s);
		if (r != SQLITE_ROW)
			break;
		more = give_field(s, fn, arg);
		r = SQLITE_OK;
	}
	sqlite3_progress_handler(f->db, 0, NULL, NULL);

	enum server_result result = r == SQLITE_DONE || r == SQLITE_OK
	    ? SERVER_DONE
	    : fail(f->db, r, why);

	sqlite3_finalize(s);
	return result;
}

const struct dict_module *
dict_sqlite_open(void)
{
	static const char *const params[] = { NULL };
	static const struct sql_driver driver = {
		.link = { open_it, close_it, params },
		.escape = escape,
		.query = query,
	};
	static const struct dict_module module = {
		.type = "sqlite",
		.sql = &driver,
	};

	return &module;
}
