/*
 * templates.h - what reports to senders say to people: bounce_template_file.
 *
 * A file has any of four templates (bounce(5)), each a head and a text:
 *
 *	failure_template = <<EOF
 *	Charset: us-ascii
 *	Subject: Undelivered Mail Returned to Sender
 *
 *	This is the mail system on $myhostname.
 *	EOF
 *
 * A template that is no good is told of and left out, and the built-in one holds:
 * a report is sent in any case.
 */
#ifndef MAIL_TEMPLATES_H
#define MAIL_TEMPLATES_H

#include "conf/conf.h"

enum template_kind {
	TEMPLATE_FAILURE,
	TEMPLATE_DELAY,
	TEMPLATE_SUCCESS,
	TEMPLATE_VERIFY, /* what was asked for, of a delivery or instead of one */
	TEMPLATE_KINDS,
};

enum {
	TEMPLATES_MEMORY_MAX = 64 << 20, /* an arena for all of a file's */
};

struct template
{
	const char *name; /* "failure" */
	const char *charset;
	const char *from;
	const char *subject;
	const char *postmaster_subject; /* NULL: the postmaster gets none */
	struct span text; /* whole lines; with $names, until it is expanded */
	const char *file; /* it is from; NULL: built in */
};

struct templates {
	struct template of[TEMPLATE_KINDS];
};

/* Is told, as a line, of what is not as it should be. */
typedef void templates_remark_fn(const char *text, void *arg);

struct templates_to {
	templates_remark_fn *remark;
	void *arg;
};

/* The built-in ones. */
void templates_init(struct templates *t);

/*
 * Puts those of a file's text in their place; what is kept is copied to `a`.
 * Returns 0, or -EINVAL with `why`: the text is none of templates. Plain.
 */
MUST_USE int templates_parse(struct templates *t, struct span text,
    const char *file, struct arena *a, const struct templates_to *to,
    struct why *why);

/* The same of a file. Returns 0 or -errno with `why`. Blocks. */
MUST_USE int templates_load(struct templates *t, const char *file,
    struct arena *a, const struct templates_to *to, struct why *why);

/*
 * The text with the values of main.cf, and of $delay_warning_time_UNIT and
 * $maximal_queue_lifetime_UNIT, where UNIT is seconds, minutes, hours, days or
 * weeks. Returns 0, or -EINVAL with `why`. Plain.
 */
MUST_USE int template_expand(const struct template *t, const struct conf *c,
    struct arena *a, const struct templates_to *to, struct span *text_r,
    struct why *why);

/*
 * What a service uses: those of bounce_template_file, expanded. What is wrong
 * with them goes to `to`. Returns 0, or -EINVAL with `why`: main.cf is so wrong
 * that not even the built-in ones can be expanded. Blocks.
 */
MUST_USE int templates_open(struct templates *t, const struct conf *c,
    struct arena *a, const struct templates_to *to, struct why *why);

#endif
