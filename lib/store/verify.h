/*
 * verify.h - whether a file of LMDB is sound, before LMDB sees it. Private to
 * index.
 *
 * LMDB believes what it maps: a page number or a length that is wrong makes it
 * read, or write, where nothing is, and then the process dies with the sessions
 * of all users whose mail it reads. So the whole file is walked here with bounds
 * (mdb.c of LMDB 0.9 is the description of its format): every page that can be
 * reached is reached once, is inside the file, has nodes inside itself in the
 * order of their keys; pages said to be free are none of these; and the numbers
 * that LMDB keeps of all this are right. On a sound file LMDB cannot go astray;
 * whether the values mean anything is for their readers to check.
 */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include "base/defs.h"

/*
 * Reads the file of `fd` by pread() and says whether it is sound; if not, *why_r is
 * a text. Nobody may write it meanwhile: the caller has begun a transaction that
 * writes. Blocks.
 */
MUST_USE bool verify_lmdb(int fd, const char **why_r);

#endif
