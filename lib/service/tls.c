#include "service/tls.h"

#include "base/log.h"
#include "conf/params.h"
#include "dict/build.h"
#include "service/service.h"

#include <errno.h>
#include <stdio.h>

enum {
	CIPHERS_MAX = 1024,
	NAME_LEN = 64, /* of a parameter */
};

enum level {
	LEVEL_NONE,
	LEVEL_MAY,
	LEVEL_ENCRYPT,
};

struct params {
	const char *level;
	bool use;
	bool enforce;
	bool wrapper;
	const char *chain_files;
	const char *cert, *key;
	const char *eccert, *eckey;
	const char *protocols, *mandatory_protocols;
	const char *ciphers, *mandatory_ciphers;
	const char *exclude, *mandatory_exclude;
	const char *high, *medium;
	const char *sni_maps;
	bool own_order;
	int64_t log_level;
	int64_t timeout;
};

#define ROW(type, member, name) CONF_FIELD_AS(type, struct params, member, name)

static const struct conf_field common[] = {
	ROW(CONF_STR, high, "tls_high_cipherlist"),
	ROW(CONF_STR, medium, "tls_medium_cipherlist"),
	ROW(CONF_LIST, sni_maps, "tls_server_sni_maps"),
	ROW(CONF_BOOL, own_order, "tls_preempt_cipherlist"),
};

#define OWN(type, member, suffix) \
	{ \
		(suffix), (type), offsetof(struct params, member) \
	}

/* The program's name stands before these. */
static const struct conf_field own[] = {
	OWN(CONF_STR, level, "_tls_security_level"),
	OWN(CONF_BOOL, use, "_use_tls"),
	OWN(CONF_BOOL, enforce, "_enforce_tls"),
	OWN(CONF_BOOL, wrapper, "_tls_wrappermode"),
	OWN(CONF_LIST, chain_files, "_tls_chain_files"),
	OWN(CONF_STR, cert, "_tls_cert_file"),
	OWN(CONF_STR, key, "_tls_key_file"),
	OWN(CONF_STR, eccert, "_tls_eccert_file"),
	OWN(CONF_STR, eckey, "_tls_eckey_file"),
	OWN(CONF_LIST, protocols, "_tls_protocols"),
	OWN(CONF_LIST, mandatory_protocols, "_tls_mandatory_protocols"),
	OWN(CONF_LIST, ciphers, "_tls_ciphers"),
	OWN(CONF_LIST, mandatory_ciphers, "_tls_mandatory_ciphers"),
	OWN(CONF_LIST, exclude, "_tls_exclude_ciphers"),
	OWN(CONF_LIST, mandatory_exclude, "_tls_mandatory_exclude_ciphers"),
	OWN(CONF_INT, log_level, "_tls_loglevel"),
	OWN(CONF_TIME, timeout, "_starttls_timeout"),
};

/* "smtpd" and "_tls_cert_file"; good until the next. */
static const char *
name_of(const char *prefix, const char *suffix)
{
	static char name[NAME_LEN];

	snprintf(name, sizeof(name), "%s%s", prefix, suffix);
	return name;
}

static int
read_params(const struct conf *c, const char *prefix, struct params *p,
    struct why *why)
{
	int err = conf_get_struct(c, common, COUNT_OF(common), p, why);

	for (size_t i = 0; i < COUNT_OF(own) && !err; i++) {
		struct conf_field f = own[i];

		f.name = name_of(prefix, own[i].name);
		if (param_find(span_str(f.name)))
			err = conf_get_struct(c, &f, 1, p, why);
	}
	return err;
}

/* With the place where the parameter was set. */
static int
refuse(const struct conf *c, const char *name, const struct why *inner,
    struct why *why)
{
	const char *file = NULL;
	unsigned line = 0;

	conf_source(c, name, &file, &line);
	return why_set(why, EINVAL, file, line, "%s: %s", name, inner->text);
}

static int
find_level(const struct conf *c, const char *prefix, const struct params *p,
    enum level *level_r, struct why *why)
{
	struct span level = span_str(p->level);
	struct why inner;
	int err = 0;

	if (level.n == 0)
		*level_r = p->enforce ? LEVEL_ENCRYPT
		    : p->use          ? LEVEL_MAY
				      : LEVEL_NONE;
	else if (span_ieq(level, SPAN("none")))
		*level_r = LEVEL_NONE;
	else if (span_ieq(level, SPAN("may")))
		*level_r = LEVEL_MAY;
	else if (span_ieq(level, SPAN("encrypt")))
		*level_r = LEVEL_ENCRYPT;
	else
		err = why_set(&inner, EINVAL, NULL, 0,
		    "\"%s\" is no level; allowed are none, may, encrypt",
		    p->level);
	if (err)
		return refuse(c, name_of(prefix, "_tls_security_level"), &inner,
		    why);
	if (p->wrapper)
		*level_r = LEVEL_ENCRYPT;
	return 0;
}

/* A grade's list of ciphers, without those excluded: "HIGH:!RC4". */
static int
put_ciphers(const struct params *p, const char *grade, const char *const * not,
    struct buf *out, struct why *why)
{
	struct span rest, word;

	if (span_ieq(span_str(grade), SPAN("high")))
		buf_put(out, span_str(p->high));
	else if (span_ieq(span_str(grade), SPAN("medium")))
		buf_put(out, span_str(p->medium));
	else
		return why_set(why, EINVAL, NULL, 0,
		    "\"%s\" is no grade of ciphers; allowed are high, medium",
		    grade);
	for (; *not ; not ++) {
		rest = span_str(*not );
		while (conf_list_next(&rest, &word)) {
			buf_put(out, SPAN(":!"));
			buf_put(out, word);
		}
	}
	if (out->overflow)
		return why_set(why, EINVAL, NULL, 0, "too many ciphers");
	return 0;
}

struct names {
	struct tls *tls;
	const struct tls_conf *conf;
	struct why *why;
	int error;
};

static void
add_name(struct span name, struct span value, void *arg)
{
	struct names *n = arg;
	char files[CIPHERS_MAX];

	if (n->error)
		return;
	if (value.n >= sizeof(files)) {
		n->error = why_set(n->why, EINVAL, NULL, 0,
		    "the value of \"%.*s\" is too long", (int)name.n, name.p);
		return;
	}
	snprintf(files, sizeof(files), "%.*s", (int)value.n, value.p);
	n->error = tls_server_add_name(n->tls, name, files, n->conf, n->why);
}

/* The tables are read once, as their files can be now and not later. */
static int
add_names(struct tls *tls, const struct tls_conf *conf, const char *maps,
    struct why *why)
{
	struct names n = { tls, conf, why, 0 };
	struct span rest = span_str(maps), word;
	char name[CIPHERS_MAX];
	int err = 0;

	while (!err && conf_list_next(&rest, &word)) {
		snprintf(name, sizeof(name), "%.*s", (int)word.n, word.p);
		err = dict_each(name, add_name, &n, why);
		if (!err)
			err = n.error;
	}
	return err;
}

/* Whose context it is. */
struct role {
	struct tls *(*make)(const struct tls_conf *conf, struct why *why);
	const char *alpn;
	const struct service_tls_client *client; /* or NULL */
	bool with_names;
};

static int
open_context(const struct conf *c, const char *prefix, const struct role *role,
    const struct params *p, bool must_be, struct tls **tls_r, struct why *why)
{
	const char * not [] = { p->exclude,
		must_be ? p->mandatory_exclude : NULL, NULL };
	char ciphers[CIPHERS_MAX];
	struct buf b;
	struct why inner;
	struct tls_conf conf = {
		.chain_files = p->chain_files,
		.pairs = { { p->cert, p->key }, { p->eccert, p->eckey } },
		.protocols = must_be ? p->mandatory_protocols : p->protocols,
		.ciphers = ciphers,
		.own_order = p->own_order,
		.alpn = role->alpn,
		.ca_file = role->client ? role->client->ca_file : NULL,
		.ca_path = role->client ? role->client->ca_path : NULL,
		.context = service_name(),
		.on_file = service_watch,
	};

	buf_init(&b, ciphers, sizeof(ciphers) - 1);
	if (put_ciphers(p, must_be ? p->mandatory_ciphers : p->ciphers, not, &b,
		&inner) < 0)
		return refuse(c,
		    name_of(prefix,
			must_be ? "_tls_mandatory_ciphers" : "_tls_ciphers"),
		    &inner, why);
	ciphers[b.n] = '\0';
	*tls_r = role->make(&conf, &inner);
	if (!*tls_r)
		return refuse(c,
		    name_of(prefix,
			*p->chain_files ? "_tls_chain_files"
					: "_tls_cert_file"),
		    &inner, why);
	if (role->with_names &&
	    add_names(*tls_r, &conf, p->sni_maps, &inner) < 0)
		return refuse(c, "tls_server_sni_maps", &inner, why);
	return 0;
}

/* What a program lacks in the table stays as it is here. */
#define NO_PARAMS \
	{ \
		.level = "", .chain_files = "", .cert = "", .key = "", \
		.eccert = "", .eckey = "", .exclude = "", \
		.mandatory_exclude = "" \
	}

static void
put_facts(const struct params *p, enum level level, struct service_tls *tls_r)
{
	tls_r->required = level == LEVEL_ENCRYPT;
	tls_r->from_start = p->wrapper;
	tls_r->log_level = p->log_level;
	tls_r->timeout = p->timeout;
}

static int
read_server(const struct conf *c, const char *prefix, struct params *p,
    struct service_tls *tls_r, struct why *why)
{
	enum level level = LEVEL_NONE;
	int err = read_params(c, prefix, p, why);

	*tls_r = (struct service_tls){ 0 };
	if (!err)
		err = find_level(c, prefix, p, &level, why);
	if (err || level == LEVEL_NONE)
		return err;
	put_facts(p, level, tls_r);
	/* As in Postfix: where it is a choice it is then not offered. */
	tls_r->broken = level == LEVEL_MAY && !*p->chain_files && !*p->cert &&
	    !*p->eccert;
	tls_r->offered = !tls_r->broken && !p->wrapper;
	return 0;
}

int
service_tls_read(const struct conf *c, const char *prefix,
    struct service_tls *tls_r, struct why *why)
{
	struct params p = NO_PARAMS;

	return read_server(c, prefix, &p, tls_r, why);
}

int
service_tls_open(const struct conf *c, const char *prefix, const char *alpn,
    struct service_tls *tls_r, struct why *why)
{
	struct params p = NO_PARAMS;
	const struct role server = { tls_server_new, alpn, NULL, true };
	int err = read_server(c, prefix, &p, tls_r, why);

	if (err || (!tls_r->broken && !tls_r->offered && !tls_r->from_start))
		return err;
	if (tls_r->broken) {
		log_warning("no certificate for TLS: STARTTLS is not offered "
			    "(%s)",
		    name_of(prefix, "_tls_chain_files"));
		return 0;
	}
	return open_context(c, prefix, &server, &p, tls_r->required,
	    &tls_r->context, why);
}

int
service_tls_open_client(const struct conf *c, const char *prefix,
    const struct service_tls_client *client, struct service_tls *tls_r,
    struct why *why)
{
	enum level level = LEVEL_NONE;
	const struct role role = { tls_client_new, NULL, client, false };
	struct params p = NO_PARAMS;
	int err = read_params(c, prefix, &p, why);

	*tls_r = (struct service_tls){ 0 };
	if (!err)
		err = find_level(c, prefix, &p, &level, why);
	if (err || (level == LEVEL_NONE && !client->by_policy))
		return err;
	put_facts(&p, level, tls_r);
	tls_r->offered = level != LEVEL_NONE;
	if (level != LEVEL_ENCRYPT || client->by_policy)
		err = open_context(c, prefix, &role, &p, false, &tls_r->may,
		    why);
	if (!err && (level == LEVEL_ENCRYPT || client->by_policy))
		err = open_context(c, prefix, &role, &p, true, &tls_r->encrypt,
		    why);
	tls_r->context = level == LEVEL_ENCRYPT ? tls_r->encrypt : tls_r->may;
	return err;
}
