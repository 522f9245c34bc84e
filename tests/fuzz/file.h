/*
 * file.h - a file with the bytes of a fuzzer in it, and a name to open it by.
 */
#ifndef FUZZ_FILE_H
#define FUZZ_FILE_H

#include "base/defs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static inline void
fuzz_write(int fd, const uint8_t *data, size_t n)
{
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, n, 0) < 0)
		abort();
}

#endif
