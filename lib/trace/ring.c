#include "trace/ring.h"

#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	HEAD_SIZE = 4096,
	KEY_MAX = 512, /* bytes of a key that count */
	BYTES_A_BUCKET = 128, /* of the ring */
	BUCKETS_MAX = 1 << 24,
	DISORDER = 10 * 1000000, /* us by which an event may come late */
};

static const char magic[8] = "PRTRACE";

/* The first page. What is before ->check never changes. */
struct head {
	char magic[8];
	uint32_t version;
	uint32_t buckets_n; /* a power of two */
	uint64_t size; /* of the ring */
	uint64_t secret[2]; /* of the hash: keys come from strangers */
	uint64_t check;
	_Atomic uint64_t end; /* where the next record goes */
	_Atomic uint64_t reserved; /* up to here something is being written */
};

struct record {
	uint64_t at;
	uint64_t check; /* of the rest, with keys and packet */
	int64_t time;
	uint32_t len; /* with keys and packet, a multiple of 8 */
	uint16_t packet_len;
	uint16_t keys_n;
};

struct key {
	uint64_t hash;
	uint64_t before; /* the record before this one in its chain; or 0 */
};

enum {
	KEYS_AT = sizeof(struct record),
	SUMMED_AT = offsetof(struct record, time),
	RECORD_MAX = sizeof(struct record) +
	    TRACE_KEYS_MAX * sizeof(struct key) + LOG_PACKET_MAX,
};

struct trace_ring {
	int fd;
	char *map;
	size_t map_len;
	struct head *head;
	_Atomic uint64_t *buckets;
	char *bytes;

	/* As they were when it was opened: a file can change under a reader. */
	uint64_t size;
	uint64_t mask;
	uint64_t secret[2];
};

static uint64_t
checksum(const void *p, size_t n)
{
	static const uint64_t no_secret[2];

	return hash_of(no_secret, (struct span){ p, n });
}

/* Of what stands behind ->check, the keys, and the packet. */
static uint64_t
record_checksum(const struct record *rec, const struct key *keys,
    const char *packet)
{
	uint64_t first[2] = {
		checksum(&rec->time, sizeof(*rec) - SUMMED_AT),
		checksum(keys, rec->keys_n * sizeof(*keys)),
	};

	return hash_of(first, (struct span){ packet, rec->packet_len });
}

static uint64_t
hash_key(const struct trace_ring *r, struct span key)
{
	char low[KEY_MAX];
	size_t n = key.n < KEY_MAX ? key.n : KEY_MAX;

	for (size_t i = 0; i < n; i++)
		low[i] = ascii_lower(key.p[i]);
	return hash_of(r->secret, (struct span){ low, n });
}

static size_t
file_size(const struct head *h)
{
	return (size_t)(HEAD_SIZE + h->buckets_n * sizeof(uint64_t) + h->size);
}

static bool
is_sound(const struct head *h, uint64_t len)
{
	return memcmp(h->magic, magic, sizeof(magic)) == 0 &&
	    h->version == TRACE_VERSION && h->buckets_n > 0 &&
	    h->buckets_n <= BUCKETS_MAX &&
	    (h->buckets_n & (h->buckets_n - 1)) == 0 && h->size >= RECORD_MAX &&
	    h->size % 8 == 0 && h->size <= len &&
	    h->check == checksum(h, offsetof(struct head, check)) &&
	    file_size(h) == len;
}

static struct head
new_head(uint64_t size)
{
	struct head h = { .version = TRACE_VERSION, .buckets_n = 1 };

	memcpy(h.magic, magic, sizeof(magic));
	h.size = size;
	while (h.buckets_n < BUCKETS_MAX && h.buckets_n < size / BYTES_A_BUCKET)
		h.buckets_n *= 2;
	must(getrandom(h.secret, sizeof(h.secret), 0) == sizeof(h.secret));
	h.check = checksum(&h, offsetof(struct head, check));
	h.end = size; /* so that 0 is no record's position */
	h.reserved = size;
	return h;
}

static int
complain(const char *path, const char *what, int error, struct why *why)
{
	return why_set(why, error, NULL, 0, "%s: %s: %s", path, what,
	    strerror(error));
}

/* The head of the file, if it is one. */
static bool
read_head(int fd, struct head *head_r)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    pread(fd, head_r, sizeof(*head_r), 0) == sizeof(*head_r) &&
	    is_sound(head_r, (uint64_t)st.st_size);
}

static struct trace_ring *
map_file(int fd, const struct head *h, int prot)
{
	struct trace_ring *r = zalloc(sizeof(*r));
	void *p = mmap(NULL, file_size(h), prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED) {
		free(r);
		return NULL;
	}
	*r = (struct trace_ring){
		.fd = fd,
		.map = p,
		.map_len = file_size(h),
		.head = p,
		.size = h->size,
		.mask = h->buckets_n - 1,
		.secret = { h->secret[0], h->secret[1] },
	};
	r->buckets = (_Atomic uint64_t *)(void *)(r->map + HEAD_SIZE);
	r->bytes = r->map + HEAD_SIZE + h->buckets_n * sizeof(uint64_t);
	return r;
}

/* A new file in place of what is there; -errno. */
static int
make_file(const char *path, const struct head *h)
{
	char temp[1024];
	int fd, err;

	snprintf(temp, sizeof(temp), "%s.new", path);
	fd = open(temp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd < 0)
		return -errno;
	/* A page for which the disk had no room would be a fatal signal. */
	err = posix_fallocate(fd, 0, (off_t)file_size(h));
	if (!err && pwrite(fd, h, sizeof(*h), 0) != sizeof(*h))
		err = EIO;
	if (!err &&
	    (flock(fd, LOCK_EX | LOCK_NB) < 0 || rename(temp, path) < 0))
		err = errno;
	if (!err)
		return fd;
	unlink(temp);
	close(fd);
	return -err;
}

struct trace_ring *
trace_ring_make(const char *path, uint64_t size, struct why *why)
{
	struct trace_ring *r;
	struct head h;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	size = size < TRACE_SIZE_LEAST ? TRACE_SIZE_LEAST : size / 8 * 8;
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		complain(path, "in use", errno, why);
		close(fd);
		return NULL;
	}
	if (fd >= 0 && (!read_head(fd, &h) || h.size != size)) {
		close(fd);
		fd = -1;
	}
	if (fd < 0) {
		h = new_head(size);
		fd = make_file(path, &h);
	}
	if (fd < 0) {
		complain(path, "cannot be made", -fd, why);
		return NULL;
	}
	r = map_file(fd, &h, PROT_READ | PROT_WRITE);
	if (!r) {
		complain(path, "cannot be mapped", errno, why);
		close(fd);
		return NULL;
	}
	if (r->head->end < size || r->head->end % 8 != 0)
		r->head->end = size;
	r->head->reserved = r->head->end;
	return r;
}

struct trace_ring *
trace_ring_open(const char *path, struct why *why)
{
	struct trace_ring *r = NULL;
	struct head h;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0) {
		complain(path, "cannot be opened", errno, why);
		return NULL;
	}
	if (!read_head(fd, &h))
		complain(path, "is no ring of events", EINVAL, why);
	else if (!(r = map_file(fd, &h, PROT_READ)))
		complain(path, "cannot be mapped", errno, why);
	if (!r)
		close(fd);
	return r;
}

struct trace_ring *
trace_ring_close(struct trace_ring *r)
{
	if (!r)
		return NULL;
	munmap(r->map, r->map_len);
	close(r->fd);
	free(r);
	return NULL;
}

static uint64_t
index_of(const struct trace_ring *r, uint64_t hash)
{
	return hash & r->mask;
}

/* Where `len` bytes go: no record goes over the end of the ring. */
static uint64_t
reserve(struct trace_ring *r, size_t len)
{
	uint64_t at = r->head->end;

	if (at % r->size + len > r->size)
		at += r->size - at % r->size;
	atomic_store_explicit(&r->head->reserved, at + len,
	    memory_order_relaxed);
	/* Who sees a byte of the new record sees this, too. */
	atomic_thread_fence(memory_order_seq_cst);
	return at;
}

/* The hashes of the keys, each once. Returns how many. */
static size_t
hash_keys(const struct trace_ring *r, const struct span *keys, size_t n,
    struct key *out)
{
	size_t found = 0;

	for (size_t i = 0; i < n && found < TRACE_KEYS_MAX; i++) {
		uint64_t hash = keys[i].n > 0 ? hash_key(r, keys[i]) : 0;
		size_t k = 0;

		while (k < found && out[k].hash != hash)
			k++;
		if (hash && k == found)
			out[found++] = (struct key){ .hash = hash };
	}
	return found;
}

void
trace_ring_add(struct trace_ring *r, int64_t time, struct span packet,
    const struct span *keys, size_t n)
{
	struct key own[TRACE_KEYS_MAX];
	size_t keys_n = hash_keys(r, keys, n, own);
	size_t keys_len = keys_n * sizeof(own[0]);
	size_t len = (KEYS_AT + keys_len + packet.n + 7) / 8 * 8;
	struct record rec = {
		.time = time,
		.len = (uint32_t)len,
		.packet_len = (uint16_t)packet.n,
		.keys_n = (uint16_t)keys_n,
	};

	if (keys_n == 0 || packet.n > LOG_PACKET_MAX)
		return;
	rec.at = reserve(r, len);

	char *to = r->bytes + rec.at % r->size;

	for (size_t i = 0; i < keys_n; i++)
		own[i].before = r->buckets[index_of(r, own[i].hash)];
	rec.check = record_checksum(&rec, own, packet.p);
	memcpy(to, &rec, sizeof(rec));
	memcpy(to + KEYS_AT, own, keys_len);
	memcpy(to + KEYS_AT + keys_len, packet.p, packet.n);
	r->head->end = rec.at + len;
	for (size_t i = 0; i < keys_n; i++)
		r->buckets[index_of(r, own[i].hash)] = rec.at;
}

void
trace_ring_find(const struct trace_ring *r, struct span key, int64_t since,
    int64_t until, struct trace_cursor *cursor_r)
{
	uint64_t hash = hash_key(r, key);

	*cursor_r = (struct trace_cursor){
		.hash = hash,
		.at = r->buckets[index_of(r, hash)],
		.since = since,
		.until = until,
	};
}

/* Whether what was copied from `at` was there while it was copied. */
static bool
is_there(const struct trace_ring *r, uint64_t at)
{
	atomic_thread_fence(memory_order_seq_cst);
	return at + r->size >= r->head->reserved;
}

/* The record at a position, without its packet. False: there is none. */
static bool
peek(const struct trace_ring *r, uint64_t at, struct record *rec_r,
    struct key keys_r[TRACE_KEYS_MAX])
{
	uint64_t offset = at % r->size;

	if (at == 0 || at % 8 != 0 || at >= r->head->end ||
	    offset + KEYS_AT > r->size)
		return false;
	memcpy(rec_r, r->bytes + offset, sizeof(*rec_r));

	size_t keys_len = rec_r->keys_n * sizeof(keys_r[0]);

	if (rec_r->at != at || rec_r->keys_n > TRACE_KEYS_MAX ||
	    rec_r->packet_len > LOG_PACKET_MAX ||
	    rec_r->len < KEYS_AT + keys_len + rec_r->packet_len ||
	    offset + rec_r->len > r->size)
		return false;
	memcpy(keys_r, r->bytes + offset + KEYS_AT, keys_len);
	return is_there(r, at);
}

/* The packet, if the record is whole. */
static bool
copy_packet(const struct trace_ring *r, const struct record *rec,
    const struct key *keys, char *bytes)
{
	size_t keys_len = rec->keys_n * sizeof(*keys);

	memcpy(bytes, r->bytes + rec->at % r->size + KEYS_AT + keys_len,
	    rec->packet_len);
	return is_there(r, rec->at) &&
	    record_checksum(rec, keys, bytes) == rec->check;
}

/* The position before this one on the way; whether the record has the key. */
static bool
step(const struct trace_ring *r, struct trace_cursor *c,
    const struct record *rec, const struct key *keys)
{
	bool has_key = false;
	uint64_t before = 0;

	for (size_t i = 0; i < rec->keys_n; i++) {
		if (index_of(r, keys[i].hash) == index_of(r, c->hash))
			before = keys[i].before;
		has_key |= keys[i].hash == c->hash;
	}
	/* Always back: what is damaged makes no circle. */
	c->at = before < rec->at ? before : 0;
	return has_key;
}

bool
trace_ring_next(const struct trace_ring *r, struct trace_cursor *c,
    char bytes[LOG_PACKET_MAX], struct trace_record *record_r)
{
	struct key keys[TRACE_KEYS_MAX];
	struct record rec;

	while (peek(r, c->at, &rec, keys)) {
		if (rec.time < c->since - DISORDER)
			break;
		if (!step(r, c, &rec, keys) || rec.time > c->until)
			continue;
		if (!copy_packet(r, &rec, keys, bytes))
			break;
		*record_r = (struct trace_record){
			.at = rec.at,
			.time = rec.time,
			.packet = { bytes, rec.packet_len },
		};
		return true;
	}
	c->at = 0;
	return false;
}
