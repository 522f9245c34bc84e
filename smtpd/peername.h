/*
 * peername.h - the name of a client, as DNS has it.
 *
 * The name of an address counts only if the name has that address too: anybody
 * can claim any name for the addresses that are his. What cannot be found out in
 * time is "unknown", as is what is not so. Addresses of the machine itself are
 * not asked about.
 */
#ifndef SMTPD_PEERNAME_H
#define SMTPD_PEERNAME_H

#include "service/dns.h"

struct peername {
	char name[RDATA_NAME_MAX]; /* both ways; or "unknown" */
	char claimed[RDATA_NAME_MAX]; /* by the address alone; or "unknown" */
};

/* May sleep. */
void peername_find(const struct addr *peer, struct peername *name_r);

#endif
