/* What was built in: types of tables and of SASL, ways to lock, TLS. */
#include "tools/conf/postconf.h"

#include "dict/dict.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>
#include <stdio.h>
#include <stdlib.h>

static void
print(const char *name, void *arg)
{
	(void)arg;
	puts(name);
}

/* The kinds of keys that a certificate of this OpenSSL can have. */
static void
print_key_types(void)
{
	static const char *const kinds[][2] = { { "dsa", "DSA" },
		{ "ecdsa", "EC" }, { "ed25519", "ED25519" },
		{ "ed448", "ED448" }, { "rsa", "RSA" } };

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		EVP_KEYMGMT *m = EVP_KEYMGMT_fetch(NULL, kinds[i][1], NULL);

		if (m)
			puts(kinds[i][0]);
		EVP_KEYMGMT_free(m);
	}
}

static int
show_tls(const char *mode)
{
	if (strcmp(mode, "compile-version") == 0)
		puts(OPENSSL_VERSION_TEXT);
	else if (strcmp(mode, "run-version") == 0)
		puts(OpenSSL_version(OPENSSL_VERSION));
	else if (strcmp(mode, "public-key-algorithms") == 0)
		print_key_types();
	else {
		warn("unknown 'postconf -T' mode: %s", mode);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

/* Modules are there if the configuration says so; without one there are none. */
static void
show_types(const struct request *r)
{
	struct why ignored;
	struct conf *c = conf_load(r->dir, r->override, r->override_n,
	    &ignored);

	dict_use_conf(c);
	dict_each_type(print, NULL);
	dict_use_conf(NULL);
	conf_free(c);
}

int
list_things(const struct request *r)
{
	if (r->has['T'])
		return show_tls(r->tls_mode);
	if (r->has['m'])
		show_types(r);
	if (r->has['l'])
		puts("flock\nfcntl\ndotlock");
	if (r->has['a'])
		puts("authd");
	if (r->has['A'])
		puts("builtin");
	return EXIT_SUCCESS;
}
