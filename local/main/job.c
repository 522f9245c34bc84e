#include "local/main/job.h"

#include "base/log.h"
#include "service/service.h"

#include <unistd.h>

/*
 * With a group besides his own that one comes first: so the user, whose uid it is,
 * can neither trace the process nor otherwise get at what it may do.
 */
struct pool_who
job_as(const struct expand_user *u, gid_t group)
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

static uint64_t
flags_for(const char *place)
{
	const struct local_params *p = &local_params;

	return (conf_list_has(p->prepend_delivered, place) ? ERRAND_DELIVERED
							   : 0) |
	    (conf_list_has(p->mailbox_lock, "dotlock") ? ERRAND_DOTLOCK : 0) |
	    (conf_list_has(p->mailbox_lock, "fcntl") ? ERRAND_FCNTL : 0) |
	    (conf_list_has(p->mailbox_lock, "flock") ? ERRAND_FLOCK : 0);
}

void
job_put(struct pool_call *c, const struct job *j, const char *place)
{
	const struct mail *m = j->mail;
	struct buf *b = &c->b;

	msg_put_str(b, MSG_FIELD_SENDER,
	    j->leaf->sender.n ? j->leaf->sender : m->sender);
	msg_put_str(b, MSG_FIELD_ADDR, j->addr);
	msg_put_str(b, MSG_FIELD_ORIG, j->orig.n ? j->orig : j->addr);
	msg_put_u64(b, MSG_FIELD_OFFSET, m->offset);
	msg_put_u64(b, MSG_FIELD_LENGTH, m->length);
	msg_put_u64(b, MSG_FIELD_CHECKSUM, m->checksum);
	msg_put_u64(b, MSG_FIELD_FLAGS,
	    flags_for(place) | (j->first ? ERRAND_OWN : 0));
	for (size_t i = 0; j->first && i < j->first->n; i++)
		msg_put_str(b, MSG_FIELD_FORWARD, span_str(j->first->v[i]));
}

static const char *
keep(const struct mail *m, struct span s, const char *otherwise)
{
	const char *copy = arena_dup(m->arena, s);

	return copy ? copy : otherwise;
}

struct verdict
job_verdict(const struct mail *m, const struct msg_in *in)
{
	uint64_t status = msg_u64(in, MSG_FIELD_STATUS);

	return (struct verdict){
		.status = status == DELIVERY_SENT ? DELIVERY_SENT
		    : status == DELIVERY_BOUNCED  ? DELIVERY_BOUNCED
						  : DELIVERY_DEFERRED,
		.dsn = keep(m, msg_str(in, MSG_FIELD_DSN), "4.3.0"),
		.text = keep(m, msg_str(in, MSG_FIELD_TEXT), "no reason"),
		.mailbox = keep(m, msg_str(in, MSG_FIELD_MAILBOX), ""),
		.uidvalidity = (uint32_t)msg_u64(in, MSG_FIELD_UIDVALIDITY),
		.uid = (uint32_t)msg_u64(in, MSG_FIELD_MAILBOX_UID),
	};
}

struct verdict
job_defer(const struct mail *m, const char *text)
{
	return (struct verdict){
		.status = DELIVERY_DEFERRED,
		.dsn = "4.3.0",
		.text = keep(m, span_str(text), "later"),
	};
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

static void
take_items(struct job *j, const struct pool_call *c)
{
	uint64_t status = msg_u64(&c->in, MSG_FIELD_STATUS);

	j->was_read = true;
	j->read = DICT_TEMPFAIL;
	if (status == DICT_ABSENT)
		j->read = DICT_ABSENT;
	else if (status == DICT_FOUND && join_items(j->mail, c, &j->items))
		j->read = DICT_FOUND;
}

struct verdict
job_ask(struct job *j, struct pool_call *c, const struct pool_who *who,
    int64_t ms)
{
	const struct mail *m = j->mail;
	struct verdict v = { 0 };
	struct why why;

	if (!may_be(who)) {
		j->read = DICT_ABSENT;
		v = job_defer(m,
		    geteuid() == 0 ? "root has no mailbox: give root an alias"
				   : "only root can deliver to other users");
	} else if (!pool_ask(c, who, j->leaf ? m->fd : -1, ms, &why))
		v = job_defer(m, why.text);
	else if (msg_u64(&c->in, MSG_FIELD_KIND) == ERRAND_READ)
		take_items(j, c);
	else
		v = job_verdict(m, &c->in);
	pool_end(c);
	return v;
}

void
job_log(const struct mail *m, struct span to, struct span orig, int64_t begun,
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
	    .mailbox = v->mailbox ? span_str(v->mailbox) : SPAN(""),
	    .uidvalidity = v->uidvalidity,
	    .uid = v->uid,
	});
}
