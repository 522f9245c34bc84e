#include "net/tls_private.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static void
set(char *text_r, size_t max, const char *text)
{
	snprintf(text_r, max, "%s", text ? text : "");
}

/* "X25519", "ECDHE (prime256v1)", "DHE (2048 bits)". */
static void
take_key_exchange(struct tls_facts *f, SSL *ssl)
{
	EVP_PKEY *key = NULL;
	char group[48] = "";
	size_t n;

	/* The one of ours or the peer's; both are of one kind. */
	if (!SSL_get_peer_tmp_key(ssl, &key))
		return;
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1)
		snprintf(f->key_exchange, sizeof(f->key_exchange), "ECDHE (%s)",
		    group);
	else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_DH)
		snprintf(f->key_exchange, sizeof(f->key_exchange),
		    "DHE (%d bits)", EVP_PKEY_get_bits(key));
	else
		set(f->key_exchange, sizeof(f->key_exchange),
		    OBJ_nid2sn(EVP_PKEY_get_base_id(key)));
	EVP_PKEY_free(key);
}

/* What a key signs with is seen from its certificate and the signature. */
static void
take_signature(struct tls_facts *f, EVP_PKEY *key, int type, int digest)
{
	char group[48] = "";
	char what[TLS_WORD_MAX];
	size_t n;

	if (type == EVP_PKEY_RSA_PSS)
		snprintf(what, sizeof(what), "RSA-PSS (%d bits)",
		    EVP_PKEY_get_bits(key));
	else if (type == EVP_PKEY_RSA)
		snprintf(what, sizeof(what), "RSA (%d bits)",
		    EVP_PKEY_get_bits(key));
	else if (type == EVP_PKEY_EC &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1)
		snprintf(what, sizeof(what), "ECDSA (%s)", group);
	else
		snprintf(what, sizeof(what), "%s", OBJ_nid2sn(type));
	snprintf(f->signature, sizeof(f->signature), "%s%s%s", what,
	    digest != NID_undef ? " server-digest " : "",
	    digest != NID_undef ? OBJ_nid2sn(digest) : "");
}

static void
take_server_signature(struct tls_facts *f, SSL *ssl)
{
	bool is_server = SSL_is_server(ssl);
	X509 *cert = is_server ? SSL_get_certificate(ssl)
			       : SSL_get0_peer_certificate(ssl);
	EVP_PKEY *key = cert ? X509_get0_pubkey(cert) : NULL;
	int type, digest = NID_undef;

	if (!key)
		return;
	if (is_server ? !SSL_get_signature_type_nid(ssl, &type)
		      : !SSL_get_peer_signature_type_nid(ssl, &type)) {
		/* Nothing was signed anew: what TLS 1.3 signs with this key by. */
		type = EVP_PKEY_get_base_id(key);
		if (type == EVP_PKEY_RSA)
			type = EVP_PKEY_RSA_PSS;
	}
	if (is_server)
		(void)SSL_get_signature_nid(ssl, &digest);
	else
		(void)SSL_get_peer_signature_nid(ssl, &digest);
	take_signature(f, key, type, digest);
}

static void
take_fingerprint(struct tls_facts *f, const X509 *cert)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char *p = f->fingerprint;

	if (X509_digest(cert, EVP_sha256(), md, &n) != 1 || n != 32)
		return;
	for (unsigned i = 0; i < n; i++)
		p += snprintf(p, 4, "%s%02X", i ? ":" : "", md[i]);
}

static void
take_peer(struct tls_facts *f, const struct tls_conn *c)
{
	SSL *ssl = c->ssl;
	X509 *cert = SSL_get0_peer_certificate(ssl);
	long result = SSL_get_verify_result(ssl);
	const char *host = SSL_get0_peername(ssl);

	if (!cert)
		return;
	f->has_peer = true;
	f->verified = result == X509_V_OK && !c->unnamed;
	f->trusted = result == X509_V_OK ||
	    (!c->is_strict &&
		(result == X509_V_ERR_HOSTNAME_MISMATCH ||
		    result == X509_V_ERR_IP_ADDRESS_MISMATCH));
	if (host)
		set(f->peer_name, sizeof(f->peer_name), host);
	else if (X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
		     NID_commonName, f->peer_name, sizeof(f->peer_name)) < 0)
		f->peer_name[0] = '\0';
	take_fingerprint(f, cert);
}

void
tls_facts_take(struct tls_facts *f_r, const struct tls_conn *c)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(c->ssl);
	const unsigned char *alpn = NULL;
	unsigned alpn_n = 0;

	*f_r = (struct tls_facts){ 0 };
	set(f_r->version, sizeof(f_r->version), SSL_get_version(c->ssl));
	set(f_r->cipher, sizeof(f_r->cipher), SSL_CIPHER_get_name(cipher));
	f_r->bits = SSL_CIPHER_get_bits(cipher, &f_r->cipher_bits);
	f_r->resumed = SSL_session_reused(c->ssl);
	/* As in Postfix: before 1.3 the name of the cipher says it. */
	if (SSL_version(c->ssl) >= TLS1_3_VERSION) {
		take_key_exchange(f_r, c->ssl);
		/* A client's session still has the certificate. */
		if (!f_r->resumed || !SSL_is_server(c->ssl))
			take_server_signature(f_r, c->ssl);
	}
	SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_n);
	if (alpn_n < sizeof(f_r->alpn))
		memcpy(f_r->alpn, alpn ? alpn : (const unsigned char *)"",
		    alpn_n);
	set(f_r->sni, sizeof(f_r->sni), c->sni);
	take_peer(f_r, c);
	ERR_clear_error();
}

void
tls_facts_cipher(struct buf *out, const struct tls_facts *f)
{
	buf_putf(out, "%s with cipher %s (%d/%d bits)", f->version, f->cipher,
	    f->bits, f->cipher_bits);
}

void
tls_facts_log(struct buf *out, const struct tls_facts *f, bool is_server,
    struct span name, struct span addr)
{
	const char *who = "Anonymous";

	if (f->has_peer)
		who = f->verified ? "Verified"
		    : f->trusted  ? "Trusted"
				  : "Untrusted";
	buf_putf(out, "%s TLS connection established %s ", who,
	    is_server ? "from" : "to");
	buf_put(out, name);
	if (addr.n > 0) {
		buf_put(out, SPAN("["));
		buf_put(out, addr);
		buf_put(out, SPAN("]"));
	}
	if (*f->sni)
		buf_putf(out, " to %s", f->sni);
	buf_put(out, SPAN(": "));
	tls_facts_cipher(out, f);
	if (*f->key_exchange)
		buf_putf(out, " key-exchange %s", f->key_exchange);
	if (*f->signature)
		buf_putf(out, " server-signature %s", f->signature);
}
