/* A file of templates: whatever it says, there is one of each kind to use. */
#include "mail/templates.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
ignore(const char *text, void *arg)
{
	(void)arg;
	must(*text);
}

static const struct templates_to to = { ignore, NULL };

static void
look(const struct template *t, const struct conf *c, struct arena *a)
{
	struct span text;
	struct why why;

	must(t->text.n > 0 && t->text.p[t->text.n - 1] == '\n');
	must(*t->charset && *t->from && *t->subject);
	must(!strchr(t->from, '\n') && !strchr(t->subject, '\n'));
	must(template_expand(t, c, a, &to, &text, &why) == 0 || t->file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a CLEANUP(arena_freep) = arena_new((size_t)16 << 20);
	struct conf *c = conf_new("/nowhere");
	struct templates t;
	struct why why;

	templates_init(&t);
	if (templates_parse(&t, (struct span){ (const char *)data, n }, "file",
		a, &to, &why) < 0)
		must(*why.text);
	for (size_t i = 0; i < TEMPLATE_KINDS; i++)
		look(&t.of[i], c, a);
	conf_free(c);
	return 0;
}
