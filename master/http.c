#include "master/http.h"

#include "base/scan.h"

static const struct {
	enum http_status status;
	const char *text;
} statuses[] = {
	{ HTTP_OK, "OK" },
	{ HTTP_BAD_REQUEST, "Bad Request" },
	{ HTTP_FORBIDDEN, "Forbidden" },
	{ HTTP_NOT_FOUND, "Not Found" },
	{ HTTP_NO_METHOD, "Method Not Allowed" },
	{ HTTP_TOO_LONG, "URI Too Long" },
	{ HTTP_TOO_MANY, "Request Header Fields Too Large" },
	{ HTTP_UNAVAILABLE, "Service Unavailable" },
	{ HTTP_NO_VERSION, "HTTP Version Not Supported" },
};

/* RFC 9110, section 5.6.2 */
static bool
is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool
is_token(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char(s.p[i]))
			return false;
	return s.n > 0;
}

/* HTTP-version = "HTTP/" DIGIT "." DIGIT */
static bool
take_version(struct span s, char *major_r, char *minor_r)
{
	if (s.n != 8 || memcmp(s.p, "HTTP/", 5) != 0 || s.p[6] != '.' ||
	    s.p[5] < '0' || s.p[5] > '9' || s.p[7] < '0' || s.p[7] > '9')
		return false;
	*major_r = s.p[5];
	*minor_r = s.p[7];
	return true;
}

static bool
is_visible(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return s.n > 0;
}

/* request-line = method SP request-target SP HTTP-version */
static enum http_status
request_line(struct http_request *r, struct span line, struct span path)
{
	struct span method, target, file;
	char major, minor;

	if (!take_until(&line, ' ', &method) ||
	    !take_until(&line, ' ', &target) || !is_token(method) ||
	    !is_visible(target) || !take_version(line, &major, &minor))
		return HTTP_BAD_REQUEST;
	if (major != '1')
		return HTTP_NO_VERSION;
	r->begun = true;
	r->needs_host = minor > '0';
	r->is_head = span_eq(method, SPAN("HEAD"));
	file = span_cut(&target, '?');
	if (!r->is_head && !span_eq(method, SPAN("GET")))
		r->status = HTTP_NO_METHOD;
	else
		r->status = span_eq(file, path) ? HTTP_OK : HTTP_NOT_FOUND;
	return HTTP_MORE;
}

/* field-line = field-name ":" OWS field-value OWS; nothing is continued. */
static enum http_status
field_line(struct http_request *r, struct span line)
{
	struct span name;

	if (++r->fields > HTTP_FIELDS_MAX)
		return HTTP_TOO_MANY;
	if (!take_until(&line, ':', &name) || !is_token(name))
		return HTTP_BAD_REQUEST;
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] == '\0' || line.p[i] == '\r')
			return HTTP_BAD_REQUEST;
	r->hosts += span_ieq(name, SPAN("Host"));
	return HTTP_MORE;
}

enum http_status
http_line(struct http_request *r, struct span line, struct span path)
{
	if (!r->begun)
		return request_line(r, line, path);
	if (line.n > 0)
		return field_line(r, line);
	/* RFC 9112, section 3.2: one Host, no more and no less. */
	if (r->hosts > 1 || (r->needs_host && r->hosts == 0))
		return HTTP_BAD_REQUEST;
	return r->status;
}

void
http_put_head(struct buf *out, enum http_status status, struct span type,
    size_t length)
{
	const char *text = "";

	for (size_t i = 0; i < COUNT_OF(statuses); i++)
		if (statuses[i].status == status)
			text = statuses[i].text;
	buf_putf(out, "HTTP/1.1 %d %s\r\n", (int)status, text);
	buf_put(out, SPAN("Content-Type: "));
	buf_put(out, type);
	buf_putf(out, "\r\nContent-Length: %zu\r\n", length);
	if (status == HTTP_NO_METHOD)
		buf_put(out, SPAN("Allow: GET, HEAD\r\n"));
	buf_put(out, SPAN("Connection: close\r\n\r\n"));
}
