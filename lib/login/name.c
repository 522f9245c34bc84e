#include "login/name.h"

static struct {
	const char *name;
} params = { "dovecot" };

static const struct conf_field fields[] = {
	{ "login_syslog_name", CONF_STR, 0 },
};

int
login_name_read(const struct conf *c, struct why *why)
{
	return conf_get_struct(c, fields, COUNT_OF(fields), &params, why);
}

const char *
login_name(void)
{
	return params.name;
}
