/*
 * name.h - under which name logins are logged; private to lib/login.
 */
#ifndef LOGIN_NAME_H
#define LOGIN_NAME_H

#include "conf/conf.h"

/* Reads login_syslog_name. Returns 0, or -errno with `why`. */
MUST_USE int login_name_read(const struct conf *c, struct why *why);

const char *login_name(void);

#endif
