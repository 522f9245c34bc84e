/*
 * match_text.h - decoded text in which words are looked for. Private to
 * imapd/mailbox.
 *
 * Text comes in pieces of any size and is held in a window that is as long as
 * the longest word and some more: a word is found wherever pieces end. Who is
 * called with the window looks, and forgets it.
 */
#ifndef IMAPD_MAILBOX_MATCH_TEXT_H
#define IMAPD_MAILBOX_MATCH_TEXT_H

#include "mail/codec.h"
#include "mail/mime.h"

/* Looks for words in text that is folded. */
typedef void match_look_fn(struct span text, void *arg);

struct match_text {
	match_look_fn *look;
	void *arg;
	size_t overlap; /* what a window has of the one before */

	/* Private from here on. */
	char *window;
	size_t window_n;
	size_t window_max;
	size_t folded;
	enum {
		MATCH_PLAIN,
		MATCH_BASE64,
		MATCH_QP,
	} encoding;
	struct base64 base64;
	struct qp qp;
	struct span charset; /* ->n 0: UTF-8, or nobody knows */
	struct buf decoded;
	char *utf8;
};

/* For words of at most `longest` bytes. */
void match_text_init(struct match_text *t, size_t longest, match_look_fn *look,
    void *arg);
void match_text_fini(struct match_text *t);

/* Begins anew: with text that is UTF-8 already, or the body of a part. Blocks. */
void match_text_begin(struct match_text *t);
void match_text_begin_body(struct match_text *t, const struct mime_part *part);

/* Takes text as it is, and a body as it lies in the message. Blocks. */
void match_text_put(struct match_text *t, struct span text);
void match_text_feed(struct match_text *t, struct span piece);

/* It is over: the rest is looked at. Blocks. */
void match_text_end(struct match_text *t);

#endif
