#include "dict/rows.h"

#include "base/scan.h"
/* How long the key in front is. */
static size_t
key_len(struct span in, bool *quoted_r)
{
	bool quoted = false;
	size_t n = 0;

	for (; n < in.n && (quoted || !is_white(in.p[n])); n++)
		if (in.p[n] == '"')
			quoted = !quoted;
		else if (in.p[n] == '\\' && n + 1 < in.n)
			n++;
	*quoted_r = quoted;
	return n;
}

enum row_result
row_parse(struct span line, struct span *key_r, struct span *value_r)
{
	bool quoted;

	skip_white(&line);
	*key_r = (struct span){ line.p, key_len(line, &quoted) };
	line.p += key_r->n;
	line.n -= key_r->n;
	skip_white(&line);
	while (line.n > 0 && is_white(line.p[line.n - 1]))
		line.n--;
	*value_r = line;
	if (quoted)
		return ROW_UNBALANCED;
	return key_r->n > 0 && line.n > 0 ? ROW_TAKEN : ROW_NO_VALUE;
}

bool
row_is_alias(struct span key)
{
	return key.n > 0 && key.p[key.n - 1] == ':';
}
