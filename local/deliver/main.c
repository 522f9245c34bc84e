/*
 * deliver - puts mail into the mailboxes of one owner, as that owner.
 *
 * The broker has become the owner before it started this program, and nothing
 * here can become anybody else. It reads queue files by descriptors that qmgr
 * hands it, writes below virtual_mailbox_base, opens nothing else, and speaks to
 * qmgr alone.
 */
#include "dict/dict.h"
#include "local/deliver/serve.h"
#include "service/service.h"

static struct params {
	const char *virtual_mailbox_base;
} params;

static const struct conf_field fields[] = {
	CONF_FIELD(CONF_STR, struct params, virtual_mailbox_base),
};

static int
warm_up(const struct conf *c, struct why *why)
{
	if (dict_configure(c, why) < 0)
		return -1;
	/* Without a base the tables have whole paths, and the uid is the bound. */
	sandbox_allow(params.virtual_mailbox_base[0]
		? params.virtual_mailbox_base
		: "/",
	    true);
	sandbox_allow("/proc/sys/kernel/random/boot_id", false);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "deliver",
		.summary = "puts mail into the mailboxes of one owner",
		.user = SERVICE_SELF,
		.sandbox = SANDBOX_STDIO | SANDBOX_RECVFD | SANDBOX_FILES,
		.fields = fields,
		.fields_n = sizeof(fields) / sizeof(fields[0]),
		.params = &params,
		.warm_up = warm_up,
		.serve = deliver_serve,
	};

	return service_main(argc, argv, &spec);
}
