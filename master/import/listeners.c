/* Where Dovecot's services listen, and ours will. */
#include "master/import/import.h"

#include "base/scan.h"

#include <stdlib.h>
#include <string.h>

struct protocol {
	const char *name; /* as protocols has it */
	const char *service; /* whose listeners they are */
	const char *program; /* ours */
	const char *plain, *tls; /* listeners, and services of master.cf */
};

static const struct protocol protocols[] = {
	{ "imap", "imap-login", "imapd", "imap", "imaps" },
	{ "pop3", "pop3-login", "pop3d", "pop3", "pop3s" },
};

/* "a b" or { a = yes }; several add up; before 2.4 all were the default. */
static bool
is_spoken(struct import *im, const char *name)
{
	bool is_said = false, found = false;

	for (struct dovecot *d = im->top.first; d; d = d->next) {
		if (strcmp(d->name, "protocols") != 0)
			continue;
		is_said = d->is_used = true;
		if (d->value) {
			found |= conf_list_has(d->value, name);
			continue;
		}
		for (struct dovecot *p = d->first; p; p = p->next) {
			p->is_used = true;
			if (strcmp(p->name, name) == 0)
				found = strcmp(p->value ? p->value : "",
					    "no") != 0;
		}
	}
	return is_said ? found : true;
}

static struct dovecot *
find_section(struct dovecot *in, const char *name, const char *arg)
{
	struct dovecot *found = NULL;

	for (struct dovecot *d = in->first; d; d = d->next)
		if (!d->value && strcmp(d->name, name) == 0 &&
		    strcmp(d->arg, arg) == 0)
			found = d;
	return found;
}

static bool
has_tls(const struct import *im)
{
	const char *level = import_has(im, "imapd_tls_security_level");

	return level && strcmp(level, "none") != 0;
}

/* A line of master.cf for each address; `host` is "*" or an address. */
static void
put_listener(struct import *im, const struct protocol *p, bool tls,
    struct span host, const char *port)
{
	const char *service = tls ? p->tls : p->plain;
	const char *const what = *port ? port : service;
	const char *options = tls ? "\n\t-o " : "";
	char place[IMPORT_TEXT_MAX / 4];

	if (host.n == 0 || *host.p == '*' || span_eq(host, SPAN("::")))
		snprintf(place, sizeof(place), "%s", what);
	else if (memchr(host.p, ':', host.n) && *host.p != '[')
		snprintf(place, sizeof(place), "[%.*s]:%s", (int)host.n, host.p,
		    what);
	else
		snprintf(place, sizeof(place), "%.*s:%s", (int)host.n, host.p,
		    what);
	import_service(im, "%s inet n - y - 2000 %s%s%s%s", place, p->program,
	    options, tls ? p->program : "", tls ? "_tls_wrappermode=yes" : "");
	import_tell(im, IMPORT_TAKEN,
	    "master.cf: added the service %s/inet "
	    "(%s), where Dovecot listened",
	    place, p->program);
}

static void
take_listener(struct import *im, const struct protocol *p, bool tls)
{
	struct dovecot *s = find_section(&im->top, "service", p->service);
	struct dovecot *l = s
	    ? find_section(s, "inet_listener", tls ? p->tls : p->plain)
	    : NULL;
	const char *port = l ? dovecot_value(l, "port") : NULL;
	const char *hosts = l ? dovecot_value(l, "address") : NULL;
	struct span rest, host;
	bool all = false;

	if (!hosts && l)
		hosts = dovecot_value(l, "listen");
	if (!hosts)
		hosts = dovecot_value(&im->top, "listen");
	if (port && strcmp(port, "0") == 0)
		return;
	if (s)
		s->is_used = true;
	if (tls && !has_tls(im)) {
		import_tell(im, IMPORT_DECIDE,
		    "%s: is left out, as there is no certificate: "
		    "imapd_tls_chain_files",
		    p->tls);
		return;
	}
	rest = span_str(hosts ? hosts : "*");
	while (conf_list_next(&rest, &host)) {
		bool any = *host.p == '*' || span_eq(host, SPAN("::"));

		if (!any || !all)
			put_listener(im, p, tls, host, port ? port : "");
		all |= any;
	}
}

/* "/var/spool/postfix/private/dovecot-lmtp" is dovecot-lmtp of ours, too. */
static void
take_lmtp_socket(struct import *im, struct dovecot *l)
{
	const char *name = strrchr(l->arg, '/');
	bool is_public = strstr(l->arg, "/public/") != NULL;

	if (!name || (!strstr(l->arg, "/private/") && !is_public)) {
		import_tell(im, IMPORT_IDLE,
		    "lmtp: the socket %s is Dovecot's own", l->arg);
		return;
	}
	import_service(im, "%s unix %s - n - 100 lmtpd", name + 1,
	    is_public ? "n" : "-");
	import_tell(im, IMPORT_TAKEN,
	    "master.cf: added the service %s/unix (lmtpd), where Dovecot took "
	    "mail",
	    name + 1);
}

static void
take_lmtp(struct import *im)
{
	struct dovecot *s = find_section(&im->top, "service", "lmtp");

	for (struct dovecot *l = s ? s->first : NULL; l; l = l->next) {
		const char *port;

		s->is_used = l->is_used = true;
		if (strcmp(l->name, "unix_listener") == 0) {
			take_lmtp_socket(im, l);
			continue;
		}
		port = dovecot_value(l, "port");
		if (strcmp(l->name, "inet_listener") == 0 && port &&
		    strcmp(port, "0") != 0) {
			const char *host = dovecot_value(l, "address");
			static const struct protocol lmtp = { "lmtp", "lmtp",
				"lmtpd", "lmtp", "lmtp" };

			put_listener(im, &lmtp, false,
			    span_str(host ? host : "127.0.0.1"), port);
		}
	}
}

static void
tell_absent(struct import *im)
{
	static const char *const names[] = { "sieve", "submission",
		"managesieve" };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		bool is_said = false;

		for (struct dovecot *d = im->top.first; d; d = d->next)
			is_said |= strcmp(d->name, "protocols") == 0;
		if (is_said && is_spoken(im, names[i]))
			import_tell(im, IMPORT_DECIDE,
			    "protocols: %s is not part of this version",
			    names[i]);
	}
}

void
import_listeners(struct import *im)
{
	for (size_t i = 0; i < COUNT_OF(protocols); i++)
		if (is_spoken(im, protocols[i].name)) {
			take_listener(im, &protocols[i], false);
			take_listener(im, &protocols[i], true);
		}
	if (is_spoken(im, "lmtp"))
		take_lmtp(im);
	tell_absent(im);
}
