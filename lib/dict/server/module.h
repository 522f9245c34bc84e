/*
 * module.h - types of tables that are files of their own: pgsql, mysql, sqlite and
 * ldap come with libraries that not everybody wants in each process.
 *
 * dynamicmaps.cf, and then the files NAME.cf of dynamicmaps.cf.d, say where they
 * are, a line each, as Postfix has it:
 *
 *	# type	object	function	(a fourth word is for who builds tables)
 *	pgsql	postrider-pgsql.so	dict_pgsql_open
 *
 * They are looked for in the configuration directory, then in meta_directory. An
 * object without a / in front lies in shlib_directory or, if that is "no", in the
 * folder `modules` of daemon_directory. It is loaded once, stays, and must belong
 * to root or to who runs us, and be writable by nobody else.
 */
#ifndef DICT_SERVER_MODULE_H
#define DICT_SERVER_MODULE_H

#include "dict/server/driver.h"

/* Returns NULL with `why`. Any thread. Blocks. */
const struct dict_module *module_load(const char *type, struct why *why);

/* Whether some dynamicmaps.cf has it, and its file is there. Blocks. */
bool module_is_there(const char *type);

#endif
