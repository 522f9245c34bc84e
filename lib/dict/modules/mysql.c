/*
 * mysql: MySQL and MariaDB, by libmariadb. It waits by itself, within the times
 * that it was told when it connected.
 */
#include "base/clock.h"
#include "base/scan.h"
#include "dict/server/driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <errmsg.h>
#include <mysql.h>

const char dict_module_version[] = DICT_MODULE_VERSION;
const struct dict_module *dict_mysql_open(void);

enum {
	HOST_MAX = 512,
	WAIT_S = 10, /* for any answer */
	MYSQL_SHUTDOWN = 1053, /* ER_SERVER_SHUTDOWN */
	MYSQL_KILLED = 1927, /* ER_CONNECTION_KILLED */
	PORT_MAX = 65535,
};

struct server {
	MYSQL mysql;
	bool needs_result; /* require_result_set */
};

/* Either a socket, or a host and a port. */
struct place {
	char host[HOST_MAX];
	bool is_socket;
	uint64_t port; /* 0: the usual one */
};

static bool
read_place(const char *text, struct place *p)
{
	struct span in = span_str(text);
	const char *at;

	*p = (struct place){ .is_socket = take_text(&in, SPAN("unix:")) };
	if (!p->is_socket)
		(void)!take_text(&in, SPAN("inet:"));
	p->is_socket |= in.n > 0 && *in.p == '/';
	at = p->is_socket ? NULL : memrchr(in.p, ':', in.n);
	if (at && memchr(at, ']', in.n - (size_t)(at - in.p)))
		at = NULL;
	if (at) {
		struct span port = { at + 1, in.n - (size_t)(at + 1 - in.p) };

		if (!take_number(&port, PORT_MAX, &p->port) || port.n > 0)
			return false;
		in.n = (size_t)(at - in.p);
	}
	if (in.n >= 2 && *in.p == '[' && in.p[in.n - 1] == ']')
		in = (struct span){ in.p + 1, in.n - 2 };
	if (in.n >= HOST_MAX)
		return false;
	memcpy(p->host, in.p, in.n);
	return true;
}

static bool
is_yes(const char *text)
{
	return text && span_ieq(span_str(text), SPAN("yes"));
}

static void
set_tls(MYSQL *m, const struct server_target *t)
{
	my_bool verify = is_yes(t->get(t->config, "tls_verify_cert"));
	static const struct {
		const char *name;
		enum mysql_option option;
	} texts[] = {
		{ "tls_key_file", MYSQL_OPT_SSL_KEY },
		{ "tls_cert_file", MYSQL_OPT_SSL_CERT },
		{ "tls_CAfile", MYSQL_OPT_SSL_CA },
		{ "tls_CApath", MYSQL_OPT_SSL_CAPATH },
		{ "tls_ciphers", MYSQL_OPT_SSL_CIPHER },
	};

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (t->get(t->config, texts[i].name))
			mysql_options(m, texts[i].option,
			    t->get(t->config, texts[i].name));
	mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

static void
set_options(MYSQL *m, const struct server_target *t)
{
	int64_t left = (t->deadline - clock_mono()) / 1000;
	unsigned connect_s = left > 0 ? (unsigned)left : 1, wait_s = WAIT_S;
	const char *file = t->get(t->config, "option_file");
	const char *group = t->get(t->config, "option_group");
	const char *charset = t->get(t->config, "charset");
	/* What LOAD DATA LOCAL asks a client for is our files. */
	unsigned infile = 0;

	mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &wait_s);
	mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &wait_s);
	mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &infile);
	mysql_options(m, MYSQL_SET_CHARSET_NAME, charset ? charset : "utf8mb4");
	if (file)
		mysql_options(m, MYSQL_READ_DEFAULT_FILE, file);
	if (group && *group)
		mysql_options(m, MYSQL_READ_DEFAULT_GROUP, group);
	else if (file && !group)
		mysql_options(m, MYSQL_READ_DEFAULT_GROUP, "client");
	set_tls(m, t);
}

static void
close_it(void *conn)
{
	struct server *s = conn;

	mysql_close(&s->mysql);
	free(s);
}

static void *
open_it(const struct server_target *t, struct why *why)
{
	struct server *s = zalloc(sizeof(*s));
	const char *needs = t->get(t->config, "require_result_set");
	struct place p;

	must(mysql_init(&s->mysql));
	s->needs_result = !needs || is_yes(needs);
	set_options(&s->mysql, t);
	if (!read_place(t->host, &p)) {
		why_set(why, EINVAL, NULL, 0, "is no host");
		close_it(s);
		return NULL;
	}
	if (mysql_real_connect(&s->mysql, p.is_socket ? NULL : p.host,
		t->get(t->config, "user"), t->get(t->config, "password"),
		t->get(t->config, "dbname"), (unsigned)p.port,
		p.is_socket ? p.host : NULL, CLIENT_MULTI_RESULTS))
		return s;
	why_set(why, EIO, NULL, 0, "%s", mysql_error(&s->mysql));
	close_it(s);
	return NULL;
}

static bool
escape(void *conn, struct span in, char *out, size_t *n_r)
{
	struct server *s = conn;

	*n_r = mysql_real_escape_string(&s->mysql, out, in.p, in.n);
	return *n_r != (unsigned long)-1;
}

static enum server_result
fail(struct server *s, struct why *why)
{
	unsigned error = mysql_errno(&s->mysql);

	why_set(why, EIO, NULL, 0, "the query fails: %s",
	    mysql_error(&s->mysql));
	return (error >= CR_MIN_ERROR && error <= CR_MAX_ERROR) ||
		error == MYSQL_SHUTDOWN || error == MYSQL_KILLED
	    ? SERVER_LOST
	    : SERVER_REFUSED;
}

static void
give_fields(MYSQL_RES *r, sql_field_fn *fn, void *arg)
{
	unsigned n = mysql_num_fields(r);
	bool more = true;
	MYSQL_ROW row;

	while (more && (row = mysql_fetch_row(r))) {
		const unsigned long *lengths = mysql_fetch_lengths(r);

		for (unsigned i = 0; more && i < n; i++)
			if (row[i])
				more = fn((struct span){ row[i], lengths[i] },
				    arg);
	}
}

/* A procedure gives more than one: the last is only its status. */
static enum server_result
take_results(struct server *s, sql_field_fn *fn, void *arg, struct why *why)
{
	bool any = false;
	int next;

	do {
		MYSQL_RES *r = mysql_store_result(&s->mysql);

		if (r && !any)
			give_fields(r, fn, arg);
		else if (!r && mysql_errno(&s->mysql))
			return fail(s, why);
		any |= r != NULL;
		mysql_free_result(r);
		next = mysql_next_result(&s->mysql);
	} while (next == 0);
	if (next > 0)
		return fail(s, why);
	if (any || !s->needs_result)
		return SERVER_DONE;
	why_set(why, EINVAL, NULL, 0,
	    "the query has no result; allowed is that with "
	    "require_result_set = no");
	return SERVER_REFUSED;
}

static enum server_result
query(void *conn, const char *sql, sql_field_fn *fn, void *arg,
    int64_t deadline, struct why *why)
{
	struct server *s = conn;

	(void)deadline; /* it has its own: WAIT_S */
	if (mysql_real_query(&s->mysql, sql, strlen(sql)) != 0)
		return fail(s, why);
	return take_results(s, fn, arg, why);
}

const struct dict_module *
dict_mysql_open(void)
{
	static const char *const params[] = { "user", "password", "dbname",
		"charset", "option_file", "option_group", "tls_key_file",
		"tls_cert_file", "tls_CAfile", "tls_CApath", "tls_ciphers",
		"tls_verify_cert", "require_result_set", NULL };
	static const struct sql_driver driver = {
		.link = { open_it, close_it, params },
		.escape = escape,
		.query = query,
	};
	static const struct dict_module module = {
		.type = "mysql",
		.sql = &driver,
	};

	/* Not safe among threads: done here, where there is one. */
	must(mysql_library_init(0, NULL, NULL) == 0);
	return &module;
}
