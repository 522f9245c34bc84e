/*
 * local - delivers to the users of this machine: aliases, .forward, mailboxes,
 * files and commands.
 *
 * It is root, as it makes processes of any user, and so it reads nothing but its
 * configuration and alias tables that are root's. What users wrote is read, and
 * what they get is written, by processes that are these users (local/errand).
 * These have to be able to run set-gid programs: no_new_privs is never set here.
 */
#include "base/log.h"
#include "dict/dict.h"
#include "local/main/local.h"
#include "local/main/pool.h"
#include "service/proxymap.h"
#include "service/service.h"

#include <stdio.h>

enum {
	IDLE_MS = 60 * 1000,
};

struct local_params local_params;

#define ROW(type, member, name) \
	CONF_FIELD_AS(type, struct local_params, member, name)

const struct conf_field local_fields[] = {
	ROW(CONF_STR, daemon_directory, "daemon_directory"),
	ROW(CONF_STR, syslog_name, "syslog_name"),
	ROW(CONF_STR, default_privs, "default_privs"),
	ROW(CONF_LIST, alias_maps, "alias_maps"),
	ROW(CONF_LIST, mydestination, "mydestination"),
	ROW(CONF_STR, myorigin, "myorigin"),
	ROW(CONF_STR, myhostname, "myhostname"),
	ROW(CONF_STR, recipient_delimiter, "recipient_delimiter"),
	ROW(CONF_LIST, inet_interfaces, "inet_interfaces"),
	ROW(CONF_STR, home_mailbox, "home_mailbox"),
	ROW(CONF_STR, mail_spool_directory, "mail_spool_directory"),
	ROW(CONF_RAW, mailbox_command, "mailbox_command"),
	ROW(CONF_LIST, mailbox_command_maps, "mailbox_command_maps"),
	ROW(CONF_STR, mailbox_transport, "mailbox_transport"),
	ROW(CONF_LIST, mailbox_transport_maps, "mailbox_transport_maps"),
	ROW(CONF_STR, fallback_transport, "fallback_transport"),
	ROW(CONF_LIST, fallback_transport_maps, "fallback_transport_maps"),
	ROW(CONF_RAW, luser_relay, "luser_relay"),
	ROW(CONF_RAW, forward_path, "forward_path"),
	ROW(CONF_RAW, forward_filter, "forward_expansion_filter"),
	ROW(CONF_LIST, allow_commands, "allow_mail_to_commands"),
	ROW(CONF_LIST, allow_files, "allow_mail_to_files"),
	ROW(CONF_LIST, export_environment, "export_environment"),
	ROW(CONF_LIST, mailbox_lock, "mailbox_delivery_lock"),
	ROW(CONF_LIST, prepend_delivered, "prepend_delivered_header"),
	ROW(CONF_BOOL, owner_request_special, "owner_request_special"),
	ROW(CONF_BOOL, expand_owner_alias, "expand_owner_alias"),
	ROW(CONF_BOOL, reset_owner_alias, "reset_owner_alias"),
	ROW(CONF_INT, lock_attempts, "deliver_lock_attempts"),
	ROW(CONF_TIME, lock_delay, "deliver_lock_delay"),
	ROW(CONF_TIME, stale_lock, "stale_lock_time"),
	ROW(CONF_SIZE, mailbox_size_limit, "mailbox_size_limit"),
	ROW(CONF_TIME, command_time_limit, "command_time_limit"),
};
const size_t local_fields_n = COUNT_OF(local_fields);

static int
warm_up(const struct conf *c, struct why *why)
{
	static char program[1024];

	snprintf(program, sizeof(program), "%s/errand",
	    local_params.daemon_directory);
	pool_init(&(struct pool_params){
	    .program = program,
	    .dir = conf_dir(c),
	    .log_name = local_params.syslog_name,
	    .idle_ms = IDLE_MS,
	});
	if (dict_configure(c, why) < 0)
		return -1;
	proxymap_use(service_name());
	return tables_open(c, why);
}

int
main(int argc, char **argv)
{
	static struct service_spec spec = {
		.name = "local",
		.summary = "delivers to users of this machine",
		.user = SERVICE_ROOT,
		.runs_others = true,
		.fields = local_fields,
		.params = &local_params,
		.warm_up = warm_up,
		.serve = local_serve,
	};

	spec.fields_n = local_fields_n;
	return service_main(argc, argv, &spec);
}
