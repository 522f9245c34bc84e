/*
 * body.h - the content of a mail that comes in, in memory that has no name.
 *
 * lmtpd has no files: it writes a mail to a memfd, which it seals and hands to who
 * delivers, as qmgr does with a queue file. One mail is bounded by the size limit,
 * all of the process by lmtpd_memory_limit; a mail that does not fit is read to its
 * end, and refused for now. Nothing here waits: it is memory.
 */
#ifndef LMTP_BODY_H
#define LMTP_BODY_H

#include "lmtp/session.h"

struct body {
	int fd;
	uint64_t length;
	uint32_t checksum; /* CRC-32 */
	enum lmtp_data result;
};

/* For all mails of the process, and for each; 0: no bound. */
void body_limits(uint64_t all, uint64_t each);

/* Begins. What goes wrong is in ->result, and stays there. */
void body_init(struct body *b);
void body_fini(struct body *b);

/* Appends, unless ->result says that it is of no use any more. */
void body_put(struct body *b, struct span piece);

/* From now on nobody can change it. */
void body_seal(struct body *b);

#endif
