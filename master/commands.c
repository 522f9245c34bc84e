#include "master/commands.h"

#include <string.h>

static const struct command commands[] = {
	{ "smtpd", COMMAND_WORKERS, NULL },
	{ "smtp", COMMAND_AGENTS, NULL },
	{ "lmtp", COMMAND_AGENTS, NULL },
	{ "local", COMMAND_AGENTS, NULL },

	{ "qmgr", COMMAND_SINGLE, NULL },
	{ "nqmgr", COMMAND_BUILT_IN, "qmgr" },
	{ "oqmgr", COMMAND_BUILT_IN, "qmgr" },
	{ "postlogd", COMMAND_SINGLE, NULL },
	{ "broker", COMMAND_SINGLE, NULL },
	{ "authd", COMMAND_SINGLE, NULL },
	{ "imapd", COMMAND_WORKERS, NULL },
	{ "metrics", COMMAND_WORKERS, NULL },
	{ "pop3d", COMMAND_WORKERS, NULL },
	{ "lmtpd", COMMAND_WORKERS, NULL },
	{ "dnsd", COMMAND_ONE, NULL },
	{ "proxymap", COMMAND_SHARED, NULL },
	{ "cleanup", COMMAND_ONE, NULL },

	{ "virtual", COMMAND_BUILT_IN, "broker" },
	{ "pickup", COMMAND_BUILT_IN, "cleanup" },
	{ "trivial-rewrite", COMMAND_BUILT_IN, "qmgr and smtpd" },
	{ "bounce", COMMAND_BUILT_IN, "cleanup" },
	{ "flush", COMMAND_BUILT_IN, "qmgr" },
	{ "showq", COMMAND_BUILT_IN, "qmgr" },
	{ "error", COMMAND_BUILT_IN, "qmgr" },
	{ "discard", COMMAND_BUILT_IN, "qmgr" },
	{ "scache", COMMAND_BUILT_IN, "smtp" },
	{ "tlsmgr", COMMAND_BUILT_IN, "whoever uses TLS" },
	{ "anvil", COMMAND_BUILT_IN, "the table of limits" },
	{ "verify", COMMAND_BUILT_IN, "smtpd" },

	{ "pipe", COMMAND_NOT_YET, NULL },
	{ "spawn", COMMAND_NOT_YET, NULL },
	{ "postscreen", COMMAND_NOT_YET, NULL },
	{ "dnsblog", COMMAND_NOT_YET, NULL },
	{ "tlsproxy", COMMAND_NOT_YET, NULL },
	{ "qmqpd", COMMAND_NOT_YET, NULL },
};

const struct command *
command_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}
