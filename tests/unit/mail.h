/*
 * mail.h - a user's mail for a test, below spool.h's folder.
 */
#ifndef MAIL_H
#define MAIL_H

#include "spool.h"

#include "store/deliver.h"
#include "store/store.h"

#include <stdlib.h>
#include <zlib.h>

static struct store *mail_store;
static struct store_user *mail_user;

static inline void
mail_open(struct span special)
{
	struct why why;

	mail_store = store_open(spool_path("mail"), &why);
	assert_non_null(mail_store);
	mail_user = store_user_open(mail_store, SPAN("alice/"), special, &why);
	assert_non_null(mail_user);
}

static inline void
mail_close(void)
{
	mail_user = store_user_close(mail_user);
	mail_store = store_close(mail_store);
}

static inline void
mail_open_box(const char *name, unsigned flags, struct mbox **m_r)
{
	assert_int_equal(mbox_open(mail_user,
			     (struct span){ name, strlen(name) }, flags, m_r),
	    STORE_OK);
}

static inline void
mail_sync(struct mbox *m, struct mbox_changes *c_r)
{
	assert_int_equal(mbox_sync(m, 0, c_r), STORE_OK);
}

static inline uint32_t
mail_append(const char *name, uint32_t flags, const char *text)
{
	struct mbox_append *a;
	struct mbox_append_facts f = { .flags = flags, .date = 1000000000 };
	uint32_t uidvalidity, uid;

	assert_int_equal(mbox_append_begin(mail_user,
			     (struct span){ name, strlen(name) }, &a),
	    STORE_OK);
	mbox_append_write(a, (struct span){ text, strlen(text) });
	assert_int_equal(mbox_append_commit(a, &f, &uidvalidity, &uid),
	    STORE_OK);
	return uid;
}

static inline enum store_result
mail_try_deliver(const char *mailbox, struct span text, uint32_t *uid_r)
{
	int fd = open(spool_path("content"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct store_content c = {
		.fd = fd,
		.length = text.n,
		.checksum = (uint32_t)crc32_z(0, (const unsigned char *)text.p,
		    text.n),
	};
	struct store_target t = { .mailbox = { mailbox, strlen(mailbox) } };

	assert_true(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
	store_deliver(mail_store, &c, &t, 1);
	close(fd);
	*uid_r = t.uid;
	return t.result;
}

static inline uint32_t
mail_deliver(const char *mailbox, struct span text)
{
	uint32_t uid;

	assert_int_equal(mail_try_deliver(mailbox, text, &uid), STORE_OK);
	return uid;
}

#endif
