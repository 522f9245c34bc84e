#include "pop3d/stuff.h"

void
stuff_all(struct stuff *s)
{
	*s = (struct stuff){ 0 };
}

void
stuff_top(struct stuff *s, uint64_t lines)
{
	*s = (struct stuff){ .is_top = true, .lines = lines };
}

static void
end_line(struct stuff *s, struct buf *out)
{
	bool is_empty = s->column == (s->cr ? 1 : 0);

	buf_put(out, s->cr ? SPAN("\n") : SPAN("\r\n"));
	s->column = 0;
	s->cr = false;
	if (!s->is_top)
		return;
	if (s->in_body)
		s->lines--;
	else
		s->in_body = is_empty;
	s->ended = s->in_body && s->lines == 0;
}

/* The bytes of *in that stay as they are: no LF, and no dot that counts. */
static struct span
plain_run(const struct stuff *s, struct span in, size_t room)
{
	size_t max = in.n < room ? in.n : room;
	const char *lf;

	if (s->column == 0 && in.p[0] == '.')
		max = 1;
	lf = memchr(in.p, '\n', max);
	return (struct span){ in.p, lf ? (size_t)(lf - in.p) : max };
}

static void
put_run(struct stuff *s, struct span run, struct buf *out)
{
	if (s->column == 0 && run.p[0] == '.')
		buf_put(out, SPAN("."));
	buf_put(out, run);
	s->column += run.n;
	s->cr = run.p[run.n - 1] == '\r';
}

void
stuff_put(struct stuff *s, struct span *in, struct buf *out)
{
	while (in->n > 0 && !s->ended && buf_room(out) >= STUFF_ROOM) {
		struct span run = plain_run(s, *in,
		    buf_room(out) - STUFF_ROOM + 1);

		if (run.n > 0) {
			put_run(s, run, out);
			in->p += run.n;
			in->n -= run.n;
		} else {
			end_line(s, out);
			in->p++;
			in->n--;
		}
	}
	if (s->ended)
		in->n = 0;
}

void
stuff_end(struct stuff *s, struct buf *out)
{
	if (s->column > 0)
		buf_put(out, SPAN("\r\n"));
	buf_put(out, SPAN(".\r\n"));
	s->column = 0;
	s->ended = true;
}
