/*
 * command.h - a line of POP3 (RFC 1939, section 3), taken apart. Pure.
 */
#ifndef POP3D_COMMAND_H
#define POP3D_COMMAND_H

#include "base/defs.h"
#include "base/span.h"

enum {
	/* Bytes of a line: of AUTH's, with a response of POP3_RESPONSE_MAX. */
	POP3_LINE_MAX = 1536,
	POP3_RESPONSE_MAX = 1024, /* name and password, and what parts them */
	POP3_USER_MAX = 255,
};

enum pop3_verb {
	POP3_UNKNOWN,
	POP3_AUTH,
	POP3_CAPA,
	POP3_DELE,
	POP3_LIST,
	POP3_NOOP,
	POP3_PASS,
	POP3_QUIT,
	POP3_RETR,
	POP3_RSET,
	POP3_STAT,
	POP3_STLS,
	POP3_TOP,
	POP3_UIDL,
	POP3_USER,
};

/*
 * Splits a line, without its CRLF, in a keyword in any case and what stands
 * behind one blank: a password may begin and end with others.
 */
enum pop3_verb pop3_command(struct span line, struct span *arg_r);

#endif
