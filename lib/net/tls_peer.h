/*
 * tls_peer.h - more about the other side of a TLS connection than its log line
 * has: who it says it is, why it is not believed, its chain. For commands that tell
 * people; and what stream_starttls_wanting() needs from files or earlier
 * connections.
 */
#ifndef NET_TLS_PEER_H
#define NET_TLS_PEER_H

#include "base/arena.h"
#include "net/stream.h"

enum {
	TLS_PRINT_MAX = 3 * TLS_DIGEST_MAX, /* a digest as AA:BB, and its NUL */
	TLS_SUBJECT_MAX = 512,
};

/* Texts have no bytes that could not be shown. */
struct tls_peer {
	bool has_cert;
	char subject[TLS_NAME_MAX]; /* its CN */
	char issuer[TLS_NAME_MAX]; /* its CN, or else its O */
	char print[TLS_PRINT_MAX]; /* of the certificate */
	char key_print[TLS_PRINT_MAX]; /* of its public key */

	bool verified; /* all that was wanted is there; else: */
	int error; /* X509_V_... */
	int depth; /* where in the chain */
	char error_issuer[TLS_SUBJECT_MAX]; /* of that certificate */

	char name[TLS_NAME_MAX]; /* of those wanted that is there; or empty */
	bool has_match; /* a record is */
	int match_depth;
	struct tls_record match; /* lives as long as the stream */
};

/* Of a stream with TLS; `digest` is known to OpenSSL, or empty (SHA-256). */
void tls_peer_take(const struct stream *s, const char *digest,
    struct tls_peer *p_r);

/*
 * Why it is not verified, in Postfix's words: "certificate verification failed for
 * NAME: untrusted issuer /CN=..".
 */
void tls_peer_error(struct buf *out, const struct tls_peer *p,
    const char *name);

struct tls_cert {
	char subject[TLS_SUBJECT_MAX]; /* "/O=Example/CN=mail.example.org" */
	char issuer[TLS_SUBJECT_MAX];
	char print[TLS_PRINT_MAX];
	char key_print[TLS_PRINT_MAX];
	const char *pem; /* in the arena */
};

/*
 * The certificate at `depth` of the chain that was sent, or that was built if it
 * could be verified. False: there is none, or no room in `a`.
 */
MUST_USE bool tls_peer_cert(const struct stream *s, const char *digest,
    size_t depth, struct arena *a, struct tls_cert *c_r);

/*
 * Adds the certificates and public keys of a PEM file to `list` at *n, as issuers
 * whom alone a client trusts; their bytes are in `a`. Returns 0, or -errno with
 * `why`. Blocks.
 */
MUST_USE int tls_anchors_load(const char *path, struct arena *a,
    struct tls_record *list, size_t max, size_t *n, struct why *why);

/* What the connection can be resumed with, or NULL: once it has been read from. */
struct tls_session *tls_session_take(const struct stream *s);

/* NULL is fine. Returns NULL. */
struct tls_session *tls_session_free(struct tls_session *s);

#endif
