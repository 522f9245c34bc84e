#include "conf/names.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/scan.h"
#include "conf/expand.h"
#include "conf/lines.h"
#include "conf/params.h"
#include "conf/private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	NAMES_MEMORY_MAX = 64 << 20,
	TEXT_MAX = 1024,
};

/* A name that is known, of a service or made up; or, of an entry, a -o. */
struct known {
	struct hash_link link;
	struct span name; /* with a NUL behind it */
	unsigned class;
};

struct told {
	struct link link;
	const char *text;
};

struct conf_names {
	const struct conf *conf;
	const struct entry_list *entries;
	struct arena *arena;
	struct hash known;
	struct hash local; /* "PLACE/NAME": a -o that another -o uses */
	struct link undefined;
	struct link unused; /* in files of tables' settings */
};

/* Where a value stands: in main.cf, or in an entry of master.cf. */
struct scope {
	struct conf_names *n;
	const struct entry_text *entry;
	bool is_default; /* what it names need not be set */
};

static void scan(const struct scope *s, const char *value);

static struct span
known_key(struct hash_link *l)
{
	return container_of(l, struct known, link)->name;
}

static bool
add(struct conf_names *n, struct hash *to, struct span name, unsigned class)
{
	struct known *k = ARENA_NEW(n->arena, struct known);
	const char *copy = arena_dup(n->arena, name);

	if (!k || !copy)
		return false;
	*k = (struct known){ .name = { copy, name.n }, .class = class };
	hash_add(to, &k->link);
	return true;
}

static void tell(struct conf_names *n, struct link *to, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static void
tell(struct conf_names *n, struct link *to, const char *fmt, ...)
{
	struct told *t = ARENA_NEW(n->arena, struct told);
	char text[TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!t)
		return;
	t->text = arena_dup(n->arena, span_str(text));
	if (t->text)
		list_append(to, &t->link);
}

/* Of a row whose default is that of all services, a service has to exist. */
static bool
is_builtin(struct span name)
{
	const struct param *p = param_find(name);

	const char *value = param_inherited_value(name);

	return p && (!value || strcmp(p->fallback, value) != 0);
}

unsigned
conf_names_class(const struct conf_names *n, struct span name)
{
	struct hash_link *l = hash_find(&n->known, name);

	if (l)
		return container_of(l, struct known, link)->class;
	return is_builtin(name) ? NAME_BUILTIN : 0;
}

static struct span
local_key(const struct entry_text *e, struct span name, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%u/%.*s", e->line, (int)name.n, name.p);

	return (struct span){ buf, (size_t)n < size ? (size_t)n : size - 1 };
}

static void
use_locally(const struct scope *s, struct span name)
{
	char text[TEXT_MAX];
	struct span key = local_key(s->entry, name, text, sizeof(text));

	if (!hash_find(&s->n->local, key) && add(s->n, &s->n->local, key, 0))
		scan(s, entry_param(s->entry, name));
}

static const char *
set_value(const struct conf_names *n, struct span name)
{
	return conf_set_value(n->conf, name);
}

/* A name that something known uses is known, if it is set. */
static bool
use_if_set(const struct scope *s, struct span name)
{
	const struct scope in_main = { s->n, NULL, false };
	const char *value;

	if (s->entry && entry_param(s->entry, name)) {
		use_locally(s, name);
		return true;
	}
	if (conf_names_class(s->n, name) != 0)
		return true;
	value = set_value(s->n, name);
	if (value && add(s->n, &s->n->known, name, NAME_USER))
		scan(&in_main, value);
	return value != NULL;
}

static void
use(const struct scope *s, struct span name)
{
	if (!use_if_set(s, name) && !s->is_default)
		tell(s->n, &s->n->undefined, "%s/%s: undefined parameter: %.*s",
		    conf_dir(s->n->conf), s->entry ? "master.cf" : "main.cf",
		    (int)name.n, name.p);
}

static const char *
note_mention(void *arg, struct span name)
{
	use(arg, name);
	return NULL;
}

/* What may stand behind the name of a table's type, and the name itself. */
static const struct {
	struct span type;
	const char *settings;
} sources[] = {
	{ SPAN_INIT("ldap"),
	    "bind bind_dn bind_pw cache cache_expiry cache_size "
	    "chase_referrals debuglevel dereference domain expansion_limit "
	    "leaf_result_attribute query_filter recursion_limit "
	    "result_attribute result_filter result_format sasl_authz_id "
	    "sasl_mechs sasl_minssf sasl_realm scope search_base server_host "
	    "server_port size_limit special_result_attribute start_tls "
	    "terminal_result_attribute timeout tls_ca_cert_dir "
	    "tls_ca_cert_file tls_cert tls_cipher_suite tls_key "
	    "tls_random_file tls_require_cert version" },
	{ SPAN_INIT("mysql"),
	    "additional_conditions charset dbname domain expansion_limit hosts "
	    "idle_interval option_file option_group password query "
	    "require_result_set result_format retry_interval select_field "
	    "table tls_CAfile tls_CApath tls_cert_file tls_ciphers "
	    "tls_key_file tls_verify_cert user where_field" },
	{ SPAN_INIT("pgsql"),
	    "additional_conditions dbname domain encoding expansion_limit "
	    "hosts idle_interval password query result_format retry_interval "
	    "select_field select_function table user where_field" },
	{ SPAN_INIT("sqlite"),
	    "additional_conditions dbpath domain expansion_limit query "
	    "result_format select_field table where_field" },
	{ SPAN_INIT("memcache"),
	    "backup data_size_limit domain flags key_format line_size_limit "
	    "max_try memcache retry_pause timeout ttl" },
};

static bool
has_word(const char *words, struct span word)
{
	struct span rest = span_str(words);

	while (rest.n > 0)
		if (span_eq(span_cut(&rest, ' '), word))
			return true;
	return false;
}

/* A file of settings is read here only for names that mean nothing. */
static void
check_source_file(const struct scope *s, size_t source, struct span path)
{
	char name[CONF_PATH_MAX];
	struct lines lines;
	struct why why;
	char *text = NULL;
	struct span line;
	unsigned number;

	snprintf(name, sizeof(name), "%.*s", (int)path.n, path.p);
	if (lines_read(name, &lines, &text, &why) < 0) {
		tell(s->n, &s->n->undefined, "open \"%s\" configuration %s",
		    sources[source].type.p, why.text);
		return;
	}
	while (lines_next(&lines, &line, &number)) {
		struct span value = line, key = span_cut(&value, '=');

		key = trim_white(key);
		value = trim_white(value);
		if (!has_word(sources[source].settings, key))
			tell(s->n, &s->n->unused,
			    "%s:%s: unused parameter: %.*s=%.*s",
			    sources[source].type.p, name, (int)key.n, key.p,
			    (int)value.n, value.p);
	}
	free(text);
}

static void
use_source(const struct scope *s, size_t source, struct span name)
{
	struct span words = span_str(sources[source].settings);

	if (name.n > 0 && (*name.p == '/' || *name.p == '.')) {
		check_source_file(s, source, name);
		return;
	}
	while (name.n > 0 && words.n > 0) {
		struct span word = span_cut(&words, ' ');
		char text[TEXT_MAX];
		int n = snprintf(text, sizeof(text), "%.*s_%.*s", (int)name.n,
		    name.p, (int)word.n, word.p);

		if ((size_t)n < sizeof(text))
			(void)use_if_set(s, (struct span){ text, (size_t)n });
	}
}

static bool
ends_word(char c)
{
	return is_white(c) || c == ',' || c == '{' || c == '}';
}

/* Whether a table's type stands at the end of these, and which. */
static bool
find_type(struct span before, size_t *source_r)
{
	for (size_t i = 0; i < COUNT_OF(sources); i++) {
		struct span t = sources[i].type;
		const char *at = before.p + before.n - t.n;

		if (before.n < t.n || memcmp(at, t.p, t.n) != 0)
			continue;
		if (at == before.p || ends_word(at[-1]) || at[-1] == ':') {
			*source_r = i;
			return true;
		}
	}
	return false;
}

static void
scan_tables(const struct scope *s, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		size_t source, n = i + 1;

		if (text.p[i] != ':' ||
		    !find_type((struct span){ text.p, i }, &source))
			continue;
		while (n < text.n && !ends_word(text.p[n]))
			n++;
		use_source(s, source,
		    (struct span){ text.p + i + 1, n - i - 1 });
	}
}

static void
scan(const struct scope *s, const char *value)
{
	struct scope mine = *s;

	expand_names(span_str(value), note_mention, &mine);
	scan_tables(s, span_str(value));
}

/* The classes of restrictions are parameters too. */
static void
scan_classes(const struct scope *s, const char *list)
{
	struct span rest = span_str(list), name;

	while (conf_list_next(&rest, &name))
		if (*name.p != '$')
			use(s, name);
}

static void
scan_row(const struct param *p, void *arg)
{
	struct conf_names *n = arg;
	const char *value = set_value(n, span_str(p->name));
	const struct scope s = { n, NULL, false };

	/* The names of old that defaults mention stay known. */
	scan(&(struct scope){ n, NULL, true }, p->fallback);
	if (value)
		scan(&s, value);
	if (value && strcmp(p->name, "smtpd_restriction_classes") == 0)
		scan_classes(&s, value);
}

static void
add_services(struct conf_names *n)
{
	for (size_t i = 0; i < n->entries->n; i++) {
		const struct entry_text *e = &n->entries->at[i];
		const char *suffix;

		for (size_t j = 0;; j++) {
			char name[TEXT_MAX];
			struct span s;

			suffix = param_suffix(e->field[7], j);
			if (!suffix)
				break;
			snprintf(name, sizeof(name), "%s%s", e->field[0],
			    suffix);
			s = span_str(name);
			if (!hash_find(&n->known, s))
				(void)add(n, &n->known, s, NAME_SERVICE);
		}
	}
}

static void
scan_entry(struct conf_names *n, const struct entry_text *e)
{
	const struct scope s = { n, e, false };
	size_t at = 0, place;

	while (entry_next_param(e, &at, &place)) {
		struct span value = span_str(e->arg[place]);
		struct span name = span_cut(&value, '=');

		if (conf_names_class(n, name) != 0)
			scan(&s, value.p);
		else
			expand_names(value, note_mention,
			    &(struct scope){ n, e, false });
		if (span_eq(name, SPAN("smtpd_restriction_classes")))
			scan_classes(&s, value.p);
	}
}

/* The values of services' own names that main.cf sets. */
static void
scan_service(const char *name, const char *raw, void *arg)
{
	struct conf_names *n = arg;
	const struct scope s = { n, NULL, false };

	if (conf_names_class(n, span_str(name)) == NAME_SERVICE)
		scan(&s, raw);
}

struct conf_names *
conf_names_new(const struct conf *c, const struct entry_list *entries)
{
	struct conf_names *n = zalloc(sizeof(*n));

	n->conf = c;
	n->entries = entries;
	n->arena = arena_new(NAMES_MEMORY_MAX);
	hash_init(&n->known, known_key);
	hash_init(&n->local, known_key);
	list_init(&n->undefined);
	list_init(&n->unused);
	add_services(n);
	conf_each(c, scan_service, n);
	param_each(scan_row, n);
	for (size_t i = 0; i < entries->n; i++)
		scan_entry(n, &entries->at[i]);
	return n;
}

struct conf_names *
conf_names_free(struct conf_names *n)
{
	if (!n)
		return NULL;
	hash_fini(&n->known);
	hash_fini(&n->local);
	arena_free(n->arena);
	free(n);
	return NULL;
}

static int
compare_names(const void *a, const void *b)
{
	const char *const *left = a;
	const char *const *right = b;

	return strcmp(*left, *right);
}

/* Ours that Postfix has not is shown where it is set. */
static bool
is_shown(const struct conf_names *n, struct span name, unsigned class)
{
	const char *value = class == NAME_SERVICE ? param_inherited_value(name)
						  : NULL;
	const struct param *p = value ? param_find(span_str(value + 1)) : NULL;

	return !p || p->since != PARAM_OURS || set_value(n, name);
}

void
conf_names_each(const struct conf_names *n, unsigned classes,
    void (*fn)(const char *name, void *arg), void *arg)
{
	const char **name = zalloc(
	    (param_count() + n->known.n + 1) * sizeof(*name));
	size_t count = 0;

	for (size_t i = 0; i < param_count(); i++) {
		struct span s = span_str(param_at(i)->name);

		if ((classes & NAME_BUILTIN) &&
		    conf_names_class(n, s) == NAME_BUILTIN)
			name[count++] = s.p;
	}
	for (struct hash_link *l = hash_next(&n->known, NULL); l;
	     l = hash_next(&n->known, l)) {
		struct known *k = container_of(l, struct known, link);

		if ((classes & k->class) && is_shown(n, k->name, k->class))
			name[count++] = k->name.p;
	}
	qsort(name, count, sizeof(*name), compare_names);
	for (size_t i = 0; i < count; i++)
		fn(name[i], arg);
	free(name);
}

static void
each_told(const struct link *list, conf_names_tell_fn *fn, void *arg)
{
	for (struct link *l = list->next; l != list; l = l->next)
		fn(container_of(l, struct told, link)->text, arg);
}

void
conf_names_each_undefined(const struct conf_names *n, conf_names_tell_fn *fn,
    void *arg)
{
	each_told(&n->undefined, fn, arg);
}

struct telling {
	const struct conf_names *n;
	conf_names_tell_fn *fn;
	void *arg;
};

static void
tell_unused(const char *name, const char *raw, void *arg)
{
	const struct telling *t = arg;
	char text[TEXT_MAX];

	if (conf_names_class(t->n, span_str(name)) != 0)
		return;
	snprintf(text, sizeof(text), "%s/main.cf: unused parameter: %s=%s",
	    conf_dir(t->n->conf), name, raw);
	t->fn(text, t->arg);
}

/* Whether nothing knows or uses this -o, which is the one that counts. */
static bool
is_unused(const struct conf_names *n, const struct entry_text *e,
    const char *text)
{
	struct span rest = span_str(text), name = span_cut(&rest, '=');
	char key[TEXT_MAX];

	return entry_param(e, name) == rest.p &&
	    conf_names_class(n, name) == 0 &&
	    !hash_find(&n->local, local_key(e, name, key, sizeof(key)));
}

void
conf_names_each_unused(const struct conf_names *n, bool main_cf,
    conf_names_tell_fn *fn, void *arg)
{
	struct telling t = { n, fn, arg };

	if (main_cf) {
		each_told(&n->unused, fn, arg);
		conf_each(n->conf, tell_unused, &t);
	}
	for (size_t i = 0; i < n->entries->n; i++) {
		const struct entry_text *e = &n->entries->at[i];
		size_t at = 0, place;

		while (entry_next_param(e, &at, &place)) {
			char text[TEXT_MAX];

			if (!is_unused(n, e, e->arg[place]))
				continue;
			snprintf(text, sizeof(text),
			    "%s/master.cf: unused parameter: %s",
			    conf_dir(n->conf), e->arg[place]);
			fn(text, arg);
		}
	}
}
