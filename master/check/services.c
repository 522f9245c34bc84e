/* master.cf: each line, what its -o are, and what would run. */
#include "master/check/check.h"

#include "conf/lines.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	LINE_MEMORY_MAX = 16 << 20,
	PATH_SIZE = 1536,
};

static void
note(const char *text, void *arg)
{
	check_say(arg, CHECK_NOTE, "%s", text);
}

/* Each line that is none is told of, not the first alone. False: there was one. */
static bool
check_lines(struct checkup *k)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(LINE_MEMORY_MAX);
	char path[PATH_SIZE], *text = NULL;
	unsigned number, before = k->errors;
	struct service_line s;
	struct lines lines;
	struct span line;
	struct why why;

	snprintf(path, sizeof(path), "%s/master.cf", conf_dir(k->conf));
	if (lines_read(path, &lines, &text, &why) < 0)
		check_say(k, CHECK_ERROR, "%s", why.text);
	while (text && lines_next(&lines, &line, &number)) {
		arena_reset(a);
		if (line.p[0] != ' ' && line.p[0] != '\t' &&
		    service_line_parse(line, number, a, &s, &why) < 0)
			check_say(k, CHECK_ERROR, "%s", why.text);
	}
	free(text);
	return k->errors == before;
}

/* In Postfix's master the last of several counts, without a word. */
static void
check_twice(struct checkup *k, size_t i)
{
	const struct entry_text *e = &k->entries.at[i];

	for (size_t j = i + 1; j < k->entries.n; j++)
		if (entry_is(&k->entries.at[j], span_str(e->field[0]),
			span_str(e->field[1]))) {
			check_say(k, CHECK_WARNING,
			    "master.cf:%u: service %s/%s: has no effect, as "
			    "line %u is one of the same name and type",
			    e->line, e->field[0], e->field[1],
			    k->entries.at[j].line);
			return;
		}
}

/* A value that is wrong for one service alone; daemons would say it one by one. */
static void
check_overrides(struct checkup *k, const struct entry_text *e)
{
	struct conf *c = check_entry_conf(k, e);
	size_t at = 0, place;
	struct why why;

	while (c && entry_next_param(e, &at, &place)) {
		struct span rest = span_str(e->arg[place]);
		struct span name = span_cut(&rest, '=');
		char word[256];

		snprintf(word, sizeof(word), "%.*s", (int)name.n, name.p);
		if (conf_check_name(c, word, &why) < 0)
			check_say(k, CHECK_ERROR,
			    "master.cf:%u: service %s: %s", e->line,
			    e->field[0], why.text);
	}
	conf_free(c);
}

/* The column is Postfix's; what confines a daemon here is its own. */
static void
check_chroot(struct checkup *k)
{
	for (size_t i = 0; i < k->plan->n; i++) {
		const struct plan_service *s = &k->plan->services[i];

		for (size_t j = 0; j < k->entries.n; j++) {
			const struct entry_text *e = &k->entries.at[j];

			if (e->line != s->line ||
			    s->command->kind != COMMAND_WORKERS ||
			    strcmp(e->field[4], "n") != 0)
				continue;
			check_say(k, CHECK_NOTE,
			    "master.cf:%u: service %s: chroot = n: network "
			    "daemons are confined whatever this column says",
			    e->line, s->name);
			return; /* once is enough */
		}
	}
}

void
check_services(struct checkup *k)
{
	bool is_sound = check_lines(k);
	struct why why;

	for (size_t i = 0; i < k->entries.n; i++) {
		check_twice(k, i);
		check_overrides(k, &k->entries.at[i]);
	}
	if (!is_sound || k->errors > 0)
		return; /* the plan would be refused for what was told */
	k->plan = plan_load(conf_dir(k->conf), note, k, &why);
	if (!k->plan)
		check_say(k, CHECK_ERROR, "%s", why.text);
	else
		check_chroot(k);
}
