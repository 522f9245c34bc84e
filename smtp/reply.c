#include "base/scan.h"
#include "smtp/private.h"

#include <stdio.h>

/* The reply as it is told: printable, and not too long. */
struct span
reply_text(const struct smtp_session *s)
{
	struct span t = buf_span(&s->reply);

	if (t.n > SMTP_TEXT_MAX / 2)
		t.n = SMTP_TEXT_MAX / 2;
	return t;
}

/* "5.1.1" of "550 5.1.1 no": RFC 3463, if it is of the class of the code. */
void
reply_dsn(const struct smtp_session *s, char class, char dsn_r[SMTP_DSN_MAX])
{
	struct span rest = buf_span(&s->reply), word;
	uint64_t a, b, c;

	snprintf(dsn_r, SMTP_DSN_MAX, "%c.0.0", class);
	if (rest.n < 4)
		return;
	rest.p += 4;
	rest.n -= 4;
	if (!take_word(&rest, &word))
		return;
	if (take_number(&word, 5, &a) && take_char(&word, '.') &&
	    take_number(&word, 999, &b) && take_char(&word, '.') &&
	    take_number(&word, 999, &c) && word.n == 0 && a == s->code / 100)
		snprintf(dsn_r, SMTP_DSN_MAX, "%c.%u.%u", class, (unsigned)b,
		    (unsigned)c);
}

/* For good is only what begins with a 5. */
enum smtp_fate
reply_fate(const struct smtp_session *s)
{
	return s->code / 100 == 5 ? SMTP_BOUNCED : SMTP_SOFT;
}

/* Keeps what there is room for; only what can be shown. */
void
reply_keep(struct smtp_session *s, struct span line)
{
	if (s->reply.n > 0 && buf_room(&s->reply) > 0)
		buf_put(&s->reply, SPAN(" "));
	if (line.n > buf_room(&s->reply))
		line.n = buf_room(&s->reply);
	size_t at = s->reply.n;
	buf_put(&s->reply, line);
	for (size_t i = at; i < s->reply.n; i++)
		if ((unsigned char)s->reply.p[i] < ' ' || s->reply.p[i] == 127)
			s->reply.p[i] = '?';
}

/* RFC 5321, section 4.2.1: "250-text", at last "250 text" or "250". */
bool
reply_code(struct span line, unsigned *code_r, bool *last_r)
{
	unsigned code = 0;

	if (line.n < 3 || (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return false;
		code = 10 * code + (unsigned)(line.p[i] - '0');
	}
	*code_r = code;
	*last_r = line.n == 3 || line.p[3] == ' ';
	return code >= 200 && code <= 599;
}
