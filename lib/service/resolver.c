#include "service/resolver.h"

#include "base/list.h"
#include "base/log.h"
#include "base/scan.h"
#include "conf/conf.h"
#include "task/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>

enum {
	TYPE_IN = 1,
	SWEEP_MS = 500,
	RCODE_NOERROR = 0,
	RCODE_NXDOMAIN = 3,
};

struct question {
	struct link link; /* by age */
	int id; /* libunbound's */
	int64_t until;
	resolver_fn *fn;
	void *arg;
};

static struct {
	struct ub_ctx *ctx;
	struct link asked;
	size_t n;
} self;

static int
refuse(struct why *why, const char *what, int err)
{
	return why_set(why, EINVAL, NULL, 0, "%s: %s", what, ub_strerror(err));
}

/*
 * Names that libunbound would answer itself, as they are nobody's on the open
 * Internet: here they are what the name servers say.
 */
static int
open_local_zones(struct ub_ctx *ctx)
{
	static const char *const zones[] = { "test.", "127.in-addr.arpa.",
		"localhost.", "home.arpa." };
	int err = ub_ctx_set_option(ctx, "unblock-lan-zones:", "yes");

	for (size_t i = 0; i < COUNT_OF(zones) && !err; i++)
		err = ub_ctx_zone_add(ctx, zones[i], "transparent");
	return err;
}

static int
set_servers(const struct resolver_conf *c, struct why *why)
{
	struct span rest = span_str(c->servers), word;
	bool some = false;

	while (conf_list_next(&rest, &word)) {
		char text[ADDR_TEXT_MAX];
		int err;

		snprintf(text, sizeof(text), "%.*s", (int)word.n, word.p);
		err = ub_ctx_set_fwd(self.ctx, text);
		if (err)
			return why_set(why, EINVAL, NULL, 0,
			    "dns_servers: %s is no address@port", text);
		some = true;
	}
	if (some)
		return 0;
	/* Without such a file it asks the root servers. */
	if (ub_ctx_resolvconf(self.ctx, c->resolv_conf) != 0)
		log_info("no name servers in %s: the root servers are asked",
		    c->resolv_conf);
	return 0;
}

static int
configure(const struct resolver_conf *c, struct why *why)
{
	int err = ub_ctx_async(self.ctx, 1);

	if (!err)
		err = ub_ctx_set_option(self.ctx, "so-reuseport:", "no");
	if (err)
		return refuse(why, "libunbound", err);
	if (*c->trust_anchors) {
		err = ub_ctx_add_ta_file(self.ctx, c->trust_anchors);
		if (err)
			return refuse(why, "dns_trust_anchor_file", err);
	}
	err = set_servers(c, why);
	if (err)
		return err;
	err = open_local_zones(self.ctx); /* the last: nothing is set after */
	return err ? refuse(why, "libunbound", err) : 0;
}

int
resolver_init(const struct resolver_conf *c, struct why *why)
{
	int err;

	list_init(&self.asked);
	self.n = 0;
	self.ctx = ub_ctx_create();
	if (!self.ctx)
		return why_set(why, ENOMEM, NULL, 0, "libunbound cannot begin");
	err = configure(c, why);
	if (err)
		resolver_fini();
	return err;
}

static void
end(struct question *q, const struct resolved *r)
{
	link_remove(&q->link);
	self.n--;
	q->fn(r, q->arg);
	free(q);
}

static const char *
reason_of(int err, const struct ub_result *r)
{
	if (err)
		return ub_strerror(err);
	if (r->bogus)
		return r->why_bogus ? r->why_bogus
				    : "the answer does not pass DNSSEC";
	return "the name servers fail, or do not answer";
}

static size_t
count_of(const struct ub_result *r)
{
	size_t n = 0;

	while (r->data && r->data[n])
		n++;
	return n;
}

static struct resolved
translate(int err, const struct ub_result *r)
{
	struct resolved d = { .result = DNS_TEMPFAIL, .text = "" };

	if (err || r->bogus ||
	    (r->rcode != RCODE_NOERROR && r->rcode != RCODE_NXDOMAIN)) {
		d.text = reason_of(err, r);
		return d;
	}
	d.result = r->havedata           ? DNS_FOUND
	    : r->rcode == RCODE_NXDOMAIN ? DNS_ABSENT
					 : DNS_NODATA;
	d.secure = r->secure;
	d.ttl = r->ttl > 0 ? (uint32_t)r->ttl : 0;
	d.name = span_str(r->canonname ? r->canonname : r->qname);
	if (d.name.n > 1 && d.name.p[d.name.n - 1] == '.')
		d.name.n--; /* as names are written everywhere else */
	d.n = r->havedata ? count_of(r) : 0;
	d.rdata = r->data;
	d.rdata_n = r->len;
	return d;
}

/* Called by ub_process(), in the loop's thread. */
static void
answered(void *arg, int err, struct ub_result *result)
{
	struct question *q = arg;
	struct resolved r = translate(err, result);

	end(q, &r);
	if (!err)
		ub_resolve_free(result);
}

/* Those that are as old as that, at `now`. */
static void
give_up_old(int64_t now)
{
	static const struct resolved late = {
		.result = DNS_TEMPFAIL,
		.text = "the name servers do not answer in time",
	};

	while (!list_empty(&self.asked)) {
		struct question *q = container_of(self.asked.next,
		    struct question, link);

		if (q->until > now)
			return;
		/* After this its callback does not come. */
		(void)ub_cancel(self.ctx, q->id);
		end(q, &late);
	}
}

void
resolver_fini(void)
{
	if (!self.ctx)
		return;
	give_up_old(INT64_MAX);
	ub_ctx_delete(self.ctx);
	self.ctx = NULL;
}

void
resolver_serve(void *arg)
{
	enum task_wake w = TASK_READY;

	(void)arg;
	while (w == TASK_READY || w == TASK_TIMEOUT) {
		w = task_wait_fd(ub_fd(self.ctx), TASK_INPUT,
		    task_after(SWEEP_MS));
		if (w == TASK_READY && ub_process(self.ctx) != 0)
			log_warning("libunbound cannot be asked");
		give_up_old(task_now());
	}
}

bool
resolver_ask(struct span name, enum rdata_type type, resolver_fn *fn, void *arg)
{
	char text[RDATA_NAME_MAX];
	struct question *q;

	if (self.n >= RESOLVER_QUESTIONS_MAX || name.n >= sizeof(text))
		return false;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	q = zalloc(sizeof(*q));
	q->fn = fn;
	q->arg = arg;
	q->until = task_after(RESOLVER_MS);
	if (ub_resolve_async(self.ctx, text, (int)type, TYPE_IN, q, answered,
		&q->id) != 0) {
		free(q);
		return false;
	}
	list_append(&self.asked, &q->link);
	self.n++;
	return true;
}
