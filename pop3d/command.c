#include "pop3d/command.h"

static const struct {
	struct span word;
	enum pop3_verb verb;
} verbs[] = {
	{ SPAN_INIT("AUTH"), POP3_AUTH },
	{ SPAN_INIT("CAPA"), POP3_CAPA },
	{ SPAN_INIT("DELE"), POP3_DELE },
	{ SPAN_INIT("LIST"), POP3_LIST },
	{ SPAN_INIT("NOOP"), POP3_NOOP },
	{ SPAN_INIT("PASS"), POP3_PASS },
	{ SPAN_INIT("QUIT"), POP3_QUIT },
	{ SPAN_INIT("RETR"), POP3_RETR },
	{ SPAN_INIT("RSET"), POP3_RSET },
	{ SPAN_INIT("STAT"), POP3_STAT },
	{ SPAN_INIT("STLS"), POP3_STLS },
	{ SPAN_INIT("TOP"), POP3_TOP },
	{ SPAN_INIT("UIDL"), POP3_UIDL },
	{ SPAN_INIT("USER"), POP3_USER },
};

enum pop3_verb
pop3_command(struct span line, struct span *arg_r)
{
	struct span word = span_cut(&line, ' ');

	*arg_r = line;
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (span_ieq(word, verbs[i].word))
			return verbs[i].verb;
	return POP3_UNKNOWN;
}
