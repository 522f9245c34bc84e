#include "smtpd/tls.h"

#include "base/log.h"
#include "dict/build.h"
#include "service/service.h"

#include <errno.h>
#include <stdio.h>

enum {
	CIPHERS_MAX = 1024,
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
	bool received_header;
	int64_t log_level;
	int64_t timeout;
};

#define ROW(type, member, name) CONF_FIELD_AS(type, struct params, member, name)

static const struct conf_field fields[] = {
	ROW(CONF_STR, level, "smtpd_tls_security_level"),
	ROW(CONF_BOOL, use, "smtpd_use_tls"),
	ROW(CONF_BOOL, enforce, "smtpd_enforce_tls"),
	ROW(CONF_BOOL, wrapper, "smtpd_tls_wrappermode"),
	ROW(CONF_LIST, chain_files, "smtpd_tls_chain_files"),
	ROW(CONF_STR, cert, "smtpd_tls_cert_file"),
	ROW(CONF_STR, key, "smtpd_tls_key_file"),
	ROW(CONF_STR, eccert, "smtpd_tls_eccert_file"),
	ROW(CONF_STR, eckey, "smtpd_tls_eckey_file"),
	ROW(CONF_LIST, protocols, "smtpd_tls_protocols"),
	ROW(CONF_LIST, mandatory_protocols, "smtpd_tls_mandatory_protocols"),
	ROW(CONF_LIST, ciphers, "smtpd_tls_ciphers"),
	ROW(CONF_LIST, mandatory_ciphers, "smtpd_tls_mandatory_ciphers"),
	ROW(CONF_LIST, exclude, "smtpd_tls_exclude_ciphers"),
	ROW(CONF_LIST, mandatory_exclude,
	    "smtpd_tls_mandatory_exclude_ciphers"),
	ROW(CONF_STR, high, "tls_high_cipherlist"),
	ROW(CONF_STR, medium, "tls_medium_cipherlist"),
	ROW(CONF_LIST, sni_maps, "tls_server_sni_maps"),
	ROW(CONF_BOOL, own_order, "tls_preempt_cipherlist"),
	ROW(CONF_BOOL, received_header, "smtpd_tls_received_header"),
	ROW(CONF_INT, log_level, "smtpd_tls_loglevel"),
	ROW(CONF_TIME, timeout, "smtpd_starttls_timeout"),
};

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
find_level(const struct conf *c, const struct params *p, enum level *level_r,
    struct why *why)
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
		return refuse(c, "smtpd_tls_security_level", &inner, why);
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

static int
open_context(const struct conf *c, const struct params *p, bool must_be,
    struct tls **tls_r, struct why *why)
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
		.alpn = "smtp",
		.context = service_name(),
		.on_file = service_watch,
	};

	buf_init(&b, ciphers, sizeof(ciphers) - 1);
	if (put_ciphers(p, must_be ? p->mandatory_ciphers : p->ciphers, not, &b,
		&inner) < 0)
		return refuse(c,
		    must_be ? "smtpd_tls_mandatory_ciphers"
			    : "smtpd_tls_ciphers",
		    &inner, why);
	ciphers[b.n] = '\0';
	*tls_r = tls_server_new(&conf, &inner);
	if (!*tls_r)
		return refuse(c,
		    *p->chain_files ? "smtpd_tls_chain_files"
				    : "smtpd_tls_cert_file",
		    &inner, why);
	if (add_names(*tls_r, &conf, p->sni_maps, &inner) < 0)
		return refuse(c, "tls_server_sni_maps", &inner, why);
	return 0;
}

int
smtpd_tls_open(const struct conf *c, struct smtpd_tls *tls_r, struct why *why)
{
	enum level level = LEVEL_NONE;
	struct params p;
	int err = conf_get_struct(c, fields, COUNT_OF(fields), &p, why);

	*tls_r = (struct smtpd_tls){ 0 };
	if (!err)
		err = find_level(c, &p, &level, why);
	if (err || level == LEVEL_NONE)
		return err;
	tls_r->required = level == LEVEL_ENCRYPT;
	tls_r->received_header = p.received_header;
	tls_r->backend.from_start = p.wrapper;
	tls_r->backend.log_level = p.log_level;
	tls_r->backend.timeout = p.timeout;
	/* As in Postfix: where it is a choice it is then not offered. */
	if (level == LEVEL_MAY && !*p.chain_files && !*p.cert && !*p.eccert) {
		log_warning("no certificate for TLS: STARTTLS is not offered "
			    "(smtpd_tls_chain_files)");
		tls_r->broken = true;
		return 0;
	}
	tls_r->offered = !p.wrapper;
	return open_context(c, &p, tls_r->required, &tls_r->backend.context,
	    why);
}
