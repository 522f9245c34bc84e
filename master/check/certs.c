/*
 * Certificates and keys: whether they belong together, how long they are good, and
 * whether a client that knows the issuer at the top can follow the chain.
 */
#include "master/check/check.h"

#include "dict/build.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	SOON_DAYS = 30, /* before its end somebody should know */
	PATH_SIZE = 1024,
	NAME_SIZE = 256,
};

/* What the files of one value have in them. */
struct pems {
	struct checkup *k;
	const struct check_value *v;
	STACK_OF(X509) * certs;
	EVP_PKEY *keys[8];
	size_t keys_n;
	bool is_broken; /* which was told */
};

static void
pems_fini(struct pems *p)
{
	sk_X509_pop_free(p->certs, X509_free);
	for (size_t i = 0; i < p->keys_n; i++)
		EVP_PKEY_free(p->keys[i]);
}

static void
take_object(struct pems *p, const char *name, const unsigned char *data, long n)
{
	size_t len = strlen(name);

	if (strcmp(name, PEM_STRING_X509) == 0 ||
	    strcmp(name, PEM_STRING_X509_OLD) == 0) {
		X509 *cert = d2i_X509(NULL, &data, n);

		if (cert && sk_X509_push(p->certs, cert) <= 0)
			X509_free(cert);
	} else if (len >= 11 && strcmp(name + len - 11, "PRIVATE KEY") == 0 &&
	    p->keys_n < COUNT_OF(p->keys)) {
		EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &data, n);

		if (key)
			p->keys[p->keys_n++] = key;
	}
}

static void
check_key_file(struct pems *p, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 ||
	    !(st.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)))
		return;
	check_tell(p->k, CHECK_WARNING, p->v,
	    "%s has a private key, and others may %s it (mode %04o); chmod 600",
	    path, st.st_mode & S_IROTH ? "read" : "change",
	    (unsigned)(st.st_mode & 07777));
}

static void
read_file(struct pems *p, const char *path)
{
	BIO *in = BIO_new_file(path, "r");
	size_t had = p->keys_n;
	unsigned char *data;
	char *name, *header;
	long n;

	if (!in) {
		check_tell(p->k, CHECK_ERROR, p->v, "%s: %s", path,
		    strerror(errno));
		p->is_broken = true;
		ERR_clear_error();
		return;
	}
	while (PEM_read_bio(in, &name, &header, &data, &n) == 1) {
		take_object(p, name, data, n);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)n);
	}
	ERR_clear_error();
	BIO_free(in);
	if (p->keys_n > had)
		check_key_file(p, path);
}

static void
read_list(struct pems *p, const char *list)
{
	struct span rest = span_str(list), element;
	char path[PATH_SIZE];

	while (conf_list_next(&rest, &element)) {
		snprintf(path, sizeof(path), "%.*s", (int)element.n, element.p);
		read_file(p, path);
	}
}

static void
put_name(const X509_NAME *name, char text_r[NAME_SIZE])
{
	if (!X509_NAME_oneline(name, text_r, NAME_SIZE))
		snprintf(text_r, NAME_SIZE, "?");
}

static void
check_times(struct pems *p, const X509 *cert)
{
	int days, seconds;
	char name[NAME_SIZE];

	put_name(X509_get_subject_name(cert), name);
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		check_tell(p->k, CHECK_ERROR, p->v,
		    "the certificate of %s is not good yet", name);
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		check_tell(p->k, CHECK_ERROR, p->v,
		    "the certificate of %s has expired; get a new one", name);
	else if (ASN1_TIME_diff(&days, &seconds, NULL,
		     X509_get0_notAfter(cert)) == 1 &&
	    days < SOON_DAYS)
		check_tell(p->k, CHECK_WARNING, p->v,
		    "the certificate of %s expires in %d day%s; get a new one",
		    name, days, days == 1 ? "" : "s");
}

/* What stands in the way from this certificate to one that is known here. */
static int
verify(STACK_OF(X509) * issuers, X509 *leaf, char name_r[NAME_SIZE])
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error = X509_V_ERR_UNSPECIFIED;

	name_r[0] = '\0';
	if (store && ctx && X509_STORE_set_default_paths(store) == 1 &&
	    X509_STORE_CTX_init(ctx, store, leaf, issuers) == 1) {
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
		(void)X509_verify_cert(ctx);
		error = X509_STORE_CTX_get_error(ctx);
		if (X509_STORE_CTX_get_current_cert(ctx))
			put_name(X509_get_issuer_name(
				     X509_STORE_CTX_get_current_cert(ctx)),
			    name_r);
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return error;
}

static void
check_chain(struct pems *p, X509 *leaf)
{
	char issuer[NAME_SIZE];

	switch (verify(p->certs, leaf, issuer)) {
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		check_tell(p->k, CHECK_NOTE, p->v,
		    "the certificate of %s is signed by itself: only who was "
		    "given it trusts it",
		    issuer);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		check_tell(p->k, CHECK_WARNING, p->v,
		    "the chain is not complete: the certificate of %s is "
		    "neither in the file nor among this machine's "
		    "authorities; put it behind the server's",
		    issuer);
		break;
	default: /* it can be followed; what it is good for is its matter */
		break;
	}
}

static X509 *
find_cert(const struct pems *p, EVP_PKEY *key)
{
	for (int i = 0; i < sk_X509_num(p->certs); i++)
		if (EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(p->certs, i)),
			key) == 1)
			return sk_X509_value(p->certs, i);
	return NULL;
}

static void
check_pems(struct pems *p, const char *files)
{
	if (p->is_broken)
		return;
	if (sk_X509_num(p->certs) == 0 || p->keys_n == 0) {
		check_tell(p->k, CHECK_ERROR, p->v, "%s: there is no %s", files,
		    p->keys_n ? "certificate (PEM)"
			      : "private key without a passphrase (PEM)");
		return;
	}
	for (size_t i = 0; i < p->keys_n; i++) {
		X509 *leaf = find_cert(p, p->keys[i]);

		if (leaf)
			check_chain(p, leaf);
		else
			check_tell(p->k, CHECK_ERROR, p->v,
			    "%s: the certificate and the private key do not "
			    "match",
			    files);
	}
	for (int i = 0; i < sk_X509_num(p->certs); i++)
		check_times(p, sk_X509_value(p->certs, i));
}

/* "smtpd_tls_key_file" of "smtpd_tls_cert_file". */
static const char *
key_of(const struct check_value *v, char *name, size_t size)
{
	size_t n = strlen(v->name) - strlen("cert_file");
	const char *text;
	struct why why;

	snprintf(name, size, "%.*skey_file", (int)n, v->name);
	text = conf_get(v->conf, name, &why);
	return text ? text : "";
}

/* What two lists of files have in them; the second one may be empty. */
static void
check_lists(struct checkup *k, const struct check_value *v, const char *certs,
    const char *key)
{
	struct pems p = { .k = k, .v = v, .certs = sk_X509_new_null() };
	char files[2 * PATH_SIZE];
	bool has_key = *key && strcmp(key, certs) != 0;

	if (!p.certs)
		return;
	read_list(&p, certs);
	if (has_key)
		read_list(&p, key);
	snprintf(files, sizeof(files), "%s%s%s", certs, has_key ? ", " : "",
	    has_key ? key : "");
	check_pems(&p, files);
	pems_fini(&p);
}

struct sni {
	struct checkup *k;
	const struct check_value *v;
};

/* A row of tls_server_sni_maps: a name, and the files of its chain. */
static void
check_row(struct span name, struct span value, void *arg)
{
	const struct sni *s = arg;
	char files[PATH_SIZE];

	(void)name;
	snprintf(files, sizeof(files), "%.*s", (int)value.n, value.p);
	check_lists(s->k, s->v, files, "");
}

static void
check_sni(struct checkup *k, const struct check_value *v)
{
	struct sni s = { k, v };
	struct span rest = span_str(v->text), element;
	char table[PATH_SIZE];
	struct why why;

	while (conf_list_next(&rest, &element)) {
		snprintf(table, sizeof(table), "%.*s", (int)element.n,
		    element.p);
		/* What cannot be read is told as a table. */
		(void)!dict_each(table, check_row, &s, &why);
	}
}

static void
check_value(struct checkup *k, const struct check_value *v)
{
	char name[NAME_SIZE];

	if (strcmp(v->text, "none") == 0)
		return;
	if (check_ends(v->name, "_tls_chain_files"))
		check_lists(k, v, v->text, "");
	else if (check_ends(v->name, "cert_file"))
		check_lists(k, v, v->text, key_of(v, name, sizeof(name)));
	else if (check_ends(v->name, "_sni_maps"))
		check_sni(k, v);
}

void
check_certs(struct checkup *k)
{
	check_each_value(k, check_value);
}
