/*
 * finger.h - what the files of posttls-finger share; private to it.
 *
 * options.c reads the command line, context.c makes of it what TLS needs, level.c
 * finds out what a server is to be asked to show (DANE), talk.c speaks to it,
 * report.c tells what it has shown. All that is said goes to standard output, as
 * Postfix's does.
 */
#ifndef SMTP_FINGER_FINGER_H
#define SMTP_FINGER_FINGER_H

#include "base/arena.h"
#include "conf/conf.h"
#include "net/tls_peer.h"
#include "smtp/dial.h"
#include "smtp/hosts.h"

enum {
	FINGER_MATCHES_MAX = 100, /* arguments behind the destination */
	FINGER_RECORDS_MAX = 200,
	FINGER_SERVERS_MAX = 100, /* behind one address, of -m */
};

/* The levels of smtp_tls_security_level, weaker ones first. */
enum finger_level {
	FINGER_NONE,
	FINGER_MAY,
	FINGER_ENCRYPT,
	FINGER_PRINT,
	FINGER_VERIFY,
	FINGER_SECURE,
	FINGER_HALF_DANE, /* the MX records are not signed; logged as trusted */
	FINGER_DANE,
	FINGER_DANE_ONLY,
};

/* What of TLS is told: -L. */
enum {
	FINGER_SUMMARY = BIT(0),
	FINGER_STATES = BIT(1), /* ssl-debug */
	FINGER_UNTRUSTED = BIT(2),
	FINGER_PEERCERT = BIT(3),
	FINGER_CERTMATCH = BIT(4),
	FINGER_CACHE = BIT(5),
	FINGER_VERBOSE = BIT(6),
};

struct finger {
	/* Of the command line. */
	const char *destination;
	struct span matches[FINGER_MATCHES_MAX];
	size_t matches_n;
	enum finger_level level;
	enum finger_level insecure_mx; /* -M */
	unsigned log;
	int family; /* -a; AF_UNSPEC: any */
	bool lmtp;
	bool chat;
	bool print_chain;
	bool force_tlsa;
	bool wrapper;
	const char *ca_file, *ca_path;
	const char *chain_files, *cert, *key;
	const char *digest;
	const char *grade;
	const char *protocols;
	const char *sni;
	const char *anchors[FINGER_MATCHES_MAX];
	size_t anchors_n;
	int64_t connect_timeout, command_timeout; /* milliseconds */
	int64_t reconnect_delay; /* seconds; 0: no second connection */
	int64_t reconnects_max;

	/* Of main.cf. */
	const char *myhostname;
	bool validates; /* there is a trust anchor for DNSSEC */

	/* Made of these. */
	struct arena *arena;
	struct hosts_conf hosts;
	struct tls *tls; /* NULL: no TLS; see */
	const char *bad_protocols; /* why it cannot be used, if it cannot */
	const char *bad_grade;
	char ciphers[1024];
	struct tls_record trusted[FINGER_RECORDS_MAX]; /* -A's */
	size_t trusted_n;
};

/* A server, what it shall show, and what is known of it. */
struct finger_server {
	const struct host *host;
	struct target target;
	const char *name; /* "mx.example.org[192.0.2.1]:25" */
	enum finger_level level;
	struct tls_record records[FINGER_RECORDS_MAX];
	size_t records_n;
	const char *base; /* where DANE's records are */
	bool must_fail; /* what was asked for can never be shown */
};

/* What of main.cf counts for the rest. */
struct finger_settings {
	const char *myhostname;
	const char *digest;
	const char *known_ports;
	const char *protocols;
	const char *net_owner;
	const char *servers, *resolv_conf, *trust_anchors;
	bool randomize;
};

/* Reads options, arguments and main.cf, which the caller frees. Blocks. */
struct conf *finger_read_line(struct finger *f, int argc, char **argv,
    struct finger_settings *s_r);

/* "posttls-finger: TEXT", and what can be shown of it only. */
void finger_say(const char *fmt, ...) PRINTF_LIKE(1, 2);
void finger_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);
_Noreturn void finger_fatal(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* What OpenSSL complained of since the last call. */
void finger_say_problems(void);

/* False: the word is no level; HALF_DANE has none. */
MUST_USE bool finger_level_of(const char *word, enum finger_level *level_r);

/* Makes ->tls; without it there is none in the session either. Blocks. */
void finger_open_tls(struct finger *f, const struct conf *c);

/*
 * Fills in ->level, ->records and ->base of a server. False: its records could not
 * be looked up. May sleep.
 */
MUST_USE bool finger_find_level(const struct finger *f,
    struct finger_server *s);

/* A whole visit: connections, and what is told of them. May sleep. */
void finger_talk(const struct finger *f, struct finger_server *s, int fd);

/* What a handshake has shown. */
void finger_report(const struct finger *f, const struct finger_server *s,
    const struct stream *stream, const struct tls_facts *facts);

/* The certificates of a stream, as PEM. */
void finger_print_chain(const struct finger *f, const struct stream *stream);

/* "3 1 1 AABB...CCDD"; what is long is shortened in its middle. */
void finger_put_record(struct buf *out, const struct tls_record *r);

#endif
