/*
 * What TLS needs of files and parameters, while they can be read.
 */
#include "conf/params.h"
#include "smtp/finger/finger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The list of a grade's ciphers. False: it is none. */
static bool
put_ciphers(struct finger *f, const struct conf *c)
{
	char name[64];
	const char *list = NULL;
	struct why why;
	struct conf_field field = { name, CONF_STR, 0 };
	struct buf b;

	snprintf(name, sizeof(name), "tls_%s_cipherlist", f->grade);
	if (!param_find(span_str(name)) ||
	    conf_get_struct(c, &field, 1, &list, &why) < 0)
		return false;
	buf_init(&b, f->ciphers, sizeof(f->ciphers) - 1);
	buf_put(&b, span_str(list));
	/* Who has to show who he is must not be anonymous. */
	buf_put(&b,
	    f->level > FINGER_ENCRYPT ? SPAN(":!aNULL") : SPAN(":!eNULL"));
	f->ciphers[b.n] = '\0';
	return !b.overflow;
}

static void
load_anchors(struct finger *f)
{
	struct why why;

	if (f->level != FINGER_VERIFY && f->level != FINGER_SECURE)
		return;
	for (size_t i = 0; i < f->anchors_n; i++) {
		if (tls_anchors_load(f->anchors[i], f->arena, f->trusted,
			FINGER_RECORDS_MAX, &f->trusted_n, &why) == 0)
			continue;
		if (access(f->anchors[i], R_OK) < 0)
			finger_warn("error opening trust anchor file: %s: %s",
			    f->anchors[i], strerror(errno));
		else
			finger_warn("%s", why.text);
		finger_fatal("Failed to load trust anchor file: %s",
		    f->anchors[i]);
	}
}

static void
blame_issuers(const struct finger *f)
{
	bool both = *f->ca_file && *f->ca_path;

	finger_say("cannot load Certification Authority data, "
		   "%s%s%s%s%s%s%s: disabling TLS support",
	    *f->ca_file ? "CAfile=\"" : "", f->ca_file, *f->ca_file ? "\"" : "",
	    both ? " " : "", *f->ca_path ? "CApath=\"" : "", f->ca_path,
	    *f->ca_path ? "\"" : "");
}

static void
blame_chain(const struct finger *f, const char *text)
{
	const char *chain = *f->chain_files ? f->chain_files : f->cert;

	if (access(chain, R_OK) < 0) {
		finger_warn("error opening chain file: %s: %s", chain,
		    strerror(errno));
		return;
	}
	finger_warn("%s", text);
	finger_warn("error loading private keys and certificates from: %s: "
		    "disabling TLS support",
	    chain);
}

/* Which of what was given is not good: without that it can be used. */
static void
blame(const struct finger *f, const struct tls_conf *tls, const char *text)
{
	struct tls_conf no_ca = *tls;
	struct why why;
	struct tls *good;

	no_ca.ca_file = no_ca.ca_path = NULL;
	good = tls_client_new(&no_ca, &why);
	if (good)
		blame_issuers(f);
	else
		blame_chain(f, text);
	tls_free(good);
	finger_say_problems();
}

void
finger_open_tls(struct finger *f, const struct conf *c)
{
	struct tls_conf tls = {
		.chain_files = f->chain_files,
		.pairs = { { f->cert, f->key } },
		.ca_file = f->ca_file,
		.ca_path = f->ca_path,
		.digest = f->digest,
	};
	struct tls *plain, *whole;
	struct why why, other;

	if (f->level == FINGER_NONE)
		return;
	if (f->log & FINGER_VERBOSE)
		finger_say("initializing the client-side TLS engine");
	load_anchors(f);
	plain = tls_client_new(&(struct tls_conf){ .digest = f->digest }, &why);
	if (!plain) {
		finger_warn("%s", why.text);
		finger_warn("disabling TLS support");
		return;
	}
	tls_free(plain);
	f->tls = tls_client_new(&tls, &why);
	if (!f->tls) {
		blame(f, &tls, why.text);
		return;
	}
	/* What is wrong from here on is told when a handshake is to begin. */
	if (!put_ciphers(f, c))
		f->bad_grade = f->grade;
	tls.ciphers = f->bad_grade ? NULL : f->ciphers;
	tls.protocols = f->protocols;
	whole = tls_client_new(&tls, &other);
	if (!whole) {
		f->bad_protocols = f->protocols;
		return;
	}
	tls_free(f->tls);
	f->tls = whole;
}
