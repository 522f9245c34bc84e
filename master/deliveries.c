/* The broker and qmgr, which asks for processes that deliver. */
#include "master/processes.h"

#include "base/log.h"

#include <errno.h>

enum {
	ANSWER_MAX = 1024,
};

/* One end of a new channel goes to the worker, the other to qmgr. */
static int
attach(struct process *p, int *channel_r)
{
	int pair[2];
	int err = sock_pair(pair);

	if (err)
		return err;
	if (!process_tell(p, MSG_ATTACH, &pair[1])) {
		task_close(pair[0]);
		return -EPIPE;
	}
	*channel_r = pair[0];
	return 0;
}

int
process_deliver(const struct broker_key *key, struct process **p_r)
{
	struct broker_worker *w = broker_pick(&processes.core, key);

	if (!w)
		return process_start(key, NULL, -1, p_r);
	*p_r = process_of(w);
	return 0;
}

/* A worker that does not take a channel is as good as dead: another is. */
static int
find_or_start(const struct broker_key *key, struct process **p_r,
    int *channel_r)
{
	struct broker_worker *w = broker_pick(&processes.core, key);
	int pair[2];
	int err;

	if (w) {
		*p_r = process_of(w);
		if (attach(*p_r, channel_r) == 0)
			return 0;
		process_retire(*p_r);
	}
	err = sock_pair(pair);
	if (err)
		return err;
	err = process_start(key, NULL, pair[1], p_r);
	task_close(pair[1]);
	if (err)
		task_close(pair[0]);
	else
		*channel_r = pair[0];
	return err;
}

static bool
send_worker(struct channel *ch, uint32_t id, const struct process *p, int fd)
{
	char packet[ANSWER_MAX];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_WORKER, id);
	msg_put_u64(&b, MSG_FIELD_UID, p->worker.key.uid);
	msg_put_u64(&b, MSG_FIELD_GID, p->worker.key.gid);
	msg_put_u64(&b, MSG_FIELD_SLOT, p->worker.key.slot);
	msg_put_u64(&b, MSG_FIELD_PID, (uint64_t)p->pid);
	return msg_end(&b, 1) && channel_send(ch, buf_span(&b), &fd, 1);
}

static bool
send_no_worker(struct channel *ch, uint32_t id, const struct broker_key *key,
    const char *text)
{
	char packet[ANSWER_MAX];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_NO_WORKER, id);
	msg_put_u64(&b, MSG_FIELD_UID, key->uid);
	msg_put_u64(&b, MSG_FIELD_SLOT, key->slot);
	msg_put_str(&b, MSG_FIELD_TEXT, span_str(text));
	return msg_end(&b, 0) && channel_send(ch, buf_span(&b), NULL, 0);
}

static bool
on_get_worker(struct channel *ch, const struct msg_in *in)
{
	struct broker_key key = {
		.uid = msg_u64(in, MSG_FIELD_UID),
		.gid = msg_u64(in, MSG_FIELD_GID),
		.slot = msg_u64(in, MSG_FIELD_SLOT),
		.program = BROKER_DELIVER,
	};
	struct process *p;
	struct why why;
	int channel = -1;
	int err;

	if (!broker_may(&processes.core, &key, &why))
		return send_no_worker(ch, in->id, &key, why.text);
	err = find_or_start(&key, &p, &channel);
	if (err) {
		log_warning("no process for uid %u: %s", (unsigned)key.uid,
		    strerror(-err));
		return send_no_worker(ch, in->id, &key, strerror(-err));
	}
	return send_worker(ch, in->id, p, channel);
}

static bool
on_get_all(struct channel *ch, const struct msg_in *in)
{
	struct broker_worker *w = NULL;
	char packet[ANSWER_MAX];
	uint64_t n = 0;
	struct buf b;
	int channel = -1;

	while ((w = broker_next(&processes.core, w))) {
		struct process *p = process_of(w);

		if (w->key.program != BROKER_DELIVER || attach(p, &channel) < 0)
			continue; /* its end will be seen */
		if (!send_worker(ch, in->id, p, channel))
			return false;
		n++;
	}
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_ALL, in->id);
	msg_put_u64(&b, MSG_FIELD_COUNT, n);
	return msg_end(&b, 0) && channel_send(ch, buf_span(&b), NULL, 0);
}

bool
qmgr_message(struct channel *ch, const struct msg_in *in)
{
	if (in->type == MSG_GET_WORKER)
		return on_get_worker(ch, in);
	if (in->type == MSG_GET_ALL)
		return on_get_all(ch, in);
	return true;
}
