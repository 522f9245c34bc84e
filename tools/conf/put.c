/* How a value is shown. */
#include "tools/conf/postconf.h"

#include "base/scan.h"
#include "tools/json_out.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	INDENT = 4,
	SERVICE_NAME_SIZE = 1024,
};

void
json_pair(bool first, const char *name, const char *value)
{
	printf(first ? "{" : ", ");
	json_out(span_str(name));
	printf(": ");
	json_out(span_str(value));
}

/* Words with a blank between them; folded, in lines of at most 80. */
static void
put_words(struct span text, size_t at, bool folded)
{
	bool first = true;

	for (;;) {
		size_t n = 0;

		skip_white(&text);
		while (n < text.n && !is_white(text.p[n]))
			n++;
		if (n == 0)
			return;
		if (first) {
			at += n;
		} else if (!folded || at + n + 1 <= ENTRY_LINE_WIDTH) {
			putchar(' ');
			at += n + 1;
		} else {
			printf("\n%*s", INDENT, "");
			at = INDENT + n;
		}
		first = false;
		fwrite(text.p, 1, n, stdout);
		text.p += n;
		text.n -= n;
	}
}

void
put_value(const struct request *r, const char *name, const char *value)
{
	size_t at = 0;

	if (r->has['j']) {
		json_pair(true, "name", name);
		json_pair(false, "value", value);
		puts("}");
		return;
	}
	if (!r->has['h'])
		at = (size_t)printf(r->has['H'] ? "%s"
			: *value                ? "%s = "
						: "%s =",
		    name);
	if (!r->has['H'])
		put_words(span_str(value), at, r->has['f']);
	putchar('\n');
}

/* Expanded where its -o hold, which come before what -o of ours says. */
static const char *
expand_in_service(const struct request *r, const struct entry_text *e,
    const char *value, struct arena *a, struct why *why)
{
	const char **override = zalloc(
	    (r->override_n + e->n + 2) * sizeof(*override));
	size_t n = r->override_n, at = 0, place;
	char name[SERVICE_NAME_SIZE];
	const char *text = NULL;
	struct conf *c;

	memcpy(override, r->override, n * sizeof(*override));
	while (entry_next_param(e, &at, &place))
		override[n++] = e->arg[place];
	snprintf(name, sizeof(name), "service_name=%s", e->field[0]);
	override[n++] = name;
	c = conf_load(r->dir, override, n, why);
	if (c)
		text = conf_expand(c, span_str(value), a, why);
	conf_free(c);
	free(override);
	return text;
}

const char *
expand_value(const struct request *r, const struct files *f,
    const struct entry_text *e, const char *value, struct arena *a)
{
	const char *text;
	struct why why;

	if (!r->has['x'] || !strchr(value, '$'))
		return value;
	text = e ? expand_in_service(r, e, value, a, &why)
		 : conf_expand(f->conf, span_str(value), a, &why);
	if (!text)
		fatal("%s", why.text);
	return text;
}
