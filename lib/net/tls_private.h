/*
 * tls_private.h - what the files behind tls.h and stream.h share; private to
 * lib/net.
 *
 * A struct tls_conn is the TLS of one stream. It reads and writes the stream's
 * socket without ever waiting; the stream waits. What OpenSSL has to say of an
 * error stands in a queue of the thread, so each function here takes it out
 * before it returns.
 */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include "base/hash.h"
#include "net/tls.h"

#include <openssl/ssl.h>

struct tls {
	SSL_CTX *ctx;
	bool is_server;
	bool is_slow; /* a signature takes longer than a task may */
	unsigned char alpn[256]; /* our names as they are on the wire */
	size_t alpn_n;
	struct hash names; /* struct tls_name: who is asked for by name */
	size_t digest_n; /* bytes of a client's own digest */
};

struct tls_name {
	struct hash_link link;
	struct span name;
	SSL_CTX *ctx;
};

/*
 * Loads the chains of files into a context. *is_slow_r is set, or left, if a key
 * makes signatures slow. Blocks.
 */
MUST_USE int tls_load_files(SSL_CTX *ctx, const char *files, tls_file_fn *note,
    bool *is_slow_r, struct why *why);
MUST_USE int tls_load_pair(SSL_CTX *ctx, const char *cert, const char *key,
    tls_file_fn *note, bool *is_slow_r, struct why *why);

/* What OpenSSL complains of, or `otherwise`; empties its queue. */
void tls_take_error(char *text_r, size_t max, const char *otherwise);

enum tls_step {
	TLS_DONE,
	TLS_WANT_INPUT,
	TLS_WANT_OUTPUT,
	TLS_EOF,
	TLS_FAILED,
};

/* The worst of what OpenSSL found wrong with a chain: nearest to its leaf. */
struct tls_fault {
	int error; /* X509_V_...; X509_V_OK: nothing */
	int depth;
	X509 *cert; /* or NULL */
};

struct tls_conn {
	SSL *ssl;
	BIO *bio;
	int fd;
	bool is_slow;
	bool starved; /* the last read found no whole record */
	bool unnamed; /* OpenSSL did not take the name that is expected */
	char sni[TLS_NAME_MAX]; /* that was found among the names */
	const struct tls_want
	    *want; /* a client's, until the handshake is done */
	bool is_strict; /* that was there */
	struct tls_fault fault;
	char error[128];
};

/*
 * Begins a connection over `fd`, which stays the caller's. A client without
 * `want` tells and checks the name `host`, if there is one. Never NULL.
 */
struct tls_conn *tls_conn_new(struct tls *t, int fd, const char *host,
    const struct tls_want *want);

/* Has a connection ask and check as c->want has it. */
void tls_want_apply(struct tls_conn *c);

/* The context's part of what records need. */
MUST_USE int tls_want_prepare(struct tls *t, const char *digest,
    struct why *why);
struct tls_conn *tls_conn_free(struct tls_conn *c);

/* One step each; ->error tells why it FAILED. */
enum tls_step tls_conn_handshake(struct tls_conn *c);
enum tls_step tls_conn_read(struct tls_conn *c, char *p, size_t room,
    size_t *n_r);
enum tls_step tls_conn_write(struct tls_conn *c, struct span data, size_t *n_r);

/* Whether a read may find something without a wait. */
bool tls_conn_has_more(const struct tls_conn *c);

/* Says goodbye, if the socket takes it. */
void tls_conn_close(struct tls_conn *c);

/* Of a connection whose handshake is done. */
void tls_facts_take(struct tls_facts *f_r, const struct tls_conn *c);

#endif
