#include "local/deliver/fronts.h"

#include "base/hash.h"
#include "base/log.h"
#include "local/deliver/stores.h"
#include "net/channel.h"
#include "service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum {
	TOKEN_LEN = 16,
	PLACES_MAX = 4096,
	PLACES_MS = 60 * 1000, /* that a token is good for */
	TOLD_MS = 2000, /* the broker's word may come after lmtpd's */
	PACKET_MAX = 32768,
	KEEP_MAX = 1 << 20,
};

/* What a token means. */
struct place {
	struct hash_link by_token;
	struct link by_age;
	int64_t until;
	struct span root;
	struct span mailbox;
	char token[TOKEN_LEN];
	char bytes[];
};

/* A channel; it lives until its last delivery has ended. */
struct front {
	struct link link;
	struct channel *channel; /* NULL: it is gone */
	struct task *reader;
	size_t holders;
};

struct putting {
	struct front *front;
	struct job *job;
};

static struct {
	struct hash places;
	struct link places_by_age; /* the oldest first */
	struct link all;
	struct bell told; /* a token has become known */
	struct bell *changed;
	size_t max;
	size_t running;
	int64_t last_work;
} self;

static struct span
token_of(struct hash_link *l)
{
	const struct place *p = container_of(l, struct place, by_token);

	return (struct span){ p->token, TOKEN_LEN };
}

void
fronts_init(size_t max, struct bell *changed)
{
	self.max = max;
	self.changed = changed;
	self.running = 0;
	self.last_work = 0;
	hash_init(&self.places, token_of);
	list_init(&self.places_by_age);
	list_init(&self.all);
	bell_init(&self.told, "the broker's word for a mailbox");
}

static void
changed(void)
{
	self.last_work = task_now();
	bell_ring(self.changed);
}

static void
forget(struct place *p)
{
	hash_remove(&self.places, &p->by_token);
	link_remove(&p->by_age);
	free(p);
}

static struct place *
oldest(void)
{
	return list_empty(&self.places_by_age)
	    ? NULL
	    : container_of(self.places_by_age.next, struct place, by_age);
}

static struct place *
find_place(struct span token)
{
	struct hash_link *l = hash_find(&self.places, token);

	return l ? container_of(l, struct place, by_token) : NULL;
}

static void
drop_old(void)
{
	struct place *p;

	while ((p = oldest()) &&
	    (p->until <= task_now() || self.places.n >= PLACES_MAX))
		forget(p);
}

static void
learn(struct span token, struct span root, struct span mailbox)
{
	struct place *p;

	drop_old();
	if (token.n != TOKEN_LEN || find_place(token))
		return;
	p = zalloc(sizeof(*p) + root.n + mailbox.n);
	p->until = task_after(PLACES_MS);
	memcpy(p->token, token.p, TOKEN_LEN);
	memcpy(p->bytes, root.p, root.n);
	memcpy(p->bytes + root.n, mailbox.p, mailbox.n);
	p->root = (struct span){ p->bytes, root.n };
	p->mailbox = (struct span){ p->bytes + root.n, mailbox.n };
	hash_add(&self.places, &p->by_token);
	list_append(&self.places_by_age, &p->by_age);
	bell_ring(&self.told);
}

static void
let_go(struct front *f)
{
	if (--f->holders == 0)
		free(f);
}

static bool
wait_until_told(struct span token, int64_t by)
{
	while (!find_place(token))
		if (bell_wait(&self.told, by) != TASK_READY)
			return false;
	return true;
}

/* The job has copies. False: the token means nothing, or another root. */
static bool
set_place(struct job *j, size_t i, struct span token)
{
	const struct place *p = find_place(token);
	const char *root, *mailbox;

	if (!p || (i > 0 && !span_eq(p->root, j->root)))
		return false;
	root = arena_dup(j->arena, p->root);
	mailbox = arena_dup(j->arena, p->mailbox);
	if (!root || !mailbox)
		return false;
	j->root = (struct span){ root, p->root.n };
	j->targets[i].mailbox = (struct span){ mailbox, p->mailbox.n };
	return true;
}

/* Whatever else the request said of places is overwritten here. */
static bool
set_places(struct job *j)
{
	int64_t by = task_after(TOLD_MS);

	for (size_t i = 0; i < j->n; i++) {
		struct span token = j->rcpts[i].token;

		if (!wait_until_told(token, by) || !set_place(j, i, token))
			return false;
	}
	return true;
}

static void
answer(const struct putting *p)
{
	static char storage[MSG_MAX];
	struct buf b;

	buf_init(&b, storage, sizeof(storage));
	job_put_result(p->job, &b);
	if (p->front->channel &&
	    !channel_send(p->front->channel, buf_span(&b), NULL, 0))
		log_warning("lmtpd does not take a result");
}

static void
finish(struct putting *p)
{
	p->job->ended = service_wall();
	job_log(p->job);
	answer(p);
	let_go(p->front);
	job_free(p->job);
	free(p);
	self.running--;
	changed();
}

/* A task for each PUT. */
static void
put_one(void *arg)
{
	struct putting *p = arg;

	if (set_places(p->job))
		stores_deliver(p->job);
	else
		job_fail(p->job, "the broker did not name the mailbox");
	finish(p);
}

/* Memory that stays as it is: whoever gave it cannot make a read of it wait. */
static bool
is_sealed(int fd)
{
	int wanted = F_SEAL_WRITE | F_SEAL_SHRINK;
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & wanted) == wanted;
}

static void
begin(struct front *f, const struct msg_in *in, int fd)
{
	struct job *j = NULL;
	struct putting *p;

	if (is_sealed(fd))
		j = job_new(in, fd, service_wall());
	else
		task_close(fd);
	if (!j) {
		log_error("lmtpd sent a PUT that cannot be used");
		return;
	}
	j->service = "lmtpd";
	p = zalloc(sizeof(*p));
	*p = (struct putting){ .front = f, .job = j };
	f->holders++;
	self.running++;
	changed();
	if (task_spawn(put_one, p, "put %.*s", (int)j->id.n, j->id.p))
		return;
	job_fail(j, "too many deliveries at once");
	finish(p);
}

static bool
may_read(void)
{
	enum task_wake w = TASK_READY;

	while (self.running >= self.max && w == TASK_READY)
		w = bell_wait(self.changed, TASK_NEVER);
	return w == TASK_READY;
}

static void
read_front(void *arg)
{
	struct front *f = arg;
	int fds[SOCK_FDS_MAX];
	bool go_on = true;
	struct span packet;
	size_t n;

	while (go_on && may_read() &&
	    channel_recv(f->channel, TASK_NEVER, &packet, fds, &n) ==
		STREAM_OK) {
		struct msg_in in;

		go_on = msg_read(packet, &in) && in.type == MSG_PUT;
		if (go_on)
			begin(f, &in, n > 0 ? fds[--n] : -1);
		while (n > 0)
			task_close(fds[--n]);
	}
	f->channel = channel_free(f->channel);
	link_remove(&f->link);
	let_go(f);
	bell_ring(self.changed);
}

void
fronts_add(const struct msg_in *in, int fd)
{
	struct front *f = zalloc(sizeof(*f));

	learn(msg_str(in, MSG_FIELD_TOKEN), msg_str(in, MSG_FIELD_ROOT),
	    msg_str(in, MSG_FIELD_MAILBOX));
	f->channel = channel_new(fd, PACKET_MAX, KEEP_MAX);
	f->reader = task_spawn(read_front, f, "lmtpd");
	f->holders = 1;
	if (f->reader) {
		list_append(&self.all, &f->link);
		changed();
		return;
	}
	log_error("no stack for a channel of lmtpd");
	channel_free(f->channel);
	free(f);
}

size_t
fronts_running(void)
{
	return self.running;
}

bool
fronts_any(void)
{
	return !list_empty(&self.all);
}

int64_t
fronts_last_work(void)
{
	return self.last_work;
}

void
fronts_fini(void)
{
	struct place *p;

	for (struct link *l = self.all.next; l != &self.all; l = l->next)
		task_cancel(container_of(l, struct front, link)->reader);
	while (!list_empty(&self.all) &&
	    task_sleep(task_after(0)) != TASK_CANCELLED)
		continue;
	while ((p = oldest()))
		forget(p);
	hash_fini(&self.places);
}
