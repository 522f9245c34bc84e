/*
 * client.h - a daemon that asks dnsd, and what it is answered.
 */
#ifndef LOOKUP_DNSD_CLIENT_H
#define LOOKUP_DNSD_CLIENT_H

#include <stddef.h>

/* Serves the connection on `fd` and closes it. May sleep. */
void client_serve(int fd);

/* Questions under way, of all clients. */
size_t client_questions(void);

#endif
