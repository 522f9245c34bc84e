/*
 * charset.h - text of any charset as UTF-8, by the C library's iconv.
 *
 * A conversion may load a module of the C library, which a sandbox without files
 * does not allow: charset_warm_up() loads those that mail has most. Unknown
 * charsets and modules that are not there are told, not guessed.
 */
#ifndef MAIL_CHARSET_H
#define MAIL_CHARSET_H

#include "base/buf.h"

/* Loads the usual charsets: before the sandbox. Blocks. */
void charset_warm_up(void);

/* Whether text of that charset can be read. May load a module. Blocks. */
bool charset_is_known(struct span charset);

/*
 * Appends `text` as UTF-8. What cannot be converted becomes U+FFFD, and a NUL
 * goes. False: the charset is not known, and nothing was appended. What does not
 * fit is left out, with out->overflow. Blocks.
 */
MUST_USE bool charset_to_utf8(struct span charset, struct span text,
    struct buf *out);

#endif
