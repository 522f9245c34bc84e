/* What a recipient came to is done: each leaf is an errand of somebody. */
#include "local/main/job.h"

#include "service/service.h"

#include <stdio.h>
#include <string.h>

enum {
	ERRAND_MS = 600 * 1000, /* for a file system that hangs */
};

/* `group`: one that is needed besides the user's own, or (gid_t)-1. */
static struct verdict
write_file_as(struct job *j, gid_t group, enum errand_kind kind,
    struct span home, const char *path)
{
	const struct local_params *p = &local_params;
	struct pool_who who = job_as(j->leaf->user, group);
	struct pool_call c;

	pool_begin(&c, kind);
	job_put(&c, j, "file");
	msg_put_str(&c.b, MSG_FIELD_FILE, span_str(path));
	msg_put_opt(&c.b, MSG_FIELD_HOME, home);
	msg_put_u64(&c.b, MSG_FIELD_MAX_SIZE, (uint64_t)p->mailbox_size_limit);
	msg_put_u64(&c.b, MSG_FIELD_COUNT, (uint64_t)p->lock_attempts);
	msg_put_u64(&c.b, MSG_FIELD_MILLISECONDS, (uint64_t)p->lock_delay);
	msg_put_u64(&c.b, MSG_FIELD_TTL, (uint64_t)p->stale_lock / 1000);
	return job_ask(j, &c, &who, ERRAND_MS);
}

static struct verdict
write_file(struct job *j, enum errand_kind kind, struct span home,
    const char *path)
{
	return write_file_as(j, (gid_t)-1, kind, home, path);
}

/* A user's name becomes a part of a path. */
static bool
is_file_name(struct span s)
{
	return s.n > 0 && s.p[0] != '.' && !memchr(s.p, '/', s.n) &&
	    !memchr(s.p, '\0', s.n);
}

static bool
is_folder(const char *path)
{
	return *path && path[strlen(path) - 1] == '/';
}

static struct verdict
write_mailbox(struct job *j)
{
	const struct local_params *p = &local_params;
	const struct expand_user *u = j->leaf->user;
	char path[1024];

	if (!is_file_name(u->name))
		return job_defer(j->mail, "a user of this name has no mailbox");
	if (*p->home_mailbox && is_folder(p->home_mailbox))
		return write_file(j, ERRAND_MAILDIR, u->home, p->home_mailbox);
	if (is_folder(p->mail_spool_directory) && !*p->home_mailbox) {
		snprintf(path, sizeof(path), "%.*s/", (int)u->name.n,
		    u->name.p);
		return write_file(j, ERRAND_MAILDIR,
		    span_str(p->mail_spool_directory), path);
	}
	if (*p->home_mailbox) {
		/* What lies there is the user's, who can make it lead anywhere. */
		snprintf(path, sizeof(path), "%.*s/%s", (int)u->home.n,
		    u->home.p, p->home_mailbox);
		return write_file(j, ERRAND_MBOX, (struct span){ 0 }, path);
	}
	snprintf(path, sizeof(path), "%s/%.*s", p->mail_spool_directory,
	    (int)u->name.n, u->name.p);
	return write_file_as(j, tables_spool_group(), ERRAND_MBOX,
	    (struct span){ 0 }, path);
}

static struct verdict
deliver_mailbox(struct job *j)
{
	const char *command = local_params.mailbox_command;
	struct span own;
	struct why why;

	switch (tables_find(TABLES_COMMAND, j->leaf->user->name, j->mail->arena,
	    &own, &why)) {
	case DICT_FOUND:
		return job_run_command(j, own);
	case DICT_TEMPFAIL:
		return job_defer(j->mail, why.text);
	case DICT_ABSENT:
		break;
	}
	if (*command)
		return job_run_command(j, span_str(command));
	return write_mailbox(j);
}

/* Where the last name of a path begins, which is a folder's. */
static const char *
last_name(const char *path)
{
	const char *p = path + strlen(path) - 1;

	while (p > path && p[-1] != '/')
		p--;
	return p;
}

/* What ends in a slash is a Maildir. */
static struct verdict
write_path(struct job *j)
{
	const char *path = arena_dup(j->mail->arena, j->leaf->text);
	const char *name;

	if (!path)
		return job_defer(j->mail, "no memory");
	if (!is_folder(path))
		return write_file(j, ERRAND_FILE, (struct span){ 0 }, path);
	name = last_name(path);
	return write_file(j, ERRAND_MAILDIR,
	    (struct span){ path, (size_t)(name - path) }, name);
}

/* A verdict that was there before anything was done. */
static struct verdict
say(const struct mail *m, const struct leaf *leaf)
{
	const char *text = arena_dup(m->arena, leaf->text);

	return (struct verdict){
		.status = leaf->kind == LEAF_BOUNCE ? DELIVERY_BOUNCED
						    : DELIVERY_DEFERRED,
		.dsn = leaf->dsn,
		.text = text ? text : "no reason",
	};
}

/* A user whom an alias has led to, by the address that he would have. */
static struct span
address_of(struct mail *m, const struct expand_user *u, struct span addr)
{
	struct span domain = addr, local = span_cut(&domain, '@');
	size_t max = u->name.n + domain.n + 1;
	char *storage;
	struct buf b;

	if (local.n >= u->name.n &&
	    span_ieq((struct span){ local.p, u->name.n }, u->name))
		return addr;
	storage = arena_alloc(m->arena, max);
	if (!storage)
		return addr;
	buf_init(&b, storage, max);
	buf_put(&b, u->name);
	buf_put(&b, SPAN("@"));
	buf_put(&b, domain);
	return buf_span(&b);
}

/* Whom the log names: who has no address is who the mail was for. */
static struct span
name_in_log(struct mail *m, const struct leaf *leaf, struct span addr)
{
	bool complete = leaf->to.n > 0 && memchr(leaf->to.p, '@', leaf->to.n);

	switch (leaf->kind) {
	case LEAF_MAILBOX:
		return leaf->to;
	case LEAF_BOUNCE:
	case LEAF_DEFER:
		return complete ? leaf->to : addr;
	case LEAF_COMMAND:
	case LEAF_FILE:
		return leaf->user ? address_of(m, leaf->user, addr) : addr;
	case LEAF_ADDRESS:
	case LEAF_PASS:
		break;
	}
	return addr;
}

static struct verdict
deliver(struct job *j)
{
	const struct leaf *leaf = j->leaf;

	switch (leaf->kind) {
	case LEAF_MAILBOX:
		return deliver_mailbox(j);
	case LEAF_COMMAND:
		return job_run_command(j, leaf->text);
	case LEAF_FILE:
		return write_path(j);
	case LEAF_BOUNCE:
	case LEAF_DEFER:
	case LEAF_ADDRESS:
	case LEAF_PASS:
		break;
	}
	return say(j->mail, leaf);
}

struct verdict
leaf_deliver(struct mail *m, struct span addr, struct span orig,
    const struct leaf *leaf)
{
	struct job j = {
		.mail = m,
		.addr = addr,
		.orig = orig,
		.leaf = leaf,
	};
	int64_t begun = service_wall();
	struct verdict v = deliver(&j);

	job_log(m, name_in_log(m, leaf, addr), orig.n ? orig : addr, begun, &v);
	return v;
}

enum dict_result
leaf_deliver_unless(struct mail *m, struct span addr, struct span orig,
    const struct leaf *leaf, const struct forward_paths *paths,
    struct span *items_r, struct verdict *verdict_r)
{
	struct job j = {
		.mail = m,
		.addr = addr,
		.orig = orig,
		.leaf = leaf,
		.first = paths,
	};
	int64_t begun = service_wall();

	*verdict_r = deliver(&j);
	*items_r = j.items;
	if (j.was_read)
		return j.read;
	job_log(m, leaf->to, orig.n ? orig : addr, begun, verdict_r);
	return DICT_ABSENT;
}

enum dict_result
leaf_read(struct mail *m, const struct expand_user *user,
    const struct forward_paths *paths, bool forward, struct span *items_r)
{
	struct pool_who who = job_as(user, (gid_t)-1);
	struct job j = { .mail = m, .read = DICT_TEMPFAIL };
	struct pool_call c;

	pool_begin(&c, ERRAND_READ);
	for (size_t i = 0; i < paths->n; i++)
		msg_put_str(&c.b, MSG_FIELD_FORWARD, span_str(paths->v[i]));
	msg_put_u64(&c.b, MSG_FIELD_FLAGS,
	    forward || user ? ERRAND_OWN : ERRAND_SHARED);
	(void)job_ask(&j, &c, &who, ERRAND_MS);
	*items_r = j.items;
	return j.read;
}
