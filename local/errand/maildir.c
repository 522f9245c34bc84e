#include "local/errand/errand.h"

#include "store/deliver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last one: a user has one home. */
static struct store *store;
static char *root;

static struct store *
find_store(const char *home, struct why *why)
{
	if (store && strcmp(root, home) == 0)
		return store;
	store = store_close(store);
	free(root);
	root = NULL;
	store = store_open(home, why);
	if (store)
		root = strdup(home);
	return store;
}

void
errand_maildir(const struct errand *e, struct errand_result *r)
{
	const char *home = arena_dup(e->arena, msg_str(&e->in, MSG_FIELD_HOME));
	struct store_content content = {
		.fd = e->fd,
		.offset = msg_u64(&e->in, MSG_FIELD_OFFSET),
		.length = msg_u64(&e->in, MSG_FIELD_LENGTH),
		.checksum = (uint32_t)msg_u64(&e->in, MSG_FIELD_CHECKSUM),
	};
	struct store_target t = {
		.mailbox = msg_str(&e->in, MSG_FIELD_FILE),
		.head = errand_head(e),
		.result = STORE_TEMPFAIL,
	};
	struct store *s;

	must(home);
	s = find_store(home, &t.why);
	if (s)
		store_deliver(s, &content, &t, 1);
	if (t.result == STORE_OK) {
		r->uidvalidity = t.uidvalidity;
		r->uid = t.uid;
	}
	if (t.result == STORE_OK)
		errand_fail(r, DELIVERY_SENT, "2.0.0", "delivered to maildir");
	else
		errand_fail(r, DELIVERY_DEFERRED,
		    t.result == STORE_OVERQUOTA ? "4.2.2" : "4.2.0",
		    "maildir delivery failed: %s", t.why.text);
}
