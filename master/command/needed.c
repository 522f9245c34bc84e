#include "master/command/needed.h"

#include "base/scan.h"
#include "conf/master_edit.h"

#include <stdio.h>
#include <string.h>

enum {
	REQUESTS_MAX = 32,
	REQUEST_SIZE = 256,
};

enum want {
	NAME, /* qmgr finds it by its name */
	PROGRAM, /* any line of the program will do */
	LOGINS, /* likewise, and only if somebody can log in */
};

static const struct row {
	enum want want;
	struct needed is;
} rows[] = {
	{ PROGRAM,
	    { "postlog/unix-dgram", "postlog unix-dgram n - n - 1 postlogd",
		"writes the log" } },
	{ PROGRAM,
	    { "qmgr/unix", "qmgr unix n - n 300 1 qmgr",
		"decides where and when mail goes" } },
	{ PROGRAM,
	    { "cleanup/unix", "cleanup unix n - y - 0 cleanup",
		"makes bounces, and takes in the mail of commands" } },
	{ PROGRAM,
	    { "pickup/unix", "pickup unix n - y 60 1 pickup",
		"takes in the mail of commands" } },
	{ PROGRAM,
	    { "proxymap/unix", "proxymap unix - - n - - proxymap",
		"asks tables that are behind servers" } },
	{ PROGRAM,
	    { "broker/unix", "broker unix - n n - 1 broker",
		"gives logins and deliveries to processes of the mail's "
		"owner" } },
	{ LOGINS,
	    { "auth/unix", "auth unix - - n - 1 authd",
		"knows users and their passwords (auth_user_maps)" } },
	{ NAME,
	    { "smtp/unix", "smtp unix - - y - 100 smtp",
		"relays mail (default_transport)" } },
	{ NAME,
	    { "relay/unix", "relay unix - - y - 100 smtp",
		"relays mail of relay_domains (relay_transport)" } },
	{ NAME,
	    { "lmtp/unix", "lmtp unix - - y - 100 lmtp",
		"hands mail to LMTP servers" } },
	{ NAME,
	    { "local/unix", "local unix - n n - 100 local",
		"delivers to users of this machine (local_transport)" } },
	{ NAME,
	    { "virtual/unix", "virtual unix - n n - 100 virtual",
		"delivers to virtual mailboxes (virtual_transport)" } },
	{ NAME,
	    { "error/unix", "error unix - - y - 100 error", "bounces mail" } },
	{ NAME,
	    { "retry/unix", "retry unix - - y - 100 error", "defers mail" } },
	{ NAME,
	    { "discard/unix", "discard unix - - y - 100 discard",
		"throws mail away" } },
};

/* The name of the program at the end of the fields of an entry. */
static struct span
program_of(const struct needed *n)
{
	struct span rest = span_str(n->entry), word = SPAN("");

	for (int i = 0; i < SERVICE_FIELDS_N; i++) {
		if (!take_word(&rest, &word))
			break;
		take_blanks(&rest);
	}
	return word;
}

static bool
has_service(const struct entry_list *entries, const struct needed *n)
{
	struct span type = span_str(n->service), name = span_cut(&type, '/');

	for (size_t i = 0; i < entries->n; i++)
		if (entry_is(&entries->at[i], name, type))
			return true;
	return false;
}

static bool
has_program(const struct entry_list *entries, struct span program)
{
	for (size_t i = 0; i < entries->n; i++)
		if (span_eq(span_str(entries->at[i].field[7]), program))
			return true;
	return false;
}

static bool
has_logins(const struct conf *c, const struct entry_list *entries)
{
	struct why why;
	const char *maps = conf_get(c, "auth_user_maps", &why);

	return (maps && *maps) || has_program(entries, SPAN("imapd")) ||
	    has_program(entries, SPAN("pop3d")) ||
	    has_program(entries, SPAN("lmtpd"));
}

static bool
is_missing(const struct conf *c, const struct entry_list *entries,
    const struct row *r)
{
	switch (r->want) {
	case NAME:
		return !has_service(entries, &r->is);
	case LOGINS:
		if (!has_logins(c, entries))
			return false;
		break;
	case PROGRAM:
		break;
	}
	return !has_program(entries, program_of(&r->is)) &&
	    !has_service(entries, &r->is);
}

void
needed_each_missing(const struct conf *c, const struct entry_list *entries,
    needed_fn *fn, void *arg)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (is_missing(c, entries, &rows[i]))
			fn(&rows[i].is, arg);
}

struct adding {
	char request[REQUESTS_MAX][REQUEST_SIZE];
	const struct needed *is[REQUESTS_MAX];
	size_t n;
};

static void
add_service(const struct needed *n, void *arg)
{
	struct adding *u = arg;

	if (u->n == REQUESTS_MAX)
		return; /* the next call adds them */
	snprintf(u->request[u->n], REQUEST_SIZE, "%s=%s", n->service, n->entry);
	u->is[u->n++] = n;
}

static void
ignore(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static void
no_service(const char *request)
{
	(void)request; /* only edits of parts can mean none */
}

int
needed_add(const char *dir, const struct conf *c, needed_fn *fn, void *arg,
    struct why *why)
{
	static struct adding u;
	const char *requests[REQUESTS_MAX];
	struct entry_list entries;
	int err = entry_list_load(dir, &entries, ignore, NULL, why);

	if (err)
		return err;
	u.n = 0;
	needed_each_missing(c, &entries, add_service, &u);
	for (size_t i = 0; i < u.n; i++)
		requests[i] = u.request[i];
	if (u.n > 0)
		err = master_edit(dir, MASTER_EDIT_SET, requests, u.n,
		    no_service, why);
	for (size_t i = 0; i < u.n && !err; i++)
		fn(u.is[i], arg);
	entry_list_free(&entries);
	return err;
}
