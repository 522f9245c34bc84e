/*
 * Keys and certificates from PEM files. One file, or a list of them, has chains:
 * a key, its certificate, the certificates of who issued it.
 */
#include "net/tls_private.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

enum {
	RSA_BITS_QUICK = 2048, /* signs in 0.6 ms; twice that takes 4 ms */
	PATH_SIZE = 2048,
};

/* A chain that is being read; all three may be NULL. */
struct chain {
	EVP_PKEY *key;
	X509 *leaf;
	STACK_OF(X509) * issuers;
};

struct loader {
	SSL_CTX *ctx;
	const char *file;
	struct chain chain;
	size_t chains;
	bool is_slow;
	struct why *why;
};

static void
chain_fini(struct chain *c)
{
	EVP_PKEY_free(c->key);
	X509_free(c->leaf);
	sk_X509_pop_free(c->issuers, X509_free);
	*c = (struct chain){ 0 };
}

static int
refuse(struct loader *l, const char *what)
{
	char text[128];

	tls_take_error(text, sizeof(text), "");
	return why_set(l->why, EINVAL, l->file, 0,
	    "%s%s%s; wanted is PEM: a key without a passphrase, its "
	    "certificate, the certificates of its issuers",
	    what, *text ? ": " : "", text);
}

/* Puts what was read into the context. */
static int
finish_chain(struct loader *l)
{
	struct chain c CLEANUP(chain_fini) = l->chain;

	l->chain = (struct chain){ 0 };
	if (!c.key)
		return c.leaf ? refuse(l, "a certificate without a key") : 0;
	if (!c.leaf)
		return refuse(l, "a key without a certificate");
	if (SSL_CTX_use_cert_and_key(l->ctx, c.leaf, c.key, c.issuers, 1) != 1)
		return refuse(l, "the first certificate is not for the key");
	if (EVP_PKEY_get_base_id(c.key) == EVP_PKEY_RSA &&
	    EVP_PKEY_get_bits(c.key) > RSA_BITS_QUICK)
		l->is_slow = true;
	l->chains++;
	return 0;
}

static int
add_cert(struct loader *l, const unsigned char *p, long n)
{
	X509 *cert = d2i_X509(NULL, &p, n);

	if (!cert)
		return refuse(l, "a bad certificate");
	if (!l->chain.leaf) {
		l->chain.leaf = cert;
		return 0;
	}
	if (!l->chain.issuers)
		l->chain.issuers = sk_X509_new_null();
	if (!l->chain.issuers || sk_X509_push(l->chain.issuers, cert) <= 0)
		die("no memory for a certificate");
	return 0;
}

/* A key begins a chain, unless certificates wait for their key. */
static int
add_key(struct loader *l, const unsigned char *p, long n)
{
	if (l->chain.key && finish_chain(l) < 0)
		return -EINVAL;
	l->chain.key = d2i_AutoPrivateKey(NULL, &p, n);
	return l->chain.key ? 0 : refuse(l, "a bad key");
}

static int
add_object(struct loader *l, const char *name, const char *header,
    const unsigned char *p, long n)
{
	size_t len = strlen(name);

	if (strstr(header, "ENCRYPTED") || strcmp(name, PEM_STRING_PKCS8) == 0)
		return refuse(l, "a key with a passphrase");
	if (strcmp(name, PEM_STRING_X509) == 0 ||
	    strcmp(name, PEM_STRING_X509_OLD) == 0)
		return add_cert(l, p, n);
	if (len >= 11 && strcmp(name + len - 11, "PRIVATE KEY") == 0)
		return add_key(l, p, n);
	return 0; /* parameters, and what people keep beside */
}

/* Reads all of one file. */
static int
read_objects(struct loader *l, BIO *in)
{
	unsigned char *data;
	char *name, *header;
	int err = 0;
	long n;

	while (!err && PEM_read_bio(in, &name, &header, &data, &n) == 1) {
		err = add_object(l, name, header, data, n);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)n);
	}
	if (err)
		return err;
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return refuse(l, "it is not PEM");
	ERR_clear_error();
	return 0;
}

static int
read_file(struct loader *l, const char *path, tls_file_fn *note)
{
	BIO *in;
	int err;

	l->file = path;
	if (note)
		note(path);
	errno = 0;
	in = BIO_new_file(path, "r");
	if (!in) {
		ERR_clear_error();
		return why_set(l->why, errno ? errno : EINVAL, path, 0, "%s",
		    strerror(errno ? errno : EINVAL));
	}
	err = read_objects(l, in);
	BIO_free(in);
	return err;
}

static bool
is_gap(char c)
{
	return c == ' ' || c == ',' || (c >= '\t' && c <= '\r');
}

/* Takes the next path of a list. False: there is none, or it is too long. */
static bool
next_path(const char **list, char path_r[PATH_SIZE])
{
	size_t n = 0;

	while (is_gap(**list))
		(*list)++;
	while ((*list)[n] && !is_gap((*list)[n]))
		n++;
	if (n == 0 || n >= PATH_SIZE)
		return false;
	memcpy(path_r, *list, n);
	path_r[n] = '\0';
	*list += n;
	return true;
}

static int
end_loading(struct loader *l, int err, bool *is_slow_r)
{
	if (!err)
		err = finish_chain(l);
	if (!err && l->chains == 0)
		err = refuse(l, "no key in it");
	chain_fini(&l->chain);
	*is_slow_r |= l->is_slow;
	return err;
}

int
tls_load_files(SSL_CTX *ctx, const char *files, tls_file_fn *note,
    bool *is_slow_r, struct why *why)
{
	struct loader l = { .ctx = ctx, .why = why };
	char path[PATH_SIZE];
	int err = 0;

	while (!err && next_path(&files, path))
		err = read_file(&l, path, note);
	return end_loading(&l, err, is_slow_r);
}

/* The key first, so that it is a chain like the others. */
int
tls_load_pair(SSL_CTX *ctx, const char *cert, const char *key,
    tls_file_fn *note, bool *is_slow_r, struct why *why)
{
	struct loader l = { .ctx = ctx, .why = why };
	struct chain both = { 0 };
	int err = 0;

	if (key && *key && strcmp(key, cert) != 0) {
		err = read_file(&l, key, note);
		/* Of a key's file nothing else counts. */
		both.key = l.chain.key;
		l.chain.key = NULL;
		chain_fini(&l.chain);
		l.chain = both;
	}
	if (!err)
		err = read_file(&l, cert, note);
	return end_loading(&l, err, is_slow_r);
}
