/*
 * imap - the mailboxes of one owner's users, by IMAP, as that owner.
 *
 * The broker has become the owner before it started this program, and nothing
 * here can become anybody else. It gets connections of users who have logged in,
 * reads and writes mail below the roots of mailboxes, and opens nothing else.
 */
#include "imapd/mailbox/imap.h"
#include "mail/charset.h"
#include "service/service.h"

static struct imap_params params;

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct imap_params, mail_special_folders),
	CONF_FIELD(CONF_TIME, struct imap_params, imapd_timeout),
	CONF_FIELD(CONF_TIME, struct imap_params, imapd_idle_notify_interval),
	CONF_FIELD(CONF_TIME, struct imap_params, imapd_write_timeout),
	CONF_FIELD(CONF_INT, struct imap_params, imapd_error_limit),
	CONF_FIELD(CONF_SIZE, struct imap_params, virtual_mailbox_limit),
};

static int
warm_up(const struct conf *c, struct why *why)
{
	charset_warm_up();
	return worker_warm_up(c, why);
}

static void
serve_session(struct session_in *in)
{
	imap_serve(in, &params);
}

static void
serve(void *arg)
{
	static const struct worker_spec spec = {
		/* What the front had read ahead fits; a session gives it back. */
		.in_max = 8192,
		.out_max = 0,
		.serve = serve_session,
	};

	(void)arg;
	worker_serve(&spec);
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "imap",
		.summary = "gives a user his mailboxes by IMAP",
		.user = SERVICE_SELF,
		.sandbox = SANDBOX_STDIO | SANDBOX_RECVFD | SANDBOX_FILES,
		.fields = fields,
		.fields_n = sizeof(fields) / sizeof(fields[0]),
		.params = &params,
		.warm_up = warm_up,
		.serve = serve,
	};

	return service_main(argc, argv, &spec);
}
