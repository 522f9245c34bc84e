/*
 * http.h - the little of HTTP/1.1 that who asks for counters has to say.
 *
 * A request is read line by line: first its own line, then fields up to an empty
 * one (RFC 9112, sections 3 and 5). A body is not waited for: the answer goes out,
 * and the connection is closed. Plain.
 */
#ifndef MASTER_HTTP_H
#define MASTER_HTTP_H

#include "base/buf.h"

enum {
	HTTP_LINE_MAX = 4096, /* RFC 9112, section 3 wants 8000: not here */
	HTTP_FIELDS_MAX = 64,
	HTTP_HEAD_MAX = 512, /* of an answer */
};

enum http_status {
	HTTP_MORE = 0, /* lines are to come */
	HTTP_OK = 200,
	HTTP_BAD_REQUEST = 400,
	HTTP_FORBIDDEN = 403,
	HTTP_NOT_FOUND = 404,
	HTTP_NO_METHOD = 405,
	HTTP_TOO_LONG = 414,
	HTTP_TOO_MANY = 431,
	HTTP_UNAVAILABLE = 503,
	HTTP_NO_VERSION = 505,
};

struct http_request {
	bool begun;
	bool is_head; /* HEAD: the answer has no body */
	bool needs_host; /* HTTP/1.1 */
	unsigned hosts;
	unsigned fields;
	enum http_status status; /* of the request line: OK or NOT_FOUND, ... */
};

/*
 * Takes a line, without its end. Returns HTTP_MORE, or what is to be answered.
 * `path` is what is served: another one is HTTP_NOT_FOUND.
 */
enum http_status http_line(struct http_request *r, struct span line,
    struct span path);

/* The head of an answer, for a body of this type and length. */
void http_put_head(struct buf *out, enum http_status status, struct span type,
    size_t length);

#endif
