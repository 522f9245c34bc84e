/*
 * What a client wants of a server's certificate. OpenSSL's code for DANE checks
 * records, fingerprints and single issuers alike.
 */
#include "net/tls_private.h"

#include "net/tls_peer.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ORDER_OWN = 1, /* among digests of one record; there are no others */
	SUBJECT_MAX = 512,
};

/* What RFC 6698 and 7671 know. */
enum {
	USAGE_ISSUER = 2,
	USAGE_LEAF = 3,
	SELECTOR_CERT = 0,
	SELECTOR_KEY = 1,
	MATCHING_ALL = 0,
	MATCHING_SHA256 = 1,
	MATCHING_SHA512 = 2,
};

int
tls_want_prepare(struct tls *t, const char *digest, struct why *why)
{
	const EVP_MD *md = digest && *digest ? EVP_get_digestbyname(digest)
					     : EVP_sha256();

	if (!md)
		return why_set(why, EINVAL, NULL, 0,
		    "Digest algorithm \"%s\" not found", digest);
	t->digest_n = (size_t)EVP_MD_get_size(md);
	if (SSL_CTX_dane_enable(t->ctx) != 1 ||
	    SSL_CTX_dane_mtype_set(t->ctx, md, TLS_MATCHING_OWN, ORDER_OWN) !=
		1)
		return why_set(why, EINVAL, NULL, 0, "digest %s is of no use",
		    digest);
	/* A key that a record names needs no name (RFC 7672, section 3.1.1). */
	SSL_CTX_dane_set_flags(t->ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	return 0;
}

/* Whether all of it is a certificate or a key. */
static bool
is_whole(unsigned selector, struct span data)
{
	const unsigned char *p = (const unsigned char *)data.p;
	bool is_good;

	if (selector == SELECTOR_CERT) {
		X509 *cert = d2i_X509(NULL, &p, (long)data.n);

		is_good = cert;
		X509_free(cert);
	} else {
		EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)data.n);

		is_good = key;
		EVP_PKEY_free(key);
	}
	ERR_clear_error();
	return is_good && p == (const unsigned char *)data.p + data.n;
}

bool
tls_record_is_usable(const struct tls_record *r, const struct tls *t)
{
	if ((r->usage != USAGE_ISSUER && r->usage != USAGE_LEAF) ||
	    r->selector > SELECTOR_KEY)
		return false;
	switch (r->matching) {
	case MATCHING_ALL:
		return is_whole(r->selector, r->data);
	case MATCHING_SHA256:
		return r->data.n == 32;
	case MATCHING_SHA512:
		return r->data.n == 64;
	case TLS_MATCHING_OWN:
		return r->data.n == t->digest_n;
	default:
		return false;
	}
}

static struct tls_conn *
conn_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* Faults nearer to the leaf say more; of the same place the first does. */
static void
keep_fault(struct tls_fault *f, X509_STORE_CTX *x)
{
	int depth = X509_STORE_CTX_get_error_depth(x);
	X509 *cert = X509_STORE_CTX_get_current_cert(x);

	if (f->error != X509_V_OK && f->depth <= depth)
		return;
	X509_free(f->cert);
	f->error = X509_STORE_CTX_get_error(x);
	f->depth = depth;
	f->cert = cert && X509_up_ref(cert) ? cert : NULL;
}

/* Goes on whatever it finds, so that all is told. */
static int
on_verify(int ok, X509_STORE_CTX *x)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(x,
	    SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_conn *c = conn_of(ssl);
	X509 *cert = X509_STORE_CTX_get_current_cert(x);
	char subject[SUBJECT_MAX] = "<unknown>", text[SUBJECT_MAX + 64];

	if (!ok)
		keep_fault(&c->fault, x);
	/* The last word is the fault that was kept. */
	X509_STORE_CTX_set_error(x, c->fault.error);
	if (!c->want || !c->want->note)
		return 1;
	if (cert)
		X509_NAME_oneline(X509_get_subject_name(cert), subject,
		    (int)sizeof(subject));
	snprintf(text, sizeof(text), "depth=%d verify=%d subject=%s",
	    X509_STORE_CTX_get_error_depth(x), ok, subject);
	c->want->note(c->want->arg, TLS_NOTE_VERIFY, text);
	return 1;
}

static void
on_state(const SSL *ssl, int where, int value)
{
	const struct tls_conn *c = conn_of(ssl);
	char text[256];

	if (!c->want || !c->want->note)
		return;
	if (where & SSL_CB_LOOP)
		snprintf(text, sizeof(text), "SSL_connect:%s",
		    SSL_state_string_long(ssl));
	else if (where & SSL_CB_ALERT)
		snprintf(text, sizeof(text), "SSL3 alert %s:%s:%s",
		    where & SSL_CB_READ ? "read" : "write",
		    SSL_alert_type_string_long(value),
		    SSL_alert_desc_string_long(value));
	else
		return;
	c->want->note(c->want->arg, TLS_NOTE_STATE, text);
}

/* If none of them can be, nobody is verified. */
static void
add_names(struct tls_conn *c)
{
	const struct tls_want *w = c->want;
	size_t added = 0;

	X509_VERIFY_PARAM_set_hostflags(SSL_get0_param(c->ssl),
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	for (size_t i = 0; i < w->names_n; i++) {
		char name[TLS_NAME_MAX];

		if (w->names[i].n == 0 || w->names[i].n >= sizeof(name) ||
		    memchr(w->names[i].p, '\0', w->names[i].n))
			continue;
		memcpy(name, w->names[i].p, w->names[i].n);
		name[w->names[i].n] = '\0';
		added += SSL_add1_host(c->ssl, name) == 1;
	}
	c->unnamed = w->names_n > 0 && added == 0 && !w->base;
}

static void
add_records(SSL *ssl, const struct tls_want *w)
{
	if (SSL_dane_enable(ssl, w->base) <= 0)
		die("no memory for TLS");
	for (size_t i = 0; i < w->records_n; i++) {
		const struct tls_record *r = &w->records[i];

		/* What it does not take matches nothing. */
		(void)SSL_dane_tlsa_add(ssl, (uint8_t)r->usage,
		    (uint8_t)r->selector, (uint8_t)r->matching,
		    (const unsigned char *)r->data.p, r->data.n);
	}
}

/* What is no name is not told. */
static void
tell_name(SSL *ssl, const char *sni)
{
	char name[TLS_NAME_MAX];

	snprintf(name, sizeof(name), "%s", sni);
	if (!SSL_set_tlsext_host_name(ssl, name))
		ERR_clear_error();
}

void
tls_want_apply(struct tls_conn *c)
{
	const struct tls_want *w = c->want;

	if (w->records_n > 0)
		add_records(c->ssl, w);
	add_names(c);
	if (w->sni)
		tell_name(c->ssl, w->sni);
	if (w->session)
		(void)SSL_set_session(c->ssl, (SSL_SESSION *)w->session);
	SSL_set_verify(c->ssl, SSL_VERIFY_NONE, on_verify);
	SSL_set_info_callback(c->ssl, on_state);
	ERR_clear_error();
}

/* Takes one certificate or key of a file as a record. */
static bool
take_anchor(const char *name, unsigned char *data, long n,
    struct tls_record *r_r)
{
	bool is_key_pem = strcmp(name, PEM_STRING_PUBLIC) == 0;

	*r_r = (struct tls_record){ USAGE_ISSUER,
		is_key_pem ? SELECTOR_KEY : SELECTOR_CERT, MATCHING_ALL,
		{ (const char *)data, (size_t)n } };
	return (is_key_pem || strcmp(name, PEM_STRING_X509) == 0) &&
	    is_whole(r_r->selector, r_r->data);
}

int
tls_anchors_load(const char *path, struct arena *a, struct tls_record *list,
    size_t max, size_t *n, struct why *why)
{
	FILE *f = fopen(path, "re");
	BIO *in = f ? BIO_new_fp(f, BIO_CLOSE) : NULL;
	char *name, *header;
	unsigned char *data;
	size_t before = *n;
	int err = 0;
	long len;

	if (!in)
		return why_set(why, errno, path, 0, "%s", strerror(errno));
	while (!err && PEM_read_bio(in, &name, &header, &data, &len) == 1) {
		struct tls_record r;

		if (!take_anchor(name, data, len, &r))
			err = why_set(why, EINVAL, path, 0,
			    "%s is neither a certificate nor a public key",
			    name);
		r.data.p = arena_dup(a, r.data);
		if (!err && (*n == max || !r.data.p))
			err = why_set(why, E2BIG, path, 0,
			    "there are more than %zu trust anchors", max);
		if (!err)
			list[(*n)++] = r;
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(data);
	}
	BIO_free(in);
	ERR_clear_error();
	if (!err && *n == before)
		err = why_set(why, EINVAL, path, 0,
		    "there is no trust anchor in it");
	return err;
}

struct tls_session *
tls_session_take(const struct stream *s)
{
	SSL_SESSION *session;

	if (!s->tls)
		return NULL;
	session = SSL_get1_session(s->tls->ssl);
	if (session && !SSL_SESSION_is_resumable(session)) {
		SSL_SESSION_free(session);
		session = NULL;
	}
	return (struct tls_session *)session;
}

struct tls_session *
tls_session_free(struct tls_session *s)
{
	SSL_SESSION_free((SSL_SESSION *)s);
	return NULL;
}
