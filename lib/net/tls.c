#include "net/tls_private.h"

#include "base/scan.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The versions there are, oldest first. */
static const struct {
	struct span name;
	int number;
	uint64_t forbid;
} versions[] = {
	{ SPAN_INIT("SSLv2"), 0x0002, 0 },
	{ SPAN_INIT("SSLv3"), SSL3_VERSION, SSL_OP_NO_SSLv3 },
	{ SPAN_INIT("TLSv1"), TLS1_VERSION, SSL_OP_NO_TLSv1 },
	{ SPAN_INIT("TLSv1.1"), TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 },
	{ SPAN_INIT("TLSv1.2"), TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
	{ SPAN_INIT("TLSv1.3"), TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 },
};

static tls_problem_fn *on_problem;

void
tls_on_problem(tls_problem_fn *fn)
{
	on_problem = fn;
}

/* "error:CODE:LIBRARY::REASON:FILE:LINE:DATA" of each. */
static void
tell_problems(void)
{
	const char *file, *data;
	unsigned long code;
	char error[256], text[1024];
	int line, flags;

	while ((code = ERR_get_error_all(&file, &line, NULL, &data, &flags))) {
		ERR_error_string_n(code, error, sizeof(error));
		bool has_text = flags & ERR_TXT_STRING && *data;

		snprintf(text, sizeof(text), "%s:%s:%d:%s%s", error, file, line,
		    has_text ? data : "", has_text ? ":" : "");
		on_problem(text);
	}
}

void
tls_take_error(char *text_r, size_t max, const char *otherwise)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	snprintf(text_r, max, "%s", reason ? reason : otherwise);
	if (on_problem)
		tell_problems();
	ERR_clear_error();
}

static bool
is_gap(char c)
{
	return c == ' ' || c == ',' || c == ':' || (c >= '\t' && c <= '\r');
}

static bool
next_word(struct span *rest, struct span *word_r)
{
	size_t n = 0;

	while (rest->n > 0 && is_gap(*rest->p)) {
		rest->p++;
		rest->n--;
	}
	while (n < rest->n && !is_gap(rest->p[n]))
		n++;
	*word_r = (struct span){ rest->p, n };
	rest->p += n;
	rest->n -= n;
	return n > 0;
}

static struct span
span_or_empty(const char *text)
{
	return (struct span){ text, text ? strlen(text) : 0 };
}

/* BIT()s of the versions that a word names with its sign; 0: it is none. */
static unsigned
versions_of(struct span word)
{
	bool up = take_text(&word, SPAN(">="));
	bool down = !up && take_text(&word, SPAN("<="));
	unsigned all = BIT(COUNT_OF(versions)) - 1;

	for (unsigned i = 0; i < COUNT_OF(versions); i++) {
		if (!span_ieq(word, versions[i].name))
			continue;
		if (up)
			return all & ~(BIT(i) - 1);
		return down ? BIT(i + 1) - 1 : BIT(i);
	}
	return 0;
}

/* A list may name what is allowed, bounds, and what is not allowed. */
static int
parse_protocols(const char *text, unsigned *allowed_r, struct why *why)
{
	struct span rest = span_or_empty(text), word;
	unsigned only = 0, allowed = BIT(COUNT_OF(versions)) - 1;

	while (next_word(&rest, &word)) {
		struct span given = word;
		bool is_bound = *word.p == '>' || *word.p == '<';
		bool is_not = take_char(&word, '!');
		unsigned set = versions_of(word);

		if (!set || (is_not && word.n && *word.p < 'A'))
			return why_set(why, EINVAL, NULL, 0,
			    "\"%.*s\" is no TLS protocol; allowed are SSLv3, "
			    "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, with >=, <= or "
			    "! before them",
			    (int)given.n, given.p);
		if (is_not)
			allowed &= ~set;
		else if (is_bound)
			allowed &= set;
		else
			only |= set;
	}
	*allowed_r = only ? allowed & only : allowed;
	if (*allowed_r <= 1)
		return why_set(why, EINVAL, NULL, 0,
		    "\"%s\" leaves no TLS protocol", text);
	return 0;
}

static int
set_protocols(SSL_CTX *ctx, const char *text, struct why *why)
{
	unsigned allowed = 0;
	int first = 0, last = 0, err;

	if (!text || !*text)
		text = ">=TLSv1.2";
	err = parse_protocols(text, &allowed, why);
	if (err)
		return err;
	for (unsigned i = 1; i < COUNT_OF(versions); i++) {
		if (!(allowed & BIT(i))) {
			SSL_CTX_set_options(ctx, versions[i].forbid);
			continue;
		}
		if (!first)
			first = versions[i].number;
		last = versions[i].number;
	}
	if (!SSL_CTX_set_min_proto_version(ctx, first) ||
	    !SSL_CTX_set_max_proto_version(ctx, last))
		return why_set(why, EINVAL, NULL, 0,
		    "\"%s\" is not what this OpenSSL can do", text);
	return 0;
}

static int
set_ciphers(SSL_CTX *ctx, const char *list, struct why *why)
{
	char text[128];

	if (!list || !*list || SSL_CTX_set_cipher_list(ctx, list) == 1)
		return 0;
	tls_take_error(text, sizeof(text), "");
	return why_set(why, EINVAL, NULL, 0, "\"%s\" is no list of ciphers: %s",
	    list, text);
}

/* What is the same for all, and not to be chosen. */
static int
set_up(SSL_CTX *ctx, const struct tls_conf *conf, struct why *why)
{
	int err = set_protocols(ctx, conf->protocols, why);

	if (!err)
		err = set_ciphers(ctx, conf->ciphers, why);
	if (err)
		return err;
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CLEANSE_PLAINTEXT);
	if (conf->own_order)
		SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_dh_auto(ctx, 1);
	return 0;
}

/* The names as ALPN has them on the wire: each with its length before it. */
static int
set_alpn(struct tls *t, const char *names, struct why *why)
{
	struct span rest = span_or_empty(names), word;

	while (next_word(&rest, &word)) {
		if (word.n > 255 || t->alpn_n + 1 + word.n > sizeof(t->alpn))
			return why_set(why, EINVAL, NULL, 0,
			    "too many names of protocols: %s", names);
		t->alpn[t->alpn_n++] = (unsigned char)word.n;
		memcpy(t->alpn + t->alpn_n, word.p, word.n);
		t->alpn_n += word.n;
	}
	return 0;
}

static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
    const unsigned char *in, unsigned in_n, void *arg)
{
	const struct tls *t = arg;
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_n, t->alpn, (unsigned)t->alpn_n,
		in, in_n) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static const struct tls_name *
find_name(const struct tls *t, struct span name)
{
	struct hash_link *l = hash_find(&t->names, name);

	return l ? container_of(l, struct tls_name, link) : NULL;
}

/* "a.b.example", then ".b.example", then ".example". */
static const struct tls_name *
find_host(const struct tls *t, struct span host)
{
	const struct tls_name *found = find_name(t, host);

	for (size_t i = 1; !found && i < host.n; i++)
		if (host.p[i] == '.')
			found = find_name(t,
			    (struct span){ host.p + i, host.n - i });
	return found;
}

static int
choose_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls *t = arg;
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct tls_conn *c = SSL_get_app_data(ssl);
	char host[TLS_NAME_MAX];
	size_t n = asked ? strlen(asked) : 0;

	(void)alert;
	if (n == 0 || n >= sizeof(host))
		return SSL_TLSEXT_ERR_NOACK;
	for (size_t i = 0; i <= n; i++)
		host[i] = asked[i] >= 'A' && asked[i] <= 'Z'
		    ? (char)(asked[i] + 'a' - 'A')
		    : asked[i];

	const struct tls_name *found = find_host(t, (struct span){ host, n });

	if (!found || !SSL_set_SSL_CTX(ssl, found->ctx))
		return SSL_TLSEXT_ERR_NOACK;
	memcpy(c->sni, host, n + 1);
	return SSL_TLSEXT_ERR_OK;
}

static struct span
key_of(struct hash_link *l)
{
	return container_of(l, struct tls_name, link)->name;
}

struct tls *
tls_free(struct tls *t)
{
	struct hash_link *l;

	if (!t)
		return NULL;
	while ((l = hash_next(&t->names, NULL))) {
		struct tls_name *n = container_of(l, struct tls_name, link);

		hash_remove(&t->names, l);
		SSL_CTX_free(n->ctx);
		free(n);
	}
	hash_fini(&t->names);
	SSL_CTX_free(t->ctx);
	free(t);
	return NULL;
}

static void
tls_freep(struct tls **t)
{
	tls_free(*t);
}

static struct tls *
begin(const SSL_METHOD *method, bool is_server)
{
	struct tls *t = zalloc(sizeof(*t));

	hash_init(&t->names, key_of);
	t->is_server = is_server;
	t->ctx = SSL_CTX_new(method);
	if (!t->ctx)
		die("no memory for TLS");
	return t;
}

static int
load_own(struct tls *t, const struct tls_conf *conf, struct why *why)
{
	int err = 0;

	if (conf->chain_files && *conf->chain_files)
		return tls_load_files(t->ctx, conf->chain_files, conf->on_file,
		    &t->is_slow, why);
	for (size_t i = 0; i < COUNT_OF(conf->pairs) && !err; i++) {
		const char *cert = conf->pairs[i].cert;

		if (cert && *cert)
			err = tls_load_pair(t->ctx, cert, conf->pairs[i].key,
			    conf->on_file, &t->is_slow, why);
	}
	return err;
}

/* Tickets are bound to the service; what is too long is what it ends with. */
static void
bind_tickets(SSL_CTX *ctx, const char *service)
{
	struct span s = span_or_empty(service);

	if (s.n > SSL_MAX_SID_CTX_LENGTH) {
		s.p += s.n - SSL_MAX_SID_CTX_LENGTH;
		s.n = SSL_MAX_SID_CTX_LENGTH;
	}
	must(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)s.p,
		 (unsigned)s.n) == 1);
}

struct tls *
tls_server_new(const struct tls_conf *conf, struct why *why)
{
	struct tls *t CLEANUP(tls_freep) = begin(TLS_server_method(), true);
	struct tls *made;

	if (set_up(t->ctx, conf, why) < 0 || load_own(t, conf, why) < 0 ||
	    set_alpn(t, conf->alpn, why) < 0)
		return NULL;
	if (!SSL_CTX_get0_certificate(t->ctx)) {
		why_set(why, EINVAL, NULL, 0,
		    "TLS is wanted, and there is no certificate");
		return NULL;
	}
	bind_tickets(t->ctx, conf->context);
	if (t->alpn_n > 0)
		SSL_CTX_set_alpn_select_cb(t->ctx, choose_alpn, t);
	SSL_CTX_set_tlsext_servername_callback(t->ctx, choose_name);
	SSL_CTX_set_tlsext_servername_arg(t->ctx, t);
	made = t;
	t = NULL;
	return made;
}

static int
trust_file(struct tls *t, const struct tls_conf *conf, const char *path,
    struct why *why)
{
	char text[128];

	if (conf->on_file)
		conf->on_file(path);
	if (SSL_CTX_load_verify_file(t->ctx, path) == 1)
		return 0;
	tls_take_error(text, sizeof(text), "cannot be read");
	return why_set(why, EINVAL, path, 0, "%s", text);
}

/* "9d66eef0.0", as c_rehash names them; others in there are not for us. */
static bool
is_hashed(const char *name)
{
	size_t n = strspn(name, "0123456789abcdef");

	return n == 8 && name[8] == '.' && name[9] &&
	    strspn(name + 9, "0123456789") == strlen(name + 9);
}

/* OpenSSL would read it when it needs one: when we see no files any more. */
static int
trust_folder(struct tls *t, const struct tls_conf *conf, struct why *why)
{
	DIR *dir = opendir(conf->ca_path);
	const struct dirent *e;
	char path[1024];
	int err = 0;

	if (!dir)
		return why_set(why, errno, conf->ca_path, 0, "%s",
		    strerror(errno));
	while (!err && (e = readdir(dir))) {
		if (!is_hashed(e->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", conf->ca_path, e->d_name);
		err = trust_file(t, conf, path, why);
	}
	closedir(dir);
	return err;
}

struct tls *
tls_client_new(const struct tls_conf *conf, struct why *why)
{
	struct tls *t CLEANUP(tls_freep) = begin(TLS_client_method(), false);
	struct tls *made;

	if (set_up(t->ctx, conf, why) < 0 || load_own(t, conf, why) < 0 ||
	    set_alpn(t, conf->alpn, why) < 0 ||
	    tls_want_prepare(t, conf->digest, why) < 0)
		return NULL;
	if (t->alpn_n > 0)
		must(SSL_CTX_set_alpn_protos(t->ctx, t->alpn,
			 (unsigned)t->alpn_n) == 0);
	if ((conf->ca_file && *conf->ca_file &&
		trust_file(t, conf, conf->ca_file, why) < 0) ||
	    (conf->ca_path && *conf->ca_path && trust_folder(t, conf, why) < 0))
		return NULL;
	made = t;
	t = NULL;
	return made;
}

int
tls_server_add_name(struct tls *t, struct span name, const char *chain_files,
    const struct tls_conf *conf, struct why *why)
{
	struct tls_name *n;
	int err;

	must(t->is_server);
	if (find_name(t, name))
		return 0; /* as in a table: the first one holds */
	n = zalloc(sizeof(*n) + name.n);
	memcpy(n + 1, name.p, name.n);
	n->name = (struct span){ (const char *)(n + 1), name.n };
	n->ctx = SSL_CTX_new(TLS_server_method());
	if (!n->ctx)
		die("no memory for TLS");
	bind_tickets(n->ctx, conf->context);
	/* OpenSSL asks the context that was chosen. */
	if (t->alpn_n > 0)
		SSL_CTX_set_alpn_select_cb(n->ctx, choose_alpn, t);
	err = set_up(n->ctx, conf, why);
	if (!err)
		err = tls_load_files(n->ctx, chain_files, conf->on_file,
		    &t->is_slow, why);
	if (err) {
		SSL_CTX_free(n->ctx);
		free(n);
		return err;
	}
	hash_add(&t->names, &n->link);
	return 0;
}
