/*
 * utf8.h - whether a key is UTF-8; private to lib/dict. Pure.
 *
 * What is not is in no database whose text is UTF-8: it is not asked for, so that
 * a stranger's bytes cannot make a server fail.
 */
#ifndef DICT_SERVER_UTF8_H
#define DICT_SERVER_UTF8_H

#include "base/defs.h"
#include "base/span.h"

/* RFC 3629: neither surrogates, nor what is longer than need be. */
MUST_USE bool utf8_is_valid(struct span s);

#endif
