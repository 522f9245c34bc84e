/*
 * pop3 - the mailbox's side of POP3, as the owner of the mail.
 *
 * The broker has become the owner before it started this program, and nothing
 * here can become anybody else. It gets sessions with their connections from
 * the broker, reads and deletes mail below their roots, and opens no socket.
 */
#include "login/worker.h"
#include "pop3d/pop3/session.h"
#include "pop3d/uidl.h"
#include "service/service.h"

#include <errno.h>

static const struct conf_field fields[] = {
	CONF_FIELD_AS(CONF_TIME, struct pop3_settings, timeout,
	    "pop3d_timeout"),
	CONF_FIELD_AS(CONF_STR, struct pop3_settings, uidl_format,
	    "pop3d_uidl_format"),
	CONF_FIELD_AS(CONF_STR, struct pop3_settings, special_folders,
	    "mail_special_folders"),
};

static int
warm_up(const struct conf *c, struct why *why)
{
	const char *file = NULL;
	unsigned line = 0;

	if (pop3_uidl_check(pop3_settings.uidl_format))
		return worker_warm_up(c, why);
	conf_source(c, "pop3d_uidl_format", &file, &line);
	return why_set(why, EINVAL, file, line,
	    "pop3d_uidl_format: \"%s\" is no format; it needs %%u and %%v, "
	    "and gives at most %d characters without blanks",
	    pop3_settings.uidl_format, POP3_UIDL_MAX);
}

static void
serve(void *arg)
{
	static const struct worker_spec spec = {
		.in_max = POP3_IN_MAX,
		.out_max = POP3_STREAM_OUT_MAX,
		.serve = pop3_serve,
	};

	(void)arg;
	worker_serve(&spec);
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "pop3",
		.summary = "gives a user his mailbox by POP3",
		.user = SERVICE_SELF,
		.sandbox = SANDBOX_STDIO | SANDBOX_RECVFD | SANDBOX_FILES,
		.fields = fields,
		.fields_n = COUNT_OF(fields),
		.params = &pop3_settings,
		.warm_up = warm_up,
		.serve = serve,
	};

	return service_main(argc, argv, &spec);
}
