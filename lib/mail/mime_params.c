#include "mail/mime_params.h"

#include "base/buf.h"
#include "base/scan.h"

#include <stdlib.h>

/* A piece of a parameter, as it was written. */
struct piece {
	struct span name; /* without its end */
	struct span value;
	uint64_t number;
	bool numbered;
	bool encoded;
	bool done;
};

struct pieces {
	struct piece list[MIME_PARAMS_MAX];
	size_t n;
};

static void
drop(struct span *in, size_t n)
{
	in->p += n;
	in->n -= n;
}

static void
skip_comment(struct span *in)
{
	size_t open = 0;

	while (in->n > 0) {
		char c = *in->p;

		drop(in, c == '\\' && in->n > 1 ? 2 : 1);
		if (c == '(')
			open++;
		if (c == ')' && --open == 0)
			return;
	}
}

void
mime_skip_cfws(struct span *in)
{
	while (in->n > 0) {
		char c = *in->p;

		if (c == '(')
			skip_comment(in);
		else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			drop(in, 1);
		else
			return;
	}
}

static bool
is_token(char c)
{
	return c > ' ' && c < 0x7f && !memchr("()<>@,;:\\\"/[]?=", c, 15);
}

bool
mime_take_token(struct span *in, struct span *token_r)
{
	struct span rest = *in;
	size_t n = 0;

	mime_skip_cfws(&rest);
	while (n < rest.n && is_token(rest.p[n]))
		n++;
	if (n == 0)
		return false;
	*token_r = (struct span){ rest.p, n };
	drop(&rest, n);
	*in = rest;
	return true;
}

/* quoted-string; its end may be missing. False: no room. */
static bool
take_quoted(struct span *in, struct arena *arena, struct span *value_r)
{
	size_t n = 1, out_n = 0;
	char *out;

	while (n < in->n && in->p[n] != '"')
		n += in->p[n] == '\\' && n + 1 < in->n ? 2 : 1;
	if (n > in->n)
		n = in->n;
	out = arena_alloc(arena, n);
	if (!out)
		return false;
	for (size_t i = 1; i < n; i++) {
		if (in->p[i] == '\\' && i + 1 < n)
			i++;
		out[out_n++] = in->p[i];
	}
	drop(in, n < in->n ? n + 1 : n);
	*value_r = (struct span){ out, out_n };
	return true;
}

/* A token, or all to a blank, comment or semicolon: mail has more in them. */
static bool
take_value(struct span *in, struct arena *arena, struct span *value_r)
{
	size_t n = 0;

	mime_skip_cfws(in);
	if (in->n > 0 && *in->p == '"')
		return take_quoted(in, arena, value_r);
	while (n < in->n && !memchr(" \t\r\n;(", in->p[n], 6))
		n++;
	if (n == 0)
		return false;
	*value_r = (struct span){ in->p, n };
	drop(in, n);
	return true;
}

/* name*7* : RFC 2231, section 7. */
static void
read_name(struct span name, struct piece *piece)
{
	size_t at = name.n;
	struct span digits;

	if (name.n > 1 && name.p[name.n - 1] == '*') {
		piece->encoded = true;
		name.n--;
	}
	at = name.n;
	while (at > 0 && name.p[at - 1] >= '0' && name.p[at - 1] <= '9')
		at--;
	digits = (struct span){ name.p + at, name.n - at };
	if (at > 1 && name.p[at - 1] == '*' &&
	    take_number(&digits, MIME_PARAMS_MAX, &piece->number)) {
		piece->numbered = true;
		name.n = at - 1;
	}
	piece->name = name;
}

static void
skip_to_semicolon(struct span *in)
{
	while (in->n > 0 && *in->p != ';')
		if (*in->p == '(') {
			skip_comment(in);
		} else if (*in->p == '"') {
			drop(in, 1);
			while (in->n > 0 && *in->p != '"')
				drop(in, *in->p == '\\' && in->n > 1 ? 2 : 1);
			drop(in, in->n > 0 ? 1 : 0);
		} else {
			drop(in, 1);
		}
	drop(in, in->n > 0 ? 1 : 0);
}

static void
take_piece(struct span *in, struct arena *arena, struct pieces *p)
{
	struct span name;
	struct piece piece = { .number = 0 };

	if (!mime_take_token(in, &name))
		return;
	mime_skip_cfws(in);
	if (!take_char(in, '='))
		return;
	read_name(name, &piece);
	if (take_value(in, arena, &piece.value))
		p->list[p->n++] = piece;
}

/* The piece that goes on with a parameter, or NULL. */
static struct piece *
find_piece(struct pieces *p, struct span name, uint64_t number)
{
	for (size_t i = 0; i < p->n; i++) {
		struct piece *at = &p->list[i];

		if (at->numbered && !at->done && at->number == number &&
		    span_ieq(at->name, name))
			return at;
	}
	return NULL;
}

static void
put_encoded(struct buf *out, struct span plain)
{
	for (size_t i = 0; i < plain.n; i++) {
		char c = plain.p[i];

		if (is_token(c) && c != '*' && c != '\'' && c != '%')
			buf_put(out, (struct span){ &c, 1 });
		else
			buf_putf(out, "%%%02X", (unsigned char)c);
	}
}

static struct mime_param *
join(struct pieces *p, struct piece *first, struct arena *arena)
{
	size_t room = first->name.n + 8;
	bool encoded = false;
	struct piece *at;
	struct mime_param *param = ARENA_NEW(arena, struct mime_param);
	struct buf out;
	char *storage;

	for (uint64_t n = 0; (at = find_piece(p, first->name, n)); n++) {
		room += 3 * at->value.n + 1;
		encoded |= at->encoded;
	}
	storage = arena_alloc(arena, room);
	if (!param || !storage)
		return NULL;
	buf_init(&out, storage, room);
	buf_put(&out, first->name);
	if (encoded)
		buf_put(&out, SPAN("*"));
	param->name = (struct span){ storage, out.n };
	/* Without a charset of its own the text has none: ''. */
	for (uint64_t n = 0; (at = find_piece(p, first->name, n)); n++) {
		if (encoded && n == 0 && !at->encoded)
			buf_put(&out, SPAN("''"));
		if (encoded && !at->encoded)
			put_encoded(&out, at->value);
		else
			buf_put(&out, at->value);
		at->done = true;
	}
	param->value = (struct span){ storage + param->name.n,
		out.n - param->name.n };
	return param;
}

/* A parameter that stands alone; a continuation without its start too. */
static struct mime_param *
plain(const struct piece *piece, struct arena *arena)
{
	struct mime_param *param = ARENA_NEW(arena, struct mime_param);
	char *name = arena_alloc(arena, piece->name.n + 8);
	struct buf out;

	if (!param || !name)
		return NULL;
	buf_init(&out, name, piece->name.n + 8);
	buf_put(&out, piece->name);
	if (piece->numbered)
		buf_putf(&out, "*%u", (unsigned)piece->number);
	if (piece->encoded)
		buf_put(&out, SPAN("*"));
	param->name = buf_span(&out);
	param->value = piece->value;
	return param;
}

static void
free_pieces(struct pieces **p)
{
	free(*p);
}

struct mime_param *
mime_params(struct span in, struct arena *arena)
{
	struct pieces *p CLEANUP(free_pieces) = zalloc(sizeof(*p));
	struct mime_param *first = NULL, **last = &first;

	skip_to_semicolon(&in);
	while (in.n > 0 && p->n < MIME_PARAMS_MAX) {
		take_piece(&in, arena, p);
		skip_to_semicolon(&in);
	}
	for (size_t i = 0; i < p->n; i++) {
		struct piece *at = &p->list[i];

		if (at->done)
			continue;
		if (at->numbered && find_piece(p, at->name, 0))
			*last = join(p, at, arena);
		else
			*last = plain(at, arena);
		at->done = true;
		if (!*last)
			break;
		last = &(*last)->next;
	}
	return first;
}

struct span
mime_param_find(const struct mime_param *list, struct span name)
{
	for (; list; list = list->next)
		if (span_ieq(list->name, name))
			return list->value;
	return (struct span){ 0 };
}

struct mime_param *
mime_list(struct span in, struct arena *arena)
{
	struct mime_param *first = NULL, **last = &first;

	for (size_t n = 0; n < MIME_PARAMS_MAX; n++) {
		struct span value = { 0 };
		bool any = false;

		mime_skip_cfws(&in);
		if (in.n > 0 && *in.p == '"')
			any = take_quoted(&in, arena, &value);
		else
			any = mime_take_token(&in, &value);
		mime_skip_cfws(&in);
		if (any) {
			*last = ARENA_NEW(arena, struct mime_param);
			if (!*last)
				break;
			(*last)->value = value;
			last = &(*last)->next;
		}
		if (!take_char(&in, ','))
			break;
	}
	return first;
}
