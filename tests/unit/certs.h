/*
 * certs.h - keys and certificates for tests, made while they run: so none is
 * kept anywhere, and none expires.
 */
#ifndef UNIT_CERTS_H
#define UNIT_CERTS_H

#include "base/defs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

/* A key, its certificate, and who signed that. */
struct cert {
	EVP_PKEY *key;
	X509 *x509;
	const struct cert *issuer; /* NULL: itself */
};

static inline void
cert_fini(struct cert *c)
{
	EVP_PKEY_free(c->key);
	X509_free(c->x509);
	*c = (struct cert){ 0 };
}

static inline void
cert_add(X509 *x, const struct cert *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer ? issuer->x509 : x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(e && X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

/* With `bits` an RSA key, or else P-256. `host` NULL: a CA. */
static inline struct cert
cert_make(unsigned bits, const char *host, const struct cert *issuer)
{
	static long serial;
	struct cert c = { .issuer = issuer };
	X509_NAME *name;
	char text[300];

	c.key = bits ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits)
		     : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	c.x509 = X509_new();
	must(c.key && c.x509 && X509_set_version(c.x509, 2));
	ASN1_INTEGER_set(X509_get_serialNumber(c.x509), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(c.x509), -3600);
	X509_gmtime_adj(X509_getm_notAfter(c.x509), 86400);
	name = X509_get_subject_name(c.x509);
	must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)(host ? host : "Test CA"), -1, -1, 0));
	must(X509_set_issuer_name(c.x509,
	    issuer ? X509_get_subject_name(issuer->x509) : name));
	must(X509_set_pubkey(c.x509, c.key));
	if (host) {
		snprintf(text, sizeof(text), "DNS:%s", host);
		cert_add(c.x509, issuer, NID_subject_alt_name, text);
	} else {
		cert_add(c.x509, NULL, NID_basic_constraints,
		    "critical,CA:TRUE");
	}
	must(X509_sign(c.x509, issuer ? issuer->key : c.key, EVP_sha256()));
	return c;
}

/* Writes PEM: the key if wanted, the certificate, and its issuer's. */
static inline void
cert_write(const char *path, const struct cert *c, bool with_key)
{
	FILE *f = fopen(path, "w");

	must(f);
	if (with_key)
		must(
		    PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL));
	must(PEM_write_X509(f, c->x509));
	if (c->issuer)
		must(PEM_write_X509(f, c->issuer->x509));
	must(fclose(f) == 0);
}

#endif
