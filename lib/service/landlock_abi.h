/*
 * landlock_abi.h - Landlock as kernels have it; private to lib/service.
 *
 * The header of the system is older than many kernels, which are probed when
 * we run. Names are those of linux/landlock.h, without its prefix.
 */
#ifndef SERVICE_LANDLOCK_ABI_H
#define SERVICE_LANDLOCK_ABI_H

#include <stdint.h>

enum {
	LL_FS_EXECUTE = 1 << 0,
	LL_FS_WRITE_FILE = 1 << 1,
	LL_FS_READ_FILE = 1 << 2,
	LL_FS_READ_DIR = 1 << 3,
	LL_FS_REMOVE_DIR = 1 << 4,
	LL_FS_REMOVE_FILE = 1 << 5,
	LL_FS_MAKE_CHAR = 1 << 6,
	LL_FS_MAKE_DIR = 1 << 7,
	LL_FS_MAKE_REG = 1 << 8,
	LL_FS_MAKE_SOCK = 1 << 9,
	LL_FS_MAKE_FIFO = 1 << 10,
	LL_FS_MAKE_BLOCK = 1 << 11,
	LL_FS_MAKE_SYM = 1 << 12,
	LL_FS_REFER = 1 << 13, /* ABI 2 */
	LL_FS_TRUNCATE = 1 << 14, /* ABI 3 */
	LL_FS_IOCTL_DEV = 1 << 15, /* ABI 5 */

	LL_NET_BIND_TCP = 1 << 0, /* ABI 4 */
	LL_NET_CONNECT_TCP = 1 << 1,

	LL_SCOPE_ABSTRACT = 1 << 0, /* ABI 6: Unix sockets without a path */
	LL_SCOPE_SIGNAL = 1 << 1, /* to processes that are not below us */

	LL_CREATE_VERSION = 1
	    << 0, /* landlock_create_ruleset(): asks the ABI */
	LL_RULE_PATH = 1,
	LL_RULE_PORT = 2,
};

struct ll_ruleset {
	uint64_t fs;
	uint64_t net; /* ABI 4 */
	uint64_t scoped; /* ABI 6 */
};

/* 12 bytes, as the kernel wants it, whatever follows. */
struct ll_path {
	uint64_t allowed;
	int32_t parent_fd;
	int32_t unused;
};

struct ll_port {
	uint64_t allowed;
	uint64_t port;
};

#endif
