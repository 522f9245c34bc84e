/* Dovecot's settings: what ours are called, and those that ours has not. */
#include "master/import/import.h"

#include "base/scan.h"

#include <string.h>

static void
tell(struct import *im, enum import_kind kind, const struct dovecot *d,
    const char *what)
{
	import_tell_of(im, kind, d, d->arg, what);
}

/* Sets parameters of ours, and says so at the setting. */
static void
become(struct import *im, const struct dovecot *d, const char *const *names,
    const char *value)
{
	char what[IMPORT_TEXT_MAX / 2];

	for (; *names; names++) {
		import_param(im, *names, "%s", value);
		snprintf(what, sizeof(what), "%s = %s", *names, value);
		tell(im, IMPORT_TAKEN, d, what);
	}
}

enum {
	NAMES_MAX = 3,
};

/* Those of the same meaning; the first name that is set counts. */
static const struct same {
	const char *theirs[NAMES_MAX];
	const char *ours[NAMES_MAX];
} same[] = {
	{ { "mail_max_userip_connections" },
	    { "mail_max_userip_connections" } },
	{ { "first_valid_uid" }, { "first_valid_uid" } },
	{ { "login_greeting" }, { "imapd_banner", "pop3d_banner" } },
	{ { "lmtp_add_received_header" }, { "lmtpd_add_received_header" } },
	{ { "ssl_server_cert_file", "ssl_cert" },
	    { "imapd_tls_cert_file", "pop3d_tls_cert_file" } },
	{ { "ssl_server_key_file", "ssl_key" },
	    { "imapd_tls_key_file", "pop3d_tls_key_file" } },
	{ { "disable_plaintext_auth" },
	    { "imapd_tls_auth_only", "pop3d_tls_auth_only" } },
};

static void
take_same(struct import *im, const struct same *s)
{
	struct dovecot *d = NULL;

	for (int i = 0; i < NAMES_MAX && s->theirs[i] && !d; i++)
		d = dovecot_find(&im->top, s->theirs[i]);
	if (d && d->value)
		become(im, d, s->ours, d->value);
}

static void
take_cleartext(struct import *im)
{
	static const char *const names[] = { "imapd_tls_auth_only",
		"pop3d_tls_auth_only", NULL };
	struct dovecot *d = dovecot_find(&im->top, "auth_allow_cleartext");

	if (d && d->value)
		become(im, d, names,
		    strcmp(d->value, "yes") == 0 ? "no" : "yes");
}

static void
take_tls(struct import *im)
{
	static const char *const levels[] = { "imapd_tls_security_level",
		"pop3d_tls_security_level", NULL };
	static const char *const protocols[] = { "imapd_tls_protocols",
		"imapd_tls_mandatory_protocols", "pop3d_tls_protocols", NULL };
	struct dovecot *ssl = dovecot_find(&im->top, "ssl");
	struct dovecot *min = dovecot_find(&im->top, "ssl_min_protocol");
	bool has_cert = import_has(im, "imapd_tls_cert_file") ||
	    conf_set_value(im->conf, SPAN("smtpd_tls_cert_file")) ||
	    conf_set_value(im->conf, SPAN("smtpd_tls_chain_files"));
	const char *level = !has_cert || !ssl || !ssl->value ? NULL
	    : strcmp(ssl->value, "no") == 0                  ? "none"
	    : strcmp(ssl->value, "required") == 0            ? "encrypt"
							     : "may";
	char value[64];

	if (level)
		become(im, ssl, levels, level);
	else if (has_cert)
		for (int i = 0; levels[i]; i++)
			import_param(im, levels[i], "may"); /* its default */
	if (min && min->value && strncmp(min->value, "TLSv1", 5) == 0) {
		snprintf(value, sizeof(value), ">=%s", min->value);
		become(im, min, protocols, value);
	} else if (min) {
		tell(im, IMPORT_IDLE, min, "TLS 1.2 and later are ours");
	}
}

/* Mail programs know a message by this: it must not change. */
static void
take_uidl(struct import *im)
{
	static const char *const names[] = { "pop3d_uidl_format", NULL };
	struct dovecot *d = dovecot_find(&im->top, "pop3_uidl_format");

	if (!d)
		import_param(im, *names,
		    "%%08Xu%%08Xv"); /* Dovecot's default */
	else if (strstr(d->value ? d->value : "{", "{") ||
	    strstr(d->value, "%f") || strstr(d->value, "%m") ||
	    strstr(d->value, "%g"))
		tell(im, IMPORT_DECIDE, d,
		    "cannot be said by pop3d_uidl_format; programs of POP3 "
		    "users would fetch all mail again");
	else
		become(im, d, names, d->value);
}

/* Where the mail of a user lies, with what is known of homes. */
static const char *
home_of(struct import *im, char *text, size_t size)
{
	const char *home = dovecot_value(&im->top, "mail_home");
	struct buf b;

	for (struct dovecot *d = im->top.first; d && !home; d = d->next) {
		const char *at;

		if (strcmp(d->name, "userdb") != 0)
			continue;
		home = dovecot_value(d, "fields_home");
		at = dovecot_value(d, "args");
		at = at ? strstr(at, "home=") : NULL;
		if (at)
			home = import_text(im,
			    (struct span){ at + 5, strcspn(at + 5, " ") });
	}
	buf_init(&b, text, size - 1);
	if (!home || !import_pattern(home, NULL, &b))
		return NULL;
	text[b.n] = '\0';
	return text;
}

static bool
take_maildir(struct import *im, const struct dovecot *d, const char *path)
{
	char home_text[IMPORT_PATH_MAX], text[IMPORT_PATH_MAX];
	const char *home = home_of(im, home_text, sizeof(home_text));
	size_t n = strcspn(path, ":");
	struct buf b;

	if (path[n])
		tell(im,
		    strstr(path + n, "LAYOUT=") ? IMPORT_DECIDE : IMPORT_IDLE,
		    d,
		    "what stands behind the path is left out: folders are "
		    "Maildir++, and the index is ours");
	buf_init(&b, text, sizeof(text) - 1);
	if (!import_pattern(import_text(im, (struct span){ path, n }), home,
		&b))
		return false;
	text[b.n] = '\0';
	import_param(im, "mail_location", "maildir:%s", text);
	tell(im, IMPORT_TAKEN, d, import_has(im, "mail_location"));
	return true;
}

static void
take_location(struct import *im)
{
	struct dovecot *old = dovecot_find(&im->top, "mail_location");
	struct dovecot *driver = dovecot_find(&im->top, "mail_driver");
	struct dovecot *path = dovecot_find(&im->top, "mail_path");
	struct dovecot *d = path ? path : old;
	bool done = false;

	if (path && path->value && driver && driver->value &&
	    strcmp(driver->value, "maildir") == 0)
		done = take_maildir(im, path, path->value);
	else if (!path && old && old->value &&
	    strncmp(old->value, "maildir:", 8) == 0)
		done = take_maildir(im, old, old->value + 8);
	if (d && !done)
		tell(im, IMPORT_DECIDE, d,
		    "mail_location has to be maildir:PATH with %u %n %d ~; "
		    "mail in another form has to be converted first");
}

/* A folder with a use, if it is the first one with it. */
static void
take_folder(struct import *im, struct dovecot *box, struct buf *out)
{
	const char *use = dovecot_value(box, "special_use");

	box->is_used = true;
	if (!use)
		return;
	out->p[out->n] = '\0';
	if (strstr(out->p, use) || strchr(box->arg, ' '))
		tell(im, IMPORT_IDLE, box,
		    "another folder has its use, or the name has a blank");
	else
		buf_putf(out, "%s%s=%s", out->n ? " " : "", box->arg, use);
}

static void
take_folders(struct import *im)
{
	char text[IMPORT_TEXT_MAX / 2] = "";
	struct buf b;

	buf_init(&b, text, sizeof(text) - 1);
	for (struct dovecot *ns = im->top.first; ns; ns = ns->next) {
		if (strcmp(ns->name, "namespace") != 0)
			continue;
		for (struct dovecot *box = ns->first; box; box = box->next)
			if (strcmp(box->name, "mailbox") == 0)
				take_folder(im, box, &b);
	}
	b.p[b.n] = '\0';
	if (b.n > 0) {
		import_param(im, "mail_special_folders", "%s", b.p);
		import_tell(im, IMPORT_TAKEN, "mail_special_folders = %s", b.p);
	}
}

static void
take_mechanisms(struct import *im)
{
	struct dovecot *d = dovecot_find(&im->top, "auth_mechanisms");
	struct span rest = span_str(d && d->value ? d->value : ""), word;

	while (conf_list_next(&rest, &word))
		if (!span_ieq(word, SPAN("plain")) &&
		    !span_ieq(word, SPAN("login"))) {
			tell(im, IMPORT_DECIDE, d, "authd has PLAIN and LOGIN");
			return;
		}
}

static void
take_delimiter(struct import *im)
{
	struct dovecot *d = dovecot_find(&im->top, "recipient_delimiter");
	struct why why;
	const char *ours = conf_get(im->conf, "recipient_delimiter", &why);

	if (d && d->value && ours && strcmp(d->value, ours) != 0)
		tell(im, IMPORT_DECIDE, d, "main.cf has another one");
}

static const char idle[] =
    "base_dir state_dir listen protocols log_path info_log_path "
    "debug_log_path syslog_facility dovecot_config_version "
    "dovecot_storage_version mail_privileged_group mail_access_groups "
    "ssl_dh ssl_server_dh_file ssl_client_ca_dir ssl_client_ca_file "
    "mail_index_path default_login_user default_internal_user "
    "default_internal_group verbose_proctitle instance_name "
    "shutdown_clients mmap_disable mail_fsync lock_method mail_debug "
    "auth_verbose auth_debug verbose_ssl login_log_format_elements "
    "mail_inbox_path mailbox_list_layout";

static bool
is_idle(const char *name)
{
	return conf_list_has(idle, name) || strncmp(name, "default_", 8) == 0 ||
	    strncmp(name, "auth_cache_", 11) == 0;
}

/* A section of sections, where something may have been heeded: the rest. */
static void
sweep(struct import *im, struct dovecot *in)
{
	for (struct dovecot *d = in->first; d; d = d->next) {
		if (strcmp(d->name, "passdb") == 0 ||
		    strcmp(d->name, "userdb") == 0)
			continue; /* told of as users */
		if (strcmp(d->name, "service") == 0) {
			if (!d->is_used && d->first)
				tell(im, IMPORT_IDLE, d,
				    "processes are those of master.cf");
			continue;
		}
		if (!d->value) {
			sweep(im, d);
			continue;
		}
		if (d->is_used)
			continue;
		if (is_idle(d->name))
			tell(im, IMPORT_IDLE, d, "ours has no need of it");
		else if (strcmp(in->name, "namespace") == 0 &&
		    (strcmp(d->name, "inbox") == 0 ||
			(strcmp(d->name, "separator") == 0 &&
			    strcmp(d->value, ".") == 0)))
			tell(im, IMPORT_IDLE, d, "it is so here");
		else
			tell(im, IMPORT_DECIDE, d,
			    "nothing here does the same");
	}
}

/* What is said of one protocol alone, and can be said of all. */
static void
take_protocols(struct import *im)
{
	for (struct dovecot *p = im->top.first; p; p = p->next) {
		struct dovecot *d;

		if (strcmp(p->name, "protocol") != 0 ||
		    (strcmp(p->arg, "imap") != 0 &&
			strcmp(p->arg, "pop3") != 0))
			continue;
		d = dovecot_find(p, "mail_max_userip_connections");
		if (d && d->value &&
		    !import_has(im, "mail_max_userip_connections"))
			become(im, d,
			    (const char *const[]){
				"mail_max_userip_connections", NULL },
			    d->value);
		else if (d)
			tell(im, IMPORT_DECIDE, d,
			    "mail_max_userip_connections is one for all "
			    "protocols");
	}
}

void
import_dovecot(struct import *im)
{
	for (size_t i = 0; i < COUNT_OF(same); i++)
		take_same(im, &same[i]);
	take_cleartext(im);
	take_tls(im);
	take_uidl(im);
	take_location(im);
	take_folders(im);
	take_mechanisms(im);
	take_delimiter(im);
	take_protocols(im);
	sweep(im, &im->top);
}
