#include "smtpd/handshake.h"

#include "base/log.h"
#include "task/task.h"

enum {
	TEXT_MAX = TLS_FACTS_MAX + 2 * BACKEND_NAME_MAX + TLS_NAME_MAX,
	SHOWN_MAX = 100, /* of what came too early */
};

static void
log_early(const struct stream *s, const struct log_client *c)
{
	struct span early = buf_span(&s->in);

	early.p += s->taken;
	early.n -= s->taken;
	if (early.n > SHOWN_MAX)
		early.n = SHOWN_MAX;
	log_info("improper command pipelining after STARTTLS from "
		 "%.*s[%.*s]: %.*s",
	    (int)c->name.n, c->name.p, (int)c->addr.n, c->addr.p, (int)early.n,
	    early.p);
}

static void
log_facts(const struct tls_facts *f, const struct log_client *c)
{
	char text[TEXT_MAX];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	tls_facts_log(&b, f, true, c->name, c->addr);
	log_info("%.*s", (int)b.n, b.p);
}

bool
handshake(struct stream *s, const struct backend_tls *tls,
    const struct log_client *client, struct tls_facts *facts_r)
{
	enum stream_result r = stream_starttls(s, tls->context, NULL,
	    task_after(tls->timeout), facts_r);

	backend_shook_hands(r == STREAM_OK);
	if (r == STREAM_OK && tls->log_level > 0)
		log_facts(facts_r, client);
	if (r == STREAM_OK)
		return true;
	if (r == STREAM_EARLY_DATA)
		log_early(s, client);
	else
		log_info("SSL_accept error from %.*s[%.*s]: %s",
		    (int)client->name.n, client->name.p, (int)client->addr.n,
		    client->addr.p, facts_r->error);
	return false;
}
