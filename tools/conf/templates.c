/* Texts of reports to senders: as they are written (-t), and as they read (-b). */
#include "tools/conf/postconf.h"

#include "mail/templates.h"

#include <stdio.h>
#include <stdlib.h>

static void
warn_of(const char *text, void *arg)
{
	(void)arg;
	warn("%s", text);
}

static const struct templates_to to = { warn_of, NULL };

static void
put_text(struct span text)
{
	fwrite(text.p, 1, text.n, stdout);
	puts("EOF");
}

static void
put_template(const struct template *t)
{
	printf("%s_template = <<EOF\n", t->name);
	printf("Charset: %s\nFrom: %s\nSubject: %s\n", t->charset, t->from,
	    t->subject);
	if (t->postmaster_subject)
		printf("Postmaster-Subject: %s\n", t->postmaster_subject);
	putchar('\n');
	put_text(t->text);
}

/* All are expanded before any is shown, so an error stands alone. */
static void
expand_all(struct templates *t, const struct conf *c, struct arena *a)
{
	struct why why;

	for (size_t i = 0; i < TEMPLATE_KINDS; i++)
		if (template_expand(&t->of[i], c, a, &to, &t->of[i].text,
			&why) < 0)
			fatal("%s", why.text);
}

/* The one that is named, or that of main.cf, or those that are built in. */
static const char *
file_of(const struct request *r, const struct conf *c, struct why *why)
{
	const char *file = r->n > 0 ? r->name[0]
				    : conf_get(c, "bounce_template_file", why);

	if (!file)
		fatal("%s", why->text);
	return file;
}

int
show_templates(const struct request *r)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(TEMPLATES_MEMORY_MAX);
	struct templates t;
	const char *file;
	struct conf *c;
	struct why why;

	if (r->n > 1)
		fatal("options -b and -t require at most one template file");
	c = conf_load(r->dir, r->override, r->override_n, &why);
	if (!c)
		fatal("%s", why.text);
	templates_init(&t);
	file = file_of(r, c, &why);
	if (*file && templates_load(&t, file, a, &to, &why) < 0)
		fatal("%s", why.text);
	if (r->has['b'])
		expand_all(&t, c, a);
	for (size_t i = 0; i < TEMPLATE_KINDS; i++) {
		if (i > 0)
			putchar('\n');
		if (r->has['t']) {
			put_template(&t.of[i]);
			continue;
		}
		printf("expanded_%s_text = <<EOF\n", t.of[i].name);
		put_text(t.of[i].text);
	}
	conf_free(c);
	return EXIT_SUCCESS;
}
