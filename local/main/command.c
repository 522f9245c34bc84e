/* Commands of users, and what they are told by their environment. */
#include "local/main/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MARGIN_MS = 30 * 1000, /* beyond what a command may take */
	ENV_TEXT_MAX = 2048,
};

/* NAME=value; what a stranger may have written is made harmless for a shell. */
static void
put_env(struct pool_call *c, const char *name, struct span value, bool foreign)
{
	static const char harmless[] = "1234567890!@%-_=+:,./"
				       "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char text[ENV_TEXT_MAX];
	struct buf b;
	size_t at;

	buf_init(&b, text, sizeof(text));
	buf_put(&b, span_str(name));
	buf_put(&b, SPAN("="));
	at = b.n;
	buf_put(&b, value);
	for (size_t i = at; i < b.n; i++)
		if (b.p[i] == '\0' || (foreign && !strchr(harmless, b.p[i])))
			b.p[i] = '_';
	if (!b.overflow)
		msg_put_str(&c->b, MSG_FIELD_VALUE, buf_span(&b));
}

/* What is not there only where it is. */
static void
put_known(struct pool_call *c, const char *name, struct span value)
{
	if (value.n > 0)
		put_env(c, name, value, true);
}

/* NAME or NAME=value of export_environment. */
static void
put_exported(struct pool_call *c)
{
	struct span rest = span_str(local_params.export_environment), word;

	while (conf_list_next(&rest, &word)) {
		char name[128];
		const char *value;

		if (memchr(word.p, '=', word.n)) {
			msg_put_str(&c->b, MSG_FIELD_VALUE, word);
			continue;
		}
		snprintf(name, sizeof(name), "%.*s",
		    (int)(word.n < 100 ? word.n : 100), word.p);
		value = getenv(name);
		if (value)
			put_env(c, name, span_str(value), false);
	}
}

static void
put_environment(struct pool_call *c, const struct job *j)
{
	const struct leaf *leaf = j->leaf;
	const struct mail *m = j->mail;
	const struct expand_user *u = leaf->user;
	struct span domain = j->addr, local = span_cut(&domain, '@');

	put_exported(c);
	put_env(c, "PATH", SPAN("/usr/local/bin:/usr/bin:/bin"), false);
	put_env(c, "SHELL", u && u->shell.n ? u->shell : SPAN("/bin/sh"),
	    false);
	put_env(c, "HOME", u ? u->home : SPAN("/"), false);
	put_env(c, "LOGNAME", u ? u->name : local, true);
	put_env(c, "USER", u ? u->name : local, true);
	put_env(c, "SENDER", leaf->sender.n ? leaf->sender : m->sender, true);
	put_env(c, "RECIPIENT", j->addr, true);
	put_env(c, "ORIGINAL_RECIPIENT", j->orig.n ? j->orig : j->addr, true);
	put_env(c, "LOCAL", local, true);
	put_env(c, "DOMAIN", domain, true);
	put_known(c, "EXTENSION", leaf->extension);
	put_env(c, "CLIENT_HOSTNAME", m->client_name, true);
	put_env(c, "CLIENT_ADDRESS", m->client_addr, true);
	put_env(c, "CLIENT_HELO", m->helo, true);
	put_env(c, "CLIENT_PROTOCOL", m->proto, true);
	put_known(c, "SASL_METHOD", m->sasl_method);
	put_known(c, "SASL_USERNAME", m->sasl_user);
}

struct verdict
job_run_command(struct job *j, struct span command)
{
	const struct expand_user *u = j->leaf->user;
	struct pool_who who = job_as(u, (gid_t)-1);
	struct pool_call c;

	pool_begin(&c, ERRAND_COMMAND);
	job_put(&c, j, "command");
	msg_put_str(&c.b, MSG_FIELD_FILE, command);
	msg_put_str(&c.b, MSG_FIELD_HOME, u ? u->home : SPAN("/"));
	msg_put_u64(&c.b, MSG_FIELD_MILLISECONDS,
	    (uint64_t)local_params.command_time_limit);
	put_environment(&c, j);
	return job_ask(j, &c, &who,
	    local_params.command_time_limit + MARGIN_MS);
}
