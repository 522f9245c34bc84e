#include "master/grants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct span
digest_of(struct hash_link *l)
{
	const struct grant *g = container_of(l, struct grant, by_digest);

	return (struct span){ (const char *)&g->digest, sizeof(g->digest) };
}

void
grants_init(struct grants *g, const uint64_t secret[2])
{
	*g = (struct grants){ .secret = { secret[0], secret[1] } };
	hash_init(&g->by_digest, digest_of);
	list_init(&g->by_age);
}

struct grant *
grant_free(struct grant *g)
{
	if (!g)
		return NULL;
	explicit_bzero(g, g->size);
	free(g);
	return NULL;
}

static void
take_out(struct grants *g, struct grant *one)
{
	hash_remove(&g->by_digest, &one->by_digest);
	link_remove(&one->by_age);
}

static struct grant *
oldest(const struct grants *g)
{
	return list_empty(&g->by_age)
	    ? NULL
	    : container_of(g->by_age.next, struct grant, by_age);
}

static void
drop_expired(struct grants *g, int64_t now)
{
	struct grant *one;

	while ((one = oldest(g)) && one->until <= now) {
		take_out(g, one);
		grant_free(one);
	}
}

void
grants_fini(struct grants *g)
{
	drop_expired(g, INT64_MAX);
	hash_fini(&g->by_digest);
}

static struct span
copy(struct grant *g, size_t *used, struct span s)
{
	char *to = g->bytes + *used;

	if (s.n)
		memcpy(to, s.p, s.n);
	*used += s.n;
	return (struct span){ to, s.n };
}

static struct grant *
make(struct span token, const struct grant *what, int64_t now)
{
	size_t n = what->user.n + what->root.n + what->mailbox.n +
	    what->fields.n;
	struct grant *g = zalloc(sizeof(*g) + n);
	size_t used = 0;

	g->size = sizeof(*g) + n;
	g->key = what->key;
	g->front = what->front;
	g->until = now + GRANTS_MS;
	memcpy(g->token, token.p, GRANTS_TOKEN);
	g->user = copy(g, &used, what->user);
	g->root = copy(g, &used, what->root);
	g->mailbox = copy(g, &used, what->mailbox);
	g->fields = copy(g, &used, what->fields);
	return g;
}

/* A keyed digest finds it: what a stranger tries tells him nothing by time. */
static struct grant *
find(const struct grants *g, uint64_t digest)
{
	struct span key = { (const char *)&digest, sizeof(digest) };
	struct hash_link *l = hash_find(&g->by_digest, key);

	return l ? container_of(l, struct grant, by_digest) : NULL;
}

bool
grants_add(struct grants *g, struct span token, const struct grant *what,
    int64_t now, struct why *why)
{
	struct grant *one;
	uint64_t digest;

	drop_expired(g, now);
	if (token.n != GRANTS_TOKEN || what->front <= 0) {
		why_set(why, EINVAL, NULL, 0, "no such token can be");
		return false;
	}
	if (what->user.n + what->root.n + what->mailbox.n + what->fields.n >
	    GRANTS_BYTES) {
		why_set(why, E2BIG, NULL, 0, "the user's entry is too long");
		return false;
	}
	digest = hash_of(g->secret, token);
	if (g->by_digest.n >= GRANTS_MAX || find(g, digest)) {
		why_set(why, EAGAIN, NULL, 0, "too many logins under way");
		return false;
	}
	one = make(token, what, now);
	one->digest = digest;
	hash_add(&g->by_digest, &one->by_digest);
	list_append(&g->by_age, &one->by_age);
	return true;
}

static bool
is_same_token(const char *a, const char *b)
{
	unsigned char differ = 0;

	for (size_t i = 0; i < GRANTS_TOKEN; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}

struct grant *
grants_take(struct grants *g, struct span token, enum broker_program program,
    pid_t front, int64_t now, struct why *why)
{
	struct grant *one = NULL;

	drop_expired(g, now);
	if (token.n == GRANTS_TOKEN)
		one = find(g, hash_of(g->secret, token));
	if (!one || !is_same_token(one->token, token.p)) {
		why_set(why, ENOENT, NULL, 0,
		    "the login is unknown, or too long ago");
		return NULL;
	}
	take_out(g, one);
	if (one->front == front && one->key.program == program)
		return one;
	why_set(why, EPERM, NULL, 0, "the login was another process's");
	return grant_free(one);
}
