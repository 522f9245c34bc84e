/*
 * ldap: a directory, by OpenLDAP's library, asked without waiting: what comes is
 * taken within the time that is left.
 */
#include "base/clock.h"
#include "base/scan.h"
#include "dict/server/driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include <ldap.h>

const char dict_module_version[] = DICT_MODULE_VERSION;
const struct dict_module *dict_ldap_open(void);

enum {
	URI_MAX = 1024,
	WAIT_S = 10,
};

struct server {
	LDAP *ld;
	int64_t timeout_ms; /* of a search, by the table */
};

static bool
is_yes(const char *text)
{
	return text && span_ieq(span_str(text), SPAN("yes"));
}

static const char *
text_of(const struct server_target *t, const char *name, const char *fallback)
{
	const char *text = t->get(t->config, name);

	return text ? text : fallback;
}

static int64_t
number_of(const struct server_target *t, const char *name, int64_t fallback)
{
	struct span in = span_str(text_of(t, name, ""));
	uint64_t n;

	return take_number(&in, INT32_MAX, &n) ? (int64_t)n : fallback;
}

static struct timeval
left_until(int64_t deadline)
{
	int64_t left = deadline - clock_mono();

	if (left < 1)
		left = 1;
	return (struct timeval){ left / 1000, left % 1000 * 1000 };
}

static bool
fail(const char *what, int r, struct why *why)
{
	why_set(why, EIO, NULL, 0, "%s: %s", what, ldap_err2string(r));
	return false;
}

/* The same with what the library has to say of this connection: why TLS failed. */
static bool
fail_there(const struct server *s, const char *what, int r, struct why *why)
{
	char *more = NULL;
	bool is_known;

	(void)ldap_get_option(s->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	is_known = more && *more && *more != '('; /* "(unknown error code)" */
	why_set(why, EIO, NULL, 0, "%s: %s%s%s%s", what, ldap_err2string(r),
	    is_known ? " (" : "", is_known ? more : "", is_known ? ")" : "");
	ldap_memfree(more);
	return false;
}

static void
close_it(void *conn)
{
	struct server *s = conn;

	if (s->ld)
		ldap_unbind_ext(s->ld, NULL, NULL);
	free(s);
}

/* A host as it is written; one without a scheme has server_port. */
static void
make_uri(const struct server_target *t, char uri[URI_MAX])
{
	if (strstr(t->host, "://"))
		snprintf(uri, URI_MAX, "%s", t->host);
	else if (strrchr(t->host, ':') && !strstr(t->host, "]"))
		snprintf(uri, URI_MAX, "ldap://%s", t->host);
	else
		snprintf(uri, URI_MAX, "ldap://%s:%s", t->host,
		    text_of(t, "server_port", "389"));
}

static int
set_tls(struct server *s, const struct server_target *t)
{
	static const struct {
		const char *name;
		int option;
	} texts[] = {
		{ "tls_ca_cert_file", LDAP_OPT_X_TLS_CACERTFILE },
		{ "tls_ca_cert_dir", LDAP_OPT_X_TLS_CACERTDIR },
		{ "tls_cert", LDAP_OPT_X_TLS_CERTFILE },
		{ "tls_key", LDAP_OPT_X_TLS_KEYFILE },
		{ "tls_cipher_suite", LDAP_OPT_X_TLS_CIPHER_SUITE },
	};
	int require = is_yes(t->get(t->config, "tls_require_cert"))
	    ? LDAP_OPT_X_TLS_DEMAND
	    : LDAP_OPT_X_TLS_NEVER;
	int is_server = 0, r = LDAP_SUCCESS;

	for (size_t i = 0; r == LDAP_SUCCESS && i < COUNT_OF(texts); i++)
		if (*text_of(t, texts[i].name, ""))
			r = ldap_set_option(s->ld, texts[i].option,
			    t->get(t->config, texts[i].name));
	if (r == LDAP_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_X_TLS_REQUIRE_CERT,
		    &require);
	if (r == LDAP_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_X_TLS_NEWCTX, &is_server);
	return r;
}

static int
set_options(struct server *s, const struct server_target *t)
{
	int version = (int)number_of(t, "version", LDAP_VERSION3);
	int deref = (int)number_of(t, "dereference", LDAP_DEREF_NEVER);
	struct timeval wait = left_until(t->deadline);
	void *referrals = is_yes(t->get(t->config, "chase_referrals"))
	    ? LDAP_OPT_ON
	    : LDAP_OPT_OFF;
	int r = ldap_set_option(s->ld, LDAP_OPT_PROTOCOL_VERSION, &version);

	s->timeout_ms = number_of(t, "timeout", WAIT_S) * 1000;
	if (r == LDAP_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_DEREF, &deref);
	if (r == LDAP_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_REFERRALS, referrals);
	if (r == LDAP_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_NETWORK_TIMEOUT, &wait);
	if (r == LDAP_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_TIMEOUT, &wait);
	return r == LDAP_SUCCESS ? set_tls(s, t) : r;
}

/*
 * Who we are is known from elsewhere: from the socket of ldapi, or from our
 * certificate. Other mechanisms of SASL would ask for more than a table says.
 */
static bool
bind_external(struct server *s, const struct server_target *t, struct why *why)
{
	const char *mechs = text_of(t, "sasl_mechs", "EXTERNAL");
	char *copy;
	struct berval authz;
	int r;

	if (!span_ieq(span_str(mechs), SPAN("EXTERNAL"))) {
		why_set(why, EINVAL, NULL, 0,
		    "sasl_mechs = %s: with bind = sasl the only one is "
		    "EXTERNAL",
		    mechs);
		return false;
	}
	copy = strdup(text_of(t, "sasl_authz_id", ""));
	must(copy);
	authz = (struct berval){ .bv_val = copy, .bv_len = strlen(copy) };
	r = ldap_sasl_bind_s(s->ld, NULL, "EXTERNAL", &authz, NULL, NULL, NULL);
	free(copy);
	return r == LDAP_SUCCESS ||
	    fail_there(s, "bind by SASL EXTERNAL", r, why);
}

static int
bind_simply(struct server *s, const struct server_target *t)
{
	const char *how = text_of(t, "bind", "yes");
	const char *dn = text_of(t, "bind_dn", "");
	struct berval password = {
		.bv_val = NULL,
		.bv_len = 0,
	};
	char *copy;
	int r;

	if (span_ieq(span_str(how), SPAN("no")) ||
	    span_ieq(span_str(how), SPAN("none")))
		return LDAP_SUCCESS;
	if (!is_yes(how) && !span_ieq(span_str(how), SPAN("simple")))
		return LDAP_AUTH_METHOD_NOT_SUPPORTED;
	copy = strdup(text_of(t, "bind_pw", ""));
	must(copy);
	password.bv_val = copy;
	password.bv_len = strlen(copy);
	r = ldap_sasl_bind_s(s->ld, dn, LDAP_SASL_SIMPLE, &password, NULL, NULL,
	    NULL);
	explicit_bzero(copy, password.bv_len);
	free(copy);
	return r;
}

static bool
connect_to(struct server *s, const struct server_target *t, struct why *why)
{
	char uri[URI_MAX];
	int r;

	make_uri(t, uri);
	r = ldap_initialize(&s->ld, uri);
	if (r == LDAP_SUCCESS)
		r = set_options(s, t);
	if (r != LDAP_SUCCESS)
		return fail("options", r, why);
	/* Not as late as the first search, which would not know why it failed. */
	r = ldap_connect(s->ld);
	if (r != LDAP_SUCCESS)
		/* The library does not tell the one from the other. */
		return fail_there(s,
		    strncmp(uri, "ldaps:", 6) == 0
			? "connect, or a TLS certificate that is not valid"
			: "connect",
		    r, why);
	if (is_yes(t->get(t->config, "start_tls"))) {
		r = ldap_start_tls_s(s->ld, NULL, NULL);
		if (r != LDAP_SUCCESS)
			return fail_there(s, "STARTTLS", r, why);
	}
	if (span_ieq(span_str(text_of(t, "bind", "yes")), SPAN("sasl")))
		return bind_external(s, t, why);
	r = bind_simply(s, t);
	return r == LDAP_SUCCESS || fail_there(s, "bind", r, why);
}

static void *
open_it(const struct server_target *t, struct why *why)
{
	struct server *s = zalloc(sizeof(*s));

	if (connect_to(s, t, why))
		return s;
	close_it(s);
	return NULL;
}

static bool
give_entry(LDAP *ld, LDAPMessage *e, ldap_value_fn *fn, void *arg)
{
	BerElement *at = NULL;
	bool more = fn(NULL, (struct span){ NULL, 0 }, arg);

	for (char *name = ldap_first_attribute(ld, e, &at); name;
	     name = ldap_next_attribute(ld, e, at)) {
		struct berval **v = ldap_get_values_len(ld, e, name);

		for (size_t i = 0; more && v && v[i]; i++)
			more = fn(name,
			    (struct span){ v[i]->bv_val, v[i]->bv_len }, arg);
		ldap_value_free_len(v);
		ldap_memfree(name);
	}
	ber_free(at, 0);
	return more;
}

/* What LDAP says at the end. */
static enum server_result
judge(int r, struct why *why)
{
	switch (r) {
	case LDAP_SUCCESS:
	case LDAP_NO_SUCH_OBJECT:
		return SERVER_DONE;
	case LDAP_SERVER_DOWN:
	case LDAP_TIMEOUT:
	case LDAP_CONNECT_ERROR:
	case LDAP_BUSY:
	case LDAP_UNAVAILABLE:
	case LDAP_OPERATIONS_ERROR:
		(void)fail("the search fails", r, why);
		return SERVER_LOST;
	default:
		(void)fail("the search fails", r, why);
		return SERVER_REFUSED;
	}
}

/* Base, filter, scope and attributes, maybe those of an URL. */
struct asked {
	const char *base;
	const char *filter;
	int scope;
	char **attributes;
	LDAPURLDesc *url;
	char *own[65]; /* attributes that both name */
};

static bool
names(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (span_ieq(span_str(*list), span_str(name)))
			return true;
	return false;
}

/* False: it is an URL, and a wrong one. */
static bool
read_search(const struct ldap_search *s, struct asked *a)
{
	static const int scopes[] = { LDAP_SCOPE_BASE, LDAP_SCOPE_ONELEVEL,
		LDAP_SCOPE_SUBTREE };
	size_t n = 0;

	*a = (struct asked){ .base = s->base,
		.filter = s->filter,
		.scope = scopes[s->scope] };
	if (ldap_is_ldap_url(s->base)) {
		if (ldap_url_parse(s->base, &a->url) != 0)
			return false;
		a->base = a->url->lud_dn ? a->url->lud_dn : "";
		a->filter = a->url->lud_filter ? a->url->lud_filter
					       : "(objectClass=*)";
		a->scope = a->url->lud_scope == LDAP_SCOPE_DEFAULT
		    ? LDAP_SCOPE_BASE
		    : a->url->lud_scope;
	}
	for (size_t i = 0; s->attributes[i] && n + 1 < COUNT_OF(a->own); i++)
		if (!a->url || !a->url->lud_attrs ||
		    names((const char *const *)a->url->lud_attrs,
			s->attributes[i]))
			memcpy(&a->own[n++], &s->attributes[i],
			    sizeof(a->own[0]));
	/* None in common: an empty list would ask for all there are. */
	if (n == 0) {
		static char none[] = "1.1";

		a->own[0] = none;
	}
	a->attributes = a->own;
	return true;
}

static enum server_result
take_results(struct server *s, int id, ldap_value_fn *fn, void *arg,
    int64_t deadline, struct why *why)
{
	struct timeval wait = left_until(deadline);
	LDAPMessage *all = NULL;
	bool more = true;
	int code = LDAP_OTHER;
	int r = ldap_result(s->ld, id, LDAP_MSG_ALL, &wait, &all);

	if (r == 0) {
		ldap_abandon_ext(s->ld, id, NULL, NULL);
		return judge(LDAP_TIMEOUT, why);
	}
	if (r < 0)
		return judge(LDAP_SERVER_DOWN, why);
	for (LDAPMessage *e = ldap_first_entry(s->ld, all); more && e;
	     e = ldap_next_entry(s->ld, e))
		more = give_entry(s->ld, e, fn, arg);
	r = ldap_parse_result(s->ld, all, &code, NULL, NULL, NULL, NULL, 1);
	return judge(r == LDAP_SUCCESS ? code : r, why);
}

static enum server_result
search(void *conn, const struct ldap_search *what, ldap_value_fn *fn, void *arg,
    int64_t deadline, struct why *why)
{
	struct server *s = conn;
	enum server_result result;
	struct asked a;
	int64_t own = clock_mono() + s->timeout_ms;
	int id, r;

	if (!read_search(what, &a)) {
		why_set(why, EINVAL, NULL, 0, "no URL: %.200s", what->base);
		return SERVER_REFUSED;
	}
	r = ldap_search_ext(s->ld, a.base, a.scope, a.filter, a.attributes, 0,
	    NULL, NULL, NULL, (int)what->size_limit, &id);
	result = r == LDAP_SUCCESS
	    ? take_results(s, id, fn, arg, own < deadline ? own : deadline, why)
	    : judge(r, why);
	if (a.url)
		ldap_free_urldesc(a.url);
	return result;
}

const struct dict_module *
dict_ldap_open(void)
{
	static const char *const params[] = { "server_port", "version",
		"timeout", "dereference", "chase_referrals", "bind", "bind_dn",
		"bind_pw", "sasl_mechs", "sasl_authz_id", "sasl_realm",
		"sasl_minssf", "start_tls", "tls_ca_cert_file",
		"tls_ca_cert_dir", "tls_cert", "tls_key", "tls_cipher_suite",
		"tls_require_cert", NULL };
	static const struct ldap_driver driver = {
		.link = { open_it, close_it, params },
		.search = search,
	};
	static const struct dict_module module = {
		.type = "ldap",
		.ldap = &driver,
	};

	return &module;
}
