/*
 * ldap_quote.h - a key within a filter (RFC 4515, 3) and within a name (RFC 4514,
 * 2.4): no byte of it can mean anything there; private to lib/dict. Pure.
 */
#ifndef DICT_SERVER_LDAP_QUOTE_H
#define DICT_SERVER_LDAP_QUOTE_H

#include "dict/server/format.h"

bool ldap_quote_filter(struct span text, struct buf *out, void *arg);
bool ldap_quote_name(struct span text, struct buf *out, void *arg);

#endif
