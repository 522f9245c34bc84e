/*
 * tls.h - TLS contexts (OpenSSL 3), and the facts of a connection.
 *
 * A context is made once, in warm_up(), while files can still be read: then it
 * holds keys, certificates, and what is allowed, and is only read. Connections
 * are made from it by stream_starttls(), for STARTTLS and for TLS from the first
 * byte alike; its role, server or client, is the connection's.
 *
 * A server has a certificate for all, and may have others by the name that a
 * client asks for (SNI). Tickets, with which a client resumes, are good for the
 * context that gave them and no other. A client that offers protocols by ALPN of
 * which none is ours is refused: it was sent here by somebody who wants its words
 * to be taken for mail. There is no renegotiation and no compression.
 *
 * Words as Postfix has them: a list of protocols is ">=TLSv1.2 <=TLSv1.3",
 * "TLSv1.2", "!SSLv2, !TLSv1"; ciphers are OpenSSL's list for TLS 1.2 and before.
 * A chain file is PEM: a key, its certificate, the issuers; any number of such
 * chains. Keys are without a passphrase.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/buf.h"
#include "base/why.h"

enum {
	TLS_NAME_MAX = 256,
	TLS_WORD_MAX = 64,
	TLS_FACTS_MAX = 512, /* room that a text of facts needs, names aside */
};

struct tls;

typedef void tls_file_fn(const char *path);

/* NULL and "" are the same. What is pointed to is borrowed for the call. */
struct tls_conf {
	const char
	    *chain_files; /* blanks or commas between them; or else ... */
	struct {
		const char *cert; /* and the issuers */
		const char *key; /* empty: in the same file */
	} pairs[2]; /* for RSA and for ECDSA */
	const char *protocols; /* empty: TLS 1.2 and later */
	const char *ciphers; /* empty: OpenSSL's own */
	bool own_order; /* a server's list goes before the client's */
	const char *alpn; /* our names, with blanks between them */
	const char *ca_file; /* a client: who is trusted. Empty: nobody */
	const char *ca_path; /* and a folder of such files, all read at once */
	const char *digest; /* a client: of fingerprints; empty: SHA-256 */
	const char *context; /* a server: the service that tickets are for */
	tls_file_fn
	    *on_file; /* told of each file before it is read; may be NULL */
};

/* Returns NULL with `why`. A server must have a certificate. Blocks. */
struct tls *tls_server_new(const struct tls_conf *conf, struct why *why);
struct tls *tls_client_new(const struct tls_conf *conf, struct why *why);

/* NULL is fine. Wipes the keys. Returns NULL. */
struct tls *tls_free(struct tls *t);

/*
 * Gives clients that ask for `name`, or for a name below ".name", the chains of
 * other files; the rest is as in `conf`. Returns 0, or -errno with `why`. Blocks.
 */
MUST_USE int tls_server_add_name(struct tls *t, struct span name,
    const char *chain_files, const struct tls_conf *conf, struct why *why);

/*
 * Tells `fn` of each complaint of OpenSSL, as it writes it itself, before it is
 * taken for ours: "error:0A00010B:SSL routines::wrong version number:...". For
 * commands; one of the process. Called by whoever makes a handshake.
 */
typedef void tls_problem_fn(const char *text);
void tls_on_problem(tls_problem_fn *fn);

/*
 * A TLSA record (RFC 6698), and what is checked like one: a fingerprint (3 0, 3 1),
 * an issuer whom alone we trust (2 0, 2 1).
 */
struct tls_record {
	unsigned usage;
	unsigned selector;
	unsigned
	    matching; /* TLS_MATCHING_OWN: by ->digest of struct tls_conf */
	struct span data;
};

enum {
	TLS_MATCHING_OWN = 255,
	TLS_DIGEST_MAX = 64, /* bytes of a digest */
};

/* Whether it can match anything (RFC 7671): usage 2 or 3, data as long as it is. */
bool tls_record_is_usable(const struct tls_record *r, const struct tls *t);

enum tls_note {
	TLS_NOTE_VERIFY, /* "depth=0 verify=1 subject=/CN=mail.example.org" */
	TLS_NOTE_STATE, /* "SSL_connect:SSLv3/TLS read server hello" */
};

typedef void tls_note_fn(void *arg, enum tls_note what, const char *text);

/*
 * What a client wants a server to show, and how it asks. All that is pointed to
 * lives as long as the handshake.
 */
struct tls_want {
	const char *sni; /* the name that is told; NULL: none, or ->base */
	const struct span *names; /* one of these; ".example" is any below it */
	size_t names_n; /* 0: no name counts */
	const struct tls_record
	    *records; /* one of these, and no other issuer */
	size_t records_n;
	const char *base; /* the domain of ->records, a name as well; or NULL */
	struct tls_session *session; /* to be resumed, or NULL */
	tls_note_fn *note; /* told of each step; may be NULL */
	void *arg;
};

/* What came of a handshake. Words that are unknown are empty. */
struct tls_facts {
	char version[TLS_WORD_MAX]; /* "TLSv1.3" */
	char cipher[TLS_WORD_MAX];
	int bits; /* that are used */
	int cipher_bits; /* that the cipher has */
	char key_exchange[TLS_WORD_MAX]; /* "X25519", "ECDHE (prime256v1)" */
	char signature[2 *
	    TLS_WORD_MAX]; /* "RSA-PSS (2048 bits) server-digest SHA256" */
	char alpn[TLS_WORD_MAX];
	char sni[TLS_NAME_MAX]; /* that chose a certificate */
	bool resumed;
	bool has_peer; /* it showed a certificate */
	bool trusted; /* of somebody we trust */
	bool verified; /* and for the name that was asked for */
	char peer_name[TLS_NAME_MAX];
	char fingerprint[3 * 32 + 1]; /* of it: SHA-256, as AA:BB.. */
	char error[128]; /* why there is no connection */
};

/*
 * "Anonymous TLS connection established from NAME[ADDR]: TLSv1.3 with cipher
 * TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature
 * RSA-PSS (2048 bits) server-digest SHA256". `is_server` says who writes it. With
 * an empty `addr` the name is all, as "NAME[ADDR]:25".
 */
void tls_facts_log(struct buf *out, const struct tls_facts *f, bool is_server,
    struct span name, struct span addr);

/* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)". */
void tls_facts_cipher(struct buf *out, const struct tls_facts *f);

#endif
