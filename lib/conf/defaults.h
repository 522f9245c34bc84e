/*
 * defaults.h - defaults that the machine knows, not the table; private to
 * lib/conf.
 */
#ifndef CONF_DEFAULTS_H
#define CONF_DEFAULTS_H

#include "base/buf.h"

/* The machine's name, with ".localdomain" if it has no domain. */
void defaults_hostname(struct buf *out);

/* What stands behind the first dot of `hostname`, or "localdomain". */
struct span defaults_domain(struct span hostname);

enum defaults_style {
	DEFAULTS_HOST,
	DEFAULTS_SUBNET,
	DEFAULTS_CLASS,
};

/*
 * This machine's own addresses as networks, as in mynetworks: "127.0.0.1/32
 * [::1]/128". Blocks.
 */
void defaults_networks(enum defaults_style style, struct buf *out);

#endif
