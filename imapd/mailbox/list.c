/*
 * LIST and LSUB, with children and uses of folders (RFC 3348, RFC 6154).
 */
#include "imapd/mailbox/pattern.h"
#include "imapd/mailbox/private.h"

enum {
	LIST_ARENA_MAX = 16 << 20, /* 20,000 names of the longest */
	LINES_A_TURN = 256,
};

_Static_assert((int)PATTERN_NAME_MAX == STORE_NAME_MAX, "names fit");

struct list_step {
	struct store_user *user;
	struct arena *arena;
	struct span pattern;
	bool lsub;
	enum store_result result;
	struct store_folder *folders;
	size_t n;
	struct span *names; /* of each, what is told; ->p NULL: nothing */
};

/*
 * With '%', LSUB tells of a level that is not subscribed, but something below it
 * is (RFC 3501, 6.3.9): the longest part of the name that fits.
 */
static struct span
fitting_parent(struct span pattern, struct span name)
{
	while (name.n > 0) {
		while (name.n > 0 && name.p[name.n - 1] != '.')
			name.n--;
		if (name.n == 0)
			break;
		name.n--;
		if (pattern_fits(pattern, name))
			return name;
	}
	return (struct span){ 0 };
}

static bool
is_told_of(const struct list_step *step, const struct store_folder *f)
{
	if (step->lsub)
		return f->attributes & STORE_SUBSCRIBED;
	return !(f->attributes & STORE_NONEXISTENT);
}

static bool
is_subscribed(const struct list_step *step, struct span name)
{
	for (size_t i = 0; i < step->n; i++)
		if ((step->folders[i].attributes & STORE_SUBSCRIBED) &&
		    span_eq(step->folders[i].name, name))
			return true;
	return false;
}

static struct span
name_to_tell(const struct list_step *step, const struct store_folder *f)
{
	if (!is_told_of(step, f))
		return (struct span){ 0 };
	if (pattern_fits(step->pattern, f->name))
		return f->name;
	if (!step->lsub || !memchr(step->pattern.p, '%', step->pattern.n))
		return (struct span){ 0 };

	struct span parent = fitting_parent(step->pattern, f->name);

	/* Then it is told for its own sake. */
	return parent.p && is_subscribed(step, parent) ? (struct span){ 0 }
						       : parent;
}

/* A level that is told because of one name is not told for the next again. */
static void
drop_twins(struct list_step *step)
{
	for (size_t i = 0, last = 0; i < step->n; i++) {
		if (!step->names[i].p)
			continue;
		if (i > last && step->names[last].p &&
		    span_eq(step->names[i], step->names[last]))
			step->names[i] = (struct span){ 0 };
		else
			last = i;
	}
}

static void
list_folders(void *arg)
{
	struct list_step *step = arg;

	step->result = store_list(step->user, step->arena, &step->folders,
	    &step->n);
	if (step->result != STORE_OK)
		return;
	step->names = arena_alloc(step->arena,
	    (step->n + 1) * sizeof(*step->names));
	if (!step->names) {
		step->result = STORE_TEMPFAIL;
		return;
	}
	for (size_t i = 0; i < step->n; i++)
		step->names[i] = name_to_tell(step, &step->folders[i]);
	drop_twins(step);
}

static void
put_attributes(struct imap *s, const struct store_folder *f, bool lsub,
    bool whole)
{
	imap_say(s, "(");
	if (lsub) {
		imap_say(s, whole ? "" : "\\Noselect");
	} else {
		if (f->attributes & STORE_NOSELECT)
			imap_say(s, "\\Noselect ");
		imap_say(s,
		    (f->attributes & STORE_CHILDREN) ? "\\HasChildren"
						     : "\\HasNoChildren");
		if (f->special.n > 0) {
			imap_say(s, " ");
			out_put(&s->out, f->special);
		}
	}
	imap_say(s, ") \".\" ");
}

static void
tell_folders(struct imap *s, const struct list_step *step)
{
	unsigned told = 0;

	for (size_t i = 0; i < step->n; i++) {
		const struct store_folder *f = &step->folders[i];
		struct span name = step->names[i];

		if (!name.p)
			continue;
		imap_say(s, step->lsub ? "* LSUB " : "* LIST ");
		put_attributes(s, f, step->lsub, name.n == f->name.n);
		out_astring(&s->out, name);
		imap_say(s, "\r\n");
		if (++told % LINES_A_TURN == 0 && !imap_breathe(s))
			return;
	}
}

/* The reference is what stands before the pattern. */
static bool
join_pattern(struct imap *s, const struct imap_command *c, struct span *all_r)
{
	size_t n = c->mailbox.n + c->to.n;
	char *all = n <= PATTERN_MAX ? arena_alloc(s->arena, n + 1) : NULL;

	if (!all)
		return false;
	if (c->mailbox.n)
		memcpy(all, c->mailbox.p, c->mailbox.n);
	if (c->to.n)
		memcpy(all + c->mailbox.n, c->to.p, c->to.n);
	*all_r = (struct span){ all, n };
	return true;
}

static enum imap_done
list_all(struct imap *s, const struct imap_command *c, const char **text_r)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(LIST_ARENA_MAX);
	struct list_step step = { .user = s->user,
		.arena = arena,
		.lsub = c->verb == IMAP_LSUB };

	/* A pattern that is longer than any name means none. */
	if (!join_pattern(s, c, &step.pattern))
		return IMAP_DONE_OK;
	task_offload(TASK_DISK, list_folders, &step);
	if (step.result != STORE_OK)
		return imap_refused(step.result, text_r);
	tell_folders(s, &step);
	return IMAP_DONE_OK;
}

enum imap_done
imap_list(struct imap *s, const struct imap_command *c, const char **text_r)
{
	bool lsub = c->verb == IMAP_LSUB;

	*text_r = lsub ? "Lsub completed." : "List completed.";
	/* RFC 3501, 6.3.8: only the separator is asked for. */
	if (c->to.n == 0 && !lsub) {
		imap_say(s, "* LIST (\\Noselect) \".\" \"\"\r\n");
		return IMAP_DONE_OK;
	}
	return list_all(s, c, text_r);
}
