/* What a recipient came to is done: each leaf is an errand of somebody. */
#include "local/main/local.h"

#include "base/log.h"
#include "local/main/pool.h"
#include "service/service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ERRAND_MS = 600 * 1000, /* for a file system that hangs */
	MARGIN_MS = 30 * 1000, /* beyond what a command may take */
	ENV_TEXT_MAX = 2048,
};

/*
 * With a group besides his own that one comes first: so the user, whose uid it is,
 * can neither trace the process nor otherwise get at what it may do.
 */
static struct pool_who
as_user(const struct expand_user *u, gid_t group)
{
	const struct privs *nobody = tables_nobody();

	if (!u)
		return (struct pool_who){ nobody->uid, nobody->gid, (gid_t)-1 };
	if (group != (gid_t)-1)
		return (struct pool_who){ u->uid, group, u->gid };
	return (struct pool_who){ u->uid, u->gid, (gid_t)-1 };
}

/* Nobody's mail is root's; and who is not root can be nobody else. */
static bool
may_be(const struct pool_who *who)
{
	if (geteuid() != 0)
		return who->uid == geteuid();
	return who->uid != 0 && who->gid != 0 && who->group != 0;
}

static void
put_mail(struct pool_call *c, const struct mail *m, struct span addr,
    struct span orig, const struct leaf *leaf)
{
	struct buf *b = &c->b;

	msg_put_str(b, MSG_FIELD_SENDER,
	    leaf->sender.n ? leaf->sender : m->sender);
	msg_put_str(b, MSG_FIELD_ADDR, addr);
	msg_put_str(b, MSG_FIELD_ORIG, orig.n ? orig : addr);
	msg_put_u64(b, MSG_FIELD_OFFSET, m->offset);
	msg_put_u64(b, MSG_FIELD_LENGTH, m->length);
	msg_put_u64(b, MSG_FIELD_CHECKSUM, m->checksum);
}

static const char *
keep(const struct mail *m, struct span s, const char *otherwise)
{
	const char *copy = arena_dup(m->arena, s);

	return copy ? copy : otherwise;
}

static struct verdict
verdict_of(const struct mail *m, const struct pool_call *c)
{
	uint64_t status = msg_u64(&c->in, MSG_FIELD_STATUS);

	return (struct verdict){
		.status = status == DELIVERY_SENT ? DELIVERY_SENT
		    : status == DELIVERY_BOUNCED  ? DELIVERY_BOUNCED
						  : DELIVERY_DEFERRED,
		.dsn = keep(m, msg_str(&c->in, MSG_FIELD_DSN), "4.3.0"),
		.text = keep(m, msg_str(&c->in, MSG_FIELD_TEXT), "no reason"),
	};
}

static struct verdict
defer(const struct mail *m, const char *text)
{
	return (struct verdict){ DELIVERY_DEFERRED, "4.3.0",
		keep(m, span_str(text), "later") };
}

/* NAME=value; what a stranger may have written is made harmless for a shell. */
static void
put_env(struct pool_call *c, const char *name, struct span value, bool foreign)
{
	static const char harmless[] = "1234567890!@%-_=+:,./"
				       "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char text[ENV_TEXT_MAX];
	struct buf b;
	size_t at;

	buf_init(&b, text, sizeof(text));
	buf_put(&b, span_str(name));
	buf_put(&b, SPAN("="));
	at = b.n;
	buf_put(&b, value);
	for (size_t i = at; i < b.n; i++)
		if (b.p[i] == '\0' || (foreign && !strchr(harmless, b.p[i])))
			b.p[i] = '_';
	if (!b.overflow)
		msg_put_str(&c->b, MSG_FIELD_VALUE, buf_span(&b));
}

/* NAME or NAME=value of export_environment. */
static void
put_exported(struct pool_call *c)
{
	struct span rest = span_str(local_params.export_environment), word;

	while (conf_list_next(&rest, &word)) {
		char name[128];
		const char *value;

		if (memchr(word.p, '=', word.n)) {
			msg_put_str(&c->b, MSG_FIELD_VALUE, word);
			continue;
		}
		snprintf(name, sizeof(name), "%.*s",
		    (int)(word.n < 100 ? word.n : 100), word.p);
		value = getenv(name);
		if (value)
			put_env(c, name, span_str(value), false);
	}
}

static void
put_environment(struct pool_call *c, const struct mail *m, struct span addr,
    struct span orig, const struct leaf *leaf)
{
	const struct expand_user *u = leaf->user;
	struct span domain = addr, local = span_cut(&domain, '@');

	put_exported(c);
	put_env(c, "PATH", SPAN("/usr/local/bin:/usr/bin:/bin"), false);
	put_env(c, "SHELL", u && u->shell.n ? u->shell : SPAN("/bin/sh"),
	    false);
	put_env(c, "HOME", u ? u->home : SPAN("/"), false);
	put_env(c, "LOGNAME", u ? u->name : SPAN("nobody"), false);
	put_env(c, "USER", u ? u->name : SPAN("nobody"), false);
	put_env(c, "SENDER", leaf->sender.n ? leaf->sender : m->sender, true);
	put_env(c, "RECIPIENT", addr, true);
	put_env(c, "ORIGINAL_RECIPIENT", orig.n ? orig : addr, true);
	put_env(c, "LOCAL", local, true);
	put_env(c, "DOMAIN", domain, true);
	put_env(c, "EXTENSION", leaf->extension, true);
	put_env(c, "CLIENT_HOSTNAME", m->client_name, true);
	put_env(c, "CLIENT_ADDRESS", m->client_addr, true);
	put_env(c, "CLIENT_HELO", m->helo, true);
	put_env(c, "CLIENT_PROTOCOL", m->proto, true);
	put_env(c, "SASL_METHOD", m->sasl_method, true);
	put_env(c, "SASL_USERNAME", m->sasl_user, true);
}

static uint64_t
flags_for(const char *place)
{
	return (conf_list_has(local_params.prepend_delivered, place)
		       ? ERRAND_DELIVERED
		       : 0) |
	    (conf_list_has(local_params.mailbox_lock, "dotlock")
		    ? ERRAND_DOTLOCK
		    : 0) |
	    (conf_list_has(local_params.mailbox_lock, "fcntl") ? ERRAND_FCNTL
							       : 0);
}

static struct verdict
ask(const struct mail *m, struct pool_call *c, const struct pool_who *who,
    int64_t ms)
{
	struct verdict v;
	struct why why;

	if (!may_be(who))
		v = defer(m,
		    geteuid() == 0 ? "root has no mailbox: give root an alias"
				   : "only root can deliver to other users");
	else if (pool_ask(c, who, m->fd, ms, &why))
		v = verdict_of(m, c);
	else
		v = defer(m, why.text);
	pool_end(c);
	return v;
}

static struct verdict
run_command(const struct mail *m, struct span addr, struct span orig,
    const struct leaf *leaf, struct span command)
{
	struct pool_who who = as_user(leaf->user, (gid_t)-1);
	struct pool_call c;

	pool_begin(&c, ERRAND_COMMAND);
	put_mail(&c, m, addr, orig, leaf);
	msg_put_u64(&c.b, MSG_FIELD_FLAGS, flags_for("command"));
	msg_put_str(&c.b, MSG_FIELD_FILE, command);
	msg_put_str(&c.b, MSG_FIELD_HOME,
	    leaf->user ? leaf->user->home : SPAN("/"));
	msg_put_u64(&c.b, MSG_FIELD_MILLISECONDS,
	    (uint64_t)local_params.command_time_limit);
	put_environment(&c, m, addr, orig, leaf);
	return ask(m, &c, &who, local_params.command_time_limit + MARGIN_MS);
}

static struct verdict
write_file(const struct mail *m, struct span addr, struct span orig,
    const struct leaf *leaf, enum errand_kind kind, const char *path)
{
	struct pool_who who = as_user(leaf->user,
	    kind == ERRAND_MBOX ? tables_spool_group() : (gid_t)-1);
	struct pool_call c;

	pool_begin(&c, kind);
	put_mail(&c, m, addr, orig, leaf);
	msg_put_u64(&c.b, MSG_FIELD_FLAGS, flags_for("file"));
	msg_put_str(&c.b, MSG_FIELD_FILE, span_str(path));
	if (kind == ERRAND_MAILDIR)
		msg_put_str(&c.b, MSG_FIELD_HOME, leaf->user->home);
	msg_put_u64(&c.b, MSG_FIELD_MAX_SIZE,
	    (uint64_t)local_params.mailbox_size_limit);
	return ask(m, &c, &who, ERRAND_MS);
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
deliver_mailbox(const struct mail *m, struct span addr, struct span orig,
    const struct leaf *leaf)
{
	const struct local_params *p = &local_params;
	const struct expand_user *u = leaf->user;
	struct leaf spool = *leaf;
	struct expand_user in_spool = *u;
	char path[1024];

	if (*p->mailbox_command)
		return run_command(m, addr, orig, leaf,
		    span_str(p->mailbox_command));
	if (!is_file_name(u->name))
		return defer(m, "a user of this name has no mailbox");
	if (*p->home_mailbox && is_folder(p->home_mailbox))
		return write_file(m, addr, orig, leaf, ERRAND_MAILDIR,
		    p->home_mailbox);
	if (*p->home_mailbox) {
		snprintf(path, sizeof(path), "%.*s/%s", (int)u->home.n,
		    u->home.p, p->home_mailbox);
		return write_file(m, addr, orig, leaf, ERRAND_MBOX, path);
	}
	if (!is_folder(p->mail_spool_directory)) {
		snprintf(path, sizeof(path), "%s/%.*s", p->mail_spool_directory,
		    (int)u->name.n, u->name.p);
		return write_file(m, addr, orig, leaf, ERRAND_MBOX, path);
	}
	snprintf(path, sizeof(path), "%.*s/", (int)u->name.n, u->name.p);
	in_spool.home = span_str(p->mail_spool_directory);
	spool.user = &in_spool;
	return write_file(m, addr, orig, &spool, ERRAND_MAILDIR, path);
}

static void
log_leaf(const struct mail *m, struct span to, struct span orig, int64_t begun,
    const struct verdict *v)
{
	maillog_delivery(&(struct log_delivery){
	    .service = "local",
	    .id = m->id,
	    .to = to,
	    .orig_to = orig,
	    .relay = SPAN("local"),
	    .arrived = m->arrived,
	    .active = m->active ? m->active : m->begun,
	    .begun = begun,
	    .connected = begun,
	    .ended = service_wall(),
	    .dsn = span_str(v->dsn),
	    .status = v->status,
	    .text = span_str(v->text),
	});
}

struct verdict
leaf_deliver(struct mail *m, struct span addr, struct span orig,
    const struct leaf *leaf)
{
	struct span to = leaf->kind == LEAF_MAILBOX ? leaf->to : addr;
	int64_t begun = service_wall();
	struct verdict v = { 0 };

	switch (leaf->kind) {
	case LEAF_MAILBOX:
		v = deliver_mailbox(m, addr, orig, leaf);
		break;
	case LEAF_COMMAND:
		v = run_command(m, addr, orig, leaf, leaf->text);
		break;
	case LEAF_FILE:
		v = write_file(m, addr, orig, leaf, ERRAND_FILE,
		    keep(m, leaf->text, ""));
		break;
	case LEAF_ADDRESS:
		return leaf_forward(m, addr, orig, &leaf, 1);
	case LEAF_BOUNCE:
	case LEAF_DEFER:
		to = leaf->to.n && memchr(leaf->to.p, '@', leaf->to.n)
		    ? leaf->to
		    : addr;
		v = (struct verdict){
			.status = leaf->kind == LEAF_BOUNCE ? DELIVERY_BOUNCED
							    : DELIVERY_DEFERRED,
			.dsn = leaf->dsn,
			.text = keep(m, leaf->text, "no reason"),
		};
		break;
	}
	log_leaf(m, to, orig.n ? orig : addr, begun, &v);
	return v;
}

struct verdict
leaf_forward(struct mail *m, struct span addr, struct span orig,
    const struct leaf *const *leaves, size_t n)
{
	const struct privs *owner = tables_owner();
	struct pool_who who = { owner->uid, owner->gid, (gid_t)-1 };
	int64_t begun = service_wall();
	struct pool_call c;
	struct verdict v;
	struct why why;

	for (size_t i = 0; i < owner->groups_n; i++)
		if (owner->groups[i] != owner->gid)
			who.group = owner->groups[i];
	pool_begin(&c, ERRAND_FORWARD);
	put_mail(&c, m, addr, orig, leaves[0]);
	msg_put_u64(&c.b, MSG_FIELD_FLAGS, flags_for("forward"));
	for (size_t i = 0; i < n; i++)
		msg_put_str(&c.b, MSG_FIELD_VALUE, leaves[i]->text);
	if (pool_ask(&c, &who, m->fd, ERRAND_MS, &why)) {
		v = verdict_of(m, &c);
		if (v.status == DELIVERY_SENT)
			news_tell(msg_str(&c.in, MSG_FIELD_FILE));
	} else {
		v = defer(m, why.text);
	}
	pool_end(&c);
	log_leaf(m, addr, orig.n ? orig : addr, begun, &v);
	return v;
}

/* The VALUEs of an answer, each on a line of the text that is handed on. */
static bool
join_items(const struct mail *m, const struct pool_call *c,
    struct span *items_r)
{
	struct span rest = c->in.fields, item;
	char *storage = arena_alloc(m->arena, MSG_MAX);
	struct buf b;

	if (!storage)
		return false;
	buf_init(&b, storage, MSG_MAX);
	while (msg_next(&rest, MSG_FIELD_VALUE, &item)) {
		if (memchr(item.p, '\n', item.n))
			continue;
		buf_put(&b, item);
		buf_put(&b, SPAN("\n"));
	}
	*items_r = buf_span(&b);
	return !b.overflow;
}

enum dict_result
leaf_read(struct mail *m, const struct expand_user *user, const char *path,
    bool forward, struct span *items_r, struct why *why)
{
	struct pool_who who = as_user(user, (gid_t)-1);
	enum dict_result r = DICT_TEMPFAIL;
	struct pool_call c;
	struct span text;

	if (!may_be(&who))
		return DICT_ABSENT;
	pool_begin(&c, ERRAND_READ);
	msg_put_str(&c.b, MSG_FIELD_FILE, span_str(path));
	msg_put_u64(&c.b, MSG_FIELD_FLAGS,
	    forward || user ? ERRAND_OWN : ERRAND_SHARED);
	if (pool_ask(&c, &who, -1, ERRAND_MS, why)) {
		text = msg_str(&c.in, MSG_FIELD_TEXT);
		if (msg_u64(&c.in, MSG_FIELD_STATUS) == DICT_FOUND)
			r = join_items(m, &c, items_r) ? DICT_FOUND
						       : DICT_TEMPFAIL;
		else if (msg_u64(&c.in, MSG_FIELD_STATUS) == DICT_ABSENT)
			r = DICT_ABSENT;
		if (text.n > 0)
			log_warning("%s file %.*s",
			    forward ? "ignoring the forward"
				    : "cannot use the include",
			    (int)(text.n < 400 ? text.n : 400), text.p);
		why_set(why, EIO, NULL, 0, "%s cannot be read now", path);
	}
	pool_end(&c);
	return r;
}
