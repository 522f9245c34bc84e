/*
 * submit.h - what the files of sendmail share: options, standard input, and the
 * way to postdrop. One message at a time; whatever goes wrong ends the program.
 */
#ifndef TOOLS_SUBMIT_SUBMIT_H
#define TOOLS_SUBMIT_SUBMIT_H

#include "queue/drop.h"

struct options {
	char mode; /* 'm', or what else -b says; 'q' flushes */
	bool from_head; /* -t */
	bool dots; /* -i: a dot alone ends nothing */
	const char *sender; /* NULL: the caller */
	const char *person; /* -F */
	const char *dir; /* -C */
	const char *envid;
	const char *id; /* -qI */
	const char *site; /* -qR */
	const char *aliases; /* -oA */
	unsigned trace; /* 1: -v; 2: -bv */
	unsigned notify;
	unsigned ret;
};

/* sendmail.c */
extern struct options options;
extern const char *program;

/* Says what is wrong, with a detail behind it, and ends with the status. */
_Noreturn void submit_fail(int status, const char *text, const char *detail);

/*
 * input.c: takes a piece of standard input, a line or a part of one that is very
 * long, without its end; *lf_r: LF is to stand behind it. False: it is over, or
 * there was a dot alone, where that ends it.
 */
MUST_USE bool input_take(struct span *piece_r, bool *lf_r);

/* Takes the line that is a dot alone. False: that is not what comes next. */
MUST_USE bool input_take_dot(void);

/* drop.c: adds a record of the envelope, and how many are recipients. */
void drop_add(enum drop_type type, struct span text);
size_t drop_rcpts(void);

/* Forgets them. */
void drop_reset(void);

/* Starts postdrop, and sends it what was added. */
void drop_start(void);

/* Content of the message; its end: returns postdrop's exit status. */
void drop_content(struct span s);
MUST_USE int drop_finish(void);

/* Gives it up: what postdrop has is no mail. */
void drop_cancel(void);

/* Becomes another command of the suite. */
_Noreturn void submit_become(const char *name, const char *const *args);

/* message.c: mode m. */
MUST_USE int message_submit(char **rcpts);

/* talk.c: mode s, SMTP on standard input and output. */
MUST_USE int talk_serve(void);

#endif
