/*
 * pgsql: PostgreSQL, by libpq, which is never let wait: what it would wait for is
 * polled here, until the deadline.
 */
#include "base/clock.h"
#include "base/scan.h"
#include "dict/server/driver.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <libpq-fe.h>

const char dict_module_version[] = DICT_MODULE_VERSION;
const struct dict_module *dict_pgsql_open(void);

enum {
	HOST_MAX = 512,
};

/* How libpq wants to be told of a host. */
struct place {
	char host[HOST_MAX];
	char port[16];
};

/* False: nothing came of it until the deadline. */
static bool
wait_for(const PGconn *c, short events, int64_t deadline)
{
	struct pollfd p = { .fd = PQsocket(c), .events = events };
	int64_t left = deadline - clock_mono();
	int n;

	do
		n = left > 0 ? poll(&p, 1, (int)left) : 0;
	while (n < 0 && errno == EINTR && (left = deadline - clock_mono()) > 0);
	return n > 0;
}

/* The first line of what libpq says. */
static void
say(PGconn *c, const char *what, struct why *why)
{
	struct span rest = span_str(PQerrorMessage(c));
	struct span text = trim_white(span_cut(&rest, '\n'));

	why_set(why, EIO, NULL, 0, "%s%.*s", what, (int)text.n, text.p);
}

/*
 * "unix:/dir", "/dir/.s.PGSQL.5433", "inet:host:port", "[addr]:port", "host". False:
 * it is too long.
 */
static bool
read_place(const char *text, struct place *p)
{
	struct span in = span_str(text), mark = SPAN("/.s.PGSQL.");
	const char *at;

	(void)!(take_text(&in, SPAN("unix:")) || take_text(&in, SPAN("inet:")));
	*p = (struct place){ .port = "" };
	if (in.n >= HOST_MAX)
		return false;
	if (in.n > 0 && *in.p == '/') {
		at = strstr(in.p, mark.p);
		snprintf(p->port, sizeof(p->port), "%s", at ? at + mark.n : "");
		in.n = at ? (size_t)(at - in.p) : in.n;
	} else if (take_char(&in, '[')) {
		at = memchr(in.p, ']', in.n);
		if (!at)
			return false;
		if (at[1] == ':')
			snprintf(p->port, sizeof(p->port), "%s", at + 2);
		in.n = (size_t)(at - in.p);
	} else {
		at = memrchr(in.p, ':', in.n);
		snprintf(p->port, sizeof(p->port), "%s", at ? at + 1 : "");
		in.n = at ? (size_t)(at - in.p) : in.n;
	}
	memcpy(p->host, in.p, in.n);
	return true;
}

static PGconn *
start(const struct server_target *t)
{
	struct place p;
	/* An URI as dbname is taken apart by libpq, and then goes first. */
	bool is_uri = strstr(t->host, "://") != NULL;
	const char *db = t->get(t->config, "dbname");
	const char *encoding = t->get(t->config, "encoding");
	const char *user = t->get(t->config, "user");
	const char *password = t->get(t->config, "password");
	const char *const names[] = { "user", "password", "host", "port",
		"dbname", "client_encoding", "application_name", NULL };

	if (!read_place(is_uri ? "" : t->host, &p))
		return NULL;

	const char *const values[] = { user, password, is_uri ? NULL : p.host,
		is_uri ? NULL : p.port, is_uri ? t->host : db,
		encoding ? encoding : "UTF8", "postrider", NULL };

	return PQconnectStartParams(names, values, 1);
}

static void *
open_it(const struct server_target *t, struct why *why)
{
	PGconn *c = start(t);
	PostgresPollingStatusType s = PGRES_POLLING_WRITING;

	if (!c) {
		why_set(why, EINVAL, NULL, 0, "is no host");
		return NULL;
	}
	if (PQstatus(c) == CONNECTION_BAD)
		s = PGRES_POLLING_FAILED;
	while (s == PGRES_POLLING_READING || s == PGRES_POLLING_WRITING) {
		if (!wait_for(c, s == PGRES_POLLING_READING ? POLLIN : POLLOUT,
			t->deadline)) {
			why_set(why, ETIMEDOUT, NULL, 0,
			    "connecting takes too long");
			PQfinish(c);
			return NULL;
		}
		s = PQconnectPoll(c);
	}
	if (s == PGRES_POLLING_OK && PQsetnonblocking(c, 1) == 0)
		return c;
	say(c, "", why);
	PQfinish(c);
	return NULL;
}

static void
close_it(void *conn)
{
	PQfinish(conn);
}

static bool
escape(void *conn, struct span in, char *out, size_t *n_r)
{
	int error = 0;

	*n_r = PQescapeStringConn(conn, out, in.p, in.n, &error);
	return error == 0;
}

/* All is sent, and an answer is there to be taken. */
static bool
wait_answer(PGconn *c, int64_t deadline)
{
	int left;

	while ((left = PQflush(c)) > 0)
		if (!wait_for(c, POLLOUT, deadline))
			return false;
	while (left == 0 && PQisBusy(c))
		if (!wait_for(c, POLLIN, deadline) || !PQconsumeInput(c))
			return false;
	return left == 0;
}

static void
give_fields(const PGresult *r, sql_field_fn *fn, void *arg)
{
	bool more = true;

	for (int row = 0; more && row < PQntuples(r); row++)
		for (int i = 0; more && i < PQnfields(r); i++)
			if (!PQgetisnull(r, row, i))
				more = fn((struct span){ PQgetvalue(r, row, i),
					      (size_t)PQgetlength(r, row, i) },
				    arg);
}

/* 57P01 and its kind: the server goes; 08: the connection has gone. */
static bool
is_lost(const PGconn *c, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	return PQstatus(c) == CONNECTION_BAD || !state ||
	    strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0;
}

static enum server_result
judge(PGconn *c, const PGresult *r, struct why *why)
{
	switch (PQresultStatus(r)) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		return SERVER_DONE;
	default:
		say(c, "the query fails: ", why);
		return is_lost(c, r) ? SERVER_LOST : SERVER_REFUSED;
	}
}

static enum server_result
query(void *conn, const char *sql, sql_field_fn *fn, void *arg,
    int64_t deadline, struct why *why)
{
	enum server_result result = SERVER_LOST;
	PGconn *c = conn;
	PGresult *r;

	why_set(why, ETIMEDOUT, NULL, 0, "the query takes too long");
	if (!PQsendQuery(c, sql)) {
		say(c, "", why);
		return SERVER_LOST;
	}
	for (bool first = true; wait_answer(c, deadline); first = false) {
		r = PQgetResult(c);
		if (!r)
			return result;
		if (first)
			result = judge(c, r, why);
		if (first && result == SERVER_DONE)
			give_fields(r, fn, arg);
		PQclear(r);
	}
	if (clock_mono() < deadline)
		say(c, "", why);
	return SERVER_LOST;
}

const struct dict_module *
dict_pgsql_open(void)
{
	static const char *const params[] = { "user", "password", "dbname",
		"encoding", NULL };
	static const struct sql_driver driver = {
		.link = { open_it, close_it, params },
		.escape = escape,
		.query = query,
	};
	static const struct dict_module module = {
		.type = "pgsql",
		.sql = &driver,
	};

	return &module;
}
