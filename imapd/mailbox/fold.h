/*
 * fold.h - letters of UTF-8 in one case, for who looks for words.
 *
 * Latin, Greek, Cyrillic, Armenian and wide letters become small, in place: only
 * what has as many bytes in either case, so not the dotted I and the like. It is
 * the simple folding of Unicode; accents stay where they are, and what is written
 * with combining ones is not what is written with one character. Plain.
 */
#ifndef IMAPD_MAILBOX_FOLD_H
#define IMAPD_MAILBOX_FOLD_H

#include "base/defs.h"

/*
 * Returns how many bytes were folded: all, but for a character that is not whole
 * yet at the end. What is no UTF-8 stays as it is.
 */
size_t fold(char *text, size_t n);

#endif
