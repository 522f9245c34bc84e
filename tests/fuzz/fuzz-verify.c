/* Any file: what passes for sound does LMDB no harm, read or written. */
#include "store/verify.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	SIZE_MAX_SEEN = 1 << 20
};

static void
read_all(MDB_txn *txn)
{
	MDB_cursor *c;
	MDB_val key, value;
	unsigned n = 0;

	must(mdb_cursor_open(txn, 1, &c) == 0);
	while (n < 10000 && mdb_cursor_get(c, &key, &value, MDB_NEXT) == 0)
		n += ((const char *)value.mv_data)[0] == 'x' ? 2 : 1;
	mdb_cursor_close(c);
}

static void
write_some(MDB_txn *txn)
{
	char bytes[64] = "k";
	MDB_val key = { 2, bytes }, value = { sizeof(bytes), bytes };

	for (char i = 0; i < 40; i++) {
		bytes[1] = i;
		if (mdb_put(txn, 1, &key, &value, 0) != 0 ||
		    (i % 3 == 0 && mdb_del(txn, 1, &key, NULL) != 0))
			return;
	}
}

/* The file as `path`, for LMDB. */
static void
use(const char *path)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	must(mdb_env_create(&env) == 0);
	mdb_env_set_mapsize(env, 16 << 20);
	if (mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK,
		0600) == 0 &&
	    mdb_txn_begin(env, NULL, 0, &txn) == 0) {
		if (mdb_dbi_open(txn, NULL, 0, &dbi) == 0) {
			read_all(txn);
			write_some(txn);
		}
		mdb_txn_abort(txn);
	}
	mdb_env_close(env);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	const char *why;
	int fd = memfd_create("index", MFD_CLOEXEC);

	must(fd >= 0 && size < SIZE_MAX_SEEN);
	must(write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (verify_lmdb(fd, &why))
		use(path);
	close(fd);
	return 0;
}
