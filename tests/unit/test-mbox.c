#include "mail.h"

#include "store/box.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

static const struct span hello = SPAN_INIT("Subject: x\n\nhello\n");

static struct uidset
set_of(const char *text)
{
	struct span in = { text, strlen(text) };
	struct uidset s;

	assert_true(uidset_take(&in, UINT32_MAX, &s));
	return s;
}

static uint32_t
flags_of(const struct mbox *m, uint32_t seq)
{
	size_t n;
	const struct mbox_message *rows = mbox_messages(m, &n);

	assert_true(seq >= 1 && seq <= n);
	return rows[seq - 1].flags;
}

static size_t
count(const struct mbox *m)
{
	size_t n;

	mbox_messages(m, &n);
	return n;
}

static void
store_flags(struct mbox *m, const char *uids, enum mbox_flag_op op,
    uint32_t flags)
{
	struct uidset s = set_of(uids);

	assert_int_equal(mbox_store_flags(m, &s, op, flags, 0, NULL), STORE_OK);
	uidset_fini(&s);
}

/* How often the process has an index mapped. */
static unsigned
mapped(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[1024];
	unsigned n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "postrider-index/data.mdb") != NULL;
	fclose(f);
	return n;
}

static void
an_index_that_rests_is_opened_when_asked(void **state)
{
	struct mbox *m;
	struct mbox_changes c;

	(void)state;
	mail_open(SPAN(""));
	mail_deliver("alice/", hello);
	mail_open_box("inbox", 0, &m);
	assert_int_equal(store_rest(60000), 0);
	assert_int_equal(mapped(), 1);
	assert_int_equal(store_rest(0), 1);
	assert_int_equal(mapped(), 0);
	assert_int_equal(store_rest(0), 0);
	mail_deliver("alice/", hello);
	mail_sync(m, &c);
	assert_true(c.exists_changed);
	assert_int_equal(count(m), 2);
	assert_int_equal(mapped(), 1);
	assert_int_equal(store_rest(0), 1);
	store_flags(m, "2", MBOX_FLAGS_ADD, STORE_SEEN);
	mail_sync(m, &c);
	assert_int_equal(flags_of(m, 2) & STORE_SEEN, STORE_SEEN);
	/* A large one is read whole when it is opened: it rests later. */
	assert_int_equal(store_rest(0), 1);
	assert_int_equal(truncate(spool_path(
				      "mail/alice/postrider-index/data.mdb"),
			     200 << 20),
	    0);
	mail_sync(m, &c);
	usleep(20000);
	assert_int_equal(store_rest(1), 0);
	assert_int_equal(store_rest(0), 1);
	mbox_close(m);
	mail_close();
}

static void
deliveries_come_into_an_open_view(void **state)
{
	struct mbox *m;
	struct mbox_changes c;
	size_t n;

	(void)state;
	mail_open(SPAN(""));
	mail_deliver("alice/", hello);
	mail_open_box("inbox", 0, &m);
	assert_int_equal(count(m), 1);
	assert_true(mbox_is_recent(m, 1));
	mail_deliver("alice/", hello);
	assert_int_equal(count(m), 1);
	mail_sync(m, &c);
	assert_true(c.exists_changed);
	assert_int_equal(c.expunged_n + c.flagged_n, 0);
	const struct mbox_message *rows = mbox_messages(m, &n);
	assert_int_equal(n, 2);
	assert_int_equal(rows[1].uid, 2);
	assert_int_equal(rows[1].size, hello.n + 3);
	assert_int_equal(mbox_uidnext(m), 3);
	assert_int_equal(mbox_recent_n(m), 2);
	mail_sync(m, &c);
	assert_false(c.exists_changed);
	mbox_close(m);
	mail_open_box("INBOX", 0, &m);
	assert_int_equal(mbox_recent_n(m), 0);
	mbox_close(m);
	mail_close();
}

static void
flags_are_seen_by_others(void **state)
{
	struct mbox *a, *b;
	struct mbox_changes c;

	(void)state;
	mail_open(SPAN(""));
	mail_append("INBOX", 0, "a\r\n");
	mail_append("INBOX", STORE_SEEN, "b\r\n");
	mail_open_box("INBOX", 0, &a);
	mail_open_box("INBOX", 0, &b);
	store_flags(a, "1:2", MBOX_FLAGS_ADD, STORE_SEEN | STORE_FLAGGED);
	store_flags(a, "2", MBOX_FLAGS_REMOVE, STORE_SEEN);
	assert_int_equal(flags_of(a, 1), 0);
	mail_sync(a, &c);
	assert_int_equal(c.flagged_n, 2);
	mail_sync(b, &c);
	assert_int_equal(c.flagged_n, 2);
	assert_int_equal(c.flagged[1], 2);
	assert_int_equal(flags_of(b, 1), STORE_SEEN | STORE_FLAGGED);
	assert_int_equal(flags_of(b, 2), STORE_FLAGGED);
	store_flags(b, "1", MBOX_FLAGS_SET, STORE_DRAFT);
	mail_sync(a, &c);
	assert_int_equal(c.flagged_n, 1);
	assert_int_equal(flags_of(a, 1), STORE_DRAFT);
	mbox_close(a);
	mbox_close(b);
	mail_close();
}

static void
expunges_shift_the_numbers(void **state)
{
	struct mbox *a, *b;
	struct mbox_changes c;

	(void)state;
	mail_open(SPAN(""));
	for (int i = 0; i < 5; i++)
		mail_append("INBOX", 0, "a\r\n");
	mail_open_box("INBOX", 0, &a);
	mail_open_box("INBOX", 0, &b);
	store_flags(a, "2,4:5", MBOX_FLAGS_ADD, STORE_DELETED);
	struct uidset s = set_of("1:4");
	assert_int_equal(mbox_expunge(a, &s), STORE_OK);
	uidset_fini(&s);
	assert_int_equal(mbox_sync(b, MBOX_KEEP_EXPUNGED, &c), STORE_OK);
	assert_int_equal(c.expunged_n, 0);
	assert_int_equal(count(b), 5);
	mail_sync(b, &c);
	assert_int_equal(c.expunged_n, 2);
	assert_int_equal(c.expunged[0], 2);
	assert_int_equal(c.expunged[1], 3);
	assert_int_equal(c.expunged_uids[1], 4);
	assert_int_equal(count(b), 3);
	assert_int_equal(flags_of(b, 3), STORE_DELETED);
	assert_int_equal(mbox_find(b, 5), 3);
	assert_int_equal(mbox_find(b, 4), 0);
	mbox_close(a);
	mbox_close(b);
	mail_close();
}

static void
appended_text_is_kept_with_lf(void **state)
{
	struct mbox *m;
	struct mbox_append *a;
	struct span word = SPAN("$Junk");
	struct mbox_append_facts f = { .flags = STORE_DRAFT,
		.keywords = &word,
		.keywords_n = 1,
		.date = 1234567890 };
	static const char bytes[] = "a: b\r\n\r\nx\ry\n\r\nz\r";
	static const char want[] = "a: b\n\nx\ry\n\nz\r";
	uint32_t uidvalidity, uid, bit;
	uint64_t size;
	char have[64];
	size_t n;
	int fd;

	(void)state;
	mail_open(SPAN(""));
	assert_int_equal(mbox_append_begin(mail_user, SPAN("nobox"), &a),
	    STORE_ABSENT);
	assert_int_equal(mbox_append_begin(mail_user, SPAN("INBOX"), &a),
	    STORE_OK);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++)
		mbox_append_write(a, (struct span){ bytes + i, 1 });
	assert_int_equal(mbox_append_commit(a, &f, &uidvalidity, &uid),
	    STORE_OK);
	mail_open_box("INBOX", 0, &m);
	const struct mbox_message *rows = mbox_messages(m, &n);
	assert_int_equal(mbox_uidvalidity(m), uidvalidity);
	assert_int_equal(rows[0].uid, uid);
	assert_int_equal(rows[0].date, 1234567890);
	assert_int_equal(rows[0].size, sizeof(want) - 1 + 4);
	assert_int_equal(mbox_keyword(m, SPAN("$JUNK"), false, &bit), STORE_OK);
	assert_int_equal(rows[0].flags, STORE_DRAFT | bit);
	assert_int_equal(mbox_body(m, uid, &fd, &size), STORE_OK);
	assert_int_equal(read(fd, have, sizeof(have)), sizeof(want) - 1);
	assert_memory_equal(have, want, sizeof(want) - 1);
	assert_int_equal(size, sizeof(want) - 1);
	close(fd);
	assert_int_equal(mbox_body(m, uid + 1, &fd, &size), STORE_ABSENT);
	mbox_close(m);
	mail_close();
}

static void
copies_keep_flags_and_keywords_by_name(void **state)
{
	struct mbox *a, *b;
	struct mbox_copied copied;
	uint32_t bit, other;
	struct uidset s = set_of("2:3");
	size_t n;

	(void)state;
	mail_open(SPAN(""));
	assert_int_equal(store_create(mail_user, SPAN("Old.2024")), STORE_OK);
	assert_int_equal(store_create(mail_user, SPAN("Old.2024")),
	    STORE_EXISTS);
	for (int i = 0; i < 3; i++)
		mail_append("INBOX", STORE_SEEN, "a\r\n");
	mail_open_box("INBOX", 0, &a);
	mail_open_box("Old.2024", 0, &b);
	assert_int_equal(mbox_keyword(a, SPAN("first"), true, &other),
	    STORE_OK);
	assert_int_equal(mbox_keyword(a, SPAN("second"), true, &bit), STORE_OK);
	assert_int_not_equal(bit, other);
	store_flags(a, "3", MBOX_FLAGS_ADD, bit);
	assert_int_equal(mbox_copy(a, &s, SPAN("nobox"), &copied),
	    STORE_ABSENT);
	assert_int_equal(mbox_copy(a, &s, SPAN("Old.2024"), &copied), STORE_OK);
	assert_int_equal(uidset_count(&copied.from), 2);
	assert_true(uidset_has(&copied.to, 1) && uidset_has(&copied.to, 2));
	uidset_fini(&copied.from);
	uidset_fini(&copied.to);
	struct mbox_changes c;
	mail_sync(b, &c);
	const struct mbox_message *rows = mbox_messages(b, &n);
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].flags, STORE_SEEN);
	assert_int_equal(rows[0].date, 1000000000);
	assert_int_equal(mbox_keyword(b, SPAN("second"), false, &bit),
	    STORE_OK);
	assert_int_equal(rows[1].flags, STORE_SEEN | bit);
	assert_int_equal(mbox_move(a, &s, SPAN("INBOX"), &copied), STORE_OK);
	uidset_fini(&copied.from);
	uidset_fini(&copied.to);
	mail_sync(a, &c);
	assert_int_equal(c.expunged_n, 2);
	rows = mbox_messages(a, &n);
	assert_int_equal(n, 3);
	assert_int_equal(rows[1].uid, 4);
	uidset_fini(&s);
	mbox_close(a);
	mbox_close(b);
	mail_close();
}

static void
put_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "mail/alice/%s", name);
	spool_write(spool_path(path), hello);
}

static void
foreign_files_get_uids_and_sizes(void **state)
{
	struct mbox *m;
	struct mbox_changes c;
	size_t n;

	(void)state;
	mail_open(SPAN(""));
	put_file("cur/1.a:2,RSab");
	put_file("new/2.b");
	mail_open_box("INBOX", 0, &m);
	const struct mbox_message *rows = mbox_messages(m, &n);
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].flags,
	    STORE_ANSWERED | STORE_SEEN | STORE_KEYWORD | STORE_KEYWORD << 1);
	assert_int_equal(rows[0].size, hello.n + 3);
	assert_int_equal(rows[1].flags, 0);
	put_file("new/3.c,S=18,W=21");
	mail_sync(m, &c);
	assert_true(c.exists_changed);
	assert_int_equal(mbox_messages(m, &n)[2].uid, 3);
	/* Somebody else reads it. */
	char old[300], new[300];
	DIR *d = opendir(spool_path("mail/alice/cur"));
	const struct dirent *e;
	while ((e = readdir(d)))
		if (strncmp(e->d_name, "3.c", 3) == 0) {
			snprintf(old, sizeof(old), "mail/alice/cur/%s",
			    e->d_name);
			snprintf(new, sizeof(new), "mail/alice/cur/%sFZ",
			    e->d_name);
		}
	closedir(d);
	assert_int_equal(rename(spool_path(old), spool_path(new)), 0);
	mail_sync(m, &c);
	assert_int_equal(c.flagged_n, 1);
	assert_int_equal(flags_of(m, 3), STORE_FLAGGED);
	store_flags(m, "3", MBOX_FLAGS_ADD, STORE_SEEN);
	snprintf(old, sizeof(old), "%.*sFSZ", (int)strlen(new) - 2, new);
	assert_int_equal(remove(spool_path(old)), 0);
	mail_sync(m, &c);
	assert_int_equal(c.expunged_n, 1);
	assert_int_equal(c.expunged[0], 3);
	mbox_close(m);
	mail_close();
}

/* The only file of a folder whose name begins so; NULL: there is none. */
static const char *
find_in(const char *folder, const char *head)
{
	static char name[256];
	DIR *d = opendir(spool_path(folder));
	const struct dirent *e;
	bool found = false;

	while ((e = readdir(d)))
		if (e->d_name[0] != '.' &&
		    strncmp(e->d_name, head, strlen(head)) == 0) {
			assert_false(found);
			found = true;
			snprintf(name, sizeof(name), "%s", e->d_name);
		}
	closedir(d);
	return found ? name : NULL;
}

static void
cut_file(const char *folder)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", folder, find_in(folder, ""));
	assert_int_equal(truncate(spool_path(path), 3), 0);
}

static void
boot_again(void)
{
	mail_store->boot[0] = mail_store->boot[0] == '0' ? '1' : '0';
	mail_deliver("alice/", hello);
}

/* What the machine's end has cut is out of sight, and can be found. */
static void
half_a_mail_is_in_tmp_after_a_boot(void **state)
{
	struct mbox *m;

	(void)state;
	mail_open(SPAN(""));
	mail_deliver("alice/", hello);
	cut_file("mail/alice/new");
	boot_again();
	assert_non_null(find_in("mail/alice/tmp", ""));
	mail_open_box("INBOX", 0, &m);
	assert_int_equal(count(m), 1);
	mbox_close(m);
	mail_close();
}

/* Dovecot's zlib plugin names the size that a mail had before. */
static void
a_size_that_others_told_removes_nothing(void **state)
{
	struct mbox *m;

	(void)state;
	mail_open(SPAN(""));
	put_file("new/1.new,S=9999,W=10099");
	put_file("cur/2.cur,S=9999,W=10099:2,S");
	mail_open_box("INBOX", MBOX_READ_ONLY, &m);
	assert_int_equal(count(m), 2);
	assert_int_equal(mbox_messages(m, &(size_t){ 0 })[0].size, hello.n + 3);
	mbox_close(m);
	boot_again();
	assert_null(find_in("mail/alice/tmp", ""));
	assert_non_null(find_in("mail/alice/new", "1.new"));
	mail_open_box("INBOX", 0, &m);
	assert_int_equal(count(m), 3);
	mbox_close(m);
	mail_close();
}

static atomic_bool is_enough;

/* As if somebody else came by all the time. */
static void *
touch_cur(void *arg)
{
	struct timespec t[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	int fd = open(spool_path("mail/alice/cur"), O_RDONLY | O_DIRECTORY);

	(void)arg;
	while (!is_enough) {
		t[1].tv_nsec = (t[1].tv_nsec + 1) % 1000000000;
		(void)!futimens(fd, t);
	}
	close(fd);
	return NULL;
}

/* Not an empty mailbox, which a client that syncs would take for the truth. */
static void
a_mailbox_that_never_stands_still_is_shown(void **state)
{
	struct mbox *m;
	pthread_t other;

	(void)state;
	mail_open(SPAN(""));
	for (int i = 0; i < 3; i++)
		mail_deliver("alice/", hello);
	mail_open_box("INBOX", 0, &m);
	mbox_close(m);
	is_enough = false;
	assert_int_equal(pthread_create(&other, NULL, touch_cur, NULL), 0);
	for (int i = 0; i < 50; i++) {
		mail_open_box("INBOX", 0, &m);
		assert_int_equal(count(m), 3);
		mbox_close(m);
	}
	is_enough = true;
	pthread_join(other, NULL);
	mail_close();
}

static void
an_index_that_is_gone_changes_nothing(void **state)
{
	struct mbox *m;
	struct mbox_changes c;

	(void)state;
	mail_open(SPAN(""));
	mail_append("INBOX", 0, "a\r\n");
	mail_append("INBOX", STORE_SEEN, "b\r\n");
	mail_deliver("alice/", hello);
	mail_open_box("INBOX", 0, &m);
	store_flags(m, "2", MBOX_FLAGS_ADD, STORE_FLAGGED);
	mail_sync(m, &c);
	uint32_t uidvalidity = mbox_uidvalidity(m);
	assert_int_equal(remove(
			     spool_path("mail/alice/postrider-index/data.mdb")),
	    0);
	mail_deliver("alice/", hello);
	mail_sync(m, &c);
	assert_int_equal(c.expunged_n + c.flagged_n, 0);
	assert_int_equal(count(m), 4);
	mbox_close(m);
	mail_close();
	spool_remove(spool_path("mail/alice/postrider-index"));
	mail_open(SPAN(""));
	mail_open_box("INBOX", 0, &m);
	assert_int_equal(count(m), 4);
	assert_int_equal(mbox_uidvalidity(m), uidvalidity);
	assert_int_equal(flags_of(m, 2), STORE_SEEN | STORE_FLAGGED);
	assert_int_equal(mbox_find(m, 4), 4);
	mbox_close(m);
	mail_close();
}

static void
dovecots_numbers_go_on(void **state)
{
	struct mbox *m;
	size_t n;
	uint32_t bit;

	(void)state;
	mkdir(spool_path("mail/alice"), 0700);
	mkdir(spool_path("mail/alice/cur"), 0700);
	mkdir(spool_path("mail/alice/new"), 0700);
	put_file("cur/1.a,S=18,W=21:2,Sb");
	put_file("cur/2.b,S=18:2,");
	put_file("cur/3.c:2,");
	spool_write(spool_path("mail/alice/dovecot-uidlist"),
	    SPAN("3 V1275660208 N250 G3a31aa\n"
		 "17 :2.b,S=18:2,S\n"
		 "junk\n"
		 "20 W21 S18 :1.a,S=18,W=21\n"
		 "21 :9.gone\n"));
	spool_write(spool_path("mail/alice/dovecot-keywords"),
	    SPAN("0 $Junk\n1 Work\n"));
	mail_open(SPAN(""));
	mail_deliver("alice/", hello);
	mail_open_box("INBOX", 0, &m);
	const struct mbox_message *rows = mbox_messages(m, &n);
	assert_int_equal(mbox_uidvalidity(m), 1275660208);
	assert_int_equal(n, 4);
	assert_int_equal(rows[0].uid, 17);
	assert_int_equal(rows[1].uid, 20);
	assert_int_equal(rows[2].uid, 250);
	assert_int_equal(rows[3].uid, 251);
	assert_int_equal(mbox_keyword(m, SPAN("work"), false, &bit), STORE_OK);
	assert_int_equal(rows[1].flags, STORE_SEEN | bit);
	mbox_close(m);
	mail_close();
}

static void
folders_are_listed_renamed_and_deleted(void **state)
{
	struct arena *a = arena_new(1 << 20);
	struct store_folder *list;
	struct store_status st;
	struct mbox *m;
	struct mbox_changes c;
	size_t n;

	(void)state;
	mail_open(SPAN("Sent=\\Sent Trash=\\Trash"));
	assert_int_equal(store_create(mail_user, SPAN("a.b.c")), STORE_OK);
	assert_int_equal(store_create(mail_user, SPAN("a/b")), STORE_INVALID);
	assert_int_equal(store_create(mail_user, SPAN("..x")), STORE_INVALID);
	assert_int_equal(store_create(mail_user, SPAN("inbox")), STORE_EXISTS);
	assert_int_equal(store_subscribe(mail_user, SPAN("gone.x"), true),
	    STORE_OK);
	assert_int_equal(store_list(mail_user, a, &list, &n), STORE_OK);
	static const char *const names[] = { "INBOX", "Sent", "Trash", "a",
		"a.b", "a.b.c", "gone.x" };
	assert_int_equal(n, 7);
	for (size_t i = 0; i < n; i++)
		assert_span(list[i].name,
		    ((struct span){ names[i], strlen(names[i]) }));
	assert_int_equal(list[1].attributes, STORE_SUBSCRIBED);
	assert_span(list[1].special, SPAN("\\Sent"));
	assert_int_equal(list[3].attributes, STORE_NOSELECT | STORE_CHILDREN);
	assert_int_equal(list[6].attributes,
	    STORE_NOSELECT | STORE_NONEXISTENT | STORE_SUBSCRIBED);

	mail_append("a.b.c", 0, "a\r\n");
	assert_int_equal(store_status(mail_user, SPAN("a.b.c"), &st), STORE_OK);
	assert_int_equal(st.messages, 1);
	assert_int_equal(st.unseen, 1);
	assert_int_equal(st.recent, 1);
	assert_int_equal(st.uidnext, 2);
	assert_int_equal(st.size, 3);
	uint32_t uidvalidity = st.uidvalidity;
	/* None, or all: "x.b.d" is in the way of the last one. */
	assert_int_equal(store_create(mail_user, SPAN("a.b.d")), STORE_OK);
	assert_int_equal(store_create(mail_user, SPAN("x.b.d")), STORE_OK);
	assert_int_equal(store_rename(mail_user, SPAN("a"), SPAN("x")),
	    STORE_EXISTS);
	assert_int_equal(store_status(mail_user, SPAN("a.b.c"), &st), STORE_OK);
	assert_int_equal(store_delete(mail_user, SPAN("a.b.d")), STORE_OK);
	assert_int_equal(store_delete(mail_user, SPAN("x.b.d")), STORE_OK);
	mail_open_box("a.b.c", 0, &m);
	assert_int_equal(store_rename(mail_user, SPAN("a"), SPAN("z")),
	    STORE_OK);
	assert_int_equal(mbox_sync(m, 0, &c), STORE_ABSENT);
	mbox_close(m);
	assert_int_equal(store_status(mail_user, SPAN("z.b.c"), &st), STORE_OK);
	assert_int_equal(st.uidvalidity, uidvalidity);
	assert_int_equal(st.messages, 1);
	assert_int_equal(store_status(mail_user, SPAN("a.b.c"), &st),
	    STORE_ABSENT);
	mail_open_box("z.b.c", 0, &m);
	assert_int_equal(store_delete(mail_user, SPAN("z.b.c")), STORE_OK);
	assert_int_equal(mbox_sync(m, 0, &c), STORE_ABSENT);
	mbox_close(m);
	assert_int_equal(store_delete(mail_user, SPAN("z.b.c")), STORE_ABSENT);
	assert_int_equal(store_delete(mail_user, SPAN("INBOX")), STORE_INVALID);
	assert_int_equal(store_create(mail_user, SPAN("z.b.c")), STORE_OK);
	assert_int_equal(store_status(mail_user, SPAN("z.b.c"), &st), STORE_OK);
	assert_true(st.uidvalidity > uidvalidity);
	assert_int_equal(st.messages, 0);

	mail_append("INBOX", STORE_SEEN, "a\r\n");
	assert_int_equal(store_rename(mail_user, SPAN("INBOX"), SPAN("old")),
	    STORE_OK);
	assert_int_equal(store_status(mail_user, SPAN("old"), &st), STORE_OK);
	assert_int_equal(st.messages, 1);
	assert_int_equal(st.unseen, 0);
	assert_int_equal(store_status(mail_user, SPAN("INBOX"), &st), STORE_OK);
	assert_int_equal(st.messages, 0);
	mail_deliver("alice/.old/", hello);
	assert_int_equal(store_status(mail_user, SPAN("old"), &st), STORE_OK);
	assert_int_equal(st.messages, 2);
	arena_free(a);
	mail_close();
}

static void
note_tag(void *tag, void *arg)
{
	unsigned *told = arg;

	(void)told;
	++*(unsigned *)tag;
}

static void
take_news(void)
{
	struct pollfd p = { store_watch_fd(mail_store), POLLIN, 0 };

	assert_int_equal(poll(&p, 1, 5000), 1);
	store_watch_take(mail_store, note_tag, NULL);
}

static void
who_watches_is_told(void **state)
{
	struct mbox *a, *b, *c;
	struct mbox_changes changes;
	unsigned told_a = 0, told_b = 0, told_c = 0;

	(void)state;
	mail_open(SPAN("Sent=\\Sent"));
	mail_open_box("INBOX", 0, &a);
	mail_open_box("INBOX", 0, &b);
	mail_open_box("Sent", 0, &c);
	assert_true(mbox_watch(a, &told_a));
	assert_true(mbox_watch(b, &told_b));
	assert_true(mbox_watch(c, &told_c));
	mail_deliver("alice/", hello);
	take_news();
	assert_int_equal(told_a, 1);
	assert_int_equal(told_b, 1);
	assert_int_equal(told_c, 0);
	mbox_unwatch(b);
	mail_sync(a, &changes);
	store_flags(a, "1", MBOX_FLAGS_ADD, STORE_SEEN);
	take_news();
	assert_true(told_a > 1);
	assert_int_equal(told_b, 1);
	mail_append("Sent", 0, "a\r\n");
	take_news();
	assert_int_equal(told_c, 1);
	mbox_close(a);
	mbox_close(b);
	mbox_close(c);
	mail_close();
}

static void
caches_come_back_or_are_absent(void **state)
{
	struct arena *a = arena_new(1 << 16);
	struct mbox *m;
	struct span s;

	(void)state;
	mail_open(SPAN(""));
	mail_append("INBOX", STORE_DELETED, "a\r\n");
	mail_open_box("INBOX", 0, &m);
	assert_int_equal(mbox_cache_get(m, 1, MBOX_CACHE_ENVELOPE, a, &s),
	    STORE_ABSENT);
	mbox_cache_put(m, 1, MBOX_CACHE_ENVELOPE, SPAN("env"));
	mbox_cache_put(m, 1, MBOX_CACHE_STRUCTURE, SPAN("body"));
	mbox_cache_put(m, 2, MBOX_CACHE_STRUCTURE, SPAN("none"));
	assert_int_equal(mbox_cache_get(m, 1, MBOX_CACHE_ENVELOPE, a, &s),
	    STORE_OK);
	assert_span(s, SPAN("env"));
	assert_int_equal(mbox_cache_get(m, 1, MBOX_CACHE_STRUCTURE, a, &s),
	    STORE_OK);
	assert_span(s, SPAN("body"));
	assert_int_equal(mbox_cache_get(m, 2, MBOX_CACHE_STRUCTURE, a, &s),
	    STORE_ABSENT);
	assert_int_equal(mbox_expunge(m, NULL), STORE_OK);
	assert_int_equal(mbox_cache_get(m, 1, MBOX_CACHE_ENVELOPE, a, &s),
	    STORE_ABSENT);
	mbox_close(m);
	mail_close();
	arena_free(a);
}

static void
who_examines_changes_nothing(void **state)
{
	struct mbox *m, *w;
	struct uidset all = set_of("1:*");
	struct mbox_copied copied;
	uint32_t bit;

	(void)state;
	mail_open(SPAN("Old=\\Archive"));
	mail_deliver("alice/", hello);
	mail_open_box("INBOX", MBOX_READ_ONLY, &m);
	assert_int_equal(mbox_recent_n(m), 1);
	assert_int_equal(mbox_store_flags(m, &all, MBOX_FLAGS_SET, 0, 0, NULL),
	    STORE_INVALID);
	assert_int_equal(mbox_expunge(m, NULL), STORE_INVALID);
	assert_int_equal(mbox_move(m, &all, SPAN("Old"), &copied),
	    STORE_INVALID);
	assert_int_equal(mbox_keyword(m, SPAN("x"), true, &bit), STORE_INVALID);
	assert_int_equal(mbox_copy(m, &all, SPAN("Old"), &copied), STORE_OK);
	uidset_fini(&copied.from);
	uidset_fini(&copied.to);
	mail_open_box("INBOX", 0, &w);
	assert_int_equal(mbox_recent_n(w), 1);
	mbox_close(w);
	mbox_close(m);
	uidset_fini(&all);
	mail_close();
}

static void
letters_run_out(void **state)
{
	struct mbox *m;
	uint32_t bit, seen = 0;
	char name[16];

	(void)state;
	mail_open(SPAN(""));
	mail_append("INBOX", 0, "a\r\n");
	mail_open_box("INBOX", 0, &m);
	for (int i = 0; i < STORE_KEYWORDS; i++) {
		struct span s = { name,
			(size_t)snprintf(name, sizeof(name), "k%d", i) };

		assert_int_equal(mbox_keyword(m, s, false, &bit), STORE_ABSENT);
		assert_int_equal(mbox_keyword(m, s, true, &bit), STORE_OK);
		assert_int_equal(seen & bit, 0);
		seen |= bit;
	}
	assert_int_equal(mbox_keyword(m, SPAN("more"), true, &bit),
	    STORE_LIMIT);
	assert_int_equal(mbox_keyword(m, SPAN("a b"), true, &bit),
	    STORE_INVALID);
	mbox_close(m);
	mail_close();
	mail_open(SPAN(""));
	mail_open_box("INBOX", 0, &m);
	assert_span(mbox_keywords(m)[25], SPAN("k25"));
	mbox_close(m);
	mail_close();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(an_index_that_rests_is_opened_when_asked),
		SPOOL_TEST(deliveries_come_into_an_open_view),
		SPOOL_TEST(flags_are_seen_by_others),
		SPOOL_TEST(expunges_shift_the_numbers),
		SPOOL_TEST(appended_text_is_kept_with_lf),
		SPOOL_TEST(copies_keep_flags_and_keywords_by_name),
		SPOOL_TEST(foreign_files_get_uids_and_sizes),
		SPOOL_TEST(a_mailbox_that_never_stands_still_is_shown),
		SPOOL_TEST(half_a_mail_is_in_tmp_after_a_boot),
		SPOOL_TEST(a_size_that_others_told_removes_nothing),
		SPOOL_TEST(an_index_that_is_gone_changes_nothing),
		SPOOL_TEST(dovecots_numbers_go_on),
		SPOOL_TEST(folders_are_listed_renamed_and_deleted),
		SPOOL_TEST(who_watches_is_told),
		SPOOL_TEST(caches_come_back_or_are_absent),
		SPOOL_TEST(who_examines_changes_nothing),
		SPOOL_TEST(letters_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
