/*
 * stress.h - $stress of main.cf: what a service does that has as many clients as it
 * may have, and more wait. Private to master.
 *
 * New workers take over, with stress=yes: clients that they accept find less
 * patience (smtpd_timeout and others have ${stress?...} in their defaults), while
 * the old ones finish as they began. Once nobody has waited for service_stress_time, others
 * come without it. It is for smtpd, as in Postfix; a front whose users stay for days
 * would only be disturbed.
 */
#ifndef MASTER_STRESS_H
#define MASTER_STRESS_H

#include "master/workers.h"

/* A worker says that clients wait. */
void stress_full(struct service *s);

/* Ends what has lasted. Returns when to look again at the latest. */
int64_t stress_look(struct service *s);

#endif
