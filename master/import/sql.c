/* A password_query of Dovecot becomes the query of a table. */
#include "master/import/users.h"

#include "base/scan.h"

#include <string.h>

static const char *const drivers[] = { "pgsql", "mysql", "sqlite" };

static const char *
decide(struct import *im, const struct dovecot *d, const char *what)
{
	import_tell_of(im, IMPORT_DECIDE, d, "sql", what);
	return NULL;
}

/* In 2.3 a file of its own; in 2.4 settings beside the passdb. */
static bool
read_settings(struct import *im, struct dovecot *passdb, struct dovecot *in)
{
	const char *args = dovecot_value(passdb, "args");
	char path[IMPORT_PATH_MAX];

	if (!args) {
		*in = im->top;
		return true;
	}
	import_dovecot_path(im, passdb->file, args, path);
	if (import_read_dovecot_file(im, in, path) == 0)
		return true;
	decide(im, passdb, im->why->text);
	return false;
}

/* Whether an item of a SELECT is the password: "u.password", "x AS `password`". */
static bool
is_password(struct span item)
{
	size_t n = item.n, begin;

	while (n > 0 && (item.p[n - 1] == '`' || item.p[n - 1] == '"'))
		n--;
	for (begin = n; begin > 0 && !is_white(item.p[begin - 1]) &&
	     !strchr(".`\"", item.p[begin - 1]);)
		begin--;
	return span_ieq((struct span){ item.p + begin, n - begin },
	    SPAN("password"));
}

/* The position of a word at no depth of parentheses, or the end. */
static size_t
find_word(struct span s, struct span word)
{
	int depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		depth += (s.p[i] == '(') - (s.p[i] == ')');
		if (depth == 0 && i > 0 && is_white(s.p[i - 1]) &&
		    s.n - i > word.n &&
		    span_ieq((struct span){ s.p + i, word.n }, word) &&
		    is_white(s.p[i + word.n]))
			return i;
	}
	return s.n;
}

/* "SELECT a, b AS password FROM t ..": the one item that is a hash. */
static bool
take_item(struct span items, struct span *item_r)
{
	int depth = 0;
	size_t begin = 0;

	for (size_t i = 0; i <= items.n; i++) {
		struct span item = { items.p + begin, i - begin };

		if (i < items.n)
			depth += (items.p[i] == '(') - (items.p[i] == ')');
		if (i < items.n && (items.p[i] != ',' || depth > 0))
			continue;
		item = trim_white(item);
		if (is_password(item)) {
			*item_r = item;
			return true;
		}
		begin = i + 1;
	}
	return false;
}

/* Our variables: %s is the whole key, %u and %d are its parts. */
static bool
put_variables(struct span theirs, struct buf *out)
{
	while (theirs.n > 0) {
		struct span text = span_cut(&theirs, '%');
		bool ends = text.p + text.n == theirs.p;

		buf_put(out, text);
		if (ends)
			break;
		if (theirs.n == 0 || *theirs.p == 'h')
			return false;
		buf_putf(out, "%%%c",
		    *theirs.p == 'u'       ? 's'
			: *theirs.p == 'n' ? 'u'
					   : *theirs.p);
		theirs = (struct span){ theirs.p + 1, theirs.n - 1 };
	}
	return !out->overflow;
}

/* The same query for the hash alone. */
static bool
put_query(const char *query, struct buf *out)
{
	char text[IMPORT_TEXT_MAX / 2], bytes[IMPORT_TEXT_MAX / 2];
	struct span all = span_str(query), item, items;
	struct buf b;

	if (!take_text(&all, SPAN("SELECT")))
		return false;
	items = (struct span){ all.p, find_word(all, SPAN("FROM")) };
	if (items.n == all.n || !take_item(items, &item) ||
	    (size_t)snprintf(text, sizeof(text), "SELECT %.*s %s", (int)item.n,
		item.p, all.p + items.n) >= sizeof(text))
		return false;
	buf_init(&b, bytes, sizeof(bytes));
	return import_pattern(text, NULL, &b) &&
	    put_variables(buf_span(&b), out);
}

static void
put_word(FILE *out, const char *name, struct span value)
{
	if (value.n > 0)
		fprintf(out, "%s = %.*s\n", name, (int)value.n, value.p);
}

/* "host=a port=1 dbname=b user=c password=d": ours has a name a line. */
static void
put_connect(const char *connect, FILE *out)
{
	struct span rest = span_str(connect), word, port = SPAN("");

	while (take_blanks(&rest), take_word(&rest, &word))
		if (span_eq(span_cut(&word, '='), SPAN("port")))
			port = word;
	rest = span_str(connect);
	fprintf(out, "hosts =");
	while (take_blanks(&rest), take_word(&rest, &word)) {
		if (!span_eq(span_cut(&word, '='), SPAN("host")))
			continue;
		fprintf(out, " %s%.*s", *word.p == '/' ? "unix:" : "",
		    (int)word.n, word.p);
		if (port.n > 0 && *word.p != '/')
			fprintf(out, ":%.*s", (int)port.n, port.p);
	}
	fprintf(out, "\n");
	rest = span_str(connect);
	while (take_blanks(&rest), take_word(&rest, &word)) {
		struct span name = span_cut(&word, '=');

		if (span_eq(name, SPAN("user")) ||
		    span_eq(name, SPAN("password")) ||
		    span_eq(name, SPAN("dbname")))
			fprintf(out, "%.*s = %.*s\n", (int)name.n, name.p,
			    (int)word.n, word.p);
	}
}

/* 2.4: "pgsql HOST { parameters { user = x } }", "mysql HOST { user = x }". */
static bool
put_section(struct import *im, const char *driver, FILE *out)
{
	for (struct dovecot *d = im->top.first; d; d = d->next) {
		static const char *const names[] = { "user", "password",
			"dbname", "port" };
		const char *port;

		if (d->value || strcmp(d->name, driver) != 0)
			continue;
		port = dovecot_value(d, "parameters_port");
		fprintf(out, "hosts = %s%s%s%s\n",
		    *d->arg == '/' ? "unix:" : "", d->arg, port ? ":" : "",
		    port ? port : "");
		for (size_t i = 0; i < COUNT_OF(names) - 1; i++) {
			char longer[64];
			const char *value;

			snprintf(longer, sizeof(longer), "parameters_%s",
			    names[i]);
			value = dovecot_value(d, longer);
			value = value ? value : dovecot_value(d, names[i]);
			if (value)
				put_word(out, names[i], span_str(value));
		}
		return true;
	}
	return false;
}

static const char *
find_driver(struct dovecot *in)
{
	const char *driver = dovecot_value(in, "sql_driver");

	if (!driver)
		driver = dovecot_value(in, "driver");
	for (size_t i = 0; driver && i < COUNT_OF(drivers); i++)
		if (strcmp(driver, drivers[i]) == 0)
			return drivers[i];
	return NULL;
}

static const char *
write_table(struct import *im, struct dovecot *passdb, struct dovecot *in,
    const char *query, const char *name)
{
	const char *type = find_driver(in);
	const char *connect = dovecot_value(in, "connect");
	const char *path = dovecot_value(in, "sqlite_path");
	FILE *out;

	if (!type)
		return decide(im, passdb,
		    "its driver is none of pgsql, mysql, sqlite");
	out = import_open(im, name, "auth_owner");
	if (!out)
		return decide(im, passdb, im->why->text);
	if (strcmp(type, "sqlite") == 0)
		put_word(out, "dbpath",
		    span_str(connect ? connect
			    : path   ? path
				     : ""));
	else if (connect)
		put_connect(connect, out);
	else if (!put_section(im, type, out))
		decide(im, passdb, "it does not say where the database is");
	put_word(out, "query", span_str(query));
	return import_close(im, out, name) < 0
	    ? decide(im, passdb, im->why->text)
	    : type;
}

const char *
import_sql(struct import *im, struct dovecot *passdb, const char *name)
{
	struct dovecot in = { .name = "", .arg = "" };
	const char *query = dovecot_value(passdb, "query"), *scheme;
	char bytes[IMPORT_TEXT_MAX / 2];
	struct buf b;

	if (!read_settings(im, passdb, &in))
		return NULL;
	if (!query)
		query = dovecot_value(&in, "password_query");
	if (!query)
		query = dovecot_value(&in, "passdb_sql_query");
	if (!query)
		query = dovecot_value(passdb, "passdb_sql_query");
	scheme = dovecot_value(&in, "default_pass_scheme");
	buf_init(&b, bytes, sizeof(bytes) - 1);
	if (!query || !put_query(query, &b))
		return decide(im, passdb,
		    "the query cannot be taken over; write a table whose query "
		    "returns {SCHEME}hash name=value ...");
	bytes[b.n] = '\0';
	if (scheme && !strstr(scheme, "CRYPT") && !strstr(scheme, "ARGON2"))
		decide(im, passdb,
		    "hashes without a {SCHEME} are refused here unless they "
		    "begin with a $; default_pass_scheme has another");
	if (dovecot_value(&in, "user_query"))
		decide(im, passdb,
		    "user_query: what it returns has to be in the value, "
		    "behind the hash: uid=, gid=, home=, mail=");
	return write_table(im, passdb, &in, bytes, name);
}
