#include "sasl/scheme.h"

#include "base/base64.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/random.h>

#ifdef HAVE_ARGON2
#include <argon2.h>
#endif

enum {
	SHA1_LEN = 20,
	SSHA_SALT = 8,
	SSHA_MAX = 256, /* bytes of digest and salt */
};

#ifdef HAVE_ARGON2
enum {
	/* RFC 9106, section 4: the second recommended option. */
	ARGON2_PASSES = 3,
	ARGON2_KIB = 1 << 16,
	ARGON2_LANES = 1,
	ARGON2_SALT = 16,
	ARGON2_HASH = 32,
};
#endif

enum kind {
	KIND_CRYPT,
	KIND_PLAIN,
	KIND_SHA,
	KIND_SSHA,
	KIND_ARGON2ID,
};

struct scheme {
	struct span name;
	enum kind kind;
	const char *prefix; /* of the hash; "": any */
	const char *gensalt; /* with which a new one is made, or NULL */
};

/* The first is the one that is recommended. */
static const struct scheme schemes[] = {
	{ SPAN_INIT("SHA512-CRYPT"), KIND_CRYPT, "$6$", "$6$" },
	{ SPAN_INIT("SHA256-CRYPT"), KIND_CRYPT, "$5$", "$5$" },
	{ SPAN_INIT("BLF-CRYPT"), KIND_CRYPT, "$2", "$2y$" },
	{ SPAN_INIT("CRYPT"), KIND_CRYPT, "", "$6$" },
	{ SPAN_INIT("PLAIN"), KIND_PLAIN, "", NULL },
	{ SPAN_INIT("SSHA"), KIND_SSHA, "", NULL },
	{ SPAN_INIT("SHA"), KIND_SHA, "", NULL },
#ifdef HAVE_ARGON2
	{ SPAN_INIT("ARGON2ID"), KIND_ARGON2ID, "$argon2id$", NULL },
#endif
};

static bool
begins_with(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

static const struct scheme *
find(struct span name)
{
	for (size_t i = 0; i < COUNT_OF(schemes); i++)
		if (span_ieq(schemes[i].name, name))
			return &schemes[i];
	return NULL;
}

void
scheme_put_names(struct buf *out)
{
	for (size_t i = 0; i < COUNT_OF(schemes); i++)
		buf_putf(out, "%s%.*s", i > 0 ? " " : "",
		    (int)schemes[i].name.n, schemes[i].name.p);
}

static const struct scheme *
complain(const char *text, struct why *why)
{
	(void)why_set(why, EINVAL, NULL, 0, "%s", text);
	return NULL;
}

/* Finds the scheme, and leaves the hash in *stored. NULL with `why`. */
static const struct scheme *
take_scheme(struct span *stored, struct why *why)
{
	struct span rest = *stored;
	const struct scheme *s;

	if (rest.n > SCHEME_STORED_MAX)
		return complain("the hash is too long", why);
	if (begins_with(rest, "{") && memchr(rest.p, '}', rest.n)) {
		rest.p++;
		rest.n--;
		s = find(span_cut(&rest, '}'));
		if (!s)
			return complain("the scheme of the password is not "
					"known",
			    why);
	} else if (begins_with(rest, "$argon2")) {
		s = find(SPAN("ARGON2ID"));
		if (!s)
			return complain("Argon2 is not part of this build",
			    why);
	} else if (begins_with(rest, "$")) {
		s = find(SPAN("CRYPT"));
	} else {
		return complain("there is no {SCHEME} before the password, "
				"and it is no hash that begins with $",
		    why);
	}
	must(s);
	if (rest.n == 0 || memchr(rest.p, '\0', rest.n) ||
	    !begins_with(rest, s->prefix))
		return complain("the hash is not one of its scheme", why);
	*stored = rest;
	return s;
}

bool
scheme_is_usable(struct span stored, struct why *why)
{
	return take_scheme(&stored, why) != NULL;
}

/* Takes the time that `b` takes. */
static bool
is_same(struct span a, struct span b)
{
	volatile unsigned char diff = a.n != b.n;

	for (size_t i = 0; i < b.n; i++)
		diff |= (unsigned char)(b.p[i] ^ (a.n ? a.p[i % a.n] : 0));
	return diff == 0;
}

static enum scheme_result
verdict(bool same)
{
	return same ? SCHEME_MATCHES : SCHEME_DIFFERS;
}

static void
copy(char *to, struct span s)
{
	memcpy(to, s.p, s.n);
	to[s.n] = '\0';
}

/* Hashes with `setting`, which may be a whole hash. The result is in *d. */
static const char *
run_crypt(struct span password, struct span setting, struct crypt_data *d)
{
	char key[SCHEME_PASSWORD_MAX + 1];
	char salt[SCHEME_STORED_MAX + 1];
	const char *got;

	copy(key, password);
	copy(salt, setting);
	got = crypt_r(key, salt, d);
	explicit_bzero(key, sizeof(key));
	/* A failure is a text that begins with a *, and no hash does. */
	return got && got[0] != '*' ? got : NULL;
}

static enum scheme_result
matches_crypt(struct span hash, struct span password, struct why *why)
{
	struct crypt_data *d = zalloc(sizeof(*d));
	const char *got = run_crypt(password, hash, d);
	enum scheme_result r = SCHEME_UNUSABLE;

	if (got)
		r = verdict(is_same(span_str(got), hash));
	else
		(void)complain("crypt(3) does not know the hash", why);
	explicit_bzero(d, sizeof(*d));
	free(d);
	return r;
}

/* SHA-1 of a password and a salt behind it. */
static bool
sha1(struct span password, struct span salt, unsigned char digest[SHA1_LEN])
{
	char both[SCHEME_PASSWORD_MAX + SSHA_MAX];
	int ok;

	memcpy(both, password.p, password.n);
	if (salt.n > 0)
		memcpy(both + password.n, salt.p, salt.n);
	ok = EVP_Digest(both, password.n + salt.n, digest, NULL, EVP_sha1(),
	    NULL);
	explicit_bzero(both, sizeof(both));
	return ok == 1;
}

static enum scheme_result
matches_sha(enum kind kind, struct span hash, struct span password,
    struct why *why)
{
	unsigned char digest[SHA1_LEN];
	char bytes[SSHA_MAX];
	struct buf b;

	buf_init(&b, bytes, sizeof(bytes));
	if (!base64_take(hash, &b) || b.n < SHA1_LEN ||
	    (kind == KIND_SHA && b.n != SHA1_LEN)) {
		(void)complain("the hash is not the base64 of one", why);
		return SCHEME_UNUSABLE;
	}
	if (!sha1(password, (struct span){ b.p + SHA1_LEN, b.n - SHA1_LEN },
		digest))
		return SCHEME_TEMPFAIL;
	return verdict(CRYPTO_memcmp(digest, b.p, SHA1_LEN) == 0);
}

#ifdef HAVE_ARGON2
static enum scheme_result
matches_argon2id(struct span hash, struct span password, struct why *why)
{
	char encoded[SCHEME_STORED_MAX + 1];

	copy(encoded, hash);
	switch (argon2id_verify(encoded, password.p, password.n)) {
	case ARGON2_OK:
		return SCHEME_MATCHES;
	case ARGON2_VERIFY_MISMATCH:
		return SCHEME_DIFFERS;
	case ARGON2_MEMORY_ALLOCATION_ERROR:
	case ARGON2_THREAD_FAIL:
		return SCHEME_TEMPFAIL;
	}
	(void)complain("the hash is none of Argon2id", why);
	return SCHEME_UNUSABLE;
}
#else
static enum scheme_result
matches_argon2id(struct span hash, struct span password, struct why *why)
{
	(void)hash;
	(void)password;
	(void)complain("Argon2 is not part of this build", why);
	return SCHEME_UNUSABLE;
}
#endif

/* What no hash could be made of. */
static bool
is_password(struct span p)
{
	return p.n > 0 && p.n <= SCHEME_PASSWORD_MAX && !memchr(p.p, '\0', p.n);
}

enum scheme_result
scheme_matches(struct span stored, struct span password, struct why *why)
{
	const struct scheme *s = take_scheme(&stored, why);

	if (!s)
		return SCHEME_UNUSABLE;
	if (!is_password(password))
		return SCHEME_DIFFERS;
	switch (s->kind) {
	case KIND_CRYPT:
		return matches_crypt(stored, password, why);
	case KIND_PLAIN:
		return verdict(is_same(stored, password));
	case KIND_SHA:
	case KIND_SSHA:
		return matches_sha(s->kind, stored, password, why);
	case KIND_ARGON2ID:
		return matches_argon2id(stored, password, why);
	}
	return SCHEME_UNUSABLE;
}

static int
make_crypt(const char *gensalt, struct span password, struct buf *out)
{
	struct crypt_data *d = zalloc(sizeof(*d));
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *got = NULL;

	if (crypt_gensalt_rn(gensalt, 0, NULL, 0, salt, sizeof(salt)))
		got = run_crypt(password, span_str(salt), d);
	if (got)
		buf_put(out, span_str(got));
	must(d); /* the sanitizers' compiler forgets it */
	explicit_bzero(d, sizeof(*d));
	free(d);
	return got ? 0 : -EINVAL;
}

static int
make_sha(enum kind kind, struct span password, struct buf *out)
{
	unsigned char bytes[SHA1_LEN + SSHA_SALT];
	size_t salt_n = kind == KIND_SSHA ? SSHA_SALT : 0;
	struct span salt = { (char *)bytes + SHA1_LEN, salt_n };

	if (salt_n > 0 &&
	    getrandom(bytes + SHA1_LEN, salt_n, 0) != (ssize_t)salt_n)
		return -EIO;
	if (!sha1(password, salt, bytes))
		return -EIO;
	base64_put(out, (struct span){ (char *)bytes, SHA1_LEN + salt_n });
	return 0;
}

#ifdef HAVE_ARGON2
static int
make_argon2id(struct span password, struct buf *out)
{
	char salt[ARGON2_SALT], encoded[SCHEME_STORED_MAX];

	if (getrandom(salt, sizeof(salt), 0) != sizeof(salt))
		return -EIO;
	if (argon2id_hash_encoded(ARGON2_PASSES, ARGON2_KIB, ARGON2_LANES,
		password.p, password.n, salt, sizeof(salt), ARGON2_HASH,
		encoded, sizeof(encoded)) != ARGON2_OK)
		return -ENOMEM;
	buf_put(out, span_str(encoded));
	return 0;
}
#else
static int
make_argon2id(struct span password, struct buf *out)
{
	(void)password;
	(void)out;
	return -EINVAL;
}
#endif

static int
make(const struct scheme *s, struct span password, struct buf *out)
{
	switch (s->kind) {
	case KIND_CRYPT:
		return make_crypt(s->gensalt, password, out);
	case KIND_PLAIN:
		buf_put(out, password);
		return 0;
	case KIND_SHA:
	case KIND_SSHA:
		return make_sha(s->kind, password, out);
	case KIND_ARGON2ID:
		return make_argon2id(password, out);
	}
	return -EINVAL;
}

int
scheme_make(struct span scheme, struct span password, struct buf *out,
    struct why *why)
{
	const struct scheme *s = scheme.n ? find(scheme) : &schemes[0];
	int err;

	if (!s)
		return why_set(why, EINVAL, NULL, 0,
		    "the scheme %.*s is not known", (int)scheme.n, scheme.p);
	if (!is_password(password))
		return why_set(why, EINVAL, NULL, 0,
		    "a password has 1 to %d bytes, and no NUL",
		    SCHEME_PASSWORD_MAX);
	buf_putf(out, "{%.*s}", (int)s->name.n, s->name.p);
	err = make(s, password, out);
	if (err)
		return why_set(why, -err, NULL, 0,
		    "the password cannot be hashed");
	if (out->overflow)
		return why_set(why, ENOSPC, NULL, 0, "the hash is too long");
	return 0;
}
