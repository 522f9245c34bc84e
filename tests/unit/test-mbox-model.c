/*
 * Two sessions, deliveries and a foreign program on one mailbox, at random,
 * against a naive model. Each session has a client, which knows only what it is
 * told: its numbers have to be those of the view, always, and after a sync of
 * all, each client has what lies on disk.
 */
#include "mail.h"

#include <dirent.h>
#include <inttypes.h>
#include <unistd.h>

enum {
	STEPS = 1000,
	MESSAGES = STEPS + 1,
	FLAGS = STORE_ANSWERED | STORE_DELETED | STORE_SEEN | STORE_FLAGGED,
};

/* What is on disk, by the number in its text. */
static struct truth {
	bool alive;
	uint32_t flags;
} truth[MESSAGES];
static unsigned truth_n;

/* Which message a UID was of; 0: nobody has seen it. */
static unsigned id_of[8 * MESSAGES];

static struct client {
	struct mbox *m;
	struct seen {
		uint32_t uid;
		uint32_t flags;
	} seen[MESSAGES];
	size_t n;
} clients[2];

static uint64_t seed;

static unsigned
draw(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(seed >> 33) % n;
}

static uint32_t
draw_flags(void)
{
	return draw(64) & FLAGS;
}

static struct span
make_text(char text[64])
{
	unsigned id = ++truth_n;

	truth[id] = (struct truth){ .alive = true };
	return (struct span){ text,
		(size_t)snprintf(text, 64, "Id: %u\n\nx\n", id) };
}

static unsigned
read_id(int fd)
{
	char text[64] = "";

	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 4);
	return (unsigned)strtoul(text + 4, NULL, 10);
}

static void
learn_id(struct client *c, uint32_t uid)
{
	uint64_t size;
	int fd;

	assert_true(uid < sizeof(id_of) / sizeof(id_of[0]));
	if (mbox_body(c->m, uid, &fd, &size) != STORE_OK)
		return;
	unsigned id = read_id(fd);
	assert_true(id_of[uid] == 0 || id_of[uid] == id);
	id_of[uid] = id;
	close(fd);
}

/* What a client does with what it is told. */
static void
sync_client(struct client *c, unsigned flags)
{
	struct mbox_changes r;
	size_t n;

	assert_int_equal(mbox_sync(c->m, flags, &r), STORE_OK);
	assert_true(!(flags & MBOX_KEEP_EXPUNGED) || r.expunged_n == 0);
	for (size_t i = 0; i < r.expunged_n; i++) {
		uint32_t seq = r.expunged[i];

		assert_true(seq >= 1 && seq <= c->n);
		assert_int_equal(c->seen[seq - 1].uid, r.expunged_uids[i]);
		memmove(&c->seen[seq - 1], &c->seen[seq],
		    (c->n - seq) * sizeof(c->seen[0]));
		c->n--;
	}
	const struct mbox_message *rows = mbox_messages(c->m, &n);
	assert_true(n == c->n || (n > c->n && r.exists_changed));
	for (size_t i = 0; i < r.flagged_n; i++) {
		assert_true(r.flagged[i] <= c->n);
		c->seen[r.flagged[i] - 1].flags = rows[r.flagged[i] - 1].flags;
	}
	for (; c->n < n; c->n++) {
		c->seen[c->n] = (struct seen){ rows[c->n].uid,
			rows[c->n].flags };
		learn_id(c, rows[c->n].uid);
	}
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(rows[i].uid, c->seen[i].uid);
		assert_int_equal(rows[i].flags, c->seen[i].flags);
		assert_true(i == 0 || rows[i - 1].uid < rows[i].uid);
	}
}

static void
open_client(struct client *c)
{
	size_t n;

	mail_open_box("INBOX", 0, &c->m);
	const struct mbox_message *rows = mbox_messages(c->m, &n);
	for (c->n = 0; c->n < n; c->n++) {
		c->seen[c->n] = (struct seen){ rows[c->n].uid,
			rows[c->n].flags };
		learn_id(c, rows[c->n].uid);
	}
}

static struct uidset
draw_uids(const struct client *c)
{
	struct uidset s = { 0 };
	unsigned n = draw(4);

	for (unsigned i = 0; i < n && c->n; i++)
		uidset_add(&s, c->seen[draw((unsigned)c->n)].uid,
		    c->seen[draw((unsigned)c->n)].uid);
	return s;
}

static struct truth *
truth_of(uint32_t uid)
{
	return id_of[uid] ? &truth[id_of[uid]] : &truth[0];
}

static void
change_flags(struct client *c)
{
	struct uidset s = draw_uids(c);
	enum mbox_flag_op op = (enum mbox_flag_op)draw(3);
	uint32_t flags = draw_flags();

	assert_int_equal(mbox_store_flags(c->m, &s, op, flags, 0, NULL),
	    STORE_OK);
	for (size_t i = 0; i < c->n; i++) {
		struct truth *t = truth_of(c->seen[i].uid);

		if (!uidset_has(&s, c->seen[i].uid) || !t->alive)
			continue;
		if (op == MBOX_FLAGS_SET)
			t->flags = flags;
		else if (op == MBOX_FLAGS_ADD)
			t->flags |= flags;
		else
			t->flags &= ~flags;
	}
	uidset_fini(&s);
}

static void
expunge(struct client *c)
{
	struct uidset s = draw_uids(c);
	bool all = draw(4) == 0;

	assert_int_equal(mbox_expunge(c->m, all ? NULL : &s), STORE_OK);
	for (size_t i = 0; i < c->n; i++) {
		struct truth *t = truth_of(c->seen[i].uid);

		if ((all || uidset_has(&s, c->seen[i].uid)) &&
		    (t->flags & STORE_DELETED))
			t->alive = false;
	}
	uidset_fini(&s);
}

static void
move(struct client *c)
{
	struct uidset s = draw_uids(c);
	struct mbox_copied r;

	assert_int_equal(mbox_move(c->m, &s, SPAN("Other"), &r), STORE_OK);
	for (uint32_t uid = uidset_next(&r.from, 1); uid;
	     uid = uidset_next(&r.from, uid + 1)) {
		assert_true(truth_of(uid)->alive);
		truth_of(uid)->alive = false;
	}
	uidset_fini(&r.from);
	uidset_fini(&r.to);
	uidset_fini(&s);
}

/* A file of a folder, at random; its full name and its message. */
static bool
draw_file(const char *folder, char name[300], unsigned *id_r)
{
	char path[64];
	DIR *d;
	const struct dirent *e;
	unsigned n = 0;

	snprintf(path, sizeof(path), "mail/alice/%s", folder);
	d = opendir(spool_path(path));
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && draw(++n) == 0)
			snprintf(name, 300, "%s", e->d_name);
	closedir(d);
	if (n == 0)
		return false;
	int dir = open(spool_path(path), O_RDONLY | O_DIRECTORY);
	int fd = openat(dir, name, O_RDONLY);
	assert_true(fd >= 0);
	*id_r = read_id(fd);
	close(fd);
	close(dir);
	return true;
}

static int
open_mail(const char *folder)
{
	char path[64];

	snprintf(path, sizeof(path), "mail/alice/%s", folder);
	int fd = open(spool_path(path), O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	return fd;
}

static void
foreign_rename(void)
{
	char old[300], new[320];
	unsigned id;
	bool from_new = draw(3) == 0;
	int cur = open_mail("cur"), from = open_mail(from_new ? "new" : "cur");

	if (draw_file(from_new ? "new" : "cur", old, &id)) {
		char *end = strchr(old, ':');
		bool seen = draw(2);

		snprintf(new, sizeof(new), "%.*s:2,%s",
		    end ? (int)(end - old) : (int)strlen(old), old,
		    seen ? "FS" : "");
		assert_int_equal(renameat(from, old, cur, new), 0);
		truth[id].flags = seen ? STORE_FLAGGED | STORE_SEEN : 0;
	}
	close(cur);
	close(from);
}

static void
foreign_remove(void)
{
	char name[300];
	unsigned id;
	int cur = open_mail("cur");

	if (draw_file("cur", name, &id)) {
		assert_int_equal(unlinkat(cur, name, 0), 0);
		truth[id].alive = false;
	}
	close(cur);
}

static void
foreign_add(void)
{
	char text[64], name[64];
	struct span s = make_text(text);
	bool to_new = draw(2);
	int dir = open_mail(to_new ? "new" : "cur");

	snprintf(name, sizeof(name), "%u.foreign%s", truth_n,
	    to_new ? "" : ":2,F");
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(write(fd, s.p, s.n) == (ssize_t)s.n);
	truth[truth_n].flags = to_new ? 0 : STORE_FLAGGED;
	close(fd);
	close(dir);
}

static void
sync_all(void)
{
	for (size_t k = 0; k < 2; k++) {
		struct client *c = &clients[k];
		size_t alive = 0;

		sync_client(c, 0);
		for (unsigned id = 1; id <= truth_n; id++)
			alive += truth[id].alive;
		assert_int_equal(c->n, alive);
		for (size_t i = 0; i < c->n; i++) {
			assert_int_not_equal(id_of[c->seen[i].uid], 0);
			assert_true(truth_of(c->seen[i].uid)->alive);
			assert_int_equal(c->seen[i].flags,
			    truth_of(c->seen[i].uid)->flags);
		}
	}
}

static void
step(void)
{
	struct client *c = &clients[draw(2)];
	char text[64];

	switch (draw(16)) {
	case 0:
	case 1:
		mail_deliver("alice/", make_text(text));
		break;
	case 2: {
		struct span s = make_text(text);
		uint32_t flags = draw_flags();

		text[s.n] = '\0';
		mail_append("INBOX", flags, text);
		truth[truth_n].flags = flags;
		break;
	}
	case 3:
		foreign_add();
		break;
	case 4:
		foreign_rename();
		break;
	case 5:
		if (draw(2))
			foreign_remove();
		break;
	case 6:
	case 7:
		change_flags(c);
		break;
	case 8:
		expunge(c);
		break;
	case 9:
		if (draw(4) == 0)
			move(c);
		break;
	case 10:
		if (draw(8) == 0) {
			mbox_close(c->m);
			open_client(c);
		}
		break;
	case 11:
		if (draw(16) == 0)
			unlink(
			    spool_path("mail/alice/postrider-index/data.mdb"));
		break;
	case 12:
		sync_all();
		break;
	case 13:
		sync_client(c, MBOX_KEEP_EXPUNGED);
		break;
	default:
		sync_client(c, 0);
	}
}

static void
two_sessions_see_what_is_there(void **state)
{
	(void)state;
	for (uint64_t run = 1; run <= 3; run++) {
		seed = run;
		truth_n = 0;
		memset(id_of, 0, sizeof(id_of));
		spool_remove(spool_path("mail/alice"));
		mail_open(SPAN("Other=\\Archive"));
		open_client(&clients[0]);
		open_client(&clients[1]);
		for (unsigned i = 0; i < STEPS; i++)
			step();
		sync_all();
		mbox_close(clients[0].m);
		mbox_close(clients[1].m);
		mail_close();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(two_sessions_see_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
