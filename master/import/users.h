/*
 * users.h - a passdb of Dovecot's that asks a database; private to master/import.
 */
#ifndef MASTER_IMPORT_USERS_H
#define MASTER_IMPORT_USERS_H

#include "master/import/import.h"

/*
 * Writes the table `name`, which asks what the passdb asked. Returns its type, as
 * "pgsql"; or NULL, and told why. Blocks.
 */
const char *import_sql(struct import *im, struct dovecot *passdb,
    const char *name);

#endif
