#include "smtp/finger/finger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LINE_MAX_LEN = 2048,
	CHAIN_MEMORY = 1 << 20,
	X509_UNSPECIFIED = 1, /* OpenSSL's word for "no reason" */
};

static void
say_fault(const struct finger_server *s, const struct tls_peer *p)
{
	char text[LINE_MAX_LEN];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	tls_peer_error(&b, p, s->name);
	finger_say("%.*s", (int)b.n, b.p);
}

/* Which record it was that matched. */
static void
say_match(const struct finger_server *s, const struct tls_peer *p)
{
	char text[LINE_MAX_LEN];
	struct buf b;

	buf_init(&b, text, sizeof(text) - 1);
	finger_put_record(&b, &p->match);
	text[b.n] = '\0';
	if (s->level == FINGER_PRINT)
		/* "3 1 1 " is not what was asked for. */
		finger_say("%s: Matched fingerprint: %s", s->name,
		    strrchr(text, ' ') + 1);
	else if (!s->base)
		finger_say("%s: Matched trust anchor at depth %d", s->name,
		    p->match_depth);
	else
		finger_say("%s: Matched DANE %s certificate at depth %d: %s",
		    s->name, p->match.usage == 2 ? "TA" : "EE", p->match_depth,
		    text);
}

static void
say_peer(const struct finger *f, const struct finger_server *s,
    const struct tls_peer *p)
{
	bool detail = f->log &
	    (FINGER_CERTMATCH | FINGER_PEERCERT | FINGER_VERBOSE);

	if (!p->has_cert)
		return;
	if (!p->verified &&
	    (s->level > FINGER_ENCRYPT || f->log & FINGER_UNTRUSTED))
		say_fault(s, p);
	if (!detail)
		return;
	if (p->verified && s->level > FINGER_ENCRYPT) {
		if (*p->name)
			finger_say("%s: matched peername: %s", s->name,
			    p->name);
		if (p->has_match)
			say_match(s, p);
	}
	finger_say("%s: subject_CN=%s, issuer_CN=%s, fingerprint=%s, "
		   "pkey_fingerprint=%s",
	    s->name, p->subject, p->issuer, p->print, p->key_print);
}

/* What was not verified then is not now. */
static void
say_resumed(const struct finger_server *s, const struct tls_peer *p)
{
	finger_say("%s: Reusing old session", s->name);
	if (!p->verified && s->level > FINGER_ENCRYPT)
		finger_say("%s: re-using session with untrusted certificate, "
			   "look for details earlier in the log",
		    s->name);
}

static void
say_summary(const struct finger_server *s, const struct tls_facts *facts,
    const struct tls_peer *p)
{
	char text[LINE_MAX_LEN];
	struct tls_facts f = *facts;
	struct buf b;

	f.trusted = p->verified;
	f.verified = p->verified && s->level > FINGER_ENCRYPT &&
	    s->level != FINGER_HALF_DANE;
	buf_init(&b, text, sizeof(text));
	tls_facts_log(&b, &f, false, span_str(s->name), SPAN(""));
	finger_say("%.*s", (int)b.n, b.p);
}

void
finger_print_chain(const struct finger *f, const struct stream *stream)
{
	struct arena *a = arena_new(CHAIN_MEMORY);
	struct tls_cert *c = zalloc(sizeof(*c));

	printf("\n---\nCertificate chain\n");
	for (size_t i = 0; tls_peer_cert(stream, f->digest, i, a, c); i++)
		printf("%2zu subject: %s\n    issuer: %s\n   cert digest=%s\n"
		       "   pkey digest=%s\n%s",
		    i, c->subject, c->issuer, c->print, c->key_print, c->pem);
	free(c);
	arena_free(a);
}

void
finger_report(const struct finger *f, const struct finger_server *s,
    const struct stream *stream, const struct tls_facts *facts)
{
	struct tls_peer *p = zalloc(sizeof(*p));

	tls_peer_take(stream, f->digest, p);
	if (s->must_fail && p->has_cert) {
		p->verified = false;
		p->error = X509_UNSPECIFIED;
		p->depth = 0;
	}
	if (facts->resumed && f->log & (FINGER_CACHE | FINGER_VERBOSE))
		say_resumed(s, p);
	else
		say_peer(f, s, p);
	if (f->log & FINGER_SUMMARY)
		say_summary(s, facts, p);
	free(p);
}
