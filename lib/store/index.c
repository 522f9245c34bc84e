#include "store/index.h"

#include "base/clock.h"
#include "store/env.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>

/*
 * Keys begin with a letter: 'H' name, the header; 'C' id chunk, rows; 'N' id
 * uid, the file's name; 'T' id modseq uid, a tombstone; 'I', the last id; and a
 * letter of the sessions' with id uid. Numbers are big-endian, for the order.
 */
enum {
	KEY_MAX = 256,
	SUM_SIZE = sizeof(uint64_t),
};

static MDB_val
val(const void *p, size_t n)
{
	union {
		const void *in;
		void *out; /* LMDB does not write to what it stores */
	} u = { .in = p };

	return (MDB_val){ n, u.out };
}

static void
put_be32(char *out, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		out[i] = (char)(n >> (24 - 8 * i));
}

static uint32_t
read_be32(const char *p)
{
	uint32_t n = 0;

	for (int i = 0; i < 4; i++)
		n = n << 8 | (unsigned char)p[i];
	return n;
}

static MDB_val
key_of(char *out, char kind, uint32_t id, uint32_t number)
{
	out[0] = kind;
	put_be32(out + 1, id);
	put_be32(out + 5, number);
	return val(out, 9);
}

static MDB_val
name_key(char out[KEY_MAX], struct span name)
{
	must(name.n < KEY_MAX);
	out[0] = 'H';
	memcpy(out + 1, name.p, name.n);
	return val(out, name.n + 1);
}

static bool
get(struct index_txn *t, MDB_val *key, MDB_val *value_r)
{
	if (t->bad)
		return false;
	int err = mdb_get(t->txn, ENV_DBI, key, value_r);
	if (err && err != MDB_NOTFOUND)
		index_fail(t, err);
	return err == 0;
}

static void
put(struct index_txn *t, MDB_val *key, MDB_val *value)
{
	int err = t->bad ? 0 : mdb_put(t->txn, ENV_DBI, key, value, 0);

	if (err)
		index_fail(t, err);
}

static void
del(struct index_txn *t, MDB_val *key)
{
	int err = t->bad ? 0 : mdb_del(t->txn, ENV_DBI, key, NULL);

	if (err && err != MDB_NOTFOUND)
		index_fail(t, err);
}

static bool
open_cursor(struct index_txn *t, MDB_cursor **c_r)
{
	int err = t->bad ? 0 : mdb_cursor_open(t->txn, ENV_DBI, c_r);

	if (err)
		index_fail(t, err);
	return !t->bad;
}

static uint64_t
header_sum(const struct index_header *h, struct span name)
{
	return row_sum(row_sum(0, name.p, name.n), (const char *)h + SUM_SIZE,
	    sizeof(*h) - SUM_SIZE);
}

int
index_get_header(struct index_txn *t, struct span name,
    struct index_header *h_r)
{
	char bytes[KEY_MAX];
	MDB_val key = name_key(bytes, name), value;

	if (!get(t, &key, &value))
		return -ENOENT;
	if (value.mv_size == sizeof(*h_r))
		memcpy(h_r, value.mv_data, sizeof(*h_r));
	if (value.mv_size == sizeof(*h_r) && h_r->sum == header_sum(h_r, name))
		return 0;
	t->bad = true;
	return -ENOENT;
}

void
index_put_header(struct index_txn *t, struct span name, struct index_header *h)
{
	char bytes[KEY_MAX];
	MDB_val key = name_key(bytes, name), value = val(h, sizeof(*h));

	h->sum = header_sum(h, name);
	put(t, &key, &value);
}

uint32_t
index_new_id(struct index_txn *t)
{
	MDB_val key = val("I", 1), value;
	uint32_t id[2] = { 0 };

	if (get(t, &key, &value)) {
		if (value.mv_size == sizeof(id))
			memcpy(id, value.mv_data, sizeof(id));
		if (value.mv_size != sizeof(id) || id[1] != ~id[0])
			t->bad = true;
	}
	id[0]++;
	id[1] = ~id[0];
	value = val(id, sizeof(id));
	put(t, &key, &value);
	return id[0];
}

/* Deletes all keys of this kind and mailbox. */
static void
forget_kind(struct index_txn *t, char kind, uint32_t id)
{
	char bytes[16];
	MDB_val key = key_of(bytes, kind, id, 0), value;
	MDB_cursor *c;

	if (!open_cursor(t, &c))
		return;
	int err = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
	while (!err && key.mv_size > 5 && memcmp(key.mv_data, bytes, 5) == 0) {
		err = mdb_cursor_del(c, 0);
		if (!err)
			err = mdb_cursor_get(c, &key, &value, MDB_NEXT);
	}
	if (err && err != MDB_NOTFOUND)
		index_fail(t, err);
	mdb_cursor_close(c);
}

void
index_forget(struct index_txn *t, struct span name)
{
	static const char kinds[] = "CNTES";
	char bytes[KEY_MAX];
	struct index_header h;
	MDB_val key;

	if (index_get_header(t, name, &h) < 0)
		return;
	for (size_t i = 0; kinds[i]; i++)
		forget_kind(t, kinds[i], h.id);
	key = name_key(bytes, name);
	del(t, &key);
}

void
index_rename(struct index_txn *t, struct span from, struct span to)
{
	char bytes[KEY_MAX];
	struct index_header h;
	MDB_val key;

	index_forget(t, to);
	if (index_get_header(t, from, &h) < 0)
		return;
	key = name_key(bytes, from);
	del(t, &key);
	index_put_header(t, to, &h);
}

static int
read_rows(struct index_txn *t, const struct index_header *h, MDB_cursor *c,
    struct mbox_message *rows)
{
	char bytes[16];
	MDB_val key = key_of(bytes, 'C', h->id, 0), value;
	uint64_t all = 0;
	size_t n = 0;
	int err = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);

	(void)t;
	for (; !err; err = mdb_cursor_get(c, &key, &value, MDB_NEXT)) {
		struct span in;
		uint64_t sum;

		if (key.mv_size != 9 || memcmp(key.mv_data, bytes, 5) != 0)
			break;
		if (!chunk_look((struct span){ value.mv_data, value.mv_size },
			h->id, read_be32((char *)key.mv_data + 5), &in, &sum) ||
		    in.n / sizeof(*rows) > h->messages - n)
			return -EBADMSG;
		memcpy(rows + n, in.p, in.n);
		n += in.n / sizeof(*rows);
		all += sum;
	}
	if (err && err != MDB_NOTFOUND)
		return -EBADMSG;
	return n == h->messages && all == h->rows_sum ? 0 : -EBADMSG;
}

int
index_rows(struct index_txn *t, const struct index_header *h,
    struct mbox_message *rows)
{
	MDB_cursor *c;

	if (!open_cursor(t, &c))
		return -EBADMSG;
	int err = read_rows(t, h, c, rows);
	mdb_cursor_close(c);
	if (err)
		t->bad = true;
	return err;
}

void
index_get_chunk(struct index_txn *t, const struct index_header *h,
    uint32_t number, struct chunk *c_r)
{
	char bytes[16];
	MDB_val key = key_of(bytes, 'C', h->id, number), value;

	c_r->number = number;
	c_r->n = 0;
	c_r->sum = 0;
	if (get(t, &key, &value) &&
	    !chunk_read((struct span){ value.mv_data, value.mv_size }, h->id,
		number, c_r)) {
		t->bad = true;
		c_r->n = 0;
	}
}

void
index_put_chunk(struct index_txn *t, struct index_header *h, struct chunk *c)
{
	char bytes[16];
	MDB_val key = key_of(bytes, 'C', h->id, c->number);

	h->rows_sum -= c->sum;
	c->sum = 0;
	if (c->n == 0) {
		del(t, &key);
		return;
	}
	c->sum = chunk_sum(c, h->id);
	h->rows_sum += c->sum;
	MDB_val value = val(c, chunk_size(c));
	put(t, &key, &value);
}

/* What a row adds to the counts. */
static void
count(struct index_header *h, const struct mbox_message *row, bool add)
{
	uint32_t one = add ? 1 : (uint32_t)-1;
	uint64_t size = row->size & ~ROW_IN_NEW;

	h->messages += one;
	h->size += add ? size : -size;
	if (!(row->flags & STORE_SEEN))
		h->unseen += one;
	if (row->flags & STORE_DELETED)
		h->deleted += one;
	if (row->size & ROW_IN_NEW)
		h->in_new += one;
}

bool
index_get_row(struct index_txn *t, const struct index_header *h, uint32_t uid,
    struct mbox_message *row_r)
{
	struct chunk c;

	index_get_chunk(t, h, chunk_of(uid), &c);
	const struct mbox_message *row = chunk_find(&c, uid);
	if (row)
		*row_r = *row;
	return row;
}

void
index_put_row(struct index_txn *t, struct index_header *h,
    const struct mbox_message *row)
{
	struct chunk c;

	index_get_chunk(t, h, chunk_of(row->uid), &c);
	const struct mbox_message *old = chunk_find(&c, row->uid);
	if (old)
		count(h, old, false);
	count(h, row, true);
	chunk_put(&c, row);
	index_put_chunk(t, h, &c);
}

static MDB_val
tomb_key(char bytes[32], uint32_t id, uint64_t modseq, uint32_t uid)
{
	key_of(bytes, 'T', id, (uint32_t)(modseq >> 32));
	put_be32(bytes + 9, (uint32_t)modseq);
	put_be32(bytes + 13, uid);
	return val(bytes, 17);
}

/* The oldest goes. */
static void
drop_tomb(struct index_txn *t, struct index_header *h)
{
	char bytes[32];
	MDB_val key = key_of(bytes, 'T', h->id, 0), value;
	MDB_cursor *c;

	if (!open_cursor(t, &c))
		return;
	if (mdb_cursor_get(c, &key, &value, MDB_SET_RANGE) == 0 &&
	    key.mv_size == 17 && memcmp(key.mv_data, bytes, 5) == 0) {
		const char *p = key.mv_data;

		h->tomb_floor = (uint64_t)read_be32(p + 5) << 32 |
		    read_be32(p + 9);
		int err = mdb_cursor_del(c, 0);
		if (err)
			index_fail(t, err);
	}
	mdb_cursor_close(c);
	h->tombs--;
}

void
index_remove_row(struct index_txn *t, struct index_header *h, uint32_t uid)
{
	static const char kinds[] = "NES";
	char bytes[32];
	struct chunk c;
	MDB_val key, none = val("", 0);

	index_get_chunk(t, h, chunk_of(uid), &c);
	const struct mbox_message *old = chunk_find(&c, uid);
	if (!old)
		return;
	count(h, old, false);
	chunk_remove(&c, uid);
	index_put_chunk(t, h, &c);
	for (size_t i = 0; kinds[i]; i++) {
		key = key_of(bytes, kinds[i], h->id, uid);
		del(t, &key);
	}
	key = tomb_key(bytes, h->id, h->modseq, uid);
	put(t, &key, &none);
	if (++h->tombs > INDEX_TOMBS_MAX)
		drop_tomb(t, h);
}

/* Bytes with their sum before them, which the key is part of. */
static void
put_summed(struct index_txn *t, MDB_val *key, struct span bytes)
{
	MDB_val value = { SUM_SIZE + bytes.n, NULL };
	uint64_t sum = row_sum(row_sum(0, key->mv_data, key->mv_size), bytes.p,
	    bytes.n);

	if (t->bad)
		return;
	int err = mdb_put(t->txn, ENV_DBI, key, &value, MDB_RESERVE);
	if (err) {
		index_fail(t, err);
		return;
	}
	memcpy(value.mv_data, &sum, SUM_SIZE);
	if (bytes.n)
		memcpy((char *)value.mv_data + SUM_SIZE, bytes.p, bytes.n);
}

static bool
get_summed(struct index_txn *t, MDB_val *key, struct span *bytes_r)
{
	MDB_val value;
	uint64_t sum;

	if (!get(t, key, &value))
		return false;
	if (value.mv_size >= SUM_SIZE) {
		struct span s = { (char *)value.mv_data + SUM_SIZE,
			value.mv_size - SUM_SIZE };

		memcpy(&sum, value.mv_data, SUM_SIZE);
		*bytes_r = s;
		if (sum ==
		    row_sum(row_sum(0, key->mv_data, key->mv_size), s.p, s.n))
			return true;
	}
	t->bad = true;
	return false;
}

bool
index_get_name(struct index_txn *t, uint32_t id, uint32_t uid,
    char name_r[NAME_SIZE])
{
	char bytes[16];
	MDB_val key = key_of(bytes, 'N', id, uid);
	struct span name;

	if (!get_summed(t, &key, &name) || name.n == 0 || name.n >= NAME_SIZE)
		return false;
	memcpy(name_r, name.p, name.n);
	name_r[name.n] = '\0';
	return true;
}

void
index_put_name(struct index_txn *t, uint32_t id, uint32_t uid, const char *name)
{
	char bytes[16];
	MDB_val key = key_of(bytes, 'N', id, uid);

	put_summed(t, &key, span_str(name));
}

int
index_get_cache(struct index_txn *t, uint32_t id, uint32_t uid, char kind,
    struct arena *arena, struct span *bytes_r)
{
	char bytes[16];
	MDB_val key = key_of(bytes, kind, id, uid);
	struct span s;

	if (!get_summed(t, &key, &s))
		return -ENOENT;
	char *copy = arena_dup(arena, s);
	if (!copy)
		return -ENOMEM;
	*bytes_r = (struct span){ copy, s.n };
	return 0;
}

void
index_put_cache(struct index_txn *t, uint32_t id, uint32_t uid, char kind,
    struct span bytes)
{
	char k[16];
	MDB_val key = key_of(k, kind, id, uid);

	put_summed(t, &key, bytes);
}

uint64_t
index_next_modseq(struct index_header *h)
{
	uint64_t now = (uint64_t)clock_wall();

	h->modseq = now > h->modseq ? now : h->modseq + 1;
	return h->modseq;
}
