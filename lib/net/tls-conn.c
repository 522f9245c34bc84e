/*
 * The TLS of a connection. OpenSSL gets a BIO of our own that calls recv() and
 * send() without waiting and without a signal, and that keeps no bytes: so an
 * idle connection is an SSL object and nothing else.
 */
#include "net/tls_private.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int
fd_of(BIO *b)
{
	return ((struct tls_conn *)BIO_get_data(b))->fd;
}

static bool
is_passing(int error)
{
	return error == EAGAIN || error == EINTR;
}

static int
bio_read(BIO *b, char *p, int n)
{
	ssize_t got = recv(fd_of(b), p, (size_t)n, MSG_DONTWAIT);

	BIO_clear_retry_flags(b);
	if (got < 0 && is_passing(errno))
		BIO_set_retry_read(b);
	if (got == 0)
		BIO_set_flags(b, BIO_FLAGS_IN_EOF);
	return (int)got;
}

static int
bio_write(BIO *b, const char *p, int n)
{
	ssize_t sent = send(fd_of(b), p, (size_t)n,
	    MSG_NOSIGNAL | MSG_DONTWAIT);

	BIO_clear_retry_flags(b);
	if (sent < 0 && is_passing(errno))
		BIO_set_retry_write(b);
	return (int)sent;
}

static long
bio_ctrl(BIO *b, int command, long n, void *p)
{
	(void)n;
	(void)p;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
	default:
		return 0;
	}
}

static const BIO_METHOD *
bio_method(void)
{
	static BIO_METHOD *m;

	if (m)
		return m;
	m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	if (!m || !BIO_meth_set_read(m, bio_read) ||
	    !BIO_meth_set_write(m, bio_write) ||
	    !BIO_meth_set_ctrl(m, bio_ctrl))
		die("no memory for TLS");
	return m;
}

/* A name is asked for and checked; an address is only checked. */
static void
set_host(struct tls_conn *c, const char *host)
{
	SSL *ssl = c->ssl;
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
	char name[TLS_NAME_MAX];

	if (X509_VERIFY_PARAM_set1_ip_asc(p, host) == 1)
		return;
	ERR_clear_error();
	X509_VERIFY_PARAM_set_hostflags(p,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	snprintf(name, sizeof(name), "%s", host);
	if (!SSL_set_tlsext_host_name(ssl, name) || !SSL_set1_host(ssl, host))
		c->unnamed = true;
	ERR_clear_error();
}

struct tls_conn *
tls_conn_new(struct tls *t, int fd, const char *host,
    const struct tls_want *want)
{
	struct tls_conn *c = zalloc(sizeof(*c));

	c->fd = fd;
	c->is_slow = t->is_server && t->is_slow;
	c->ssl = SSL_new(t->ctx);
	c->bio = BIO_new(bio_method());
	if (!c->ssl || !c->bio)
		die("no memory for TLS");
	BIO_set_data(c->bio, c);
	BIO_set_init(c->bio, 1);
	SSL_set_bio(c->ssl, c->bio, c->bio);
	must(SSL_set_app_data(c->ssl, c) == 1);
	if (t->is_server)
		SSL_set_accept_state(c->ssl);
	else
		SSL_set_connect_state(c->ssl);
	c->want = want;
	c->is_strict = want;
	if (want)
		tls_want_apply(c);
	else if (host && !t->is_server)
		set_host(c, host);
	return c;
}

struct tls_conn *
tls_conn_free(struct tls_conn *c)
{
	if (!c)
		return NULL;
	SSL_free(c->ssl);
	X509_free(c->fault.cert);
	free(c);
	return NULL;
}

/* What the result of a call means; errors of the socket leave no text. */
static enum tls_step
step_of(struct tls_conn *c, int result)
{
	switch (SSL_get_error(c->ssl, result)) {
	case SSL_ERROR_NONE:
		return TLS_DONE;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_INPUT;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_OUTPUT;
	case SSL_ERROR_ZERO_RETURN:
		snprintf(c->error, sizeof(c->error), "lost connection");
		return TLS_EOF;
	default:
		tls_take_error(c->error, sizeof(c->error), "lost connection");
		return TLS_FAILED;
	}
}

enum tls_step
tls_conn_handshake(struct tls_conn *c)
{
	ERR_clear_error();
	return step_of(c, SSL_do_handshake(c->ssl));
}

enum tls_step
tls_conn_read(struct tls_conn *c, char *p, size_t room, size_t *n_r)
{
	enum tls_step step;

	*n_r = 0;
	ERR_clear_error();
	step = step_of(c, SSL_read_ex(c->ssl, p, room, n_r));
	c->starved = step == TLS_WANT_INPUT;
	return step;
}

enum tls_step
tls_conn_write(struct tls_conn *c, struct span data, size_t *n_r)
{
	*n_r = 0;
	ERR_clear_error();
	return step_of(c, SSL_write_ex(c->ssl, data.p, data.n, n_r));
}

bool
tls_conn_has_more(const struct tls_conn *c)
{
	return !c->starved && SSL_has_pending(c->ssl);
}

/* After an error there is nothing to say, and OpenSSL must not be asked to. */
void
tls_conn_close(struct tls_conn *c)
{
	ERR_clear_error();
	if (SSL_is_init_finished(c->ssl) && !*c->error)
		(void)SSL_shutdown(c->ssl);
	ERR_clear_error();
}
