#include "net/tls_peer.h"

#include "net/tls_private.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* Strangers write these: a terminal gets no bytes that it could obey. */
static void
make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			*text = '?';
}

static bool
take_text(X509_NAME *name, int nid, char *text_r, size_t max)
{
	text_r[0] = '\0';
	if (X509_NAME_get_text_by_NID(name, nid, text_r, (int)max) < 0) {
		text_r[0] = '\0';
		return false;
	}
	make_printable(text_r);
	return true;
}

static void
take_name(X509_NAME *name, char text_r[TLS_SUBJECT_MAX])
{
	X509_NAME_oneline(name, text_r, TLS_SUBJECT_MAX);
	make_printable(text_r);
}

static const EVP_MD *
find_digest(const char *name)
{
	const EVP_MD *md = name && *name ? EVP_get_digestbyname(name) : NULL;

	return md ? md : EVP_sha256();
}

static void
put_print(char print_r[TLS_PRINT_MAX], const unsigned char *md, unsigned n)
{
	print_r[0] = '\0';
	for (unsigned i = 0; i < n && i < TLS_DIGEST_MAX; i++)
		snprintf(print_r + (i ? 3 * i - 1 : 0), 4, "%s%02X",
		    i ? ":" : "", md[i]);
}

static void
take_prints(const X509 *cert, const char *digest, char print_r[TLS_PRINT_MAX],
    char key_print_r[TLS_PRINT_MAX])
{
	const EVP_MD *type = find_digest(digest);
	unsigned char md[EVP_MAX_MD_SIZE], *key = NULL;
	unsigned n = 0;
	int len;

	print_r[0] = key_print_r[0] = '\0';
	if (X509_digest(cert, type, md, &n) == 1)
		put_print(print_r, md, n);
	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &key);
	if (len > 0 && EVP_Digest(key, (size_t)len, md, &n, type, NULL) == 1)
		put_print(key_print_r, md, n);
	OPENSSL_free(key);
}

static void
take_match(struct tls_peer *p, SSL *ssl)
{
	uint8_t usage, selector, matching;
	const unsigned char *data;
	size_t n;
	int depth = SSL_get0_dane_tlsa(ssl, &usage, &selector, &matching, &data,
	    &n);

	if (depth < 0)
		return;
	p->has_match = true;
	p->match_depth = depth;
	p->match = (struct tls_record){ usage, selector, matching,
		{ (const char *)data, n } };
}

static void
take_fault(struct tls_peer *p, const struct tls_conn *c)
{
	p->error = (int)SSL_get_verify_result(c->ssl);
	p->verified = p->error == X509_V_OK && !c->unnamed;
	p->depth = c->fault.depth;
	snprintf(p->error_issuer, sizeof(p->error_issuer), "<unknown>");
	if (c->fault.cert)
		take_name(X509_get_issuer_name(c->fault.cert), p->error_issuer);
}

void
tls_peer_take(const struct stream *s, const char *digest, struct tls_peer *p_r)
{
	const struct tls_conn *c = s->tls;
	X509 *cert = SSL_get0_peer_certificate(c->ssl);
	const char *name = SSL_get0_peername(c->ssl);

	*p_r = (struct tls_peer){ .has_cert = cert };
	if (!cert)
		return;
	(void)!take_text(X509_get_subject_name(cert), NID_commonName,
	    p_r->subject, sizeof(p_r->subject));
	if (!take_text(X509_get_issuer_name(cert), NID_commonName, p_r->issuer,
		sizeof(p_r->issuer)))
		(void)!take_text(X509_get_issuer_name(cert),
		    NID_organizationName, p_r->issuer, sizeof(p_r->issuer));
	take_prints(cert, digest, p_r->print, p_r->key_print);
	take_fault(p_r, c);
	if (p_r->verified) {
		snprintf(p_r->name, sizeof(p_r->name), "%s", name ? name : "");
		make_printable(p_r->name);
		take_match(p_r, c->ssl);
	}
	ERR_clear_error();
}

/* What there are words of Postfix's for; all else has its number. */
static const struct {
	int error;
	bool with_who; /* "server" or "CA" stands in front */
	const char *text;
} reasons[] = {
	{ X509_V_ERR_CERT_UNTRUSTED, false,
	    "not trusted by local or TLSA policy" },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, false,
	    "self-signed certificate" },
	{ X509_V_ERR_CERT_NOT_YET_VALID, true, "certificate not yet valid" },
	{ X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, true,
	    "certificate not yet valid" },
	{ X509_V_ERR_CERT_HAS_EXPIRED, true, "certificate has expired" },
	{ X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, true,
	    "certificate has expired" },
};

void
tls_peer_error(struct buf *out, const struct tls_peer *p, const char *name)
{
	static const char form[] = "certificate verification failed for ";
	const char *who = p->depth > 0 ? "CA" : "server";

	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		if (reasons[i].error == p->error) {
			buf_putf(out, "%s%s%s%s: %s",
			    reasons[i].with_who ? who : "",
			    reasons[i].with_who ? " " : "", form, name,
			    reasons[i].text);
			return;
		}
	switch (p->error) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		buf_putf(out, "%s%s: untrusted issuer %s", form, name,
		    p->error_issuer);
		return;
	case X509_V_ERR_INVALID_PURPOSE:
		buf_putf(out,
		    "%s%s: not designated for use as a %s certificate", form,
		    name, who);
		return;
	default:
		buf_putf(out, "%s %s%s: num=%d:%s", who, form, name, p->error,
		    X509_verify_cert_error_string(p->error));
	}
}

/* As PEM, in the arena; NULL: there is no room. */
static const char *
put_pem(X509 *cert, struct arena *a)
{
	BIO *out = BIO_new(BIO_s_mem());
	const char *text = NULL;
	char *p;
	long n;

	if (!out)
		die("no memory for a certificate");
	if (PEM_write_bio_X509(out, cert) == 1) {
		n = BIO_get_mem_data(out, &p);
		text = arena_dup(a, (struct span){ p, (size_t)n });
	}
	BIO_free(out);
	return text;
}

bool
tls_peer_cert(const struct stream *s, const char *digest, size_t depth,
    struct arena *a, struct tls_cert *c_r)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(s->tls->ssl);
	X509 *cert;

	if (SSL_get_verify_result(s->tls->ssl) == X509_V_OK &&
	    SSL_get0_verified_chain(s->tls->ssl))
		chain = SSL_get0_verified_chain(s->tls->ssl);
	if (!chain || depth >= (size_t)sk_X509_num(chain))
		return false;
	cert = sk_X509_value(chain, (int)depth);
	take_name(X509_get_subject_name(cert), c_r->subject);
	take_name(X509_get_issuer_name(cert), c_r->issuer);
	take_prints(cert, digest, c_r->print, c_r->key_print);
	c_r->pem = put_pem(cert, a);
	ERR_clear_error();
	return c_r->pem;
}
