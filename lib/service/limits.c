#include "service/limits.h"

#include "base/hash.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PROBES = 64, /* rows that a key can be in */
	TRIES = 3, /* to count in a row that others take over */
	MAGIC = 0x504c494d,
};

/* A key is 64 bits of a keyed hash; 0: was never used. */
struct row {
	_Atomic uint64_t key;
	_Atomic int32_t counts[LIMITS_COLUMNS];
};

struct table {
	uint64_t magic;
	uint64_t secret[2];
	_Atomic uint64_t counters[LIMITS_COUNTERS];
	struct row whole; /* of the empty key: always there */
	struct row rows[LIMITS_ROWS];
};

/*
 * A row in which a worker counts is not taken over, but for a moment may look so
 * to him: so he remembers which key he has counted there.
 */
struct limits {
	struct table *table;
	unsigned column;
	uint64_t counted[LIMITS_ROWS];
};

_Static_assert((LIMITS_ROWS & (LIMITS_ROWS - 1)) == 0, "a power of two");

/* Pages that nobody uses take no memory. */
static struct table *
map_table(int fd)
{
	void *p = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int
init_table(int fd)
{
	struct table *t;

	if (ftruncate(fd, sizeof(*t)) < 0)
		return -errno;
	t = map_table(fd);
	if (!t)
		return -errno;
	t->magic = MAGIC;
	must(getrandom(t->secret, sizeof(t->secret), 0) == sizeof(t->secret));
	munmap(t, sizeof(*t));
	return 0;
}

int
limits_create(void)
{
	int fd = memfd_create("limits", MFD_CLOEXEC);
	int err = fd < 0 ? -errno : init_table(fd);

	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}

struct limits *
limits_attach(int fd, unsigned column)
{
	struct table *t;
	struct limits *l;
	struct stat st;

	if (column >= LIMITS_COLUMNS || fstat(fd, &st) < 0 ||
	    st.st_size != sizeof(*t))
		return NULL;
	t = map_table(fd);
	if (!t || t->magic != MAGIC) {
		if (t)
			munmap(t, sizeof(*t));
		return NULL;
	}
	l = zalloc(sizeof(*l));
	l->table = t;
	l->column = column;
	return l;
}

struct limits *
limits_detach(struct limits *l)
{
	if (!l)
		return NULL;
	munmap(l->table, sizeof(*l->table));
	free(l);
	return NULL;
}

void
limits_count_up(struct limits *l, unsigned counter, uint64_t n)
{
	must(counter < LIMITS_COUNTERS);
	atomic_fetch_add_explicit(&l->table->counters[counter], n,
	    memory_order_relaxed);
}

uint64_t
limits_counter(const struct limits *l, unsigned counter)
{
	must(counter < LIMITS_COUNTERS);
	return l->table->counters[counter];
}

static int64_t
sum_of(struct row *r)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < LIMITS_COLUMNS; i++)
		sum += r->counts[i];
	return sum;
}

static struct row *
probe(const struct limits *l, uint64_t key, unsigned i)
{
	return &l->table->rows[(key + i) & (LIMITS_ROWS - 1)];
}

static uint64_t
key_of(const struct limits *l, struct span key)
{
	return hash_of(l->table->secret, key);
}

static struct row *
find(const struct limits *l, uint64_t k)
{
	for (unsigned i = 0; i < PROBES; i++)
		if (probe(l, k, i)->key == k)
			return probe(l, k, i);
	return NULL;
}

/*
 * Makes an idle row that of `k`. Who counted in it meanwhile for its old key
 * sees the new one and tries again, or is seen here: then it stays theirs.
 */
static bool
take_over(struct row *r, uint64_t k)
{
	uint64_t old = r->key;

	if (sum_of(r) != 0 || !atomic_compare_exchange_strong(&r->key, &old, k))
		return false;
	if (sum_of(r) == 0)
		return true;
	atomic_compare_exchange_strong(&r->key, &k, old);
	return false;
}

static struct row *
find_or_make(const struct limits *l, uint64_t k)
{
	struct row *r = find(l, k);

	for (unsigned i = 0; !r && i < PROBES; i++)
		if (take_over(probe(l, k, i), k))
			r = probe(l, k, i);
	return r;
}

/* Counts one in a row that is still that of `k`. */
static bool
count_in(struct limits *l, struct row *r, uint64_t k)
{
	r->counts[l->column]++;
	if (r->key != k) {
		r->counts[l->column]--;
		return false;
	}
	l->counted[r - l->table->rows] = k;
	return true;
}

/* Counts one more, and returns where; NULL: there is no row. */
static struct row *
count(struct limits *l, struct span key)
{
	uint64_t k = key_of(l, key);

	if (key.n == 0) {
		l->table->whole.counts[l->column]++;
		return &l->table->whole;
	}
	for (int i = 0; i < TRIES; i++) {
		struct row *r = find_or_make(l, k);

		if (!r || count_in(l, r, k))
			return r;
	}
	return NULL;
}

bool
limits_take(struct limits *l, struct span key, int64_t limit)
{
	struct row *r = count(l, key);

	if (!r || limit <= 0 || sum_of(r) <= limit)
		return true; /* without a row it is not kept */
	r->counts[l->column]--;
	return false;
}

/* Two workers that came at once may have made two rows of a key. */
static struct row *
find_counted(const struct limits *l, struct span key)
{
	uint64_t k = key_of(l, key);

	if (key.n == 0)
		return &l->table->whole;
	for (unsigned i = 0; i < PROBES; i++) {
		struct row *r = probe(l, k, i);

		if (l->counted[r - l->table->rows] == k &&
		    r->counts[l->column] > 0)
			return r;
	}
	return NULL;
}

void
limits_give(struct limits *l, struct span key)
{
	struct row *r = find_counted(l, key);

	if (r && r->counts[l->column] > 0)
		r->counts[l->column]--;
}

int64_t
limits_count(const struct limits *l, struct span key)
{
	uint64_t k = key_of(l, key);
	int64_t sum = 0;

	if (key.n == 0)
		return sum_of(&l->table->whole);
	for (unsigned i = 0; i < PROBES; i++)
		if (probe(l, k, i)->key == k)
			sum += sum_of(probe(l, k, i));
	return sum;
}

int64_t
limits_column_count(const struct limits *l, unsigned column)
{
	must(column < LIMITS_COLUMNS);
	return l->table->whole.counts[column];
}

void
limits_clear_column(struct limits *l, unsigned column)
{
	must(column < LIMITS_COLUMNS);
	l->table->whole.counts[column] = 0;
	for (unsigned i = 0; i < LIMITS_ROWS; i++)
		if (l->table->rows[i].counts[column] != 0)
			l->table->rows[i].counts[column] = 0;
}
