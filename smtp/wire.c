#include "smtp/wire.h"

static void
end_line(struct wire *w, struct buf *out)
{
	buf_put(out, SPAN("\r\n"));
	w->in_line = 0;
	w->inside = false;
}

/* Bytes at the front that go as they are: to the end of the line or of room. */
static size_t
count_plain(const struct wire *w, struct span in, size_t room)
{
	size_t n = in.n < room ? in.n : room, i = 0;

	if (w->line_max && n > w->line_max - w->in_line)
		n = w->line_max - w->in_line;
	while (i < n && in.p[i] != '\n' && in.p[i] != '\r')
		i++;
	return i;
}

static void
drop(struct span *in, size_t n)
{
	in->p += n;
	in->n -= n;
}

void
wire_put(struct wire *w, struct span *in, struct buf *out)
{
	while (in->n > 0 && buf_room(out) >= WIRE_ROOM) {
		size_t n;

		if (*in->p == '\n') {
			end_line(w, out);
			drop(in, 1);
			continue;
		}
		if (w->line_max && w->in_line >= w->line_max) {
			end_line(w, out);
			buf_put(out, SPAN(" "));
			w->in_line = 1;
			w->inside = true;
		}
		if (!w->inside && *in->p == '.')
			buf_put(out, SPAN("."));
		w->inside = true;
		if (*in->p == '\r') {
			buf_put(out, SPAN(" "));
			w->in_line++;
			drop(in, 1);
			continue;
		}
		n = count_plain(w, *in, buf_room(out));
		buf_put(out, (struct span){ in->p, n });
		w->in_line += n;
		drop(in, n);
	}
}

void
wire_end(struct wire *w, struct buf *out)
{
	if (w->inside)
		end_line(w, out);
	buf_put(out, SPAN(".\r\n"));
}
