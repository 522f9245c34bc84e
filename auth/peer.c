#include "auth/authd.h"

#include "base/log.h"

#include <stdlib.h>

enum {
	KEEP_MAX = 1 << 20,
	EXCHANGES_MAX = 4096, /* that wait for a response, of one daemon */
};

static struct span
id_of(struct hash_link *link)
{
	const struct login *l = container_of(link, struct login, by_id);

	return (struct span){ (const char *)&l->id, sizeof(l->id) };
}

static struct login *
find(const struct peer *p, uint32_t id)
{
	struct hash_link *l = hash_find(&p->exchanges,
	    (struct span){ (const char *)&id, sizeof(id) });

	return l ? container_of(l, struct login, by_id) : NULL;
}

static void
run(struct login *l, task_fn *fn, const char *name)
{
	if (task_spawn(fn, l, "%s", name))
		return;
	answer_text(l->peer, l->id, MSG_TEMPFAIL, "no memory", SPAN(""));
	login_free(l);
}

static void
send_challenge(struct peer *p, uint32_t id, struct span challenge)
{
	char packet[128];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_CONTINUE, id);
	msg_put_str(&b, MSG_FIELD_CHALLENGE, challenge);
	must(msg_end(&b, 0));
	(void)!channel_send(p->channel, buf_span(&b), NULL, 0);
}

/* What a response has led to. `l` is in no table. */
static void
go_on(struct login *l, enum mech_result r, struct span challenge)
{
	struct peer *p = l->peer;

	switch (r) {
	case MECH_CHALLENGE:
		if (p->exchanges.n >= EXCHANGES_MAX) {
			answer_text(p, l->id, MSG_TEMPFAIL,
			    "too many logins under way", SPAN(""));
			break;
		}
		hash_add(&p->exchanges, &l->by_id);
		send_challenge(p, l->id, challenge);
		return;
	case MECH_READY:
		run(l, login_serve, "login");
		return;
	case MECH_REFUSED:
		answer_text(p, l->id, MSG_FAIL, l->mech.text,
		    (struct span){ l->mech.user, l->mech.user_n });
		break;
	}
	login_free(l);
}

static void
take_auth(struct peer *p, const struct msg_in *in)
{
	struct span initial = { 0 };
	struct span service = msg_str(in, MSG_FIELD_SERVICE);
	char text[MECH_CHALLENGE_MAX];
	struct login *l = login_new(p, in->id);
	struct buf b;

	if (service.n > AUTHD_SERVICE_MAX ||
	    !mech_init(&l->mech, msg_str(in, MSG_FIELD_MECH))) {
		answer_text(p, in->id, MSG_FAIL, "no such mechanism", SPAN(""));
		login_free(l);
		return;
	}
	memcpy(l->service, service.p, service.n);
	l->service_n = service.n;
	buf_init(&b, l->key, sizeof(l->key));
	penalty_key(msg_str(in, MSG_FIELD_CLIENT_ADDR), &b);
	l->key_n = b.n;
	if (msg_has(in, MSG_FIELD_RESPONSE))
		initial = msg_str(in, MSG_FIELD_RESPONSE);
	buf_init(&b, text, sizeof(text));
	enum mech_result r = mech_start(&l->mech, initial, &b);
	go_on(l, r, buf_span(&b));
}

static void
take_cont(struct peer *p, const struct msg_in *in)
{
	struct login *l = find(p, in->id);
	char text[MECH_CHALLENGE_MAX];
	struct buf b;

	if (!l) {
		answer_text(p, in->id, MSG_TEMPFAIL, "no such exchange",
		    SPAN(""));
		return;
	}
	hash_remove(&p->exchanges, &l->by_id);
	buf_init(&b, text, sizeof(text));
	enum mech_result r = mech_step(&l->mech,
	    msg_str(in, MSG_FIELD_RESPONSE), &b);
	go_on(l, r, buf_span(&b));
}

static void
take_cancel(struct peer *p, const struct msg_in *in)
{
	struct login *l = find(p, in->id);

	if (!l)
		return;
	hash_remove(&p->exchanges, &l->by_id);
	login_free(l);
}

static struct login *
about(struct peer *p, uint32_t id, struct span user)
{
	struct login *l = login_new(p, id);

	if (user.n > MECH_USER_MAX)
		user.n = 0; /* such a one is in no table */
	for (size_t i = 0; i < user.n; i++)
		l->mech.user[i] = ascii_lower(user.p[i]);
	l->mech.user_n = user.n;
	return l;
}

static void
take_user(struct peer *p, const struct msg_in *in)
{
	struct login *l = about(p, in->id, msg_str(in, MSG_FIELD_USER));

	run(l, login_find_user, "look-up of a user");
}

static void
take_recipient(struct peer *p, const struct msg_in *in)
{
	struct login *l = about(p, in->id, msg_str(in, MSG_FIELD_ADDR));
	struct span service = SPAN("lmtp");

	memcpy(l->service, service.p, service.n);
	l->service_n = service.n;
	run(l, login_find_inbox, "look-up of a mailbox");
}

/* False: it speaks another language. */
static bool
take(struct peer *p, struct span packet)
{
	struct msg_in in;

	if (!msg_read(packet, &in))
		return false;
	switch (in.type) {
	case MSG_AUTH:
		if (find(p, in.id))
			return false;
		take_auth(p, &in);
		return true;
	case MSG_CONT:
		take_cont(p, &in);
		return true;
	case MSG_CANCEL:
		take_cancel(p, &in);
		return true;
	case MSG_USER:
		take_user(p, &in);
		return true;
	case MSG_RECIPIENT:
		take_recipient(p, &in);
		return true;
	default:
		return false;
	}
}

static void
drop_exchanges(struct peer *p)
{
	struct hash_link *l;

	while ((l = hash_next(&p->exchanges, NULL))) {
		hash_remove(&p->exchanges, l);
		login_free(container_of(l, struct login, by_id));
	}
}

void
peer_serve(int fd)
{
	struct peer *p = zalloc(sizeof(*p));
	int fds[SOCK_FDS_MAX];
	struct span packet;
	size_t n;

	p->channel = channel_new(fd, AUTHD_PACKET_MAX, KEEP_MAX);
	p->holders = 1;
	p->pid = channel_peer(p->channel).pid;
	hash_init(&p->exchanges, id_of);
	while (channel_recv(p->channel, TASK_NEVER, &packet, fds, &n) ==
	    STREAM_OK) {
		while (n > 0)
			task_close(fds[--n]);
		if (!take(p, packet)) {
			log_warning("a client of authd said what is none of "
				    "its messages");
			break;
		}
	}
	p->channel = channel_free(p->channel);
	drop_exchanges(p);
	if (--p->holders == 0) {
		hash_fini(&p->exchanges);
		free(p);
	}
}
